"""The image of the sandbox's containers: what is in it, and how it is built."""

from sandbox.images.context import IMAGE, LABEL, expected_label, image_named, own_image

__all__ = ["IMAGE", "LABEL", "expected_label", "image_named", "own_image"]
