"""Symbols and words for how a step stands, the same on the page, in the workbook and in a terminal."""

from analysis.coverage import Cell, State

LEGEND = {
    "✓": "usable as it came",
    "✎": "usable, broken JSON mended",
    "↻": "usable after asking again",
    "⟳": "usable after a retry, had failed before",
    "R": "missing: refused",
    "U": "missing: unreadable",
    "T": "missing: cut off",
    "N": "missing: no reply from the provider",
    "-": "missing: skipped, as what it needed did not arrive",
    "✕": "missing",
    "…": "not finished",
}
"""What each symbol means; a blank is a step that the schedule does not have."""

ASCII = {"✓": "+", "✎": "~", "↻": "*", "⟳": "@", "✕": "x", "…": "."}
"""For terminals that cannot show the symbols; letters stand for themselves."""

_BY_STATE = {
    State.ARRIVED: "✓",
    State.REPAIRED: "✎",
    State.REASKED: "↻",
    State.RETRIED: "⟳",
    State.PENDING: "…",
    State.NOT_DUE: "",
}
_BY_OUTCOME = {
    "refused": "R",
    "unparsable": "U",
    "truncated": "T",
    "unavailable": "N",
    "skipped": "-",
}


def symbol(cell: Cell) -> str:
    """Returns the one character that shows how a step stands; empty when it is not due."""
    if cell.state is State.MISSING:
        # A later version of the contract may know other outcomes.
        return _BY_OUTCOME.get(cell.outcome, "✕")
    return _BY_STATE[cell.state]


def words(cell: Cell) -> str:
    """Returns the same in words, with the cause of what is missing."""
    if cell.state is State.NOT_DUE:
        return "not due"
    told = LEGEND[symbol(cell)]
    if cell.state is State.REASKED and cell.reasks > 1:
        told += f" {cell.reasks} times"
    return f"{told}, {cell.cause}" if cell.cause else told


def ending(outcome: str) -> str:
    """Returns how a step that is missing ended, such as `unreadable`; an unknown word stays."""
    sign = _BY_OUTCOME.get(outcome)
    return LEGEND[sign].removeprefix("missing: ") if sign else outcome


def index_ranges(numbers: tuple[int, ...]) -> str:
    """Returns round numbers in few characters, such as `1-3, 7`."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)
