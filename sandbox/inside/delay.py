"""Tells how long the processes of a container were ready to run and got no core.

That time passes by the clock, and is the machine's and not the program's.
"""

import contextlib
import math
import os
import time

# So often processes are looked at. Of those that come and go between two looks, only what
# ends as a child of process 1 is heard of.
LOOK_S = 0.2
# A sleep ends later than it should by some milliseconds on any machine.
_LATE_S = 0.1
_BYTES = 128
_NS = 1_000_000_000


class Delay:
    """Adds up the time in which the machine kept a program waiting.

    From one look to the next, that is the longest that one of its tasks waited for a core,
    as the kernel counts it, or the time by which whoever looks was woken too late, and
    did not itself wait for a core: then the whole container stood still. Where the kernel
    does not count, there is but the latter.

    Args:
        processes: Where the kernel tells of processes.
    """

    def __init__(self, processes: str = "/proc") -> None:
        self._processes = processes
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
        if late_s > _LATE_S:
            # Once for each sleep.
            self._due = math.inf
            own_ns = self._waited_ns(self._own) - self._own_ns
            self._longest_ns = max(self._longest_ns, int(late_s * _NS) - own_ns)
            self.look()

    def look(self) -> None:
        """Adds what came since the last look."""
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
        self._note(str(pid), str(pid), {})

    def _note(self, task: str, path: str, seen: dict[str, int]) -> None:
        waited_ns = self._waited_ns(path)
        seen[task] = waited_ns
        before_ns = self._seen.get(task, 0)
        # Else it is another one, which has got its number.
        since_ns = waited_ns - before_ns if waited_ns >= before_ns else waited_ns
        self._longest_ns = max(self._longest_ns, since_ns)

    def _waited_ns(self, path: str) -> int:
        """Returns how long a task has waited for a core; 0 if that is not told."""
        try:
            descriptor = os.open(f"{self._processes}/{path}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return 0
        try:
            # It may end in between.
            with contextlib.suppress(OSError, IndexError, ValueError):
                return int(os.read(descriptor, _BYTES).split()[1])
        finally:
            os.close(descriptor)
        return 0

    def _names(self, path: str) -> list[str]:
        try:
            return os.listdir(f"{self._processes}/{path}")
        except OSError:
            return []
