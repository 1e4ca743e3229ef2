"""Programs that compare outputs: the gate shows that they accept what answers are held against."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from llm_crowdsourced.v1 import league_pb2, round_pb2

from sandbox.checker import CHECKER_RIGHT, CHECKER_WRONG
from sandbox.docker_runner import DockerRunner
from sandbox.runner import Runner
from server.league.programming_replies import read_programming_question
from server.league.programs import ProgrammingQuestion
from server.play.checking import check
from server.play.executing import Executing
from tests.support.fake_runner import FakeRunner
from tests.support.league_server import league_server, settings_for
from tests.support.programming_replies import TEXTS, plain, programming_league, question
from tests.support.rounds import create, outcomes, rounds
from tests.support.sandboxes import options
from tests.support.scripted_endpoint import ScriptedReply
from tests.support.scripted_league import Asked, LeagueScript

UNSAID = (("1\n",), ("2\n",))
SAID = (("1\n", "1"), ("2\n", "2"))
READ = "import sys\n_, given, expected = (open(name).read() for name in sys.argv[1:4])\n"
HONEST = f"{READ}sys.exit({CHECKER_RIGHT} if given == expected else {CHECKER_WRONG})\n"
REJECTS = "its checker rejects the output of the reference"
FAILS = "its checker fails on it"
WHEN = " when it is given that same output as the expected one"
BAD = {
    "never accepts": (f"raise SystemExit({CHECKER_WRONG})\n", UNSAID, REJECTS, REJECTS + WHEN),
    "no program": ("def (:\n", UNSAID, FAILS, f"{FAILS}: the checker does not compile"),
    # What a setter writes down has no line break at its end, what a program prints has one.
    "strips one side": (
        f"{READ}sys.exit({CHECKER_RIGHT} if given.strip() == expected else {CHECKER_WRONG})\n",
        SAID,
        REJECTS,
        f'{REJECTS}{WHEN}; input: \\"1\\\\n\\"; the reference prints: \\"1\\\\n\\"',
    ),
    "asserts on what is written down": (
        f"{READ}assert expected in '12'\nsys.exit({CHECKER_RIGHT})\n",
        SAID,
        FAILS,
        f"{FAILS}{WHEN}: the checker ended with status 1",
    ),
}


def _checker(code: str) -> dict[str, str]:
    return {"kind": "program", "language": "python", "code": code}


async def _first(
    folder: Path, code: str, cases: Sequence[Sequence[str]], runner: Runner
) -> tuple[round_pb2.Round, list[str]]:
    """Plays a league whose first question has this checker.

    Returns:
        Its first round, and what its setter was asked.
    """

    def bend(asked: Asked) -> ScriptedReply:
        if asked.step == "1/question/p1":
            return question(TEXTS[0], cases=cases, checker=_checker(code))
        return plain(asked)

    script = LeagueScript(bend)
    league = programming_league(3, programming=league_pb2.ProgrammingRules(max_repairs=1))
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, folder / "a.duckdb"), runner=runner) as server,
    ):
        await server.play(create(league), within_s=300)
        played = await rounds(server)
    assert outcomes(played) == {"question OK": 3, "answer OK": 6, "judgment OK": 9}
    return played[0], [asked.request.prompt for asked in script.of("question", "p1")]


@pytest.mark.parametrize("name", BAD)
async def test_a_checker_that_fails_right_answers_is_put_to_its_setter(
    tmp_path: Path, name: str
) -> None:
    await _is_put_to_its_setter(tmp_path, name, FakeRunner())


@pytest.mark.docker
@pytest.mark.parametrize("name", BAD)
async def test_so_it_is_in_real_containers(tmp_path: Path, name: str, sandbox_image: str) -> None:
    await _is_put_to_its_setter(tmp_path, name, DockerRunner(options(sandbox_image)))


async def _is_put_to_its_setter(folder: Path, name: str, runner: Runner) -> None:
    code, cases, reason, told = BAD[name]
    first, (_, repair) = await _first(folder, code, cases, runner)
    check_ = first.question.check
    assert [dropped.reason for dropped in check_.dropped] == [reason] * 2
    assert (check_.verified, check_.repairs) == (False, 1)
    assert f"case 1: {told}" in repair
    # Nobody fails by it.
    assert [a.execution.HasField("pass_rate") for a in first.answers] == [False, False]


@pytest.mark.parametrize("cases", [UNSAID, SAID], ids=["unsaid", "said"])
async def test_a_checker_that_accepts_what_it_should_is_kept(
    tmp_path: Path, cases: Sequence[Sequence[str]]
) -> None:
    lenient = HONEST.replace("given == expected", "given.split() == expected.split()")
    first, asked = await _first(tmp_path, lenient, cases, FakeRunner())
    assert len(asked) == 1
    assert (first.question.check.verified, first.question.check.dropped_cases) == (True, 0)
    assert [a.execution.passed_cases for a in first.answers] == [2, 2]


async def test_what_its_setter_wrote_down_is_compared_by_it_as_well(tmp_path: Path) -> None:
    """Word by word it would agree."""
    first, (_, repair) = await _first(tmp_path, HONEST, SAID, FakeRunner())
    assert not first.question.check.verified
    assert "case 1: the reference contradicts what you expect" in repair


async def test_an_output_that_changes_is_not_the_checkers_fault() -> None:
    code = f"{READ}assert given == expected\nsys.exit({CHECKER_RIGHT})\n"
    changes = "import random\nprint(random.random())\n"
    wanted = _question(solution=changes, cases=UNSAID, checker=_checker(code))
    executing = Executing(FakeRunner(), "math-1")
    checked = await check(executing, wanted, round_index=1, setter="p1", attempt=0)
    told = "case 1: the output of the reference changes between two runs"
    assert checked.decision.repair.startswith(told)


def _question(**values: Any) -> ProgrammingQuestion:
    read = read_programming_question(question(TEXTS[0], **values).text or "")
    assert isinstance(read, ProgrammingQuestion)
    return read


@pytest.mark.parametrize("by_program", [False, True])
async def test_only_where_a_program_compares_the_second_run_waits_for_the_first(
    by_program: bool,
) -> None:
    hold = asyncio.Event()
    runner = FakeRunner(hold=hold)
    checker = _checker(HONEST) if by_program else {"kind": "exact"}
    wanted = _question(cases=UNSAID, checker=checker)
    checking = asyncio.create_task(
        check(Executing(runner, "math-1"), wanted, round_index=1, setter="p1", attempt=0)
    )
    at_once = 1 if by_program else 2
    await runner.until(lambda: len(runner.begun) == at_once)
    hold.set()
    checked = await checking
    assert len(runner.begun) == 2
    assert checked.decision.check.verified
    expected = [[case.expected for case in job.cases] for job in runner.begun]
    assert expected == [[None, None], [b"1\n", b"2\n"] if by_program else [None, None]]
