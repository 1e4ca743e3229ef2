"""Why an image cannot be built."""

from sandbox.runner import SandboxError


class ImageError(SandboxError):
    """The image cannot be built; the message names cause and cure."""


class NoRegistryError(ImageError):
    """No registry gives the base image."""
