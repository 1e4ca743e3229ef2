"""Tells the fences of a text as Markdown does: which are closed, and whether one is not."""

import re
from dataclasses import dataclass

FENCE_LINE = re.compile(r"^([ \t]*+)(`{3,}+|~{3,}+)([^\n]*)", re.MULTILINE)
"""A line that may open or close a fence: indentation, marks, what follows."""

_DEEPER = 3


@dataclass(frozen=True)
class Fences:
    """The fences of a text.

    Attributes:
        ends: Where each fence that is closed ends.
        is_unclosed: The last fence is not closed.
        is_ill_closed: Nor is it plain that it goes on to the end of the text: a line in it
            may be meant to close it, with other marks or fewer of them.
    """

    ends: tuple[int, ...]
    is_unclosed: bool
    is_ill_closed: bool


def fences(text: str) -> Fences:
    """Returns the fences of a text.

    A fence is closed by a line of its own with as many of its marks or more, which is
    indented no deeper.
    """
    ends: list[int] = []
    opening: re.Match[str] | None = None
    others = 0
    for line in FENCE_LINE.finditer(text):
        if opening is None:
            if not (line[2][0] == "`" and "`" in line[3]):
                opening, others = line, 0
        elif _closes(line, opening):
            ends.append(line.end())
            opening = None
        else:
            others += 1
    return Fences(tuple(ends), opening is not None, opening is not None and others > 0)


def _closes(line: re.Match[str], opening: re.Match[str]) -> bool:
    return (
        line[2].startswith(opening[2])
        and not line[3].strip()
        and len(line[1].expandtabs(4)) <= len(opening[1].expandtabs(4)) + _DEEPER
    )
