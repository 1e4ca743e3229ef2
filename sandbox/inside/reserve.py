"""Memory that the runner holds, to have it when a program has left none."""

import mmap

from .cgroup import Counters

# What it takes to empty folders that are as full and as deep as they can be, and to answer.
SIZE = 8 << 20
# What the kernel may hold for the container besides memory of processes and files.
_KERNEL = 4 << 20
# More than a program takes while the runner looks at it.
_LITTLE = 8 << 20
_POPULATED = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE


class Reserve:
    """Memory that is given up when a program has ended and left files that fill all there is.

    The kernel ends a program for want of memory, and not what it has in files. Once it has
    no process any more, it is the runner that would go next.

    Args:
        counters: The container's counters.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._held: mmap.mmap | None = None
        self.fill()

    @property
    def held(self) -> bool:
        """Whether it is there."""
        return self._held is not None

    def has_room(self) -> bool:
        """Says whether the container has memory that nobody holds."""
        counters = self._counters
        limit = counters.memory_limit()
        return (
            limit - counters.memory() > _LITTLE
            # Else files of the image may hold the rest, which the kernel gives up for that.
            or limit - counters.kept_memory() > _LITTLE + _KERNEL
        )

    def give_up(self) -> None:
        """Makes room, if there is little."""
        counters = self._counters
        if self._held and counters.memory_limit() - counters.memory() < SIZE:
            self._held.close()
            self._held = None

    def fill(self) -> None:
        """Holds memory again, if there is enough."""
        counters = self._counters
        if self._held is None and counters.memory_limit() - counters.kept_memory() > SIZE + _KERNEL:
            self._held = mmap.mmap(-1, SIZE, _POPULATED)
