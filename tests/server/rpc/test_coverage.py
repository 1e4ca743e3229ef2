"""Coverage over the wire: each step once, as it stands, with its cause."""

import asyncio
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from llm_crowdsourced.v1 import league_pb2, result_service_pb2, round_pb2, run_pb2, run_service_pb2

from analysis.coverage import coverage as analysed
from server.rpc.coverage import coverage_to
from tests.support.datasets import Holes, Recipe, league
from tests.support.league_server import LeagueServer, league_server, math_league, settings_for
from tests.support.rounds import create, is_in_state, rounds, run
from tests.support.scripted_endpoint import ScriptedReply, failure
from tests.support.scripted_league import Asked, Held, LeagueScript, eventually
from tests.support.wire import refused

NAME = "runs/math-1"
UNREADABLE = ScriptedReply(text="I have no opinion.")
BROKEN = ScriptedReply(text='{"solution": "he said "so", and", "answer": "4",}')
REFUSAL = ScriptedReply(text=None, refusal="I would rather not.")
ANSWER = ScriptedReply(text=json.dumps({"solution": "It is so.", "answer": "4"}))
ARRIVED, REPAIRED, REASKED, RETRIED, MISSING, PENDING = (
    result_service_pb2.COVERAGE_STATE_ARRIVED,
    result_service_pb2.COVERAGE_STATE_REPAIRED,
    result_service_pb2.COVERAGE_STATE_REASKED,
    result_service_pb2.COVERAGE_STATE_RETRIED,
    result_service_pb2.COVERAGE_STATE_MISSING,
    result_service_pb2.COVERAGE_STATE_PENDING,
)
_ROLES = {
    round_pb2.ROLE_QUESTION: "question",
    round_pb2.ROLE_ANSWER: "answer",
    round_pb2.ROLE_JUDGMENT: "judgment",
}


async def coverage(
    server: LeagueServer, name: str = NAME, **fields: object
) -> result_service_pb2.GetCoverageResponse:
    request = result_service_pb2.GetCoverageRequest(name=name, **fields)  # type: ignore[arg-type]
    return await server.results.GetCoverage(request)


def states(found: result_service_pb2.GetCoverageResponse) -> dict[str, int]:
    return {f"{c.round}/{_ROLES[c.role]}/{c.participant}": c.state for c in found.cells}


async def until_done(server: LeagueServer, steps: int) -> None:
    """Watches the run until so many steps are finished."""
    request = run_service_pb2.WatchRunRequest(name=NAME)
    async with asyncio.timeout(120):
        async for message in server.runs.WatchRun(request):
            if message.event.progress.done_steps == steps:
                return


def bent(asked: Asked) -> ScriptedReply | None:
    """Something of everything in the first two rounds; all is well in the others."""
    replies = {
        "1/answer/p2": BROKEN,
        "1/judgment/p1": UNREADABLE,
        "1/answer/p3": REFUSAL,
        "1/judgment/p4": failure(503, "overloaded"),
        "2/question/p2": UNREADABLE,
    }
    if asked.step == "1/answer/p4":
        return UNREADABLE if asked.time == 0 else ANSWER
    return replies.get(asked.step)


