"""What of a list goes into one page: so many items, and about so many bytes."""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def page_of(
    items: Iterable[T], limit: int, *, size: Callable[[T], int], most_bytes: int
) -> tuple[list[T], bool]:
    """Returns the items of one page, and whether further ones come after them.

    The first one comes however large it is. Of `items` one more is taken than the page has.
    """
    kept: list[T] = []
    left = most_bytes
    for item in items:
        left -= size(item)
        if len(kept) == limit or (kept and left < 0):
            return kept, True
        kept.append(item)
    return kept, False
