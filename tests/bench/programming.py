"""A programming league of eight: its wall time, what overlaps, what waits, the server's memory."""

import os
import tempfile
import time
from pathlib import Path
from statistics import median

from llm_crowdsourced.v1 import call_pb2, result_service_pb2, run_service_pb2

from server.settings import ProviderSettings, SandboxSettings, ServerSettings, Settings
from tests.bench.playing import Bench, bench, endpoint_process, heading, row
from tests.bench.programming_parts import Interval, Sample, Watched, timeline
from tests.bench.sandbox_parts import Load
from tests.support.league_server import LeagueServer, league_server
from tests.support.programming_replies import programming_league
from tests.support.programming_script import PROBLEMS

LATENCY_S = 0.1
# A question, the answers to it, the judgments of them.
CRITICAL_PATH_S = 3 * LATENCY_S
CASES = 8
REPEATS = 3
_CORES = os.cpu_count() or 1
_MIB = 1 << 20


async def measure() -> None:
    """Prints the figures."""
    assert all(len(p.cases) + len(p.generated) == CASES for p in PROBLEMS.values())
    load = Load()
    with tempfile.TemporaryDirectory() as folder:
        async with endpoint_process(LATENCY_S, "programming") as endpoint:
            settings = Settings(
                server=ServerSettings(address="127.0.0.1:0", database=Path(folder) / "a.duckdb"),
                providers={"scripted": ProviderSettings(base_url=endpoint.base_url)},
                sandbox=SandboxSettings(),
            )
            watched = Watched(_CORES, endpoint.pid)
            async with league_server(settings, runner=watched) as server:
                # Warms up the image, imports and connections.
                await _play(server, watched, 0)
                runs = [await _play(server, watched, n) for n in range(1, REPEATS + 1)]
    told = str(load)
    heading(
        f"Programming league of 8, 128 calls of {LATENCY_S * 1000:.0f} ms, {CASES} cases a question,"
        f" {len(runs[0].executions)} programs, {told}"
    )
    row("critical path, 3 calls", CRITICAL_PATH_S, "s")
    row("CPU of programs and compilers, as the sandbox says", median(r.cpu_s for r in runs), "s")
    row("all CPU but the server's and the endpoint's", median(r.all_cpu_s for r in runs), "s")
    row(f"the same by {_CORES} cores", median(r.all_cpu_s for r in runs) / _CORES, "s")
    row("the same programs alone, all asked for at once", median(r.alone_s for r in runs), "s")
    walls = [r.wall_s for r in runs]
    row("wall time, from CreateRun to the last event", median(walls), "s", _spread(walls))
    for name, ratios in (
        ("CPU by cores", [r.wall_s / max(CRITICAL_PATH_S, r.all_cpu_s / _CORES) for r in runs]),
        ("programs alone", [r.wall_s / max(CRITICAL_PATH_S, r.alone_s) for r in runs]),
    ):
        row(f"wall time to {name} (at most 1.3)", median(ratios), "x", _spread(ratios))
    _tell_waiting(runs)
    print(f"\n  Calls and programs under way over the {runs[-1].wall_s:.1f} s of the last run:")
    print(timeline(runs[-1].wall_s, runs[-1].calls, runs[-1].executions))
    await _measure_memory()


class _Run:
    """What one run took.

    Attributes:
        wall_s: From its creation to its last event.
        cpu_s: CPU seconds of programs and compilers.
        all_cpu_s: CPU seconds of the machine without the server and the endpoint:
            programs, compilers, containers, and whatever else went on.
        alone_s: Seconds that the same programs took with no league around them.
        calls: When each call was under way, from the creation on.
        executions: When each program was asked for, got its place, and ended.
        samples: What the sandbox and the cores did, every few milliseconds.
    """

    wall_s = cpu_s = all_cpu_s = alone_s = 0.0

    def __init__(self) -> None:
        self.calls: list[Interval] = []
        self.executions: list[Interval] = []
        self.samples: list[Sample] = []
        self.takes: list[float] = []


async def _play(server: LeagueServer, watched: Watched, number: int) -> _Run:
    found = _Run()
    wall_begun = time.time()
    watched.begin()
    request = run_service_pb2.CreateRunRequest(
        run_id=f"bench-{number}", league=programming_league(8)
    )
    await server.play(request, within_s=600)
    found.all_cpu_s, found.samples = await watched.end()
    found.executions, found.takes = watched.executions, list(watched.takes)
    found.wall_s, found.cpu_s = watched.wall_s, watched.cpu_s
    listing = result_service_pb2.ListCallsRequest(parent=f"runs/bench-{number}", page_size=1000)
    found.calls = [_of(c, wall_begun) for c in (await server.results.ListCalls(listing)).calls]
    found.alone_s = await watched.alone()
    return found


def _of(call: call_pb2.Call, begun: float) -> Interval:
    start = call.start_time.ToNanoseconds() / 1e9 - begun
    return Interval(start, start, start + call.latency.ToNanoseconds() / 1e9)


def _tell_waiting(runs: list[_Run]) -> None:
    samples = [sample for run in runs for sample in run.samples]
    waiting = [sample for sample in samples if sample.waiting]
    free = sum(sample.in_use < _CORES for sample in waiting)
    row("looks at the sandbox while programs waited for it", len(waiting), "")
    row("of them, with a place for a program free (0)", free, "")
    if waiting:
        idle = sum(sample.idle_s for sample in waiting)
        share = idle / (_CORES * sum(sample.took_s for sample in waiting))
        row("share of the cores that was idle meanwhile", 100 * share, "%")
    takes = [1000 * took for run in runs for took in run.takes]
    row("wait for a container with a place of its own", median(takes), "ms", _spread(takes))
    ready = sum(took < 1 for took in takes)
    row("programs that found a container ready", 100 * ready / len(takes), "%")


async def _measure_memory() -> None:
    figures = {}
    for name in ("small", "large"):
        async with bench(LATENCY_S, 256, name) as playing:
            idle = playing.memory_mib()
            figures[name] = (idle, await _most_memory(playing))
    heading("Memory of the server, 8 rounds in flight, each answer and reference run on 8 cases")
    row("before the first run", figures["large"][0], "MiB")
    row("at its most, programs that print 8 bytes a case", figures["small"][1], "MiB")
    row("at its most, programs that print 1 MiB in all", figures["large"][1], "MiB")


async def _most_memory(playing: Bench) -> float:
    league = programming_league(8)
    for participant in league.participants:
        participant.provider = "own"
    run, _ = await playing.played(league)
    played = await playing.results.GetRound(
        result_service_pb2.GetRoundRequest(name=f"{run.name}/rounds/1")
    )
    assert all(a.execution.passed_cases == CASES for a in played.round.answers), played
    return playing.memory_mib()


def _spread(values: list[float]) -> str:
    return f"(median of {len(values)}; {min(values):.2f} to {max(values):.2f})"
