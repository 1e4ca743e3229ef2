"""Questions and answers that no sandbox likes: the run goes on, and says what happened."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from llm_crowdsourced.v1 import execution_pb2, league_pb2, round_pb2

from sandbox.checker import CHECKER_RIGHT, CHECKER_WRONG
from sandbox.docker_runner import DockerRunner
from sandbox.runner import Runner
from server.play.executing import MOST_SLOW_CASES
from tests.support.fake_runner import FakeRunner
from tests.support.league_server import BOUND_S, league_server, settings_for
from tests.support.programming_replies import (
    ECHO,
    TEXTS,
    plain,
    program,
    programming_league,
    question,
    shown,
)
from tests.support.rounds import create, outcomes, rounds
from tests.support.sandboxes import options
from tests.support.scripted_endpoint import ScriptedReply, failure
from tests.support.scripted_league import Asked, LeagueScript

TOTAL = {"question OK": 3, "answer OK": 6, "judgment OK": 9}


async def _played(
    folder: Path,
    script: LeagueScript,
    runner: Runner | None = None,
    *,
    within_s: float = BOUND_S,
    **rules: Any,
) -> list[round_pb2.Round]:
    """Plays a league of three to its end, and returns its rounds."""
    league = programming_league(3, programming=league_pb2.ProgrammingRules(**rules))
    async with (
        script.endpoint() as endpoint,
        league_server(
            settings_for(endpoint, folder / "a.duckdb"), runner=runner or FakeRunner()
        ) as server,
    ):
        await server.play(create(league), within_s=within_s)
        return await rounds(server)


def _setting(**bad: Any) -> LeagueScript:
    """Returns a script in which p1 always sets such a question."""

    def bend(asked: Asked) -> ScriptedReply:
        return question(TEXTS[0], **bad) if asked.step == "1/question/p1" else plain(asked)

    return LeagueScript(bend)


def _answering(*replies: ScriptedReply) -> LeagueScript:
    """Returns a script in which p2 answers so in round 1, the last reply over and over."""

    def bend(asked: Asked) -> ScriptedReply:
        if asked.step == "1/answer/p2":
            return replies[min(asked.time, len(replies) - 1)]
        return plain(asked)

    return LeagueScript(bend)


def _unverified(played: Sequence[round_pb2.Round], script: LeagueScript) -> round_pb2.QuestionCheck:
    """Checks that round 1 was played without cases, and returns the check of its question."""
    assert outcomes(played) == TOTAL
    check = played[0].question.check
    assert not check.verified
    assert not check.cases
    for answer in played[0].answers:
        assert answer.execution.compile.verdict == execution_pb2.VERDICT_ACCEPTED
        assert not answer.execution.HasField("pass_rate")
    told = [shown(a.request)["check_of_reference"] for a in script.of("judgment") if a.round == 1]
    assert len(told) == 3
    assert all(each["verified"] is False and each["detail"] == check.detail for each in told)
    assert all(r.question.check.verified for r in played[1:])
    return check


async def test_a_reference_that_never_ends(tmp_path: Path) -> None:
    """It is given up after some cases, and does not run for hours."""
    script = _setting(
        solution="while True:\n    pass\n", cases=[(f"{number}\n",) for number in range(1000)]
    )
    played = await _played(tmp_path, script, max_repairs=0)
    check = _unverified(played, script)
    slow = "the reference reaches the time limit"
    assert [d.reason for d in check.dropped[:MOST_SLOW_CASES]] == [slow] * MOST_SLOW_CASES
    assert {d.reason for d in check.dropped[MOST_SLOW_CASES:]} == {
        "not run, since the time limit had been reached on cases before it"
    }
    assert check.dropped_cases == 1000
    assert check.detail == f"none of its cases could be kept: {slow}; others for other reasons"


async def test_a_generator_that_prints_a_gigabyte(tmp_path: Path) -> None:
    code = "for _ in range(1 << 10):\n    print('x' * (1 << 20))\n"
    generator = {"language": "python", "code": code, "inputs": ["1", "2"]}
    script = _setting(generator=generator)
    played = await _played(tmp_path, script)
    check = played[0].question.check
    assert outcomes(played) == TOTAL
    # What is written down is kept.
    assert check.verified
    assert [c.name for c in check.cases] == ["case 1", "case 2", "case 3"]
    why = "its generator prints more than a program may"
    assert [(d.name, d.reason) for d in check.dropped] == [("case 4", why), ("case 5", why)]
    assert check.repairs == 2
    assert f'case 4: {why}; it reads \\"1\\"' in script.of("question", "p1")[2].request.prompt
    assert [a.execution.passed_cases for a in played[0].answers] == [3, 3]


async def test_no_cases(tmp_path: Path) -> None:
    script = _setting(cases=())
    check = _unverified(await _played(tmp_path, script), script)
    assert (check.detail, check.repairs, check.dropped_cases) == ("it has no cases", 2, 0)
    assert "it has no cases; give some" in script.of("question", "p1")[1].request.prompt


async def test_an_unverified_question_voids_its_round_where_one_is_required(
    tmp_path: Path,
) -> None:
    script = _setting(cases=())
    played = await _played(
        tmp_path, script, max_repairs=0, question_gate=league_pb2.QUESTION_GATE_REQUIRE
    )
    assert outcomes(played) == {
        "question UNPARSABLE question_unverified": 1,
        "answer SKIPPED question_void": 2,
        "judgment SKIPPED question_void": 3,
        "question OK": 2,
        "answer OK": 4,
        "judgment OK": 6,
    }
    assert played[0].result.detail == "it has no cases"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit(7)\n", "its checker fails on it"),
        ("import os\nos.kill(os.getpid(), 11)\n", "its checker fails on it"),
        ("def (\n", "its checker fails on it"),
    ],
    ids=["status", "signal", "no program"],
)
async def test_a_checker_that_crashes(tmp_path: Path, code: str, said: str) -> None:
    checker = {"kind": "program", "language": "python", "code": code}
    script = _setting(checker=checker, cases=[("1\n", "1")])
    check = _unverified(await _played(tmp_path, script, max_repairs=1), script)
    assert [d.reason for d in check.dropped] == [said]
    assert f"case 1: {said}" in script.of("question", "p1")[1].request.prompt


async def test_a_checker_that_crashes_on_an_answer_alone(tmp_path: Path) -> None:
    """It has held on the reference's outputs: an answer gains nothing by breaking it."""
    code = (
        "import sys\n"
        "given, expected = (open(name).read().split() for name in sys.argv[2:4])\n"
        "if given == ['boom']:\n    sys.exit(9)\n"
        f"sys.exit({CHECKER_RIGHT} if given == expected else {CHECKER_WRONG})\n"
    )
    checker = {"kind": "program", "language": "python", "code": code}

    def bend(asked: Asked) -> ScriptedReply:
        if asked.step == "1/question/p1":
            return question(TEXTS[0], checker=checker)
        if asked.step == "1/answer/p2":
            return program("n = input()\nprint('boom' if n == '2' else n)\n")
        return plain(asked)

    script = LeagueScript(bend)
    played = await _played(tmp_path, script)
    assert outcomes(played) == TOTAL
    assert played[0].question.check.verified, played[0].question.check
    execution = played[0].answers[0].execution
    assert [c.verdict for c in execution.cases] == [
        execution_pb2.VERDICT_ACCEPTED,
        execution_pb2.VERDICT_WRONG_ANSWER,
        execution_pb2.VERDICT_ACCEPTED,
    ]
    assert (execution.passed_cases, execution.total_cases) == (2, 3)
    told = "the checker failed on its output: it ended with status 9"
    assert execution.cases[1].detail.startswith(told)
    (entry,) = [
        each
        for asked in script.of("judgment", "p1")
        if asked.round == 1
        for each in shown(asked.request)["programs"].values()
        if "boom" in each["code"]
    ]
    seen = entry["evidence"]
    assert (seen["passed"], seen["total"]) == (2, 3)
    assert seen["first_failure"]["difference"].startswith(told)
    assert seen["cases_lost_by_the_sandbox"]["count"] == 0


