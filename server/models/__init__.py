"""Chat models over the network, and the small ones that this machine serves."""
