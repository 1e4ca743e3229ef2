"""Coverage: what arrived, and why the rest did not."""

from dataclasses import replace

from analysis.coverage import Coverage, State, coverage
from analysis.coverage_words import LEGEND, index_ranges, symbol, words
from analysis.dataset import Dataset, QuestionCheck, StepResult
from tests.support.datasets import Holes, Recipe, league

HOLES = Holes(
    judgments=[(1, "model-a"), (3, "model-a")],
    answers=[(2, "model-c")],
    void=[4],
    mended=[(1, "model-b")],
    reasked=[(1, "model-c")],
)


def test_states_and_causes() -> None:
    found = coverage(league(Recipe(n=4, holes=HOLES)))
    state = {(c.role, c.round, c.participant): c for c in found.cells}
    assert state["judgment", 1, "model-a"].state is State.MISSING
    assert state["judgment", 1, "model-a"].cause == "duplicate_label"
    assert state["judgment", 1, "model-b"].state is State.REPAIRED
    assert state["judgment", 1, "model-c"].state is State.REASKED
    assert state["judgment", 1, "model-d"].state is State.ARRIVED
    assert state["answer", 1, "model-a"].state is State.NOT_DUE
    assert state["answer", 2, "model-c"].cause == "refusal"
    assert state["question", 4, "model-d"].cause == "no_question"
    assert state["judgment", 4, "model-a"].cause == "void_round"


def test_failures_leave_out_consequences() -> None:
    found = coverage(league(Recipe(n=4, holes=HOLES)))
    assert [(f.participant, f.role, f.count) for f in found.failures] == [
        ("model-a", "judgment", 2),
        ("model-c", "answer", 1),
        ("model-d", "question", 1),
    ]
    assert found.causes == {"duplicate_label": 2, "refusal": 1, "no_question": 1}


def test_warning_below_nine_tenths() -> None:
    assert coverage(league(Recipe(n=4))).warning == ""
    found = coverage(league(Recipe(n=4, holes=HOLES)))
    assert found.planned == 36
    assert f"Only {found.marks} of 36 planned marks" in found.warning
    assert "so far" not in found.warning


def test_a_running_league_is_pending() -> None:
    found = coverage(league(Recipe(n=3, holes=Holes(not_begun=[2, 3]))))
    assert not found.finished
    assert "so far" in found.warning
    assert found.failures == ()


def test_judges_may_be_a_part_of_the_league() -> None:
    found = coverage(league(Recipe(n=4, judges=["model-a", "model-b"])))
    assert found.fraction == 1
    assert found.planned == 4 * 6 - 2 * 3
    states = {c.participant: c.state for c in found.cells if c.role == "judgment"}
    assert states["model-c"] is State.NOT_DUE


def _with_marks(number: int) -> Coverage:
    """Returns the coverage of a run of which so many of 1,000 marks arrived."""
    return replace(coverage(league(Recipe(n=3))), marks=number, planned=1000)


def test_exactly_nine_tenths_is_enough_and_one_mark_less_is_not() -> None:
    assert _with_marks(900).warning == ""
    warning = _with_marks(899).warning
    assert warning.startswith("Only 899 of 1,000 planned marks (89.9 %) arrived;")
    for planned in range(10, 5000, 10):
        enough = replace(_with_marks(0), marks=planned * 9 // 10, planned=planned)
        assert enough.warning == ""
        assert replace(enough, marks=enough.marks - 1).warning


def test_a_run_that_is_over_has_nothing_to_wait_for() -> None:
    dataset = league(Recipe(n=3, holes=Holes(not_begun=[2, 3])))
    run = replace(dataset.runs[0], state="cancelled")
    found = coverage(Dataset(runs=(run,)))
    assert found.finished
    assert found.skipped == 2 * (1 + 2 + 3)
    assert {c.cause for c in found.cells if c.round == 3 and c.state is State.MISSING} == {
        "not_taken"
    }


def test_symbols_and_words_tell_refused_from_unread_from_skipped() -> None:
    found = coverage(league(Recipe(n=4, holes=HOLES)))
    told = {(c.role, c.round, c.participant): (symbol(c), words(c)) for c in found.cells}
    assert told["judgment", 1, "model-a"] == ("U", "missing: unreadable, duplicate_label")
    assert told["answer", 2, "model-c"] == ("R", "missing: refused, refusal")
    assert told["judgment", 4, "model-a"][0] == "-"
    assert told["judgment", 1, "model-b"][0] == "✎"
    assert told["judgment", 1, "model-c"] == ("↻", "usable after asking again")
    assert told["answer", 1, "model-a"] == ("", "not due")
    assert {text for text, _ in told.values() if text} <= set(LEGEND)


def test_rounds_in_few_characters() -> None:
    assert index_ranges((1, 2, 3, 7, 9, 10)) == "1-3, 7, 9-10"
    assert index_ranges(()) == ""


def test_what_came_after_a_retry_says_why_it_had_failed() -> None:
    dataset = league(Recipe(n=3))
    (run,) = dataset.runs
    first, *others = run.rounds
    result = StepResult(
        outcome="ok", retries=2, earlier_cause="overloaded", earlier_detail="HTTP 503"
    )
    answers = (replace(first.answers[0], result=result), *first.answers[1:])
    rounds = (replace(first, answers=answers), *others)
    found = coverage(Dataset(runs=(replace(run, rounds=rounds),)))
    who = first.answers[0].answerer
    (cell,) = (c for c in found.cells if c.state is State.RETRIED)
    assert (cell.round, cell.role, cell.participant) == (1, "answer", who)
    assert (cell.cause, cell.detail, cell.retries) == ("overloaded", "HTTP 503", 2)
    assert words(cell) == f"{LEGEND[symbol(cell)]}, overloaded"
    assert found.retried == 1
    assert found.failures == ()
    (total,) = (t for t in found.totals if (t.participant, t.role) == (who, "answer"))
    assert (total.retried, total.usable) == (1, total.planned)


def test_a_question_that_its_setter_mended_did_not_come_as_it_is() -> None:
    dataset = league(Recipe(n=3))
    (run,) = dataset.runs
    first, *others = run.rounds
    assert first.question is not None
    for repairs, state in ((0, State.ARRIVED), (2, State.REASKED)):
        check = QuestionCheck(verified=True, repairs=repairs, detail="case 3 was wrong")
        question = replace(first.question, check=check)
        rounds = (replace(first, question=question), *others)
        cell = coverage(Dataset(runs=(replace(run, rounds=rounds),))).cells[0]
        assert (cell.role, cell.state, cell.reasks) == ("question", state, repairs)
    assert cell.detail == "case 3 was wrong"
    assert words(cell) == "usable after asking again 2 times"
