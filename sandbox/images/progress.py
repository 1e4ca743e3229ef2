"""Says how a build goes: a line for each step, with its time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_PREFIX = "sandbox image:"
_CLEAR = "\r\x1b[K"
_WIDTH = 100


class Progress:
    """Writes lines for people.

    Args:
        stream: Where to. On a terminal the line of a running step also shows its details.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._step = ""

    def say(self, text: str) -> None:
        """Writes a line."""
        self._write(f"{_PREFIX} {text}\n")

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Writes the name of a step when it begins, and how long it took when it ends."""
        self._step = name
        self._write(f"{_PREFIX} {name} ...")
        started, end = time.monotonic(), "failed after"
        try:
            yield
            end = ""
        finally:
            line = f"{_CLEAR}{_PREFIX} {name} ..." if self._live else ""
            self._write(f"{line} {end} {time.monotonic() - started:.1f} s\n".replace("  ", " "))

    def detail(self, text: str) -> None:
        """Shows what the running step does now, where a line can be written again."""
        if self._live:
            self._write(f"{_CLEAR}{_PREFIX} {self._step} ... {text.strip()}"[:_WIDTH])

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
