"""Mends broken JSON with a library, within a bounded amount of work.

The library reads some texts in time that grows with the square of their
length: minutes for a megabyte of `{"`. So it is given a text that counts how
often it is looked at, and gives up past a bound. Counting, unlike a clock, gives
the same result on every machine.
"""

from typing import Any, SupportsIndex

from json_repair import repair_json

MAX_CHARACTERS = 60_000
# Looks at a character. Replies worth mending take up to five a character.
_MAX_LOOKS = 400_000
# A slice is copied at once, which is far quicker than looking.
_CHARACTERS_A_LOOK = 200


class _TooMuchWorkError(Exception):
    """The text was looked at too often."""


class _Counter:
    def __init__(self) -> None:
        self.left = _MAX_LOOKS

    def take(self, looks: int) -> None:
        self.left -= looks
        if self.left < 0:
            raise _TooMuchWorkError


class _Watched(str):
    """A text that counts looks at it, and at what is made of it."""

    __slots__ = ("counter",)
    counter: _Counter

    @classmethod
    def over(cls, text: str, counter: _Counter) -> "_Watched":
        made = cls(text)
        made.counter = counter
        return made

    def __getitem__(self, key: SupportsIndex | slice) -> str:
        found = super().__getitem__(key)
        if not isinstance(key, slice):
            self.counter.take(1)
            return found
        self.counter.take(1 + len(found) // _CHARACTERS_A_LOOK)
        return _Watched.over(found, self.counter)

    def __add__(self, other: str) -> str:
        return _Watched.over(super().__add__(other), self.counter)

    def __radd__(self, other: str) -> str:
        return _Watched.over(other + str(self), self.counter)


def mend(text: str) -> Any:
    """Returns the JSON value that the library makes of a broken text; `None` if it cannot.

    Whatever the library raises means that it cannot, and it raises more than it tells of: some
    texts fail an assertion of its own. To be out of memory alone is no matter of a text, which
    is short.

    Args:
        text: From where the value begins; only its first `MAX_CHARACTERS` count.

    Raises:
        MemoryError: The process has no memory left.
    """
    watched = _Watched.over(text[:MAX_CHARACTERS], _Counter())
    try:
        return repair_json(watched, return_objects=True, skip_json_loads=True)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - what a model wrote never fails a run
        return None
