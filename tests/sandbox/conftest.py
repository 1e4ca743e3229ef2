"""The daemon and the image that tests of real containers need."""

import sys

import pytest

from sandbox.images import IMAGE
from sandbox.images.build import BuildOptions, make_image
from sandbox.images.daemon import connect
from sandbox.images.progress import Progress
from sandbox.runner import UnavailableError


@pytest.fixture(scope="session")
def docker_ready() -> None:
    """Skips where Docker does not answer, with the reason."""
    try:
        connect().close()
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def sandbox_image(docker_ready: None) -> str:  # noqa: ARG001 - a fixture asks for another so
    """Returns the name of the image of this program, built if need be."""
    make_image(BuildOptions(), Progress(sys.stderr))
    return f"{IMAGE}:latest"
