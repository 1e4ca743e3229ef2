"""A table of the faults: what was forced, how its step ended, attempts and time."""

import tempfile
import time
from pathlib import Path

from tests.support.fault_league import JUDGMENT, Played, play_all, play_unreachable

_ROW = "  {:<36} {:<12} {:<16} {:>5} {:>8} {:>8}"


async def measure() -> None:
    """Prints the table: each fault forced each time that a whole league's last step is asked."""
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        played = list((await play_all(Path(folder))).values())
        refused = await play_unreachable(Path(folder), always=True)
    always = [p for p in [*played, refused] if p.play.step == JUDGMENT and p.play.always]
    print(
        f"\nFaults over real HTTP, {len(played) + 1} leagues of 3 in "
        f"{time.perf_counter() - begun:.0f} s; 2 retries, 1 re-ask; forced at the last judgment"
    )
    print(_ROW.format("forced each time", "outcome", "cause", "HTTP", "attempts", "time"))
    for league in always:
        print(_row(league))
    print("\nForced at every step of every model, so left out and remembered")
    for league in (p for p in played if p.play.dialect is not None):
        name = league.play.dialect.name if league.play.dialect is not None else ""
        calls = f"{len(league.calls)} calls for {league.run.progress.ok_steps} steps"
        print(f"  {name:<36} {'OK':<12} {calls}")
    once = [p for p in played if p.play.step == JUDGMENT and not p.play.always]
    passed = [p for p in once if p.outcome == "OK"]
    print(f"\nForced once: {len(passed)} of {len(once)} faults cost nothing; the others:")
    for league in once:
        if league not in passed:
            print(_row(league))


def _row(league: Played) -> str:
    fault = league.play.fault
    name = fault.name if fault is not None else ""
    status = str(league.calls[0].http_status) if league.calls[0].HasField("http_status") else "-"
    repaired = "repaired" if league.result.repaired else league.result.cause
    took = f"{league.seconds:.2f} s"
    return _ROW.format(name, league.outcome, repaired, status, len(league.calls), took)