async def test_each_step_has_the_state_that_it_is_in(tmp_path: Path) -> None:
    """A paused run of four: round 3 is held at its answers, so its judgments are to come."""
    held = Held(lambda asked: asked.role == "answer" and asked.round == 3)
    script = LeagueScript(lambda asked: bent(asked) or held(asked))
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)) as server,
    ):
        await server.runs.CreateRun(create(math_league(4)))
        await until_done(server, 32 - 7)
        await server.runs.PauseRun(run_service_pb2.PauseRunRequest(name=NAME))
        found = await coverage(server)
        standings = await server.results.GetStandings(
            result_service_pb2.GetStandingsRequest(name=NAME)
        )
        held.let_go()
        await eventually(lambda: endpoint.in_flight == 0)
    people = ("p1", "p2", "p3", "p4")
    expected = {f"{r}/question/p{r}": ARRIVED for r in (1, 3, 4)}
    expected |= {f"4/answer/{p}": ARRIVED for p in people[:3]}
    expected |= {f"4/judgment/{p}": ARRIVED for p in people}
    expected |= {f"3/answer/{p}": PENDING for p in ("p1", "p2", "p4")}
    expected |= {f"3/judgment/{p}": PENDING for p in people}
    expected |= {"2/question/p2": MISSING}
    expected |= {f"2/answer/{p}": MISSING for p in ("p1", "p3", "p4")}
    expected |= {f"2/judgment/{p}": MISSING for p in people}
    expected |= {
        "1/answer/p2": REPAIRED,
        "1/answer/p3": MISSING,
        "1/answer/p4": REASKED,
        "1/judgment/p1": MISSING,
        "1/judgment/p2": ARRIVED,
        "1/judgment/p3": ARRIVED,
        "1/judgment/p4": MISSING,
    }
    assert states(found) == expected
    assert len(found.cells) == 32
    cells = {f"{c.round}/{_ROLES[c.role]}/{c.participant}": c for c in found.cells}
    assert cells["1/answer/p4"].reasks == 1
    assert cells["1/answer/p4"].detail == "the reply held no JSON object"
    assert cells["1/answer/p3"].outcome == round_pb2.OUTCOME_REFUSED
    assert (cells["1/judgment/p1"].cause, cells["1/judgment/p1"].reasks) == ("no_json", 2)
    assert cells["1/judgment/p4"].outcome == round_pb2.OUTCOME_UNAVAILABLE
    assert cells["2/judgment/p1"].outcome == round_pb2.OUTCOME_SKIPPED
    assert cells["2/judgment/p1"].cause == "question_void"
    assert cells["3/judgment/p1"].outcome == round_pb2.OUTCOME_UNSPECIFIED
    for cell in found.cells:
        assert bool(cell.cause) == (cell.state == MISSING)
        assert bool(cell.detail) == (cell.state in (MISSING, REASKED))

    # Round 1: p2 judges p4, p3 judges p2 and p4; round 4: nine marks of four judges.
    assert (found.marks, found.planned_marks) == (12, 36)
    assert found.warning.startswith("Only 12 of 36 planned marks (33.3 %) arrived so far;")
    assert standings.coverage_warning == found.warning
    assert standings.marks == found.marks

    failures = {
        (f.participant, _ROLES[f.role], f.outcome, f.cause, f.count, tuple(f.rounds))
        for f in found.failures
    }
    assert {f[:3] + f[4:] for f in failures} == {
        ("p3", "answer", round_pb2.OUTCOME_REFUSED, 1, (1,)),
        ("p1", "judgment", round_pb2.OUTCOME_UNPARSABLE, 1, (1,)),
        ("p4", "judgment", round_pb2.OUTCOME_UNAVAILABLE, 1, (1,)),
        ("p2", "question", round_pb2.OUTCOME_UNPARSABLE, 1, (2,)),
    }
    assert all(f.cause and f.example for f in found.failures)


async def test_totals_add_up_by_participant_and_role(tmp_path: Path) -> None:
    script = LeagueScript(bent)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)) as server,
    ):
        await server.play(create(math_league(4, judges=["p1", "p4"])))
        found = await coverage(server)
        played = await rounds(server)
    order = [(t.participant, _ROLES[t.role]) for t in found.totals]
    # Who does not judge has no line as a judge.
    assert order == [
        (who, role)
        for who in ("p1", "p2", "p3", "p4")
        for role in ("question", "answer", "judgment")
        if role != "judgment" or who in ("p1", "p4")
    ]
    counted: Counter[tuple[str, int, int]] = Counter(
        (c.participant, c.role, c.state) for c in found.cells
    )
    for total in found.totals:
        parts = {
            ARRIVED: total.arrived,
            REPAIRED: total.repaired,
            REASKED: total.reasked,
            RETRIED: total.retried,
            MISSING: total.missing,
            PENDING: total.pending,
        }
        assert total.planned == sum(parts.values()) > 0
        for state, number in parts.items():
            assert number == counted[total.participant, total.role, state]
    assert sum(t.planned for t in found.totals) == len(found.cells) == 4 * (1 + 3 + 2)
    assert found.marks == sum(len(j.marks) for r in played for j in r.judgments)


