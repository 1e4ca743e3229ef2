r"""Makes the escapes of a text of JSON valid, and keeps account of where it was changed.

Models write `\d` or `\alpha` in a string and mean both characters. They write `\'` and
`` \` `` out of habit, where nothing needs to be escaped, and mean the mark alone: in prose
at least. Within a program both are possible, so that who reads one asks `is_doubtful`.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass, field

# Valid ones are matched whole, so that the second half of one is not taken for another.
_ESCAPE = re.compile(r"""\\(?:["\\/bfnrt'`]|u[0-9a-fA-F]{4})?""")
_VALID = {"\\": r"\\", "\\'": r"\u0027", "\\`": r"\u0060"}


@dataclass(frozen=True)
class Escaped:
    """A text with valid escapes.

    Attributes:
        text: The text.
    """

    text: str
    # Where each change ends in the text, and by how much it is longer up to there.
    _ends: list[int] = field(repr=False)
    _longer: list[int] = field(repr=False)

    @classmethod
    def of(cls, original: str) -> "Escaped":
        """Makes the escapes of a text valid; a text of valid JSON stays as it is."""
        ends: list[int] = []
        longer: list[int] = []
        more = 0
        for match in _ESCAPE.finditer(original):
            valid = _VALID.get(match[0])
            if valid is not None:
                more += len(valid) - len(match[0])
                ends.append(match.end() + more)
                longer.append(more)
        return cls(with_valid_escapes(original) if ends else original, ends, longer)

    def original(self, position: int) -> int:
        """Returns where a position of the text is in the original."""
        changes = bisect_right(self._ends, position)
        return position - (self._longer[changes - 1] if changes else 0)

    def is_changed(self, start: int, end: int) -> bool:
        """Says whether something was changed between two positions of the text."""
        return bisect_right(self._ends, start) != bisect_right(self._ends, end)


def with_valid_escapes(text: str) -> str:
    """Returns a text of JSON whose escapes are valid, each of them with what it stands for."""
    return _ESCAPE.sub(lambda match: _VALID.get(match[0], match[0]), text)


def is_doubtful(text: str) -> bool:
    r"""Says whether a string, as JSON has it, escapes a mark that needs no escape: `\'`."""
    return any(match[0] in ("\\'", "\\`") for match in _ESCAPE.finditer(text))
