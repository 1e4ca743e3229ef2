"""Ids in tables that have to go into a narrow screen, none of which may look like another."""

from collections.abc import Iterable
from functools import lru_cache

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.text import Text

from client.plain import one_line

# Fewer columns say nothing of an id.
_LEAST = 9
_ELLIPSIS = "…"


class Ids:
    """The ids of one column.

    In too little room they are cut in the middle, where that leaves them all
    different, and otherwise wrapped.
    """

    def __init__(self, ids: Iterable[str]) -> None:
        self._ids = tuple(dict.fromkeys(map(one_line, ids)))
        self._cut = lru_cache(self._cut_at)

    def cell(self, name: str, style: str = "") -> RenderableType:
        """Returns the cell of one of them."""
        return _Cell(self, one_line(name), style)

    def fitted(self, name: str, width: int) -> str:
        """Returns an id in that many columns; the id as it is where it has to be wrapped."""
        return self._cut(width).get(name, name)

    def _cut_at(self, width: int) -> dict[str, str]:
        """Returns what stands for each id in that room."""
        # First in the middle: ids differ by their maker and by their version.
        heads = sorted(range(2, width - 1), key=lambda head: abs(2 * head - width))
        for head in heads:
            cut = {name: _without_middle(name, head, width) for name in self._ids}
            if len(set(cut.values())) == len(self._ids):
                return cut
        return {}


def _without_middle(name: str, head: int, width: int) -> str:
    if cell_len(name) <= width:
        return name
    tail = width - head - 1
    return f"{name[:head]}{_ELLIPSIS}{name[len(name) - tail :]}"


class _Cell:
    """An id, drawn to fit the width of its column."""

    def __init__(self, ids: Ids, name: str, style: str) -> None:
        self._ids = ids
        self._name = name
        self._style = style

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = cell_len(self._name)
        return Measurement(min(width, _LEAST), width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(
            self._ids.fitted(self._name, options.max_width), style=self._style, overflow="fold"
        )
