"""Coverage on the terminal: the matrix, its summary, and the warning above all results."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from llm_crowdsourced.v1 import result_service_pb2 as pb
from llm_crowdsourced.v1 import round_pb2, run_pb2

from analysis.coverage import Cell, Coverage, State, coverage
from analysis.dataset import Dataset
from client import run_actions
from client.playing import PlayOptions, finish
from client.run_coverage import show_coverage
from client.session import Session
from tests.support.datasets import Holes, Recipe, league, league_run
from tests.support.fake_service import FakeService, run

NAME = "runs/math-1"
NO_REPORT = PlayOptions(report=False)
HOLES = Holes(
    judgments=[(1, "model-a"), (3, "model-a")],
    answers=[(2, "model-c")],
    void=[4],
    mended=[(1, "model-b")],
    reasked=[(1, "model-c")],
)
_ROLES = {"question": 1, "answer": 2, "judgment": 3}
_OUTCOMES = {"": 0, "ok": 1, "refused": 2, "unparsable": 3, "skipped": 6}
_STATES = {
    State.ARRIVED: pb.COVERAGE_STATE_ARRIVED,
    State.REPAIRED: pb.COVERAGE_STATE_REPAIRED,
    State.REASKED: pb.COVERAGE_STATE_REASKED,
    State.MISSING: pb.COVERAGE_STATE_MISSING,
    State.PENDING: pb.COVERAGE_STATE_PENDING,
}


def _role(role: str) -> round_pb2.Role.ValueType:
    return round_pb2.Role.ValueType(_ROLES[role])


def _outcome(outcome: str) -> round_pb2.Outcome.ValueType:
    return round_pb2.Outcome.ValueType(_OUTCOMES[outcome])


def message(found: Coverage) -> pb.GetCoverageResponse:
    """Returns what a server answers for that coverage of one run."""

    def cells(every: Sequence[Cell]) -> list[pb.CoverageCell]:
        return [
            pb.CoverageCell(
                round=cell.round,
                role=_role(cell.role),
                participant=cell.participant,
                state=_STATES[cell.state],
                outcome=_outcome(cell.outcome),
                cause=cell.cause,
                detail=cell.detail,
                reasks=cell.reasks,
            )
            for cell in every
            if cell.state is not State.NOT_DUE
        ]

    names = ("planned", "arrived", "repaired", "reasked", "missing", "pending")
    return pb.GetCoverageResponse(
        marks=found.marks,
        planned_marks=found.planned,
        warning=found.warning,
        cells=cells(found.cells),
        totals=[
            pb.CoverageTotal(
                participant=total.participant,
                role=_role(total.role),
                **{name: getattr(total, name) for name in names},
            )
            for total in found.totals
        ],
        failures=[
            pb.CoverageFailure(
                participant=f.participant,
                role=_role(f.role),
                outcome=_outcome(f.outcome),
                cause=f.cause,
                count=f.count,
                rounds=[index for _, index in f.rounds],
                example=f.example,
            )
            for f in found.failures
        ],
    )


async def shown(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str], dataset: Dataset
) -> str:
    service.coverage = message(coverage(dataset))
    assert await show_coverage(session.connection, NAME, as_json=False) == 0
    return capsys.readouterr().out


async def test_the_matrix_and_what_is_missing(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    text = await shown(service, session, capsys, league(Recipe(n=4, holes=HOLES)))
    lines = text.splitlines()
    # 17 of 36 marks: the sentence is folded to 80 columns.
    assert lines[0].startswith("Only ")
    at = lines.index("Judgments, rounds 1-4")
    assert lines[at + 1].split() == ["Judge", "1", "2", "3", "4"]
    assert lines[at + 2].split() == ["model-a", "U", "✓", "U", "-"]
    assert lines[at + 3].split() == ["model-b", "✎", "✓", "✓", "-"]
    assert lines[at + 4].split() == ["model-c", "↻", "✓", "✓", "-"]
    at = lines.index("Answers, rounds 1-4")
    # Its own round is a blank, so the columns stay in line.
    assert lines[at + 3] == "model-b  ✓   ✓ -"
    assert "U missing: unreadable" in text
    assert "T missing" not in text
    assert "duplicate_label, 2 steps: A label was ranked twice." in text
    assert "model-a: judgment in rounds 1, 3" in text
    assert "Skipped, as what they needed did not arrive: 7 steps." in text
    row = next(line for line in lines if line.startswith("model-b") and "of" in line)
    assert row.split() == ["model-b", "1", "of", "1", "2", "of", "3", "3", "of", "4", "✎1"]
    assert max(map(len, lines)) <= 80


async def test_many_rounds_are_told_in_blocks(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    names = tuple(f"a-model-with-a-long-name-of-the-same-family-{i}" for i in range(8))
    dataset = league(Recipe(names=names, cycles=15))
    lines = (await shown(service, session, capsys, dataset)).splitlines()
    assert max(map(len, lines)) <= 80
    blocks = [line for line in lines if line.startswith("Judgments, rounds")]
    assert len(blocks) == 9
    told = [
        int(index)
        for line in lines
        if line.startswith("Judge ")
        for index in line.removeprefix("Judge").split()
    ]
    assert told == list(range(1, 121))


async def test_a_file_without_symbols_gets_letters(
    service: FakeService,
    session: Session,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rich.console.Console.encoding", "ascii")
    text = await shown(service, session, capsys, league(Recipe(n=4, holes=HOLES)))
    assert text.isascii()
    assert "model-b  ~ + + -" in text


async def test_what_models_wrote_cannot_command_the_terminal(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b[2J[bold]\u202ex\x07"
    found = coverage(league(Recipe(n=3, names=(evil, "b", "c"), holes=Holes(void=[1]))))
    failures = tuple(replace(f, cause=evil, example=evil) for f in found.failures)
    service.coverage = message(replace(found, failures=failures))
    await show_coverage(session.connection, NAME, as_json=False)
    text = capsys.readouterr().out
    assert not {"\x1b", "\u202e", "\x07"} & set(text)
    assert "[2J[bold]x" in text


async def test_json_has_every_cell_of_every_page(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    service.coverage = message(coverage(league(Recipe(n=4, holes=HOLES))))
    await show_coverage(session.connection, NAME, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert len(service.asked(pb.GetCoverageRequest)) == 4
    assert len(document["coverage"]["cells"]) == 32
    assert next(iter(document)) == "coverage_warning"
    assert document["coverage_warning"].startswith("Only ")
    assert document["coverage"]["totals"][0]["planned"] == 1


async def test_a_run_of_which_nothing_is_planned_yet_is_told(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    dataset = Dataset(runs=(league_run(Recipe(n=3, holes=Holes(not_begun=[1, 2, 3]))),))
    text = await shown(service, session, capsys, dataset)
    assert "0 of 12 planned marks arrived (0 %)." in text
    assert "0 of 1 …1" in text
    assert "Failures" not in text


WARNING = "Only 3 of 36 planned marks (8.3 %) arrived; read the standings with care."


def _little(service: FakeService) -> None:
    service.run = run(run_pb2.Run.STATE_SUCCEEDED)
    service.standings = pb.GetStandingsResponse(
        standings=[pb.Standing(participant="ada", rank=1, answer_score=2.0, marks=3)],
        marks=3,
        planned_marks=36,
        coverage_warning=WARNING,
    )


async def test_the_warning_stands_above_the_standings(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    _little(service)
    await finish(session, run(run_pb2.Run.STATE_SUCCEEDED), NO_REPORT)
    assert capsys.readouterr().out.startswith(WARNING)

    await run_actions.watch_run(session, NAME, as_json=False)
    assert capsys.readouterr().out.startswith(WARNING)

    await run_actions.show_run(session, NAME, as_json=False)
    shown = capsys.readouterr().out
    assert shown.splitlines()[:2] == ["math-1", WARNING]


async def test_no_standings_are_to_be_read_with_care_where_there_are_none(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    _little(service)
    service.standings.marks = 0
    await finish(session, run(run_pb2.Run.STATE_CANCELLED), NO_REPORT)
    assert capsys.readouterr().out == (
        "None of 36 planned marks has arrived: there are no standings.\n"
    )


async def test_the_warning_is_a_key_of_each_document(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    _little(service)
    for work in (
        finish(session, run(run_pb2.Run.STATE_SUCCEEDED), PlayOptions(report=False, json=True)),
        run_actions.show_run(session, NAME, as_json=True),
        run_actions.watch_run(session, NAME, as_json=True),
    ):
        await work
        document = json.loads(capsys.readouterr().out)
        assert document["coverage_warning"] == WARNING
        assert next(iter(document)) == "coverage_warning"
