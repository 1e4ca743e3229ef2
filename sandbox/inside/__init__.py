"""What runs in the container, with nothing but the standard library."""