@pytest.mark.parametrize(
    ("bad", "cause", "told"),
    [
        (program("DISPLAY 1", "cobol"), "language_unknown", "offered are python"),
        (program(""), "code_empty", "held no program"),
        (program("#" * (1 << 20) + "\n" + ECHO), "too_long", "more than 1,000,000 characters"),
    ],
    ids=["language", "empty", "over a megabyte"],
)
async def test_an_answer_that_cannot_be_run(
    tmp_path: Path, bad: ScriptedReply, cause: str, told: str
) -> None:
    script = _answering(bad)
    played = await _played(tmp_path, script)
    missing = played[0].answers[0]
    assert missing.result.outcome == round_pb2.OUTCOME_UNPARSABLE
    assert (missing.result.cause, missing.result.reasks) == (cause, 2)
    assert told in missing.result.detail
    assert told in script.of("answer", "p2")[1].request.prompt
    assert not missing.HasField("execution")
    # It is in nobody's list, and p3 finds nothing to judge but its own.
    judged = {j.judge: (j.result.outcome, len(j.marks)) for j in played[0].judgments}
    assert judged == {
        "p1": (round_pb2.OUTCOME_OK, 1),
        "p2": (round_pb2.OUTCOME_OK, 1),
        "p3": (round_pb2.OUTCOME_SKIPPED, 0),
    }


