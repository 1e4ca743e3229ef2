"""Bounds how many runs a server takes."""

from collections.abc import Iterator
from contextlib import contextmanager

from server.errors import TooManyRunsError


class Arrivals:
    """The runs that are being created.

    Args:
        most: Runs that may be playing, waiting or being created at once.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        # The same request at once is one run.
        self._creating: list[str] = []

    @contextmanager
    def place(self, created: str, there: int) -> Iterator[None]:
        """Keeps a place for a run that is being created.

        Args:
            created: What tells a request from others.
            there: Runs that are playing or waiting.

        Raises:
            TooManyRunsError: There is none.
        """
        waiting = there + len({*self._creating} - {created})
        if waiting >= self._most:
            raise TooManyRunsError(
                f"{waiting} runs are playing or waiting, which is this server's limit; "
                "try again when some have ended",
                limit=str(self._most),
            )
        self._creating.append(created)
        try:
            yield
        finally:
            self._creating.remove(created)
