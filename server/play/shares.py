"""How much of long texts judges see, so that none crowds out the others.

A function of the texts alone, so that a request comes out the same after a restart.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from server.play.quoting import as_data

_QUOTES = 2


@dataclass(frozen=True)
class Part:
    """What is shown of a text.

    Attributes:
        text: Its first part, or all of it.
        cut: How much that is, as in `cut: 24,000 of 58,006 characters`; empty if all is shown.
    """

    text: str
    cut: str = ""


def size(text: str) -> int:
    """Returns what a text takes between the quotes of a string of JSON, in bytes of UTF-8.

    Bytes are nearer to a model's tokens than characters, of which some take several.
    """
    return len(as_data(text).encode("utf-8", "replace")) - _QUOTES


def first_part(text: str, most: int) -> Part:
    """Returns as much of a text, from its beginning, as there is room for.

    Args:
        text: The text.
        most: Most bytes, as `size` counts them.
    """
    if len(text) <= most and size(text) <= most:
        return Part(text)
    low, high = 0, min(len(text), most)
    while low < high:
        middle = (low + high + 1) // 2
        if size(text[:middle]) <= most:
            low = middle
        else:
            high = middle - 1
    return Part(text[:low], f"cut: {low:,} of {len(text):,} characters")


def shown_part(key: str, text: str, most: int) -> dict[str, Any]:
    """Returns a text for judges under its key; before it, if it was cut, by how much.

    Args:
        key: The key.
        text: The text.
        most: Most bytes, as `size` counts them.
    """
    part = first_part(text, most)
    mark = {f"{key}_cut": part.cut} if part.cut else {}
    return {**mark, key: part.text}


def fair_share(sizes: Iterable[int], each: int, together: int) -> int:
    """Returns how much each of several texts may take, so that there is room for all.

    What a short text leaves is shared by the longer ones.

    Args:
        sizes: What the texts would take, in any order.
        each: Most that one may take.
        together: Most that all of them may take.
    """
    wanted = sorted(min(each, one) for one in sizes)
    left = together
    for done, one in enumerate(wanted):
        share = left // (len(wanted) - done)
        if one > share:
            return share
        left -= one
    return each
