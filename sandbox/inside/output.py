"""Keeps what a process prints, in memory that the runner has before the process begins."""

import mmap
import os

CHUNK = 64 << 10
# What comes in smaller pieces is waited for a little, so that one reading takes many.
_SMALL = 4096
_POPULATED = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE


class Buffer:
    """Memory for one stream of one process after another.

    All of it is there from the start: a program that has left no memory to the container
    cannot keep the runner from telling how it ended.

    Args:
        most: Bytes that are kept of a stream.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        # With room for a reading that goes beyond.
        self.view = memoryview(mmap.mmap(-1, most + CHUNK, _POPULATED))


class Output:
    """What a process prints on one stream, up to a bound.

    Args:
        buffer: Where it is kept, and how much of it.
    """

    def __init__(self, buffer: Buffer) -> None:
        self.read_end, self.write_end = os.pipe()
        os.set_blocking(self.read_end, False)
        # As `/dev/stdout` a program may open it anew, which takes more than to have it.
        os.fchmod(self.write_end, 0o622)
        self.cut = False
        self.open = True
        self._most = buffer.most
        self._view = buffer.view
        self._size = 0

    def take(self) -> bool:
        """Takes what is there, without waiting; says whether that was little."""
        try:
            got = os.readv(self.read_end, [self._view[self._size : self._size + CHUNK]])
        except BlockingIOError:
            return False
        if not got:
            self.open = False
            return False
        self._size += got
        if self._size > self._most:
            self.cut = True
            self._size = self._most
        return got < _SMALL

    def rest(self) -> memoryview:
        """Takes what is left, once nobody can write any more.

        Returns:
            All of it, until the buffer is used again.
        """
        while self.open and not self.cut:
            self.take()
        return self._view[: self._size]

    def close(self) -> None:
        """Closes its end of the stream."""
        os.close(self.read_end)
