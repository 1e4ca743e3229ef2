"""Small Python cases a second with two workers: ours, bare, the SDK's exec, a container each."""

import asyncio
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from docker.models.containers import Container

from sandbox.docker_runner import DockerRunner
from sandbox.images import own_image
from tests.bench.playing import heading, row
from tests.bench.sandbox_parts import (
    HELLO,
    HELLO_PYTHON,
    PYTHON,
    WORKERS,
    Load,
    bare,
    client,
    compiled,
    docker_runner,
    gaps,
    hardened,
    hello,
    of_blocks,
    ratios,
    settled,
)

BLOCKS = 4
# For each worker and block, so that each takes a second or less.
CASES = 100
EXECS = 12
FRESH = 4
_INLINE = [PYTHON, "-c", HELLO_PYTHON]


async def measure() -> None:
    """Prints the figures."""
    ways = ("ours", "bare", "exec_run", "fresh")
    rates: dict[str, list[float]] = {way: [] for way in ways}
    load = Load()
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as processes,
        ThreadPoolExecutor(WORKERS) as threads,
    ):
        script = Path(folder) / "main.py"
        script.write_text(HELLO_PYTHON)
        argv = (PYTHON, str(script))
        warm = [_warm() for _ in range(WORKERS)]
        try:
            async with docker_runner() as runner:
                await _rate(processes, bare, [(argv, 1)] * WORKERS, 1)
                for _ in range(BLOCKS):
                    rates["bare"].append(
                        await _rate(processes, bare, [(argv, CASES)] * WORKERS, CASES)
                    )
                    rates["ours"].append(await _ours(runner))
                    rates["exec_run"].append(
                        await _rate(threads, _execs, [(each,) for each in warm], EXECS)
                    )
                    rates["fresh"].append(await _rate(threads, _fresh, [()] * WORKERS, FRESH))
        finally:
            for container in warm:
                container.remove(force=True, v=True)
    heading(f"Small Python cases with {WORKERS} workers, {BLOCKS} blocks of each in turn, {load}")
    names = {
        "bare": "bare processes",
        "ours": "cases of this sandbox",
        "exec_run": "the SDK's exec_run into a warm container",
        "fresh": "a container each: create, attach, start, wait, remove",
    }
    for way, name in names.items():
        row(name, median(rates[way]), "cases/s", of_blocks(rates[way]))
    targets = {"bare": ("0.8", "bare"), "exec_run": ("5", "exec_run"), "fresh": ("20", "a container each")}  # fmt: skip
    for way, (least, name) in targets.items():
        times = ratios(rates["ours"], rates[way])
        row(f"this sandbox to {name} (at least {least})", median(times), "x", of_blocks(times))


async def _ours(runner: DockerRunner) -> float:
    """Returns the cases a second of `WORKERS` programs at once, which have been compiled."""
    job = hello("python", HELLO_PYTHON, CASES)
    programs = [await compiled(runner, job) for _ in range(WORKERS)]
    await settled(WORKERS)
    begun = time.perf_counter()
    await asyncio.gather(*(gaps(results, CASES) for results in programs))
    took = time.perf_counter() - begun
    for results in programs:
        await results.aclose()
    # What follows must not share the machine with their removal.
    await settled(0)
    return WORKERS * CASES / took


async def _rate(
    executor: Executor, work: Callable[..., object], each: list[tuple[object, ...]], times: int
) -> float:
    """Returns how often a second it is done by all workers together; each does it so many times."""
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    await asyncio.gather(*(loop.run_in_executor(executor, work, *of) for of in each))
    return len(each) * times / (time.perf_counter() - begun)


def _warm() -> Container:
    container = client().containers.create(own_image(), ["/usr/bin/sleep", "3600"], **hardened())
    container.start()
    return container


def _execs(container: Container) -> None:
    for _ in range(EXECS):
        done = container.exec_run(_INLINE)
        assert (done.exit_code, done.output) == (0, HELLO), done


def _fresh() -> None:
    for _ in range(FRESH):
        container = client().containers.create(own_image(), _INLINE, **hardened())
        try:
            output = container.attach(stdout=True, stderr=True, stream=True)
            container.start()
            out = b"".join(output)
            status = container.wait()["StatusCode"]
        finally:
            container.remove(force=True, v=True)
        assert (status, out) == (0, HELLO), (status, out)
