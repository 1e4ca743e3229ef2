"""What came of a run, read over the wire."""

import asyncio
from collections import Counter
from collections.abc import Iterable

from llm_crowdsourced.v1 import (
    call_pb2,
    league_pb2,
    result_service_pb2,
    round_pb2,
    run_pb2,
    run_service_pb2,
)

from tests.support.league_server import LeagueServer

OK = round_pb2.OUTCOME_OK
# What takes longer hangs, however busy the machine is.
_BOUND_S = 180.0


def create(league: league_pb2.League, run_id: str = "math-1") -> run_service_pb2.CreateRunRequest:
    """Returns a request for a run of that id."""
    return run_service_pb2.CreateRunRequest(run_id=run_id, league=league)


async def rounds(server: LeagueServer, name: str = "runs/math-1") -> list[round_pb2.Round]:
    """Returns all rounds of a run, everything in them."""
    found: list[round_pb2.Round] = []
    token = ""
    while True:
        page = await server.results.ListRounds(
            result_service_pb2.ListRoundsRequest(
                parent=name, page_token=token, view=round_pb2.ROUND_VIEW_FULL
            )
        )
        found += page.rounds
        token = page.next_page_token
        if not token:
            return found


async def calls(server: LeagueServer, name: str = "runs/math-1") -> list[call_pb2.Call]:
    """Returns the calls of a run, prompts and replies included."""
    page = await server.results.ListCalls(
        result_service_pb2.ListCallsRequest(
            parent=name, page_size=1000, view=call_pb2.CALL_VIEW_FULL
        )
    )
    assert not page.next_page_token
    return list(page.calls)


async def run(server: LeagueServer, name: str = "runs/math-1") -> run_pb2.Run:
    """Returns a run."""
    return (await server.runs.GetRun(run_service_pb2.GetRunRequest(name=name))).run


async def until_state(
    server: LeagueServer, state: run_pb2.Run.State.ValueType, name: str = "runs/math-1"
) -> str:
    """Watches a run until it is in a state, now or before; returns the reason."""
    async with asyncio.timeout(_BOUND_S):
        async for message in server.runs.WatchRun(run_service_pb2.WatchRunRequest(name=name)):
            if message.event.run_state_changed.state == state:
                return message.event.run_state_changed.reason
    raise AssertionError(f"{name} never was {state}")


def marks(played: Iterable[round_pb2.Round]) -> list[tuple[int, str, round_pb2.Mark]]:
    """Returns all marks with their rounds and judges."""
    return [(r.index, j.judge, mark) for r in played for j in r.judgments for mark in j.marks]


def outcomes(played: Iterable[round_pb2.Round]) -> Counter[str]:
    """Returns how many steps ended how, by role, outcome and cause."""
    found: Counter[str] = Counter()
    for r in played:
        steps = [("question", r.result), *(("answer", a.result) for a in r.answers)]
        for role, result in [*steps, *(("judgment", j.result) for j in r.judgments)]:
            outcome = round_pb2.Outcome.Name(result.outcome).removeprefix("OUTCOME_")
            found[f"{role} {outcome} {result.cause}".strip()] += 1
    return found


def displays(played: Iterable[round_pb2.Round]) -> list[tuple[int, str, str, str, int]]:
    """Returns who saw whose answer, under which label, at which place."""
    return [(index, judge, m.answerer, m.label, m.position) for index, judge, m in marks(played)]


async def is_in_state(
    server: LeagueServer, state: run_pb2.Run.State.ValueType, name: str = "runs/math-1"
) -> run_pb2.Run:
    """Waits until a run is in a state now, whatever it was before, and returns it."""
    async with asyncio.timeout(_BOUND_S):
        while (found := await run(server, name)).state != state:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    return found
