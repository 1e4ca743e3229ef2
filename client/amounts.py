"""Times and sizes as people type them, such as `500ms` and `256MiB`."""

import re

_TIME = re.compile(r"(\d+(?:\.\d+)?) ?(ms|s|min)?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(b|[kmg]i?b?)?", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0}
_POWERS = {"k": 1, "m": 2, "g": 3}
# Of the messages that carry them.
_LEAST_SECONDS = 1e-9
_MOST_SECONDS = 1e11
_MOST_BYTES = (1 << 63) - 1
_BINARY = 1024
_DECIMAL = 1000


class NoUnitError(ValueError):
    """A size is a number alone: whoever types 256 hardly means bytes."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text} needs a unit: {text}MiB")


def seconds(text: str) -> float:
    """Returns a time in seconds; a number alone is seconds.

    Raises:
        ValueError: It is none, or 0, or longer than any.
    """
    found = _TIME.fullmatch(text)
    value = float(found[1]) * _SECONDS[found[2] or "s"] if found else 0.0
    if not _LEAST_SECONDS <= value <= _MOST_SECONDS:
        raise ValueError
    return value


def size(text: str) -> int:
    """Returns a size in bytes; `M` is `MiB`.

    Raises:
        NoUnitError: It is a number alone.
        ValueError: It is none, or less than a byte, or more than any.
    """
    found = _SIZE.fullmatch(text)
    if not found:
        raise ValueError
    unit = (found[2] or "b").lower()
    base = _DECIMAL if unit in {"kb", "mb", "gb"} else _BINARY
    value = float(found[1]) * base ** _POWERS.get(unit[0], 0)
    if not 1 <= value < _MOST_BYTES:
        raise ValueError
    if not found[2]:
        raise NoUnitError(text)
    return int(value)
