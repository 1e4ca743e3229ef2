"""Coverage: what arrived, and why the rest did not."""

from analysis.coverage import State, coverage
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