async def test_an_answer_that_is_mended_when_it_is_asked_for_again(tmp_path: Path) -> None:
    script = _answering(program("DISPLAY 1", "cobol"), program(ECHO))
    played = await _played(tmp_path, script)
    assert outcomes(played) == TOTAL
    answer = played[0].answers[0]
    assert (answer.result.reasks, answer.execution.passed_cases) == (1, 3)


async def test_a_megabyte_of_code_is_run_and_judges_see_its_first_part(
    tmp_path: Path,
) -> None:
    # The longest that a reply holds beside its other keys.
    code = ECHO + "#" * (999_000 - len(ECHO))
    script = _answering(program(code))
    played = await _played(tmp_path, script)
    assert outcomes(played) == TOTAL
    answer = played[0].answers[0]
    assert answer.final_answer == code
    assert answer.execution.passed_cases == 3
    for asked in script.of("judgment"):
        if asked.round == 1 and asked.participant in ("p1", "p3"):
            assert len(asked.request.prompt) < 40_000
            (entry,) = [e for e in shown(asked.request)["programs"].values() if "code_cut" in e]
            assert code.startswith(entry["code"])
            assert entry["code_cut"] == "cut: 23,999 of 999,000 characters"
            assert entry["evidence"]["passed"] == 3


async def test_a_long_answer_costs_the_others_no_judgment(tmp_path: Path) -> None:
    """Every judge's context holds what it is shown, though the answer alone would pass it."""
    long = program(ECHO + "# and so on\n" * 4_900, approach="Right, since. " * 4_200)

    def bend(asked: Asked) -> ScriptedReply:
        if asked.role == "judgment" and len(asked.request.prompt) > 48_000:
            return failure(400, "This model's maximum context length is 16384 tokens")
        return long if asked.step.endswith("answer/p2") else plain(asked)

    script = LeagueScript(bend)
    played = await _played(tmp_path, script)
    assert outcomes(played) == TOTAL
    assert len(played[0].answers[0].final_answer) > 58_000
    assert len(played[0].answers[0].text) > 58_000
    for asked in script.of("judgment"):
        for entry in shown(asked.request)["programs"].values():
            assert ("code_cut" in entry) is ("approach_cut" in entry) is (entry["code"] != ECHO)


@pytest.mark.docker
async def test_a_thousand_cases(tmp_path: Path, sandbox_image: str) -> None:
    echo = '#include <stdio.h>\nint main(void) { int n; scanf("%d", &n); printf("%d\\n", n); }\n'
    cases = [(f"{number}\n", str(number)) for number in range(1000)]

    def bend(asked: Asked) -> ScriptedReply:
        if asked.step == "1/question/p1":
            return question(TEXTS[0], echo, cases, language="c")
        return program(echo, "c") if asked.step == "1/answer/p2" else plain(asked)

    script = LeagueScript(bend)
    runner = DockerRunner(options(sandbox_image, pool_size=2))
    played = await _played(tmp_path, script, runner, within_s=1800)
    assert outcomes(played) == TOTAL
    check = played[0].question.check
    assert (len(check.cases), check.dropped_cases) == (1000, 0)
    assert [a.execution.passed_cases for a in played[0].answers] == [1000, 1000]
    for asked in script.of("judgment"):
        if asked.round == 1:
            for entry in shown(asked.request)["programs"].values():
                found = entry["evidence"]
                assert found["passed"] == len(found["cases"]) + sum(
                    found["cases_not_listed"].values()
                )
                assert len(found["cases"]) == 40


async def test_more_cases_than_a_thousand_are_refused(tmp_path: Path) -> None:
    script = _setting(cases=[("1\n", "1")] * 1001)
    played = await _played(tmp_path, script)
    assert played[0].result.outcome == round_pb2.OUTCOME_UNPARSABLE
    assert "1,001 cases were given, more than 1,000" in played[0].result.detail
    assert outcomes(played)["question OK"] == 2
