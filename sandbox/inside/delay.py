"""Tells how long the processes of a container were ready to run and got no core.

That time passes by the clock, and is the machine's and not the program's.
"""

import contextlib
import math
import os
import time
from collections.abc import Callable

# So often processes are looked at. Of those that come and go between two looks, only what
# ends as a child of process 1 is heard of.
LOOK_S = 0.2
# A sleep ends later than it should by some milliseconds on any machine.
_LATE_S = 0.1
_BYTES = 1024
# Of the fields after the name, from 0.
_NICE, _POLICY = 16, 38
_NS = 1_000_000_000


class Delay:
    """Adds up the time in which the machine kept a program waiting.

    From one look to the next, that is the longest that one of its tasks waited for a core,
    as the kernel counts it, or the time by which whoever looks was woken too late, and
    did not itself wait for a core: then the whole container stood still. Where the kernel
    does not count, there is but the latter.

    A task that asked for less than others get, by its policy or its niceness, waits of its
    own accord, and could without end, at no cost: such waiting does not count.

    Args:
        processes: Where the kernel tells of processes.
        has_room: Says whether there is memory to look with. Where there is not, it is left
            to a later look: the kernel could end whoever asks for some beside a program
            that it is ending for that.
    """

    def __init__(
        self, processes: str = "/proc", has_room: Callable[[], bool] = lambda: True
    ) -> None:
        self._processes = processes
        self._has_room = has_room
        self._own = str(os.getpid())
        self._own_ns = self._waited_ns(self._own)
        self._begun = self._looked = time.monotonic()
        self._due = self._begun + LOOK_S
        self._seen: dict[str, int] = {}
        self._longest_ns = 0
        self._before_s = 0.0

    @property
    def total_s(self) -> float:
        """Seconds of delay that are known of; never more than have passed."""
        known = self._before_s + self._longest_ns / _NS
        return min(known, time.monotonic() - self._begun)

    @property
    def is_due(self) -> bool:
        """Whether it is time for a look."""
        return time.monotonic() - self._looked >= LOOK_S

    def sleeps(self, seconds: float) -> None:
        """Hears that its owner is about to sleep, and for how long."""
        self._due = time.monotonic() + seconds

    def wakes(self) -> None:
        """Hears that its owner is awake, and looks if that is too late."""
        late_s = time.monotonic() - self._due
        if late_s > _LATE_S and self._has_room():
            # Once for each sleep.
            self._due = math.inf
            own_ns = self._waited_ns(self._own) - self._own_ns
            self._longest_ns = max(self._longest_ns, int(late_s * _NS) - own_ns)
            self.look()

    def look(self) -> None:
        """Adds what came since the last look."""
        if not self._has_room():
            return
        seen: dict[str, int] = {}
        for process in self._names(""):
            if process.isdigit() and process != self._own:
                for task in self._names(f"{process}/task"):
                    self._note(task, f"{process}/task/{task}", seen)
        self._seen, self._own_ns = seen, self._waited_ns(self._own)
        self._before_s = self.total_s
        self._longest_ns = 0
        self._looked = time.monotonic()

    def ends(self, pid: int) -> None:
        """Looks at a process that has ended, before it is waited for."""
        if self._has_room():
            self._note(str(pid), str(pid), {})

    def _note(self, task: str, path: str, seen: dict[str, int]) -> None:
        waited_ns = self._waited_ns(path)
        seen[task] = waited_ns
        before_ns = self._seen.get(task, 0)
        # Else it is another one, which has got its number.
        since_ns = waited_ns - before_ns if waited_ns >= before_ns else waited_ns
        if since_ns > self._longest_ns and self._is_ordinary(path):
            self._longest_ns = since_ns

    def _waited_ns(self, path: str) -> int:
        """Returns how long a task has waited for a core; 0 if that is not told."""
        with contextlib.suppress(IndexError, ValueError):
            return int(self._text(f"{path}/schedstat").split()[1])
        return 0

    def _is_ordinary(self, path: str) -> bool:
        """Says whether a task has the policy and the niceness that all begin with."""
        # The name before the last bracket may hold anything.
        fields = self._text(f"{path}/stat").rpartition(b")")[2].split()
        with contextlib.suppress(IndexError):
            return fields[_NICE] == fields[_POLICY] == b"0"
        return False

    def _text(self, path: str) -> bytes:
        """Returns what the kernel tells of a task; nothing if it has ended meanwhile."""
        try:
            descriptor = os.open(f"{self._processes}/{path}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            with contextlib.suppress(OSError):
                return os.read(descriptor, _BYTES)
        finally:
            os.close(descriptor)
        return b""

    def _names(self, path: str) -> list[str]:
        try:
            return os.listdir(f"{self._processes}/{path}")
        except OSError:
            return []
