"""A round whose question was not verified where that is required: void, and to be looked into.

Server, channel and endpoint are real; its programs run on this host.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import openpyxl
import pytest
from llm_crowdsourced.v1 import league_pb2, result_service_pb2, round_pb2

from analysis.dataset import Dataset
from client import run_actions
from client.connection import Connection, Target, connect
from client.dataset import fetch_dataset
from client.report_files import write_report
from tests.support.fake_runner import FakeRunner
from tests.support.league_server import league_server, settings_for
from tests.support.programming_replies import TEXTS, plain, programming_league, question
from tests.support.rounds import create, rounds
from tests.support.scripted_endpoint import ScriptedReply
from tests.support.scripted_league import Asked, LeagueScript

NAMES = ("runs/math-1",)
CRASHES = "raise SystemExit(1)\n"
REASON = "the reference ends with exit status 1"
CHECKER = {
    "kind": "program",
    "language": "python",
    "code": "import sys\nsys.exit(42 if len(sys.argv) == 4 else 43)\n",
}


def bend(asked: Asked) -> ScriptedReply:
    """In round 1 no reference holds; in round 2 a program compares, in round 3 a tolerance."""
    if asked.role != "question":
        return plain(asked)
    if asked.round == 1:
        return question(TEXTS[0], CRASHES)
    checkers = {2: CHECKER, 3: {"kind": "floats", "absolute": 1e-6, "relative": 0.005}}
    return question(TEXTS[asked.round - 1], checker=checkers[asked.round])


@dataclass(frozen=True)
class Played:
    """What came of the run, and where it is read."""

    connection: Connection
    rounds: list[round_pb2.Round]
    standings: result_service_pb2.GetStandingsResponse
    dataset: Dataset


@pytest.fixture(scope="module")
async def played(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Played]:
    folder = tmp_path_factory.mktemp("void")
    rules = league_pb2.ProgrammingRules(
        max_repairs=1, question_gate=league_pb2.QUESTION_GATE_REQUIRE
    )
    script = LeagueScript(bend)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, folder / "a.duckdb"), runner=FakeRunner()) as server,
        connect(Target(server=server.address)) as connection,
    ):
        await server.play(create(programming_league(3, programming=rules)))
        yield Played(
            connection=connection,
            rounds=await rounds(server),
            standings=await server.results.GetStandings(
                result_service_pb2.GetStandingsRequest(name=NAMES[0])
            ),
            dataset=await fetch_dataset(connection, NAMES),
        )


def test_its_question_comes_with_what_became_of_checking_it(played: Played) -> None:
    void = played.rounds[0]
    assert void.result.outcome == round_pb2.OUTCOME_UNPARSABLE
    assert void.result.cause == "question_unverified"
    assert (void.question.text, void.question.reference_answer) == (TEXTS[0], CRASHES)
    check = void.question.check
    assert (check.verified, check.repairs, check.dropped_cases) == (False, 1, 3)
    assert [case.reason for case in check.dropped] == [REASON] * 3
    assert check.detail == void.result.detail
    assert REASON in check.detail
    assert {a.result.cause for a in void.answers} == {"question_void"}


def test_it_counts_nowhere_as_played(played: Played) -> None:
    by = {standing.participant: standing for standing in played.standings.standings}
    # Each answered twice but for those who set the other questions.
    assert {name: found.rounds for name, found in by.items()} == {"p1": 2, "p2": 1, "p3": 1}
    assert {name: found.pass_rate_rounds for name, found in by.items()} == {
        "p1": 2,
        "p2": 1,
        "p3": 1,
    }
    assert not by["p1"].HasField("question_score")
    assert by["p2"].HasField("question_score")


async def test_it_is_shown_in_the_terminal(
    played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_actions.show_round(played.connection, NAMES[0], 1, as_json=False)
    out = " ".join(capsys.readouterr().out.split())
    assert f"unparsable (question_unverified: none of its cases could be kept: {REASON}" in out
    assert TEXTS[0] in out
    told = "Void, nobody was asked to answer it. Unverified: 0 of 3 cases kept. Mended once"
    assert told in out
    assert f"dropped case 1: {REASON}" in out
    assert "reference (python): raise SystemExit(1)" in out


@pytest.mark.parametrize(
    ("index", "told"),
    [
        (1, "word by word"),
        (2, "by a program of its setter in python"),
        (3, "word by word, numbers within 1e-06 absolute or 0.005 relative"),
    ],
)
async def test_how_outputs_are_compared_is_shown(
    played: Played, index: int, told: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    await run_actions.show_round(played.connection, NAMES[0], index, as_json=False)
    sentence = f"Outputs are compared {told}."
    assert sentence in " ".join(capsys.readouterr().out.split())
    await write_report(played.connection, NAMES, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert sentence in page
    assert f"<td>{told}</td>" in page
    assert _questions(tmp_path)[index - 1]["Outputs compared"] == told


async def test_it_is_in_the_report_with_the_reason(played: Played, tmp_path: Path) -> None:
    await write_report(played.connection, NAMES, tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "void: question_unverified" in page
    assert "It was not played: unparsable: <bdi>question_unverified</bdi>" in " ".join(page.split())
    assert "unverified</strong>, void" in page
    first, *others = _questions(tmp_path)
    assert (first["Played"], first["Verified"], first["Cases dropped"]) == ("void", "no", 3)
    assert REASON in str(first["Detail"])
    assert [row["Played"] for row in others] == ["yes", "yes"]
    content = json.loads((tmp_path / "run.json").read_text())
    accuracy = content["programs"]["accuracy"]
    assert (accuracy["left_out"], {judge["unverified"] for judge in accuracy["judges"]}) == (0, {0})


def _questions(folder: Path) -> list[dict[object, object]]:
    """Returns the rows of the sheet of questions."""
    sheet = openpyxl.load_workbook(folder / "report.xlsx")["Questions"]
    header, *body = sheet.iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in body]
