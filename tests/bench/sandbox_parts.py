"""What the measurements of the sandbox share: programs, bare processes, a runner, its containers."""

import asyncio
import functools
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from statistics import median
from typing import Any

import docker

from sandbox.docker_runner import DockerRunner
from sandbox.engine import OWNER, owner
from sandbox.images import own_image
from sandbox.languages import ENVIRONMENT, LANGUAGES
from sandbox.model import MIB, Case, CaseResult, CompileResult, Exact, Job, Limits, Program, Result
from sandbox.options import DockerOptions
from sandbox.pool import Pool
from sandbox.seccomp import profile
from tests.support.scripted_league import eventually

WORKERS = 2
PYTHON = LANGUAGES["python"].run[0]
HELLO = b"hello\n"
HELLO_PYTHON = 'print("hello")\n'
HELLO_C = '#include <stdio.h>\nint main(void) { puts("hello"); }\n'
LIMITS = Limits(
    cpu_s=2.0, wall_s=30.0, memory_bytes=256 * MIB, output_bytes=MIB, processes=64
)  # fmt: skip
_SETTLED_S = 60.0
_LOOK_AGAIN_S = 0.02
_CHUNK = 64 << 10


class Load:
    """The machine's load while something is measured."""

    def __init__(self) -> None:
        self._before = os.getloadavg()[0]

    def __str__(self) -> str:
        return f"load {self._before:.1f} to {os.getloadavg()[0]:.1f}"


async def problem() -> str:
    """Says in one sentence why the sandbox cannot be measured; empty if it can."""
    async with docker_runner() as runner:
        return await runner.problem()


@asynccontextmanager
async def docker_runner(*, pool_size: int = 0) -> AsyncIterator[DockerRunner]:
    """Opens a runner for `WORKERS` programs at once.

    Without a pool it makes no container but the one that a program is in, so nothing
    else of its own goes on while cases are timed.
    """
    runner = DockerRunner(options(pool_size))
    try:
        yield runner
    finally:
        await runner.close()


def options(pool_size: int) -> DockerOptions:
    """Returns the options of a runner for `WORKERS` programs at once."""
    return DockerOptions(
        docker_host="",
        image=own_image(),
        concurrency=WORKERS,
        pool_size=pool_size,
        max_waiting=1000,
        runtime="",
    )


def hello(language: str, source: str, cases: int) -> Job:
    """Returns a program that greets, with so many cases."""
    return Job(
        program=Program(language, source),
        cases=tuple(Case(b"", HELLO) for _ in range(cases)),
        checker=Exact(),
        limits=LIMITS,
    )


async def compiled(runner: DockerRunner, job: Job) -> AsyncGenerator[Result, None]:
    """Returns the results of a program that has been compiled; no case has begun."""
    results = runner.execute(job)
    first = await anext(results)
    assert isinstance(first, CompileResult), first
    assert first.verdict == "accepted", first
    return results


async def gaps(
    results: AsyncGenerator[Result, None], cases: int
) -> tuple[list[float], list[float]]:
    """Takes so many cases; returns the seconds to each from the one before, and its own by the runner."""
    seen, inside = [], []
    last = time.perf_counter()
    for _ in range(cases):
        result = await anext(results)
        now = time.perf_counter()
        assert isinstance(result, CaseResult), result
        assert result.verdict == "accepted", result
        seen.append(now - last)
        inside.append(result.facts.wall_s)
        last = now
    return seen, inside


def bare(argv: tuple[str, ...], times: int) -> list[float]:
    """Runs a program on the host so often, one after another; returns the seconds of each."""
    took = []
    for _ in range(times):
        begun = time.perf_counter()
        read_end, write_end = os.pipe()
        pid = os.posix_spawn(
            argv[0], argv, ENVIRONMENT, file_actions=[(os.POSIX_SPAWN_DUP2, write_end, 1)]
        )
        os.close(write_end)
        out = b""
        while piece := os.read(read_end, _CHUNK):
            out += piece
        _, status = os.waitpid(pid, 0)
        os.close(read_end)
        took.append(time.perf_counter() - begun)
        assert (status, out) == (0, HELLO), (status, out)
    return took


@functools.cache
def client() -> docker.DockerClient:
    """Returns a client of the daemon, as others use its SDK."""
    return docker.from_env(version="auto", timeout=60, max_pool_size=2 * WORKERS + 2)


def containers(of: str) -> int:
    """Returns how many containers there are of a process, as `sandbox.engine.owner` names it."""
    found = client().api.containers(all=True, filters={"label": OWNER})
    return sum(each["Labels"][OWNER].startswith(of) for each in found)


async def settled(count: int) -> None:
    """Waits until this process has so many containers: what was used is gone."""
    async with asyncio.timeout(_SETTLED_S):
        while await asyncio.to_thread(containers, owner()) != count:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(_LOOK_AGAIN_S)


async def refilled(pool: Pool) -> None:
    """Waits until a pool of `WORKERS` is full, and what was taken is gone."""
    await eventually(lambda: pool.ready == WORKERS, _SETTLED_S)
    await settled(WORKERS)


def hardened() -> dict[str, Any]:
    """Returns what the SDK is told for a container as tight as the sandbox's."""
    memory = LIMITS.memory_bytes
    return {
        "user": "65534:65534",
        "network_mode": "none",
        "read_only": True,
        "tmpfs": {"/scratch": "rw,exec,nosuid,nodev,size=64m,nr_inodes=16384,mode=1777"},
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges", f"seccomp={profile()}"],
        "ipc_mode": "none",
        "mem_limit": memory,
        "memswap_limit": memory,
        "pids_limit": LIMITS.processes,
        "log_config": docker.types.LogConfig(type="none"),
        "working_dir": "/scratch",
    }


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Returns the ratio of each pair, which were measured next to each other."""
    return [a / b for a, b in zip(above, below, strict=True)]


def of_blocks(values: Sequence[float]) -> str:
    """Says what a median of blocks is of."""
    return f"(median of {len(values)} blocks; {min(values):.3f} to {max(values):.3f})"


def milliseconds(values: Sequence[float]) -> float:
    """Returns the median, in milliseconds."""
    return 1000 * median(values)
