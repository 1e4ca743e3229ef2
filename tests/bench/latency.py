"""Whether waiting in this server shows up as the model's latency."""

from tests.bench.playing import Bench, bench, heading, league, row

LATENCY_S = 0.2
PARTICIPANTS = 6
_NANOSECONDS = 1e9


async def measure() -> None:
    """Prints the figures."""
    heading(
        f"Latency as kept with each call, against the endpoint's own ({LATENCY_S * 1000:.0f} ms)"
    )
    for in_flight in (100, 300):
        async with bench(LATENCY_S, in_flight) as playing:
            # As many rounds as calls that may be under way: their questions are one burst.
            kept = await _latencies(playing, in_flight)
        own = sorted(playing.endpoint.durations)
        at = {"median": 0.5, "9th decile": 0.9}
        for name, share in at.items():
            mine, its = _quantile(kept, share), _quantile(own, share)
            note = f"of {its:.3f} s by the endpoint's clock, {len(kept):,} calls"
            row(f"{in_flight} under way, {name}", mine, "s", note)
            row(f"{in_flight} under way, {name}, to its own (at most 1.1)", mine / its, "x")


async def _latencies(playing: Bench, in_flight: int) -> list[float]:
    whole = league(PARTICIPANTS, in_flight // PARTICIPANTS, in_flight)
    run, _ = await playing.played(whole)
    calls = await playing.calls(run.name)
    return sorted(call.latency.ToNanoseconds() / _NANOSECONDS for call in calls)


def _quantile(ordered: list[float], share: float) -> float:
    return ordered[int(share * (len(ordered) - 1))]
