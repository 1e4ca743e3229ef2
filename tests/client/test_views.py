"""The views of a run, drawn from events, as text."""

import io
from datetime import timedelta

import pytest
from llm_crowdsourced.v1 import event_pb2, round_pb2, run_pb2
from rich.console import Console

from client.line_view import LineView
from client.live_view import Picture
from client.run_progress import RunProgress
from tests.support.fake_service import BEGIN, IDS, event, league, run, state_event

SETTERS = {i + 1: name for i, name in enumerate(IDS)}
RUNNING = state_event(1, run_pb2.Run.STATE_RUNNING)


def step(
    sequence: int, round_: int, role: int, who: str, ending: tuple[int, str] = (1, "")
) -> event_pb2.RunEvent:
    outcome, cause = ending
    finished = event_pb2.StepFinished(
        round=round_,
        role=round_pb2.Role.ValueType(role),
        participant=who,
        outcome=round_pb2.Outcome.ValueType(outcome),
        cause=cause,
        calls=1,
    )
    found = event(sequence, step_finished=finished)
    found.progress.done_steps = sequence - 1
    found.progress.calls = sequence + 1
    found.progress.prompt_tokens = 700 * sequence
    found.progress.completion_tokens = 200 * sequence
    return found


def a_league_under_way() -> list[event_pb2.RunEvent]:
    events = [RUNNING]
    events += [step(i + 2, i + 1, 1, name) for i, name in enumerate(IDS[:3])]
    events.append(step(5, 4, 1, "di", (3, "unparsable")))
    events += [
        step(6, 1, 2, "bob"),
        step(7, 1, 2, "cy", (4, "truncated")),
        step(8, 1, 3, "ada"),
    ]
    events += [step(9 + i, 4, 3, name, (6, "question_void")) for i, name in enumerate(IDS)]
    events[-1].progress.failures.update({"unparsable": 1, "truncated": 1, "question_void": 4})
    return events


def after(events: list[event_pb2.RunEvent], start: run_pb2.Run | None = None) -> RunProgress:
    progress = RunProgress(start or run(), SETTERS)
    for item in events:
        progress.apply(item)
    return progress


def drawn(progress: RunProgress, width: int = 80, height: int = 24, seconds: float = 20) -> str:
    console = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    console.print(Picture(progress, BEGIN + timedelta(seconds=seconds)))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_picture_at_80_columns() -> None:
    lines = [line.rstrip() for line in drawn(after(a_league_under_way())).splitlines()]

    assert lines[0].startswith("math-1")
    assert lines[0].endswith("running  0:20  about 35 s left")
    assert lines[1].endswith("34 %")
    assert lines[2] == ("11 of 32 steps · 13 calls of 32 planned · 8.4k + 2.4k tokens · $0.00")
    assert lines[3] == "Lost steps: question_void 4, truncated 1, unparsable 1"
    assert lines[4].split() == ["Round", "Set", "by", "Question", "Answers", "Judgments"]
    assert lines[5].split() == ["1", "ada", "✓", "2", "of", "3", "✓✗", "1", "of", "4", "✓"]
    assert lines[6].split() == ["2", "bob", "✓", "0", "of", "3", "0", "of", "4"]
    assert lines[8].split()[:4] == ["4", "di", "✗", "unparsable"]
    assert lines[8].endswith("4 of 4 ····")
    assert len(lines) == 9


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    start = run(league=league(title="A very long title " * 9))
    text = drawn(after(a_league_under_way(), start), width=width)

    assert max(map(len, text.splitlines())) <= width


def test_rounds_that_do_not_fit_are_counted_and_those_under_way_shown() -> None:
    start = run(league=league(rounds_per_participant=20))
    events = [RUNNING, *(step(2 + i, 50, 3, name) for i, name in enumerate(IDS))]
    events.append(step(9, 77, 1, "ada"))

    text = drawn(after(events, start), height=16)

    assert len(text.splitlines()) <= 16
    assert any(line.split()[0] == "77" for line in text.splitlines() if line.strip())
    assert "and 73 more rounds: 1 played, 72 to come" in text


def test_preparation_is_shown_until_the_first_step() -> None:
    report = event_pb2.PreparationProgress(
        activity="fetching qwen", done=312_000_000, total=478_100_000, unit="bytes"
    )
    events = [RUNNING, event(2, preparation_progress=report)]

    assert "fetching qwen" in drawn(after(events))
    assert "312.0 MB of 478.1 MB" in drawn(after(events))
    assert "fetching qwen" not in drawn(after([*events, step(3, 1, 1, "ada")]))


def test_what_models_wrote_cannot_command_the_terminal() -> None:
    evil = "\x1b[2J[bold]\u202ex\x07"
    start = run(league=league(title=evil))
    events = [state_event(1, run_pb2.Run.STATE_PAUSED, evil), step(2, 1, 1, "ada", (3, evil))]
    events[-1].progress.failures[evil] = 1

    text = drawn(after(events, start))

    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[2J[bold]x" in text


def test_an_unknown_price_is_told() -> None:
    item = step(2, 1, 1, "ada")
    item.progress.unpriced_calls = item.progress.calls
    assert "cost unknown" in drawn(after([item]))

    item.progress.cost_usd = 1.5
    item.progress.calls += 1
    assert "$1.50 and 3 unpriced calls" in drawn(after([item]), width=120)


def test_the_end_stops_the_clock() -> None:
    progress = after([RUNNING, state_event(2, run_pb2.Run.STATE_SUCCEEDED)])

    assert "succeeded  0:02" in drawn(progress, seconds=999)


def test_unknown_kinds_and_rounds_are_passed_over() -> None:
    progress = after([event(1), step(2, 99, 1, "ada")])

    assert progress.progress.done_steps == 1


def test_a_run_that_judges_again_has_no_answers_to_wait_for() -> None:
    progress = after([step(2, 1, 3, "ada")], run(source_run="runs/math-0"))

    assert progress.rounds[1].answers_planned == 0
    assert "1 of 4 ✓" in drawn(progress)


def test_lines_come_every_few_seconds_and_for_every_state() -> None:
    console = Console(file=io.StringIO(), width=40, color_system=None)
    now = [100.0]
    progress = RunProgress(run(), SETTERS)
    events = [*a_league_under_way(), state_event(13, run_pb2.Run.STATE_SUCCEEDED)]
    with LineView(console, clock=lambda: now[0]) as view:
        for item in events:
            progress.apply(item)
            view.update(progress, item)
            now[0] += 1

    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert "running" in lines[0]
    assert "round 4: question by di unparsable (unparsable)" not in lines[0]
    assert "round 1: answer of bob ok" in lines[1]
    assert "6 of 32 steps" not in lines[0]
    assert "succeeded" in lines[-1]
    assert len(lines) == 4
    assert "\x1b" not in console.file.getvalue()
