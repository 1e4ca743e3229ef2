"""From what a judge said to marks: mean ranks, published points, shares."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from server.league.display import Shown


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What a judge gave one answer.

    Attributes:
        answerer: Whose answer it is.
        label: Label under which the judge saw it.
        position: Place at which the judge saw it, from 1.
        rank: In mathematics, from 1; tied answers share their mean rank.
        score: In programming, from 0 to 100.
        points: In mathematics, `max(0, (N-2) - (rank-1))`.
        share: In mathematics, `(m - rank) / (m - 1)`; `None` in a list of one.
        reason: The judge's reason.
    """

    answerer: str
    label: str
    position: int
    rank: float | None = None
    score: float | None = None
    points: float | None = None
    share: float | None = None
    reason: str = ""


def mean_ranks(places: Mapping[str, float]) -> dict[str, float]:
    """Turns places into ranks from 1, tied ones sharing the mean of their ranks.

    Only the order of the places counts: 1, 1, 3 and 1, 1, 2 give the same
    ranks, 1.5, 1.5 and 3. The ranks of m answers always add up to m(m+1)/2.

    Args:
        places: Place by label, the best lowest.
    """
    count = Counter(places.values())
    rank_of: dict[float, float] = {}
    before = 0
    for place in sorted(count):
        rank_of[place] = before + (count[place] + 1) / 2
        before += count[place]
    return {label: rank_of[place] for label, place in places.items()}


def points(rank: float, participants: int) -> float:
    """Returns the published points of a rank: `max(0, (N-2) - (rank-1))`.

    With N participants the setter of a question judges N - 1 answers and gives
    N - 2 points down to 0; an answerer judges N - 2 and gives N - 2 down to 1.

    Args:
        rank: From 1, the best lowest; a mean rank if tied.
        participants: N, the participants of the league.
    """
    return max(0.0, (participants - 2) - (rank - 1))


def share(rank: float, listed: int) -> float | None:
    """Returns `(m - rank) / (m - 1)`, 1 for the first and 0 for the last of a list.

    Unlike points it does not depend on the length of the list, and so compares
    the lists of setters and answerers. `None` for a list of one, which carries
    no rank.
    """
    return (listed - rank) / (listed - 1) if listed > 1 else None


def ranking_marks(
    shown: Sequence[Shown],
    places: Mapping[str, float],
    reasons: Mapping[str, str],
    participants: int,
) -> tuple[Mark, ...]:
    """Returns the marks of one ranking, in the order in which answers were shown.

    Args:
        shown: The answers that the judge saw.
        places: Place by label, for exactly the labels shown.
        reasons: The judge's reasons by label; may lack some.
        participants: N, the participants of the league.
    """
    ranks = mean_ranks(places)
    return tuple(
        Mark(
            answerer=item.answerer,
            label=item.label,
            position=item.position,
            rank=ranks[item.label],
            points=points(ranks[item.label], participants),
            share=share(ranks[item.label], len(shown)),
            reason=reasons.get(item.label, ""),
        )
        for item in shown
    )


def score_marks(
    shown: Sequence[Shown], scores: Mapping[str, float], reasons: Mapping[str, str]
) -> tuple[Mark, ...]:
    """Returns the marks of one list of scores from 0 to 100, as `ranking_marks` does."""
    return tuple(
        Mark(
            answerer=item.answerer,
            label=item.label,
            position=item.position,
            score=scores[item.label],
            reason=reasons.get(item.label, ""),
        )
        for item in shown
    )
