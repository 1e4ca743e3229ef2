"""Wall time of a league against its critical path, and against one call after another."""

from statistics import median

from tests.bench.playing import bench, calls_of, heading, league, row, spread

PARTICIPANTS = 8
LATENCY_S = 0.1
# A question, the answers to it, the judgments of them.
CRITICAL_PATH_S = 3 * LATENCY_S
REPEATS = 9


async def measure() -> None:
    """Prints the figures."""
    whole = league(PARTICIPANTS, 1, 256)
    async with bench(LATENCY_S, 256) as playing:
        await playing.play(whole)  # warms up imports and connections
        together = [await playing.play(whole) for _ in range(REPEATS)]
        alone = [await playing.play(league(PARTICIPANTS, 1, 1)) for _ in range(2)]
    wall, serial = median(together), median(alone)
    heading(
        f"League of {PARTICIPANTS}, one cycle, {calls_of(whole)} calls, {LATENCY_S * 1000:.0f} ms each"
    )
    row("critical path, 3 calls", CRITICAL_PATH_S, "s")
    row("wall time, from CreateRun to the last event", wall, "s", spread(together))
    row("the same calls one after another", serial, "s", spread(alone))
    row("wall time to critical path (at most 1.5)", wall / CRITICAL_PATH_S, "x")
    row("one after another to wall time (at least 25)", serial / wall, "x")