async def test_what_came_only_after_a_retry_is_told_with_why_it_had_failed(tmp_path: Path) -> None:
    """What had been skipped failed nobody, and has arrived like any other."""
    script = LeagueScript(bent)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)) as server,
    ):
        await server.play(create(math_league(4)))
        before = await coverage(server)
        script.bend = None
        await server.runs.RetryRun(run_service_pb2.RetryRunRequest(name=NAME))
        await is_in_state(server, run_pb2.Run.STATE_SUCCEEDED)
        found = await coverage(server)
        played = await rounds(server)
    cells = {f"{c.round}/{_ROLES[c.role]}/{c.participant}": c for c in found.cells}
    were = {f"{c.round}/{_ROLES[c.role]}/{c.participant}": c for c in before.cells}
    retried = {step: cell for step, cell in cells.items() if cell.state == RETRIED}
    assert set(retried) == {"1/judgment/p1", "1/judgment/p4", "2/question/p2"}
    for step, cell in retried.items():
        assert (cell.outcome, cell.retries) == (round_pb2.OUTCOME_OK, 1)
        assert (cell.cause, cell.detail) == (were[step].cause, were[step].detail)
        assert cell.cause
        assert cell.detail
    assert {cells[f"2/answer/{who}"].state for who in ("p1", "p3", "p4")} == {ARRIVED}
    assert {cell.retries for step, cell in cells.items() if step not in retried} == {0}
    # A refusal is not asked again, and stays.
    assert cells["1/answer/p3"].state == MISSING
    assert sum(total.retried for total in found.totals) == 3
    assert {(f.participant, f.count) for f in found.failures} == {("p3", 1)}
    result = played[1].result
    assert (result.retries, result.earlier_cause) == (1, were["2/question/p2"].cause)
    assert result.earlier_detail == were["2/question/p2"].detail


async def test_a_cancelled_run_waits_for_nothing(tmp_path: Path) -> None:
    held = Held(lambda asked: asked.role == "answer")
    script = LeagueScript(held)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.runs.CreateRun(create(math_league(3)))
        await eventually(lambda: held.waiting == 6)
        await server.runs.CancelRun(run_service_pb2.CancelRunRequest(name=NAME))
        held.let_go()
        await server.watch(NAME)
        assert (await run(server)).state == run_pb2.Run.STATE_CANCELLED
        found = await coverage(server)
    assert PENDING not in states(found).values()
    never = [c for c in found.cells if c.role == round_pb2.ROLE_JUDGMENT]
    assert {(c.state, c.cause) for c in never} == {(MISSING, "not_taken")}
    assert "so far" not in found.warning
    assert not found.failures


