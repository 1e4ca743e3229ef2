"""Real sandboxes for tests: runners over an image of their own, and what they leave."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator, Callable, Generator
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError

from sandbox.docker_runner import DockerRunner
from sandbox.languages import BUILD
from sandbox.model import (
    MIB,
    Case,
    CaseResult,
    CompileResult,
    Exact,
    Job,
    Limits,
    Program,
)
from sandbox.options import DockerOptions

# Enough for an interpreter on a busy machine; what a test is about, it sets itself.
LIMITS = Limits(
    cpu_s=5.0, wall_s=60.0, memory_bytes=128 * MIB, output_bytes=256 << 10, processes=64
)
_BOUND_S = 180.0
_LOOK_S = 0.05


@dataclass(frozen=True)
class Executed:
    """All that an execution gave.

    Attributes:
        compiled: What the compiler said.
        cases: The results of the cases.
    """

    compiled: CompileResult
    cases: tuple[CaseResult, ...]

    @property
    def verdicts(self) -> list[str]:
        """The verdicts of the cases."""
        return [str(case.verdict) for case in self.cases]


def job(language: str, source: str, *cases: Case, limits: Limits = LIMITS, caller: str = "") -> Job:
    """Returns a job whose outputs are compared exactly; one empty case if none is given."""
    return Job(
        program=Program(language, source),
        cases=cases or (Case(b""),),
        checker=Exact(),
        limits=limits,
        caller=caller,
    )


async def executed(runner: DockerRunner, wanted: Job) -> Executed:
    """Executes a job to its end."""
    results = [result async for result in runner.execute(wanted)]
    compiled, cases = results[0], results[1:]
    assert isinstance(compiled, CompileResult)
    return Executed(compiled, tuple(case for case in cases if isinstance(case, CaseResult)))


def options(image: str, **changes: Any) -> DockerOptions:
    """Returns options of a small runner."""
    settings: dict[str, Any] = {
        "docker_host": "",
        "image": image,
        "concurrency": 2,
        "pool_size": 1,
        "max_waiting": 64,
        "runtime": "",
    }
    return DockerOptions(**settings | changes)


@contextlib.asynccontextmanager
async def running(image: str, **changes: Any) -> AsyncGenerator[DockerRunner, None]:
    """Gives a runner that is closed in the end."""
    runner = DockerRunner(options(image, **changes))
    try:
        yield runner
    finally:
        await runner.close()


@contextlib.contextmanager
def own_name(image: str, docker_host: str = "") -> Generator[str, None, None]:
    """Gives the image a name that nobody else uses, by which its containers are told."""
    name = f"{image.partition(':')[0]}:test-{secrets.token_hex(6)}"
    repository, _, tag = name.partition(":")
    with client(docker_host) as daemon:
        daemon.images.get(image).tag(repository, tag)
        try:
            yield name
        finally:
            daemon.images.remove(name, force=True)


@contextlib.contextmanager
def client(docker_host: str = "") -> Generator[docker.DockerClient, None, None]:
    """Gives a client of a daemon, of the environment's where none is named."""
    made = docker.DockerClient(base_url=docker_host) if docker_host else docker.from_env()
    try:
        yield made
    finally:
        made.close()


def containers(image: str, docker_host: str = "", *, started: bool = False) -> list[str]:
    """Returns the ids of all containers that were made with this name of an image."""
    with client(docker_host) as daemon:
        found = daemon.api.containers(all=not started)
        return [each["Id"] for each in found if each["Image"] == image]


def busy(image: str, docker_host: str = "", *, at: str = f"{BUILD}/main.") -> list[str]:
    """Returns the ids of those in which a command runs that holds a text.

    Args:
        image: Name of the image of the containers.
        docker_host: The daemon; the environment's if it is empty.
        at: The text; without it, any program in Python or Node.
    """
    found = []
    with client(docker_host) as daemon:
        for container_id in containers(image, docker_host):
            # It may not have started yet, or be gone by now.
            with contextlib.suppress(APIError):
                top = daemon.api.top(container_id, ps_args="-eo pid,args")
                if any(at in " ".join(each) for each in top["Processes"] or ()):
                    found.append(container_id)
    return found


def inside(label: str, *names: str) -> list[dict[str, int]]:
    """Returns the numbers that control groups tell in each running container with a label.

    Args:
        label: Label of the containers, with its value.
        names: Files to read below the folder of control groups; those that are not there are
            left out.
    """
    found = []
    read = f"cd /sys/fs/cgroup; for each in {' '.join(names)}; do echo $each $(cat $each); done"
    with client() as daemon:
        for container in daemon.containers.list(filters={"label": label}, ignore_removed=True):
            # It may have gone by now.
            with contextlib.suppress(APIError):
                said = container.exec_run(["/bin/sh", "-c", read], stderr=False).output
                assert isinstance(said, bytes)
                pairs = [line.split() for line in said.decode().splitlines()]
                found.append({pair[0]: int(pair[1]) for pair in pairs if len(pair) > 1})
    return found


async def until(holds: Callable[[], object], bound_s: float = _BOUND_S) -> None:
    """Waits until something holds; fails when that takes beyond all measure."""
    loop = asyncio.get_running_loop()
    end = loop.time() + bound_s
    while not await asyncio.to_thread(holds):
        assert loop.time() < end, "it did not come about"
        await asyncio.sleep(_LOOK_S)
