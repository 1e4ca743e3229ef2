"""Questions that are mended, or are not: which version is played, and what is told of it."""

from pathlib import Path
from typing import Any

import pytest
from llm_crowdsourced.v1 import (
    league_pb2,
    result_service_pb2,
    round_pb2,
    run_pb2,
    run_service_pb2,
)

from tests.support.fake_runner import FakeRunner
from tests.support.league_server import LeagueServer, league_server, settings_for
from tests.support.programming_replies import ECHO, TEXTS, plain, programming_league, question
from tests.support.rounds import create, is_in_state, rounds
from tests.support.scripted_endpoint import ScriptedReply, failure
from tests.support.scripted_league import Asked, LeagueScript

CONTRADICTS = ("9\n", "8")
SETTING = "1/question/p1"


def _case(number: int) -> tuple[str, str]:
    return f"{number}\n", f"{number}"


def _setting(*replies: ScriptedReply) -> LeagueScript:
    """Returns a script in which p1 sets these questions in turn, the last over and over."""

    def bend(asked: Asked) -> ScriptedReply:
        if asked.step == SETTING:
            return replies[min(asked.time, len(replies) - 1)]
        return plain(asked)

    return LeagueScript(bend)


def _settings(endpoint: Any, folder: Path) -> Any:
    return settings_for(endpoint, folder / "a.duckdb", max_retries=0)


async def _first(server: LeagueServer) -> round_pb2.Round:
    return (await rounds(server))[0]


async def _played(folder: Path, script: LeagueScript, max_repairs: int = 2) -> round_pb2.Question:
    rules = league_pb2.ProgrammingRules(max_repairs=max_repairs)
    async with (
        script.endpoint() as endpoint,
        league_server(_settings(endpoint, folder), runner=FakeRunner()) as server,
    ):
        await server.play(create(programming_league(3, programming=rules)))
        return (await _first(server)).question


async def test_a_repair_that_makes_it_worse_is_not_played(tmp_path: Path) -> None:
    five = question(TEXTS[0], cases=[*map(_case, range(5)), CONTRADICTS])
    broken = question(TEXTS[0], solution="print(input()\n")
    played = await _played(tmp_path, _setting(five, broken))
    check = played.check
    assert (check.verified, len(check.cases), check.dropped_cases) == (True, 5, 1)
    assert (check.repairs, played.reference_answer) == (2, ECHO)
    assert check.detail.endswith("; played is version 1 of 3, which has more cases")


@pytest.mark.parametrize(("left", "is_played"), [(2, False), (3, True)])
async def test_a_repair_that_deletes_more_than_half_of_the_cases_is_none(
    tmp_path: Path, left: int, is_played: bool
) -> None:
    five = question(TEXTS[0], cases=[*map(_case, range(5)), CONTRADICTS])
    script = _setting(five, question(TEXTS[0], cases=[*map(_case, range(7, 7 + left))]))
    check = (await _played(tmp_path, script)).check
    assert (check.verified, check.repairs) == (True, 1)
    assert len(check.cases) == (left if is_played else 5)
    says_so = check.detail.endswith("; played is version 1 of 2, which has more cases")
    assert says_so is not is_played


@pytest.mark.parametrize(
    ("second", "kept"),
    [
        # Of equals the later one.
        ([_case(7), _case(8), CONTRADICTS], ["7\n", "8\n"]),
        # What has no fault is what its setter wants.
        ([_case(7)], ["7\n"]),
    ],
    ids=["equal", "faultless"],
)
async def test_a_later_version_is_played_that_is_no_worse(
    tmp_path: Path, second: list[tuple[str, str]], kept: list[str]
) -> None:
    first = question(TEXTS[0], cases=[_case(1), _case(2), CONTRADICTS])
    script = _setting(first, question(TEXTS[0], cases=second))
    check = (await _played(tmp_path, script, 1)).check
    assert [bytes(case.input).decode() for case in check.cases] == kept
    assert check.detail.startswith("its setter was told: case 3: the reference contradicts")
    assert "played is" not in check.detail


