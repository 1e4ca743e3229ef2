"""One runner for all attacks, and the host as it was before them."""

from collections.abc import AsyncGenerator, Generator

import pytest

from sandbox.docker_runner import DockerRunner
from sandbox.options import DockerOptions
from tests.support.host import Host


@pytest.fixture(scope="session", autouse=True)
def host_before(sandbox_image: str) -> Host:  # noqa: ARG001 - taken once the image is there
    """Returns the host as it was before the first attack."""
    return Host.now()


@pytest.fixture(scope="session")
async def runner(sandbox_image: str) -> AsyncGenerator[DockerRunner, None]:
    """Gives a runner over real containers, with one of them ready ahead."""
    options = DockerOptions(
        docker_host="",
        image=sandbox_image,
        concurrency=2,
        pool_size=2,
        max_waiting=64,
        runtime="",
    )
    made = DockerRunner(options)
    yield made
    await made.close()


@pytest.fixture(autouse=True)
def no_runner_lost(caplog: pytest.LogCaptureFixture) -> Generator[None, None, None]:
    """Holds that no attack ends its runner, even where another container takes its place."""
    yield
    said = [each.getMessage() for each in caplog.get_records("call")]
    assert "a container was lost" not in said


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts what looks at the host afterwards behind the attacks."""
    items.sort(key=lambda item: item.path.name == "test_aftermath.py")
