"""The views of a run, drawn from events, as text."""

import io
from datetime import timedelta

import pytest
from llm_crowdsourced.v1 import event_pb2, round_pb2, run_pb2
from rich.console import Console

from client.line_view import LineView
from client.live_view import Picture
from client.run_progress import RunProgress
from client.screen import fitted
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
    assert lines[2] == "11 of 32 steps · 13 calls · 8.4k prompt + 2.4k reply tokens · $0.00"
    assert lines[3] == "Lost steps: 1 cut off, 1 unreadable; 4 skipped"
    assert lines[4] == "The last: round 1: answer of cy truncated"
    assert lines[5] == "Waiting for 7 answers"
    assert lines[6].split() == ["Round", "Set", "by", "Question", "Answers", "Judgments"]
    assert lines[7].split() == ["1", "ada", "✓", "1", "of", "3", "✓✗", "1", "of", "4", "✓"]
    assert lines[8].split() == ["2", "bob", "✓", "0", "of", "3", "0", "of", "4"]
    assert lines[10].split()[:4] == ["4", "di", "✗", "unparsable"]
    assert lines[10].endswith("0 of 4 ····")
    assert lines[11] == "✓ usable  ✗ lost  · skipped  2 of 3: usable of planned"
    assert len(lines) == 12


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    start = run(league=league(title="A very long title " * 9))
    text = drawn(after(a_league_under_way(), start), width=width)

    assert max(map(len, text.splitlines())) <= width


def test_rounds_that_do_not_fit_are_counted_and_those_under_way_shown() -> None:
    start = run(league=league(rounds_per_participant=20))
    events = [RUNNING, *(step(2 + i, 50, 3, name) for i, name in enumerate(IDS))]
    events.append(step(9, 77, 1, "ada"))
    events[-1].progress.failures["unavailable"] = 3

    text = drawn(after(events, start), height=16)

    assert len(text.splitlines()) <= 16
    assert any(line.split()[0] == "77" for line in text.splitlines() if line.strip())
    assert "Lost steps: 3 unavailable" in text
    assert "and 75 more rounds: 1 played, 74 to come" in text


def test_preparation_is_shown_until_the_first_step() -> None:
    report = event_pb2.PreparationProgress(
        activity="fetching qwen", done=312_000_000, total=478_100_000, unit="bytes"
    )
    events = [RUNNING, event(2, preparation_progress=report)]

    assert "fetching qwen" in drawn(after(events))
    assert "312.0 MB of 478.1 MB" in drawn(after(events))
    assert "fetching qwen" not in drawn(after([*events, step(3, 1, 1, "ada")]))


def test_a_count_of_started_models_takes_the_place_of_the_one_before() -> None:
    def report(activity: str, done: int) -> event_pb2.PreparationProgress:
        return event_pb2.PreparationProgress(activity=activity, done=done, total=3, unit="models")

    events = [
        RUNNING,
        event(2, preparation_progress=report("starting ada", 0)),
        event(3, preparation_progress=report("starting bob", 1)),
    ]
    assert "starting ada" not in drawn(after(events))
    assert "1 of 3" in drawn(after(events))

    events.append(event(4, preparation_progress=report("local models are ready", 3)))
    assert "of 3\n" not in drawn(after(events)).replace(" ", "")
    assert "starting" not in drawn(after(events))


def test_a_run_that_goes_on_shows_again_what_is_made_ready() -> None:
    report = event_pb2.PreparationProgress(activity="starting ada", done=0, total=3, unit="models")
    events = [
        *a_league_under_way(),
        state_event(13, run_pb2.Run.STATE_PAUSED),
        state_event(14, run_pb2.Run.STATE_RUNNING),
        event(15, preparation_progress=report),
    ]
    assert "starting ada" in drawn(after(events))

    events.append(state_event(16, run_pb2.Run.STATE_PAUSED))
    assert "starting ada" not in drawn(after(events))


def test_who_is_waited_for_is_told_when_few_are() -> None:
    assert "Waiting for 4 questions" in drawn(after([RUNNING]))
    events = [RUNNING, step(2, 1, 1, "ada"), step(3, 1, 2, "bob"), step(4, 2, 1, "bob")]
    assert "Waiting for questions of cy, di; 6 answers" in drawn(after(events[:2] + events[3:]))
    assert "Waiting for questions of bob, cy, di; answers of cy, di" in drawn(after(events[:3]))

    void = [step(i, i, 1, name, (3, "no_json")) for i, name in enumerate(IDS[1:], 2)]
    events = [RUNNING, *void, step(2, 1, 1, "ada")]
    events += [step(5 + i, 2 + i, 3, name) for i in range(3) for name in IDS]
    events += [step(3 + i, 1, 2, name) for i, name in enumerate(IDS[1:])]
    events += [step(6 + i, 1, 3, name) for i, name in enumerate(IDS[:3])]
    assert "Waiting for judgment of di" in drawn(after(events))
    assert "Waiting" not in drawn(after([*events, state_event(9, run_pb2.Run.STATE_PAUSED)]))


