"""Disputed cases of a league that is played: what counts as agreement against a reference."""

from collections.abc import Mapping
from pathlib import Path

from llm_crowdsourced.v1 import round_pb2

from tests.support.fake_runner import FakeRunner
from tests.support.league_server import league_server, settings_for
from tests.support.programming_replies import (
    ECHO,
    TEXTS,
    plain,
    program,
    programming_league,
    question,
)
from tests.support.rounds import create, rounds
from tests.support.scripted_endpoint import ScriptedReply
from tests.support.scripted_league import Asked, LeagueScript

SILENT = "def solve():\n    print(input())\n"


async def _first(
    folder: Path, asked_first: ScriptedReply, codes: Mapping[str, str]
) -> round_pb2.Round:
    """Returns the first round of a league with this question and these programs in it."""

    def bend(asked: Asked) -> ScriptedReply:
        if asked.step == "1/question/p1":
            return asked_first
        if asked.role == "answer" and asked.round == 1:
            return program(codes[asked.participant])
        return plain(asked)

    async with (
        LeagueScript(bend).endpoint() as endpoint,
        league_server(settings_for(endpoint, folder / "a.duckdb"), runner=FakeRunner()) as server,
    ):
        await server.play(create(programming_league(4)))
        return (await rounds(server))[0]


async def test_programs_that_call_nothing_do_not_take_a_right_one_its_pass_rate(
    tmp_path: Path,
) -> None:
    codes = {"p2": ECHO, "p3": SILENT, "p4": SILENT + "# as p3\n"}
    first = await _first(tmp_path, question(TEXTS[0]), codes)
    assert not first.question.check.disputed_cases
    assert [a.execution.pass_rate for a in first.answers] == [1, 0, 0]


async def test_a_blank_in_a_reference_that_nobody_could_know_of_is_disputed(tmp_path: Path) -> None:
    asked = question(
        TEXTS[0],
        "print(input(), end=' \\n')\n",
        cases=[("1\n",), ("2\n",)],
        checker={"kind": "exact"},
    )
    first = await _first(tmp_path, asked, dict.fromkeys(("p2", "p3", "p4"), ECHO))
    assert first.question.check.verified
    assert list(first.question.check.disputed_cases) == ["case 1", "case 2"]
    assert not any(answer.execution.HasField("pass_rate") for answer in first.answers)
