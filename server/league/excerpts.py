"""What is shown of a text that nobody trusts: bounded, and with nothing in it that is not seen."""

from collections.abc import Iterable, Iterator

_BYTES_OF_A_CHARACTER = 4
# JSON writes each of these with a backslash before it.
_ESCAPED_BY_JSON = frozenset('"\\\n\t')
_KEPT = frozenset("\n\t")


def excerpt(data: bytes | str, most: int, *, total: int | None = None) -> str:
    r"""Returns a text as it can be shown, cut in the middle if it is long.

    Bytes are decoded as UTF-8, with U+FFFD where they are none. A character that
    cannot be seen is written as its escape: `\x1b`, `\u202e`. Only line feeds and
    tabs stay as they are. The mark of a cut says how much was left out. The time
    taken depends on `most` alone.

    Args:
        data: The text.
        most: Most characters that it takes between the quotes of a string of JSON;
            the mark of a cut is never left out, whatever it takes.
        total: Length of all there was, in bytes or characters, where `data` is only
            the beginning of it.
    """
    whole = len(data) if total is None else max(total, len(data))
    unit = "bytes" if isinstance(data, bytes) else "characters"
    if len(data) <= most and whole == len(data):
        shown = _shown(data)
        if sum(map(_cost, shown)) <= most:
            return "".join(shown)
    # The mark at its longest; what is left is shared by the two ends.
    room = max(0, most - len(_mark(whole, unit)))
    span = _BYTES_OF_A_CHARACTER * room + _BYTES_OF_A_CHARACTER
    head, head_size = _taken(data[:span], room - room // 3)
    # Where the end is not there, none is shown.
    start = max(head_size, len(data) - span) if whole == len(data) else len(data)
    tail, tail_size = _taken(data[start:], room // 3, from_end=True)
    return f"{head}{_mark(whole - head_size - tail_size, unit)}{tail}"


def _mark(left_out: int, unit: str) -> str:
    return f"[... {left_out:,} {unit} left out ...]"


def _taken(data: bytes | str, room: int, *, from_end: bool = False) -> tuple[str, int]:
    """Returns what fits from one end, and how much of the data that is."""
    parts: list[str] = []
    size = 0
    for piece, length in _pieces(data, from_end=from_end):
        room -= sum(map(_cost, piece))
        if room < 0:
            break
        parts.append(piece)
        size += length
    if from_end:
        parts.reverse()
    return "".join(parts), size


def _pieces(data: bytes | str, *, from_end: bool) -> Iterator[tuple[str, int]]:
    """Yields each character as it is shown, and its length in the data."""
    if isinstance(data, str):
        for character in reversed(data) if from_end else data:
            yield _visible(character), 1
        return
    # Escapes of single bytes stand for as many bytes as there are of them.
    text = data.decode("utf-8", "surrogateescape")
    for character in reversed(text) if from_end else text:
        if "\udc80" <= character <= "\udcff":
            yield "\ufffd", 1
        else:
            yield _visible(character), len(character.encode())


def _shown(data: bytes | str) -> list[str]:
    return [piece for piece, _ in _pieces(data, from_end=False)]


def _visible(character: str) -> str:
    if character.isprintable() or character in _KEPT:
        return character
    return character.encode("unicode_escape").decode()


def _cost(piece: Iterable[str]) -> int:
    return sum(2 if character in _ESCAPED_BY_JSON else 1 for character in piece)