@pytest.mark.parametrize("verified", [True, False])
async def test_a_repair_that_cannot_be_read_is_told(tmp_path: Path, verified: bool) -> None:
    cases = [_case(1), CONTRADICTS] if verified else [CONTRADICTS]
    script = _setting(question(TEXTS[0], cases=cases), ScriptedReply(text="I would rather not."))
    check = (await _played(tmp_path, script)).check
    assert (check.verified, check.repairs) == (verified, 1)
    told = "; its setter was asked to mend it; no usable reply: "
    before, _, cause = check.detail.partition(told)
    assert cause == "no_json"
    assert before.startswith("its setter was told: " if verified else "none of its cases")


async def test_a_repair_that_never_came_is_asked_for_again_by_a_retry(tmp_path: Path) -> None:
    script = _setting(question(TEXTS[0], cases=[CONTRADICTS]), failure(500))
    async with (
        script.endpoint() as endpoint,
        league_server(_settings(endpoint, tmp_path), runner=FakeRunner()) as server,
    ):
        await server.play(create(programming_league(3)))
        before = await _first(server)
        script.bend = plain
        await server.runs.RetryRun(run_service_pb2.RetryRunRequest(name="runs/math-1"))
        await is_in_state(server, run_pb2.Run.STATE_SUCCEEDED)
        after = await _first(server)
    assert before.result.outcome == round_pb2.OUTCOME_UNAVAILABLE
    assert after.result.outcome == round_pb2.OUTCOME_OK
    assert (after.question.check.verified, after.question.check.repairs) == (True, 0)
    assert [a.execution.passed_cases for a in after.answers] == [3, 3]


async def test_a_repair_that_never_came_leaves_a_verified_version_in_play(tmp_path: Path) -> None:
    script = _setting(question(TEXTS[0], cases=[_case(1), CONTRADICTS]), failure(500))
    check = (await _played(tmp_path, script)).check
    assert (check.verified, len(check.cases), check.repairs) == (True, 1, 1)
    assert "its setter was asked to mend it; no usable reply: " in check.detail


async def test_a_generator_that_prints_another_input_each_time_is_found_out(
    tmp_path: Path,
) -> None:
    code = "import random\nprint(random.random() if input() == 'any' else 5)\n"
    generator = {"language": "python", "code": code, "inputs": ["any", "5"]}
    script = _setting(question(TEXTS[0], cases=[_case(1)], generator=generator))
    check = (await _played(tmp_path, script, 1)).check
    why = "its generator prints another input each time"
    assert [(d.name, d.reason) for d in check.dropped] == [("case 2", why)]
    assert [bytes(case.input) for case in check.cases] == [b"1\n", b"5\n"]
    assert f'{why}; it reads \\"any\\"' in script.of("question", "p1")[1].request.prompt


async def test_coverage_does_not_call_a_mended_question_usable_as_it_came(tmp_path: Path) -> None:
    first = question(TEXTS[0], cases=[_case(1), CONTRADICTS])
    script = _setting(first, question(TEXTS[0], cases=[_case(1)]))
    async with (
        script.endpoint() as endpoint,
        league_server(_settings(endpoint, tmp_path), runner=FakeRunner()) as server,
    ):
        await server.play(create(programming_league(3)))
        found = await server.results.GetCoverage(
            result_service_pb2.GetCoverageRequest(name="runs/math-1")
        )
    cells = {cell.round: cell for cell in found.cells if cell.role == round_pb2.ROLE_QUESTION}
    assert cells[1].state == result_service_pb2.COVERAGE_STATE_REASKED
    assert cells[1].reasks == 1
    assert "its setter was told: case 2: the reference contradicts" in cells[1].detail
    assert cells[2].state == cells[3].state == result_service_pb2.COVERAGE_STATE_ARRIVED
