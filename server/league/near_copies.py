"""Questions that nearly copy an earlier one of the league. Linear in the texts.

Two texts are compared by the shingles they share: pairs of neighbouring words, and
of neighbouring characters where a script has no spaces. Numbers are all alike, so a
copy with other numbers is a copy. What every question says of reading and printing
makes no two of them alike: pairs of such words do not count. The tests hold the pairs
of questions that the threshold rests on.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise

# Of a Jaccard similarity. Of the pairs in the tests, copies have 0.58 and more, and
# different questions 0.34 and less.
THRESHOLD = 0.45

# Han, kana, Bopomofo: written without spaces.
_UNSPACED = "\u3005\u3040-\u30ff\u3100-\u312f\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_WORD = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|(?P<number>\d+)|[^\W\d_{_UNSPACED}]+")
_NUMBER = "0"
# What the format of input and output is told with, in any question.
_FORMAT_WORDS = """
    a an and are as at be by contain contains each first for following from given have holds i in
    is it its n of on one or second separated single space spaces the then third to two with
    answer case cases constraint constraints describe example examples exactly format input
    integer integers kb least length limit line lines mb memory most ms next number numbers output
    print read reads sample samples seconds standard test time value values write 0
"""
_FORMAT = frozenset(_FORMAT_WORDS.split())


class NearCopies:
    """The questions of a league, against which others are held.

    Each is taken apart once: a league has hundreds, and a new one is held against all.
    """

    def __init__(self) -> None:
        self._shingles: dict[int, frozenset[str]] = {}

    def take(self, index: int, text: str) -> None:
        """Takes the question of a round, in place of one that the round had.

        Args:
            index: The round.
            text: The question.
        """
        self._shingles[index] = _shingles(text)

    def leave(self, index: int) -> None:
        """Leaves the question of a round again, if there was one."""
        self._shingles.pop(index, None)

    def take_unless_copy(self, index: int, text: str) -> int | None:
        """Takes the question of a round, unless it nearly copies one of another round.

        Args:
            index: The round.
            text: The question.

        Returns:
            The round of the most similar question, the first of several; `None` if none
            is similar enough, and the question was taken.
        """
        own = _shingles(text)
        found, most = None, THRESHOLD
        for other in sorted(self._shingles.keys() - {index}):
            alike = _similarity(own, self._shingles[other])
            if alike > most or (found is None and alike == most):
                found, most = other, alike
        if found is None:
            self._shingles[index] = own
        return found


def similarity(one: str, other: str) -> float:
    """Returns how alike two texts are: 1 if they share all shingles, 0 if none."""
    return _similarity(_shingles(one), _shingles(other))


def _similarity(one: frozenset[str], other: frozenset[str]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if shared else 0.0


def _shingles(text: str) -> frozenset[str]:
    words: list[str] = []
    telling: set[str] = set()
    for match in _WORD.finditer(_plain(text)):
        if unspaced := match["unspaced"]:
            telling.update(a + b for a, b in _pairs(unspaced))
        else:
            words.append(_NUMBER if match["number"] else match[0])
    pairs = set(_pairs(words))
    telling.update(f"{a} {b}" for a, b in pairs if not {a, b} <= _FORMAT)
    return frozenset(telling or (f"{a} {b}" for a, b in pairs))


def _plain(text: str) -> str:
    """Returns a text without differences of case, width and accents.

    Character by character: composing a whole text takes quadratic time where many
    accents follow each other.
    """
    if text.isascii():
        return text.lower()
    return "".join(
        part
        for character in text
        for part in unicodedata.normalize("NFKD", character).casefold()
        if unicodedata.category(part) != "Mn"
    )


def _pairs(parts: Sequence[str]) -> Iterable[tuple[str, str]]:
    """Returns each part with the next; a part that is alone goes with nothing."""
    return [(parts[0], "")] if len(parts) == 1 else pairwise(parts)
