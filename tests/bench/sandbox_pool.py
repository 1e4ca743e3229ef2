"""Containers made ahead: the time to a first result, and how fast the pool refills."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median

from sandbox.docker_runner import DockerRunner
from sandbox.engine import Engine
from sandbox.images import own_image
from sandbox.model import CaseResult
from sandbox.pool import Pool
from tests.bench.playing import heading, row, spread
from tests.bench.sandbox_parts import (
    HELLO_PYTHON,
    WORKERS,
    Load,
    client,
    docker_runner,
    hardened,
    hello,
    of_blocks,
    options,
    ratios,
    refilled,
)

FIRSTS = 15
BLOCKS = 4
CONTAINERS = 8


async def measure() -> None:
    """Prints the figures."""
    await _measure_first()
    await _measure_refill()


async def _measure_first() -> None:
    compiles, firsts = [], []
    load = Load()
    async with docker_runner(pool_size=WORKERS) as runner:
        await runner.languages()  # begins to fill the pool
        for _ in range(FIRSTS):
            await refilled(runner._pool)
            compiled_s, first_s = await _first(runner)
            compiles.append(1000 * compiled_s)
            firsts.append(1000 * first_s)
    heading(f"First result of a Python program from a full pool of {WORKERS}, {load}")
    row("its syntax checked", median(compiles), "ms", spread(compiles))
    row("first case, less its own time (under 50)", median(firsts), "ms", spread(firsts))


async def _first(runner: DockerRunner) -> tuple[float, float]:
    """Returns the seconds to the compile result, and to the first case less its own."""
    begun = time.perf_counter()
    results = runner.execute(hello("python", HELLO_PYTHON, 1))
    await anext(results)
    compiled_s = time.perf_counter() - begun
    case = await anext(results)
    took = time.perf_counter() - begun
    assert isinstance(case, CaseResult), case
    assert case.verdict == "accepted", case
    await results.aclose()
    return compiled_s, took - case.facts.wall_s


async def _measure_refill() -> None:
    pool_rates, machine_rates = [], []
    load = Load()
    with ThreadPoolExecutor(2 * WORKERS) as threads:
        pool = Pool(Engine(options(WORKERS)), WORKERS, threads)
        try:
            for _ in range(BLOCKS):
                machine_rates.append(await _machine_rate(threads))
                pool_rates.append(await _pool_rate(pool))
        finally:
            await pool.close()
    heading(
        f"Containers a second, {WORKERS} workers, {BLOCKS} blocks of {CONTAINERS} in turn, {load}"
    )
    row("pool: taken with a runner ready in it, removed", median(pool_rates), "a second", of_blocks(pool_rates))  # fmt: skip
    row("machine: create, start, remove in a loop", median(machine_rates), "a second", of_blocks(machine_rates))  # fmt: skip
    share = ratios(pool_rates, machine_rates)
    row("pool to machine", median(share), "x", of_blocks(share))


async def _pool_rate(pool: Pool) -> float:
    """Returns the containers a second of a pool that is full before and after."""
    pool.discard(await pool.take())
    await refilled(pool)
    begun = time.perf_counter()
    await asyncio.gather(*(_take(pool) for _ in range(WORKERS)))
    await refilled(pool)
    return CONTAINERS / (time.perf_counter() - begun)


async def _take(pool: Pool) -> None:
    for _ in range(CONTAINERS // WORKERS):
        pool.discard(await pool.take())


async def _machine_rate(threads: ThreadPoolExecutor) -> float:
    """Returns the containers a second that the SDK makes, starts and removes."""
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    await asyncio.gather(*(loop.run_in_executor(threads, _loop) for _ in range(WORKERS)))
    return CONTAINERS / (time.perf_counter() - begun)


def _loop() -> None:
    for _ in range(CONTAINERS // WORKERS):
        container = client().containers.create(own_image(), ["/usr/bin/sleep", "60"], **hardened())
        try:
            container.start()
        finally:
            container.remove(force=True, v=True)
