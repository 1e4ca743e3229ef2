"""The memory that all processes of a container have together, looked at from time to time."""

import os
import time

from .cgroup import Counters

# A program that takes all that a machine can give it in this time is ended by the kernel
# rather than seen: a container has not much more than the limit.
LOOK_S = 0.02
_MIB = 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
# The kernel adds up what each of its cores has counted after so many pages, for a group
# and for a process.
_PAGES_UNCOUNTED = 2 * 64
_BYTES = 128


class Own:
    """The memory of this process."""

    def __init__(self) -> None:
        # It stays open. To open one takes memory of the kernel, and whoever asks for that
        # while a program that has used up all there was is ending may be ended beside it.
        self._file = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)

    def anonymous(self) -> int:
        """Returns the bytes of it that are of no file."""
        _, resident, shared, *_ = os.pread(self._file, _BYTES, 0).split()
        return (int(resident) - int(shared)) * _PAGE


class Together:
    """The most memory of a program's processes that was seen at once.

    Only what cannot be had back from a file: of a process alone the kernel keeps the peak
    itself, but not of one that nobody waits for.

    Args:
        counters: The container's counters, in which the runner's own memory is too.
        own: The runner's own.
    """

    def __init__(self, counters: Counters, own: Own) -> None:
        self._counters = counters
        self._own = own
        self._inexact = _MIB + (os.cpu_count() or 1) * _PAGES_UNCOUNTED * _PAGE
        self._due = time.monotonic() + LOOK_S
        self.most = 0

    def look_if_due(self) -> None:
        """Looks, unless it did so a moment ago."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + LOOK_S
            seen = self._counters.anonymous_memory() - self._own.anonymous() - self._inexact
            self.most = max(self.most, seen)
