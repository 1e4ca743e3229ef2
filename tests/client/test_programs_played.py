"""A programming league that is played, judged again without evidence, and read by the clients.

Server, channel and endpoint are real; its programs run on this host.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import openpyxl
import pytest
from llm_crowdsourced.v1 import league_pb2

from analysis.dataset import Dataset
from analysis.evidence_effect import evidence_effects
from analysis.pass_rates import pass_rates
from client import run_actions, run_rejudge
from client.connection import Target, connect
from client.dataset import fetch_dataset
from client.interrupts import Interrupts
from client.playing import PlayOptions
from client.report_files import write_report
from client.session import Session
from tests.support.fake_runner import FakeRunner
from tests.support.league_server import league_server, settings_for
from tests.support.programming_replies import (
    alike,
    by_evidence,
    judgment,
    plain,
    program,
    programming_league,
)
from tests.support.rounds import create
from tests.support.scripted_endpoint import ScriptedReply
from tests.support.scripted_league import Asked, LeagueScript

NAMES = ("runs/math-1", "runs/blindfold")
# By answerer, where it is not right: wrong on every case, and no Python at all.
FAULTY = {"p2": "print(7)\n", "p3": "print((\n"}


def bend(asked: Asked) -> ScriptedReply:
    """Judges with evidence go by it; without, all programs are alike to them."""
    if asked.role == "judgment":
        hidden = "You are not told what the programs did" in asked.request.prompt
        return judgment(asked.request, alike if hidden else by_evidence)
    if asked.role == "answer" and asked.participant in FAULTY:
        return program(FAULTY[asked.participant])
    return plain(asked)


@dataclass(frozen=True)
class Played:
    """A session with a server that has played both runs, and what they came to."""

    session: Session
    dataset: Dataset


@pytest.fixture(scope="module")
async def played(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Played]:
    folder = tmp_path_factory.mktemp("played")
    script = LeagueScript(bend)
    async with (
        script.endpoint() as endpoint,
        league_server(
            settings_for(endpoint, folder / "a.duckdb", max_retries=0), runner=FakeRunner()
        ) as server,
        connect(Target(server=server.address)) as connection,
    ):
        await server.play(create(programming_league(4)))
        session = Session(
            connection=connection,
            target=Target(server=server.address),
            interrupts=Interrupts(),
        )
        wanted = run_rejudge.Options(
            run_id="blindfold", judges=(), identity="blind", order="shuffled",
            evidence="hidden", seed=None, budget=league_pb2.Budget(),
        )  # fmt: skip
        await run_rejudge.rejudge(session, NAMES[0], wanted, PlayOptions(report=False))
        await server.watch(NAMES[1])
        yield Played(session=session, dataset=await fetch_dataset(connection, NAMES))


def test_pass_rates_are_what_the_programs_passed(played: Played) -> None:
    found = {rate.model: rate for rate in pass_rates(played.dataset)}
    assert {model: rate.value for model, rate in found.items()} == {
        "p1": 1.0,
        "p2": 0.0,
        "p3": 0.0,
        "p4": 1.0,
    }
    assert [rate.rounds for rate in found.values()] == [3, 3, 3, 3]
    assert found["p3"].not_compiled == 3


def test_what_evidence_changes_is_measured(played: Played) -> None:
    first, again = played.dataset.runs
    assert (first.evidence, again.evidence, again.source_run) == ("shown", "hidden", "math-1")
    (effect,) = evidence_effects(played.dataset)
    assert (effect.shown, effect.hidden, effect.also) == ("math-1", "blindfold", ())
    # With evidence scores are the pass rates; without, no order at all.
    assert effect.overall.accuracy.shown == 1
    assert effect.overall.accuracy.hidden is None
    assert effect.overall.inverted.shown == effect.overall.inverted.hidden == 0
    assert effect.overall.distance == 50
    assert effect.overall.scores == 4 * 3 * 3


async def test_the_report_of_both_runs(played: Played, tmp_path: Path) -> None:
    written = await write_report(played.session.connection, NAMES, tmp_path)
    assert tmp_path / "charts" / "judge-accuracy.svg" in written.paths
    assert 'id="evidence"' in (tmp_path / "report.html").read_text()
    book = openpyxl.load_workbook(tmp_path / "report.xlsx")
    assert "Evidence" in book.sheetnames
    content = json.loads((tmp_path / "run.json").read_text())
    assert content["programs"]["effects"][0]["overall"]["accuracy"]["shown"] == 1


async def test_a_round_is_shown(played: Played, capsys: pytest.CaptureFixture[str]) -> None:
    await run_actions.show_round(played.session.connection, NAMES[0], 1, as_json=False)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    told = "Verified: the reference ran twice alike on every case kept; 3 of 3 cases kept."
    assert told in lines
    assert "python: passed 3 of 3 cases (100 %)  ✓✓✓" in lines
    assert "python: passed 0 of 3 cases (0 %)  ✗✗✗" in lines
    assert "print(7)" in lines
    assert any(line.startswith("p4: 100 of 100 (seen as ") for line in lines)


async def test_a_run_shows_pass_rates_beside_scores(
    played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_actions.show_run(played.session, NAMES[1], as_json=False)
    out = " ".join(capsys.readouterr().out.split())
    assert "hidden to judges" in out
    assert "100 % (3)" in out
    assert "no part of the rank" in out
