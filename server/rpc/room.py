"""Room for large requests, of which each caller has a part."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from server.errors import SandboxBusyError


class Room:
    """Bounds the bytes of the requests that are held at once.

    Args:
        total: Bytes of all callers.
        part: Bytes of one caller.
    """

    def __init__(self, total: int, part: int) -> None:
        self._total = total
        self._part = part
        self._held: Counter[str] = Counter()

    @contextmanager
    def taken(self, caller: str, size: int) -> Iterator[None]:
        """Holds a request for as long as the context is open.

        Raises:
            SandboxBusyError: Those that are held leave no room for it.
        """
        if self._held.total() + size > self._total or self._held[caller] + size > self._part:
            raise SandboxBusyError(
                "the programs that wait leave no room for one with cases as large; try again in a "
                "moment, or with smaller cases"
            )
        self._held[caller] += size
        try:
            yield
        finally:
            self._held[caller] -= size
            if not self._held[caller]:
                del self._held[caller]