def test_open_questions_of_programming_may_be_in_their_check_or_in_repair() -> None:
    start = run(league=league(subject=2))
    events = [RUNNING, step(2, 1, 1, "ada"), step(3, 2, 1, "bob"), step(4, 3, 1, "cy")]

    text = " ".join(drawn(after(events, start)).split())

    assert "Waiting for question of di (being written, checked or repaired); 9 answers" in text


def test_what_a_run_that_judges_again_took_over_is_not_counted() -> None:
    start = run(source_run="runs/math-0")
    start.progress.done_steps = 16
    begun = state_event(1, run_pb2.Run.STATE_RUNNING)
    begun.progress.done_steps = 16
    judged = step(18, 1, 3, "ada")

    assert "0 of 16 steps" in drawn(after([begun], start))
    assert "1 of 16 steps" in drawn(after([begun, judged], start))


def test_lost_steps_are_told_in_the_words_of_the_coverage() -> None:
    item = step(2, 1, 1, "ada", (3, "no_json"))
    item.progress.failures["no_json"] = 1

    assert "Lost steps: 1 unreadable (no_json)" in drawn(after([item]))


def test_reopened_steps_are_open_again() -> None:
    reopened = event_pb2.StepsReopened()
    reopened.steps.add(round=4, role=1, participant="di", outcome=3, cause="unparsable")
    for name in IDS:
        reopened.steps.add(round=4, role=3, participant=name, outcome=6, cause="question_void")
    last = event(13, steps_reopened=reopened)
    last.progress.done_steps = 6
    last.progress.failures["truncated"] = 1

    progress = after([*a_league_under_way(), last])

    assert progress.rounds[4].question == ""
    assert not progress.rounds[4].judgments
    text = drawn(progress)
    assert "6 of 32 steps" in text
    assert "Lost steps: 1 cut off\n" in text.replace(" \n", "\n")
    again = drawn(after([*a_league_under_way(), last, step(14, 4, 1, "di")]))
    assert [line.split()[:3] for line in again.splitlines()][-2] == ["4", "di", "✓"]


def test_why_the_run_stands_still_is_in_the_picture() -> None:
    console = Console(file=io.StringIO(), width=60, color_system=None)
    full = "the disk is full: make room, and it goes on"
    console.print(Picture(after(a_league_under_way()), BEGIN + timedelta(seconds=20), full))

    assert isinstance(console.file, io.StringIO)
    assert console.file.getvalue().splitlines()[1].rstrip() == full


def test_changed_limits_are_shown_with_what_is_used() -> None:
    change = event_pb2.RunLimitsChanged(max_concurrent_calls=8)
    change.budget.max_calls = 40
    last = event(13, run_limits_changed=change)
    last.progress.calls = 13

    assert "Budget: 13 of 40 calls" in drawn(after([*a_league_under_way(), last]))


def test_the_clock_stands_while_the_run_does() -> None:
    events = [
        RUNNING,
        state_event(10, run_pb2.Run.STATE_PAUSED),
        state_event(110, run_pb2.Run.STATE_RUNNING),
    ]

    assert "paused  0:10" in drawn(after(events[:2]), seconds=90)
    assert "running  0:20" in drawn(after(events), seconds=120)
    events.append(state_event(125, run_pb2.Run.STATE_SUCCEEDED))
    events.append(state_event(300, run_pb2.Run.STATE_RUNNING))
    assert "running  0:30" in drawn(after(events), seconds=305)


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


def test_a_command_that_does_not_fit_gets_a_line_of_its_own() -> None:
    told = "It is paused.\nGo on with it: python client/runs.py resume math-1 --server host:1"

    assert fitted(told, 80) == told.splitlines()
    assert fitted(told, 60) == [
        "It is paused.",
        "Go on with it:",
        "  python client/runs.py resume math-1 --server host:1",
    ]


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
    # A failure is told at once, the first of its kind.
    assert "0:05 | round 4: question by di unparsable | 4 of 32 steps" in lines[1]
    assert "round 1: answer of cy truncated" in lines[2]
    assert "round 4: judgment of di skipped" in lines[3]
    assert "lost: 1 cut off, 1 unreadable; 4 skipped" in lines[3]
    assert "6 of 32 steps" not in lines[0]
    assert "succeeded" in lines[-1]
    assert len(lines) == 5
    assert "\x1b" not in console.file.getvalue()
