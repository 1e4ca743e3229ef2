"""Durable calls a second with an endpoint that answers at once, and what ten times more on disk costs."""

from statistics import median

from tests.bench.playing import bench, calls_of, heading, league, row

PARTICIPANTS = 8
CYCLES = 20
REPEATS = 3
TIMES_MORE = 10


async def measure() -> None:
    """Prints the figures."""
    whole = league(PARTICIPANTS, CYCLES, 256)
    calls = calls_of(whole)
    async with bench(0.0, 256) as playing:
        await playing.play(league(PARTICIPANTS, 1, 256))  # warms up imports and connections
        first = [await playing.play(whole)]
        memory = playing.memory_mib()
        first += [await playing.play(whole) for _ in range(REPEATS - 1)]
        for _ in range(TIMES_MORE - REPEATS):
            await playing.play(whole)
        later = [await playing.play(whole) for _ in range(REPEATS)]
        memory_later = playing.memory_mib()
    heading(f"League of {PARTICIPANTS}, {CYCLES} cycles, {calls:,} calls, answered at once")
    fast, slow = median(first), median(later)
    row("calls on disk a second, end to end (at least 400)", calls / fast, "calls/s")
    row("the same with 10 times more on disk before", calls / slow, "calls/s")
    row("time a call, 10 times more to first (at most 1.2)", slow / fast, "x")
    row("memory of the server at its most (under 300)", memory, "MiB")
    row(f"the same after {calls * (TIMES_MORE + REPEATS):,} calls", memory_later, "MiB")
