"""A programming league in which nothing could be verified does not end as a plain success.

Server, channel and endpoint are real; its programs run on this host.
"""

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from llm_crowdsourced.v1 import event_pb2, result_service_pb2, round_pb2, run_pb2
from rich.console import Console

from client import run_actions
from client.connection import Target, connect
from client.interrupts import Interrupts
from client.live_view import Picture, step_line
from client.report_files import write_report
from client.run_progress import RunProgress
from client.session import Session
from client.watching import print_standings, run_document
from tests.support.fake_runner import FakeRunner
from tests.support.league_server import league_server, settings_for
from tests.support.programming_replies import TEXTS, plain, programming_league, question
from tests.support.rounds import create, run
from tests.support.scripted_endpoint import ScriptedReply
from tests.support.scripted_league import Asked, LeagueScript

NAME = "runs/math-1"
WARNING = (
    "0 of 3 questions have a verified reference: pass rates are missing, and scores rest on "
    "the judges alone."
)


def bend(asked: Asked) -> ScriptedReply:
    """Gives references that crash on every case."""
    if asked.role == "question":
        return question(TEXTS[asked.round - 1], "raise SystemExit(1)\n")
    return plain(asked)


@dataclass(frozen=True)
class Played:
    """What came of the run, and where it is read."""

    session: Session
    run: run_pb2.Run
    events: list[event_pb2.RunEvent]
    standings: result_service_pb2.GetStandingsResponse


@pytest.fixture(scope="module")
async def played(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Played]:
    database = tmp_path_factory.mktemp("unverified") / "a.duckdb"
    async with (
        LeagueScript(bend).endpoint() as endpoint,
        league_server(settings_for(endpoint, database), runner=FakeRunner()) as server,
        connect(target := Target(server=server.address)) as connection,
    ):
        messages = await server.play(create(programming_league(3)))
        yield Played(
            session=Session(connection=connection, target=target, interrupts=Interrupts()),
            run=await run(server),
            events=[message.event for message in messages],
            standings=await server.results.GetStandings(
                result_service_pb2.GetStandingsRequest(name=NAME)
            ),
        )


def test_its_standings_come_with_a_warning(
    played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    assert played.run.state == run_pb2.Run.STATE_SUCCEEDED
    assert (played.standings.marks, played.standings.coverage_warning) == (12, "")
    assert played.standings.verification_warning == WARNING
    print_standings(played.standings)
    assert " ".join(capsys.readouterr().out.split()).startswith(WARNING)
    assert run_document(played.run, played.standings)["verification_warning"] == WARNING


async def test_show_marks_its_questions_and_warns_above_all(
    played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_actions.show_run(played.session, NAME, as_json=False)
    out = " ".join(capsys.readouterr().out.split())
    assert out.count("ok, unverified") == 3
    assert out.index(WARNING) < out.index("Standings")


def test_the_views_mark_its_questions_as_they_come(played: Played) -> None:
    finished = [e.step_finished for e in played.events if e.WhichOneof("kind") == "step_finished"]
    told = {step.unverified for step in finished if step.role != round_pb2.ROLE_QUESTION}
    assert told == {False}
    lines = sorted(step_line(step) for step in finished if step.role == round_pb2.ROLE_QUESTION)
    assert lines == [f"round {n}: question by p{n} ok, unverified" for n in (1, 2, 3)]
    progress = RunProgress(played.run, {})
    for event in played.events:
        progress.apply(event)
    console = Console(file=io.StringIO(), width=80, height=24, color_system=None)
    console.print(Picture(progress, datetime.now(UTC)))
    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().count("✓ unverified") == 3


async def test_its_report_says_it_first(played: Played, tmp_path: Path) -> None:
    await write_report(played.session.connection, [NAME], tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert page.index(WARNING) < page.index("<main>")
