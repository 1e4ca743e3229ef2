"""From places to marks: mean ranks, published points, shares."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.league.display import shown_to
from server.league.league import League
from server.league.schedule import judged_by, setter_of
from server.league.scoring import Mark, mean_ranks, points, ranking_marks, score_marks, share
from tests.support.leagues import leagues, record_league

places = st.dictionaries(st.text("ABCDEFGH", min_size=1, max_size=2), st.integers(1, 8).map(float))


@given(places)
def test_ranks_add_up_and_keep_the_order(given_places: dict[str, float]) -> None:
    ranks = mean_ranks(given_places)
    m = len(given_places)
    assert sum(ranks.values()) == m * (m + 1) / 2
    for one, place in given_places.items():
        for other, place_of_other in given_places.items():
            assert (place < place_of_other) == (ranks[one] < ranks[other])


@pytest.mark.parametrize(
    ("given_places", "ranks"),
    [
        ({"A": 1.0, "B": 1.0, "C": 3.0}, {"A": 1.5, "B": 1.5, "C": 3.0}),
        ({"A": 1.0, "B": 1.0, "C": 2.0}, {"A": 1.5, "B": 1.5, "C": 3.0}),
        ({"A": 2.0, "B": 2.0, "C": 2.0}, {"A": 2.0, "B": 2.0, "C": 2.0}),
        ({"A": 3.0, "B": 1.0, "C": 2.0}, {"A": 3.0, "B": 1.0, "C": 2.0}),
        ({"A": 1.0}, {"A": 1.0}),
        ({}, {}),
    ],
)
def test_tied_answers_share_the_mean_of_their_ranks(
    given_places: dict[str, float], ranks: dict[str, float]
) -> None:
    assert mean_ranks(given_places) == ranks


def _marks_of_round(league: League, index: int) -> list[Mark]:
    """Returns all marks of a round whose judges all rank in league order."""
    marks: list[Mark] = []
    for judge in league.judge_ids:
        judged = judged_by(league, index, judge)
        shown = shown_to(league, index, judge, judged)
        given_places = {item.label: float(judged.index(item.answerer) + 1) for item in shown}
        marks += ranking_marks(shown, given_places, {}, len(league.participants))
    return marks


@given(leagues())
def test_every_evaluator_gives_the_same_sum_of_points(league: League) -> None:
    n = len(league.participants)
    for index in range(1, n + 1):
        for judge in league.judge_ids:
            judged = judged_by(league, index, judge)
            ranks = mean_ranks(dict(zip(judged, map(float, range(1, n)), strict=False)))
            total = sum(points(rank, n) for rank in ranks.values())
            assert total == (n - 2) * (n - 1) / 2


def test_the_published_sums_for_eight_models() -> None:
    league = record_league(8)
    assert setter_of(league, 1) == "p1"
    rounds = [sum(m.points or 0 for m in _marks_of_round(league, i)) for i in range(1, 9)]
    assert rounds == [168.0] * 8
    assert sum(rounds) == 1344


def test_the_published_best_and_worst_mean_for_eight_models() -> None:
    """Unanimous judges give the best answer 6 from everyone, the worst 0 or 1."""
    league = record_league(8)
    means: dict[str, Fraction] = {}
    for answerer in league.ids[1:]:
        got = [mark.points for mark in _marks_of_round(league, 1) if mark.answerer == answerer]
        means[answerer] = Fraction(sum(int(value or 0) for value in got), len(got))
    assert means["p2"] == 6
    assert float(means["p8"]) == pytest.approx(0.857, abs=0.0005)


@given(st.integers(2, 50), st.data())
def test_a_share_runs_from_one_to_zero(m: int, data: st.DataObject) -> None:
    assert share(1, m) == 1
    assert share(m, m) == 0
    assert share((m + 1) / 2, m) == pytest.approx(0.5)
    rank = data.draw(st.floats(1, m))
    value = share(rank, m)
    assert value is not None
    assert 0 <= value <= 1


def test_a_list_of_one_has_points_and_no_share() -> None:
    league = record_league(3)
    shown = shown_to(league, 1, "p2", ["p3"])
    (mark,) = ranking_marks(shown, {"A": 1.0}, {"A": "fine"}, 3)
    assert (mark.rank, mark.points, mark.share, mark.reason) == (1.0, 1.0, None, "fine")


@given(leagues(), st.data())
def test_marks_keep_label_position_and_reason(league: League, data: st.DataObject) -> None:
    judge = data.draw(st.sampled_from(league.ids))
    shown = shown_to(league, 1, judge, judged_by(league, 1, judge))
    given_places = {
        item.label: float(data.draw(st.integers(1, max(1, len(shown))))) for item in shown
    }
    reasons = {item.label: f"why {item.label}" for item in shown[::2]}
    ranked = ranking_marks(shown, given_places, reasons, len(league.participants))
    scored = score_marks(shown, given_places, reasons)
    for marks in (ranked, scored):
        assert [(m.answerer, m.label, m.position) for m in marks] == [
            (item.answerer, item.label, item.position) for item in shown
        ]
        assert [m.reason for m in marks] == [reasons.get(item.label, "") for item in shown]
    assert [m.score for m in scored] == [given_places[item.label] for item in shown]
    assert all(m.score is None for m in ranked)
    assert all(m.rank is m.points is m.share is None for m in scored)
