"""Frames: a JSON header with its length before it, then blobs whose lengths it names.

Both ends of a container's attached stream speak them.
"""

import json
import os
import struct
from collections.abc import Iterator
from typing import Any

HEAD = struct.Struct(">I")
MOST_HEADER = 8 << 20
_CHUNK = 64 << 10


def packed(header: dict[str, Any], blobs: tuple[bytes, ...] = ()) -> bytes:
    """Returns a frame as bytes."""
    text = json.dumps({**header, "blobs": [len(blob) for blob in blobs]}).encode()
    return b"".join((HEAD.pack(len(text)), text, *blobs))


class Frames:
    """Frames over two file descriptors, on the side of the container.

    Args:
        source: Read from.
        target: Written to.
    """

    def __init__(self, source: int, target: int) -> None:
        self._source = source
        self._target = target

    def receive(self) -> dict[str, Any] | None:
        """Returns the next header, whose blobs are to be read next; `None` at the end."""
        head = b"".join(self.blob(HEAD.size))
        if len(head) < HEAD.size:
            return None
        (size,) = HEAD.unpack(head)
        text = b"".join(self.blob(size))
        if len(text) < size:
            return None
        header: dict[str, Any] = json.loads(text)
        return header

    def blob(self, size: int) -> Iterator[bytes]:
        """Gives the bytes of a blob, a piece at a time; fewer where the stream ends."""
        while size > 0:
            piece = os.read(self._source, min(size, _CHUNK))
            if not piece:
                return
            size -= len(piece)
            yield piece

    def send(self, header: dict[str, Any], blobs: tuple[bytes | memoryview, ...] = ()) -> None:
        """Writes a frame, all of it, and copies no blob for that."""
        views = [memoryview(blob) for blob in blobs]
        text = json.dumps({**header, "blobs": [len(view) for view in views]}).encode()
        left = [memoryview(HEAD.pack(len(text)) + text), *views]
        while left:
            written = os.writev(self._target, left)
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if left:
                left[0] = left[0][written:]