async def test_pages_hold_each_round_whole_and_totals_of_all(tmp_path: Path) -> None:
    """Sixty rounds: pages of rounds, and every page with the totals of the run."""
    script = LeagueScript(bent)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)) as server,
    ):
        await server.play(create(math_league(3, rounds_per_participant=20)))
        await server.play(create(math_league(3), "math-2"))
        whole = await coverage(server, page_size=1000)
        assert not whole.next_page_token
        assert len(whole.cells) == 60 * 6
        for size in (1, 7, 60):
            found: list[result_service_pb2.CoverageCell] = []
            token, pages = "", 0
            while True:
                page = await coverage(server, page_size=size, page_token=token)
                assert len({c.round for c in page.cells}) <= size
                assert list(page.totals) == list(whole.totals)
                assert list(page.failures) == list(whole.failures)
                assert (page.marks, page.planned_marks) == (whole.marks, 60 * 4)
                found += page.cells
                token, pages = page.next_page_token, pages + 1
                if not token:
                    break
            assert found == list(whole.cells)
            assert pages == -(-60 // size)
        order = [(c.round, c.role) for c in whole.cells]
        assert order == sorted(order)

        token = (await coverage(server, page_size=1)).next_page_token
        other = await refused(coverage(server, "runs/math-2", page_token=token))
        assert (other.code, other.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_TOKEN")
        unknown = await refused(coverage(server, "runs/nobody-1"))
        assert unknown.code is grpc.StatusCode.NOT_FOUND
        malformed = await refused(coverage(server, "math-1"))
        assert malformed.code is grpc.StatusCode.INVALID_ARGUMENT
        negative = await refused(coverage(server, page_size=-1))
        assert "page_size" in negative.fields


async def test_a_run_that_judges_again_has_its_own_coverage(tmp_path: Path) -> None:
    script = LeagueScript(bent)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)) as server,
    ):
        await server.play(create(math_league(4)))
        script.bend = None
        await server.runs.RejudgeRun(
            run_service_pb2.RejudgeRunRequest(
                name=NAME, run_id="again-1", identity=league_pb2.IDENTITY_NAMED
            )
        )
        await server.watch("runs/again-1")
        first, again = await coverage(server), await coverage(server, "runs/again-1")
    assert states(first)["1/judgment/p1"] == MISSING
    assert states(again)["1/judgment/p1"] == ARRIVED
    assert states(again)["1/answer/p3"] == states(first)["1/answer/p3"] == MISSING
    assert first.marks < again.marks < again.planned_marks == 36


def test_a_page_is_bounded_in_bytes_and_holds_whole_rounds() -> None:
    """Forty rounds whose every judgment failed with a long sentence."""
    ids = [f"model-{chr(97 + i)}" for i in range(8)]
    failed = [(index, who) for index in range(1, 41) for who in ids]
    covered = analysed(league(Recipe(n=8, cycles=5, holes=Holes(judgments=failed))))
    long = tuple(replace(cell, detail=cell.detail and "x" * 2000) for cell in covered.cells)
    covered = replace(covered, cells=long)
    limit = 100_000
    first = 1
    found: list[result_service_pb2.CoverageCell] = []
    while first <= 40:
        page, next_ = coverage_to(covered, first=first, last=first + 99, page_bytes=limit)
        assert first < next_
        assert page.ByteSize() <= limit
        assert {cell.round for cell in page.cells} == set(range(first, next_))
        found += page.cells
        first = next_
    assert len(found) == 40 * 16
    # A round that does not fit is still told, or a client would never get past it.
    page, next_ = coverage_to(covered, first=3, last=9, page_bytes=10)
    assert ({cell.round for cell in page.cells}, next_) == ({3}, 4)


@pytest.mark.parametrize(("lost", "is_warned"), [(0, False), (6, False), (7, True)])
async def test_exactly_nine_tenths_is_enough_and_one_mark_less_is_not(
    tmp_path: Path, lost: int, *, is_warned: bool
) -> None:
    """Of 60 marks: a setter's judgment has two of them, an answerer's one."""
    steps = {6: 3, 7: 4, 0: 0}[lost]
    unread = ("1/judgment/p1", "2/judgment/p2", "3/judgment/p3", "4/judgment/p2")[:steps]
    script = LeagueScript(lambda asked: UNREADABLE if asked.step in unread else None)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.play(create(math_league(3, rounds_per_participant=5, max_reasks=0)))
        found = await coverage(server)
        request = result_service_pb2.GetStandingsRequest(name=NAME)
        standings = await server.results.GetStandings(request)
    assert (found.marks, found.planned_marks) == (60 - lost, 60)
    assert bool(found.warning) is bool(standings.coverage_warning) is is_warned
    if is_warned:
        assert "53 of 60 planned marks (88.3 %) arrived;" in found.warning
