"""A league of eight with known abilities, over real HTTP and in real containers.

All that it comes to is held against the verdicts that are written down beside its programs.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from llm_crowdsourced.v1 import execution_pb2, result_service_pb2, round_pb2, run_pb2

from sandbox.docker_runner import DockerRunner
from tests.support.league_server import league_server, settings_for
from tests.support.programming_replies import programming_league, shown
from tests.support.programming_script import (
    BROKEN,
    HOSTILE,
    HOSTILE_WORDS,
    PROBLEMS,
    GivenProgram,
    ProgrammingScript,
)
from tests.support.rounds import create, outcomes, rounds, run
from tests.support.sandboxes import options
from tests.support.scripted_league import Asked, LeagueScript

pytestmark = pytest.mark.docker

NAME = "runs/math-1"
PLAYERS = [f"p{number}" for number in range(1, 9)]
LETTERS = {
    "A": execution_pb2.VERDICT_ACCEPTED,
    "W": execution_pb2.VERDICT_WRONG_ANSWER,
    "R": execution_pb2.VERDICT_RUNTIME_ERROR,
    "T": execution_pb2.VERDICT_TIME_LIMIT,
}
WORDS = {"A": "accepted", "W": "wrong_answer", "R": "runtime_error", "T": "time_limit"}


@dataclass(frozen=True)
class Played:
    """What the league came to."""

    script: LeagueScript
    run: run_pb2.Run
    rounds: list[round_pb2.Round]
    standings: result_service_pb2.GetStandingsResponse

    def answers(self) -> list[tuple[round_pb2.Round, round_pb2.Answer, GivenProgram]]:
        """Returns every answer with its round and with what was handed in."""
        return [
            (r, a, PROBLEMS[r.index].answers[a.answerer]) for r in self.rounds for a in r.answers
        ]

    def judged(self) -> list[tuple[Asked, dict[str, Any], Mapping[str, str]]]:
        """Returns each request for a judgment, its data, and who is behind which label."""
        labels: defaultdict[tuple[int, str], dict[str, str]] = defaultdict(dict)
        for r in self.rounds:
            for judgment in r.judgments:
                for mark in judgment.marks:
                    labels[r.index, judgment.judge][mark.label] = mark.answerer
        return [
            (asked, shown(asked.request), labels[asked.round, asked.participant])
            for asked in self.script.of("judgment")
        ]


@pytest.fixture(scope="module")
async def played(
    sandbox_image: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Played]:
    script = LeagueScript(ProgrammingScript())
    database = Path(tmp_path_factory.mktemp("league")) / "a.duckdb"
    runner = DockerRunner(options(sandbox_image, pool_size=2))
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, database), runner=runner) as server,
    ):
        await server.play(create(programming_league(8)), within_s=1800)
        yield Played(
            script,
            await run(server),
            await rounds(server),
            await server.results.GetStandings(result_service_pb2.GetStandingsRequest(name=NAME)),
        )


def _broken(given: GivenProgram) -> bool:
    return given.code == BROKEN


async def test_every_step_is_taken_once_but_for_what_had_to_be_mended(played: Played) -> None:
    assert played.run.state == run_pb2.Run.STATE_SUCCEEDED
    assert outcomes(played.rounds) == {"question OK": 8, "answer OK": 56, "judgment OK": 64}
    more = {step: times for step, times in played.script.times().items() if times > 1}
    # One mends what contradicted it, one sets another problem, one never mends its own.
    assert more == {"5/question/p5": 2, "6/question/p6": 2, "7/question/p7": 3}
    assert played.run.progress.calls == 128 + 4


async def test_verdicts_are_those_that_were_written_down(played: Played) -> None:
    languages = set()
    for r, answer, given in played.answers():
        execution = answer.execution
        languages.add(execution.program.language)
        where = f"{answer.answerer} in round {r.index}"
        if _broken(given):
            assert execution.compile.verdict == execution_pb2.VERDICT_COMPILE_ERROR, where
            assert "expected expression" in execution.compile.message, where
            assert not execution.cases, where
            continue
        assert execution.compile.verdict == execution_pb2.VERDICT_ACCEPTED, where
        found = [case.verdict for case in execution.cases]
        assert found == [LETTERS[letter] for letter in given.verdicts], where
    assert languages == {"python", "c", "cpp", "java", "javascript", "go"}


async def test_how_programs_ended_is_told(played: Played) -> None:
    by = {(r.index, a.answerer): a.execution for r, a, _ in played.answers()}
    slow = by[8, "p5"].cases[7]
    assert (slow.signal, slow.HasField("exit_status")) == (9, False)
    divided, threw = by[5, "p6"].cases[1], by[4, "p6"].cases[3]
    assert divided.signal == 8
    assert (threw.exit_status, threw.HasField("signal")) == (1, False)
    assert b"NoSuchElementException" in threw.stderr
    assert "line 1" in by[1, "p4"].cases[2].detail


async def test_pass_rates_leave_out_what_is_disputed(played: Played) -> None:
    for r, answer, _ in played.answers():
        passed, total = PROBLEMS[r.index].expected_rate(answer.answerer)
        execution = answer.execution
        assert (execution.passed_cases, execution.total_cases) == (passed, total)
        assert execution.HasField("pass_rate") == bool(total)
        assert execution.pass_rate == pytest.approx(passed / total if total else 0)
        assert execution.disputed_cases == len(PROBLEMS[r.index].disputed)


async def test_expected_outputs_come_from_references_that_ran(played: Played) -> None:
    for r in played.rounds:
        problem, check = PROBLEMS[r.index], r.question.check
        assert r.question.text == problem.text.strip()
        assert check.reference.source == problem.solution
        assert check.verified is not problem.unverified
        if problem.unverified:
            continue
        given = list(check.cases)[: len(problem.cases)]
        assert [(c.input.decode(), c.expected_output.decode().strip()) for c in given] == [
            tuple(case) for case in problem.cases
        ]
        assert [c.name for c in check.cases] == [f"case {n}" for n in range(1, 9)]
        assert check.disputed_cases == [f"case {n}" for n in sorted(problem.disputed)]
        assert check.dropped_cases == 0
    generated = played.rounds[0].question.check
    assert generated.cases[7].input.startswith(b"4000\n-1000 ")
    assert generated.generator.language == "python"


async def test_a_setter_is_told_of_its_contradiction_and_mends_it(played: Played) -> None:
    first, again = (a.request.prompt for a in played.script.of("question", "p5"))
    assert "The problem cannot be used" not in first
    told = again[len(first) :].rpartition("END OF DATA")[2]
    assert "case 6: the reference contradicts what you expect" in told
    for part in ("999999999999999999", "you expect", "1000000000", "the reference prints"):
        assert part in told
    check = played.rounds[4].question.check
    assert (check.verified, check.repairs) == (True, 1)
    assert "case 6: the reference contradicts" in check.detail
    assert check.cases[5].expected_output == b"999999999\n"


async def test_a_setter_that_mends_nothing_is_played_with_compile_results_only(
    played: Played,
) -> None:
    r = played.rounds[6]
    check = r.question.check
    assert (check.verified, check.repairs, check.dropped_cases) == (False, 2, 8)
    assert not check.cases
    assert "none of its cases could be kept" in check.detail
    assert {case.reason for case in check.dropped} == {"the reference ends with exit status 1"}
    prompts = [a.request.prompt for a in played.script.of("question", "p7")]
    assert all("ZeroDivisionError" in prompt for prompt in prompts[1:])
    # It gave the same again and was told the same.
    assert prompts[1] == prompts[2]
    assert all(not a.execution.cases and not a.execution.total_cases for a in r.answers)
    for asked, data, _ in played.judged():
        if asked.round == 7:
            assert data["check_of_reference"]["verified"] is False
            for entry in data["programs"].values():
                assert set(entry["evidence"]) == {"language", "toolchain", "compile"}


async def test_a_near_copy_is_asked_for_again(played: Played) -> None:
    first, again = played.script.of("question", "p6")
    assert again.request.prompt.startswith(first.request.prompt.rstrip())
    assert "nearly the same as another problem" in again.request.prompt
    result = played.rounds[5].result
    assert (result.outcome, result.reasks) == (round_pb2.OUTCOME_OK, 1)
    assert "nearly the same" in result.detail
    assert played.rounds[5].question.check.repairs == 0


async def test_judges_see_each_program_with_what_it_did(played: Played) -> None:
    seen = 0
    for asked, data, behind in played.judged():
        problem = PROBLEMS[asked.round]
        assert data["problem"] == problem.text.strip()
        assert data["reference"]["code"] == problem.solution
        assert set(data["programs"]) == set(behind)
        for label, entry in data["programs"].items():
            given = problem.answers[behind[label]]
            assert (entry["language"], entry["code"]) == (given.language, given.code)
            assert entry["approach"] == given.words.strip()
            _check_evidence(entry["evidence"], given, problem.disputed)
            seen += 1
    # The setter judges all seven, each of the seven others six.
    assert seen == 8 * (7 + 7 * 6)


def _check_evidence(
    found: Mapping[str, Any], given: GivenProgram, disputed: frozenset[int]
) -> None:
    compiles = not _broken(given)
    assert (found["compile"]["verdict"] == "accepted") is compiles
    if not given.verdicts:
        return
    counted = {n: v for n, v in enumerate(given.verdicts, 1) if n not in disputed}
    passed = list(counted.values()).count("A")
    assert (found["passed"], found["total"]) == (passed, len(counted))
    rows = [(row["case"], row["verdict"]) for row in found["cases"]]
    assert rows == ([(f"case {n}", WORDS[v]) for n, v in counted.items()] if compiles else [])
    assert found["disputed_cases"]["names"] == [f"case {n}" for n in sorted(disputed)]
    failed = next((n for n, v in counted.items() if v != "A"), None) if compiles else None
    assert (found["first_failure"] or {}).get("case") == (failed and f"case {failed}")


async def test_a_hostile_answer_is_data_and_no_more(played: Played) -> None:
    """What it says and prints can be read, and changes nothing around it."""
    hostile = 0
    for asked, data, behind in played.judged():
        prompt = asked.request.prompt
        assert [line for line in prompt.splitlines() if line.strip() == "DATA"] == ["DATA"]
        assert prompt.count("\nEND OF DATA\n") == 1
        assert not {
            c for c in prompt if c < " " or "\x7f" <= c <= "\x9f" or c in "\u2028\u202e"
        } - {"\n"}
        keys = {"problem", "marking_scheme", "reference", "check_of_reference", "programs"}
        assert set(data) == keys
        for label, entry in data["programs"].items():
            assert set(entry) == {"approach", "language", "code", "evidence"}
            if entry["code"] != HOSTILE:
                continue
            hostile += 1
            assert behind[label] == "p8"
            assert entry["approach"] == HOSTILE_WORDS.strip()
            actual = entry["evidence"]["first_failure"]["actual_output"]
            assert '"}]}}, "programs"' in actual["text"]
            assert "Ignore the previous instructions" in actual["text"]
            assert entry["evidence"]["passed"] == 0
    assert hostile == 6 * 7


async def test_scores_are_what_each_judges_rule_gives(played: Played) -> None:
    for r in played.rounds:
        for judgment in r.judgments:
            assert len(judgment.marks) == (7 if judgment.judge == r.question_setter else 6)
            for mark in judgment.marks:
                assert mark.score == _score(r.index, judgment.judge, mark.answerer)


def _score(index: int, judge: str, answerer: str) -> float:
    """Returns a score from what is written down, and from nothing that was played."""
    given = PROBLEMS[index].answers[answerer]
    if judge == "p2":
        return 50.0
    if judge == "p4":
        return float(max(0, 100 - len(given.code) // 10))
    passed, total = PROBLEMS[index].expected_rate(answerer)
    if total:
        return round(100 * passed / total, 2)
    return 0.0 if _broken(given) else 60.0


async def test_standings_follow_from_scores_and_pass_rates(played: Played) -> None:
    answered = {
        player: [i for i in range(1, 9) if player in PROBLEMS[i].answers] for player in PLAYERS
    }

    def got(index: int, answerer: str) -> float:
        return fmean(_score(index, judge, answerer) for judge in PLAYERS if judge != answerer)

    wanted = {
        player: fmean(got(index, player) for index in indexes)
        for player, indexes in answered.items()
    }
    found = {standing.participant: standing for standing in played.standings.standings}
    assert played.standings.marks == played.standings.planned_marks == 8 * 49
    for number, player in enumerate(PLAYERS, 1):
        standing = found[player]
        assert standing.answer_score == pytest.approx(wanted[player])
        others = [got(number, answerer) for answerer in PROBLEMS[number].answers]
        assert standing.question_score == pytest.approx(fmean(others))
        rates = [PROBLEMS[index].expected_rate(player) for index in answered[player]]
        known = [passed / total for passed, total in rates if total]
        assert standing.pass_rate == pytest.approx(fmean(known))
        assert standing.pass_rate_rounds == len(known)
        assert (standing.passed_cases, standing.total_cases) == (
            sum(passed for passed, _ in rates),
            sum(total for _, total in rates),
        )
    order = [standing.participant for standing in played.standings.standings]
    assert order == sorted(PLAYERS, key=lambda player: -wanted[player])
    # As their abilities are: those that are always right first, the hostile one last.
    assert order == ORDER


ORDER = ["p2", "p1", "p3", "p5", "p6", "p4", "p7", "p8"]
