"""What holds for all tests."""

import os
import sys
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from sandbox.images.build import BuildOptions, make_image
from sandbox.images.context import own_image
from sandbox.images.daemon import connect
from sandbox.images.progress import Progress
from sandbox.runner import UnavailableError
from tests.support.sandboxes import own_name

# How long an example takes, to make or to run, says more of the machine than of what is tested.
settings.register_profile("no_clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no_clock")

# What is skipped on purpose everywhere but in its own make target.
_ON_REQUEST = "make league-test"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI, what a machine lacks is a failure: a skip there would hide it."""
    report = yield
    skipped = report.skipped and not hasattr(report, "wasxfail")
    reason = str(report.longrepr)
    if skipped and os.environ.get("CI") == "true" and _ON_REQUEST not in reason:
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {reason}"
    return report


@pytest.fixture(scope="session")
def docker_ready() -> None:
    """Skips where Docker does not answer, with the reason."""
    try:
        connect().close()
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def sandbox_image(docker_ready: None) -> Generator[str, None, None]:  # noqa: ARG001 - asked for so
    """Gives a name of the image of this program, built if need be.

    The name is these tests' own, so that they can tell their containers from others'.
    """
    make_image(BuildOptions(), Progress(sys.stderr))
    with own_name(own_image()) as name:
        yield name
