"""The wire: one file a service; generated messages stop at `convert`."""
