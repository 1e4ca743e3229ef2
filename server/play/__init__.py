"""Drives a run through the ports it declares: models to ask, a store to keep."""
