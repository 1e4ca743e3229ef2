"""How answers are shown to a judge: in which order and under which labels.

Both are drawn from the league's seed with SHA-256, so they are the same in
every process and on every machine. Order and labels are drawn apart from each
other: a label says nothing of the author even where the order is fixed.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from server.league.league import Identity, League, Order


@dataclass(frozen=True)
class Shown:
    """One answer as a judge sees it.

    Attributes:
        answerer: Whose answer it is; the judge is not told, unless the league
            is played with names.
        label: Name under which the judge sees it.
        position: Place at which the judge sees it, from 1.
    """

    answerer: str
    label: str
    position: int


def _drawn(
    league: League, purpose: str, round_index: int, judge: str, items: Sequence[str]
) -> list[str]:
    """Returns the items in an order drawn for one judge of one round."""

    def key(item: str) -> bytes:
        # The parts are length-prefixed, so that no two draws share an input.
        parts = (purpose, str(league.seed), str(round_index), judge, item)
        text = "".join(f"{len(part)}:{part}" for part in parts)
        return hashlib.sha256(text.encode()).digest()

    return sorted(items, key=key)


def letters(number: int) -> str:
    """Returns the label of a number from 0: A to Z, then AA, AB and so on."""
    label = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        label = chr(ord("A") + rest) + label
    return label


def shown_to(
    league: League, round_index: int, judge: str, answerers: Sequence[str]
) -> tuple[Shown, ...]:
    """Returns the answers in the order and under the labels in which a judge sees them.

    Args:
        league: The league, with its seed, order and identity.
        round_index: The round, from 1.
        judge: Who judges.
        answerers: Whose answers there are to judge, in league order; neither
            the judge's own nor missing ones.
    """
    if league.order is Order.FIXED:
        order = list(answerers)
    else:
        order = _drawn(league, "order", round_index, judge, answerers)
    if league.identity is Identity.NAMED:
        label_of = {answerer: answerer for answerer in answerers}
    else:
        drawn = _drawn(league, "label", round_index, judge, answerers)
        label_of = {answerer: letters(number) for number, answerer in enumerate(drawn)}
    return tuple(
        Shown(answerer, label_of[answerer], position) for position, answerer in enumerate(order, 1)
    )
