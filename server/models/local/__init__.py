"""Small real models on this machine: fetched as data, verified, served without a key."""
