"""Reads a stream of server-sent events as the standard for them says, however it is cut.

Each byte is looked at once: an event of many megabytes that arrives in small
pieces takes no longer than one that arrives whole.
"""

import json
import re
from typing import Any

_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
LONGEST_FIELD = max(map(len, _FIELDS))
"""Bytes by which a stream is known."""

LONG = 256 * 1024
"""Bytes from which on what is read is better read beside the event loop."""

# A thread that parses lets no other run meanwhile, and it is the number of values
# that takes long and not the length of a text.
_MAX_VALUES = 200_000
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)

DONE = "[DONE]"
"""Data by which a stream of completions says that it is at its end."""


def is_stream(begun: bytes | bytearray) -> bool:
    """Says whether a body that begins so is a stream of events; no JSON does."""
    return begun.startswith(_FIELDS)


def parsed(text: str) -> Any:
    """Returns the value of a JSON text; `None` if it is none, or holds more than any reply."""
    if len(text) > LONG and _has_many_values(text):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _has_many_values(text: str) -> bool:
    """Says whether a JSON text holds more values than a chat completion can have."""
    values = at = 0
    for string in _STRING.finditer(text):
        values += text.count(",", at, string.start())
        at = string.end()
        if values > _MAX_VALUES:
            return True
    return values + text.count(",", at) > _MAX_VALUES


class EventReader:
    """Takes a stream's bytes, its mark of byte order left out, and gives the data of its events."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._line_size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._after_return = False

    @property
    def waiting(self) -> int:
        """Bytes of an event that is not at its end yet."""
        return self._data_size + self._line_size

    def feed(self, chunk: bytes) -> list[str]:
        """Takes the next bytes; returns the data of the events that they end."""
        if self._after_return and chunk.startswith(b"\n"):
            # The other half of a line's end.
            chunk = chunk[1:]
        if not chunk:
            return []
        self._after_return = chunk.endswith(b"\r")
        if b"\r" in chunk:
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = chunk.split(b"\n")
        found: list[str] = []
        for line in lines:
            self._line.append(line)
            whole, self._line, self._line_size = b"".join(self._line), [], 0
            found += self._read(whole)
        if rest:
            self._line.append(rest)
            self._line_size += len(rest)
        return found

    def close(self) -> list[str]:
        """Returns the data of an event that was not ended; some streams lack their last line."""
        return self.feed(b"\n\n")

    def head(self, size: int) -> bytes:
        """Returns the beginning of an event that is not at its end yet."""
        return b"\n".join([*self._data, b"".join(self._line)])[:size]

    def _read(self, line: bytes) -> list[str]:
        if not line:
            return self._ended()
        field, _, value = line.partition(b":")
        if field != b"data":
            return []
        value = value.removeprefix(b" ")
        if value.strip() == DONE.encode():
            # At once: some endpoints leave the connection open after it.
            return [*self._ended(), DONE]
        found: list[str] = []
        if len(self._data) == 1 and _is_object(self._data[0]):
            # Some endpoints end their events with a line and not with an empty one.
            found = self._ended()
        self._data.append(value)
        self._data_size += len(line)
        return found

    def _ended(self) -> list[str]:
        if not self._data:
            return []
        data, self._data, self._data_size = b"\n".join(self._data), [], 0
        return [data.decode("utf-8", "replace")]


def _is_object(data: bytes) -> bool:
    """Says whether the line of an event is a JSON object by itself."""
    text = data.strip()
    return text.startswith(b"{") and text.endswith(b"}") and isinstance(
        parsed(text.decode("utf-8", "replace")), dict
    )  # fmt: skip
