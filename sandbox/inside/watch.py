"""Watches a process to its end: takes its output, holds its limits, kills what it leaves."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable
from typing import Any

from .cgroup import Counters
from .clock import most_wall_s
from .delay import LOOK_S, Delay
from .output import CHUNK, Buffer, Output
from .reserve import Reserve
from .spawn import Process, start
from .together import LOOK_S as MEMORY_LOOK_S
from .together import Own, Together

_LEAST_WAIT_S = 0.001
# So long what comes in small pieces is left to gather: each reading costs time that is
# nobody's.
_GATHER_MS = 1
_NS = 1_000_000_000
_KIB = 1024


# Exit facts, standard output and standard error.
Ended = tuple[dict[str, Any], memoryview, memoryview]


class HostGoneError(Exception):
    """Whoever asked for this has gone."""


class Watcher:
    """Runs processes one after another; process 1 of its container.

    Args:
        counters: The container's counters.
        reserve: Memory that is there for what comes after a process.
        host: Descriptor that hangs up when the host has gone.
    """

    def __init__(self, counters: Counters, reserve: Reserve, host: int) -> None:
        self._counters = counters
        self._reserve = reserve
        self._host = host
        self._own = Own()
        self._buffers = Buffer(0), Buffer(0)
        self._cores = len(os.sched_getaffinity(0))
        self._woken, wake = os.pipe()
        for end in (self._woken, wake):
            os.set_blocking(end, False)
        # A handler of ours makes Python write to `wake`; it need do nothing itself.
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def run(self, process: Process, stdin: int) -> Ended:
        """Runs a process; returns its exit facts, standard output and standard error.

        Both outputs are there until the next process is run.

        Raises:
            HostGoneError: The host has gone meanwhile.
        """
        buffers = self._buffers_for(process)
        delay = Delay(has_room=self._reserve.has_room)
        together = Together(self._counters, self._own)
        run = _Run(process, self._counters, delay, together, buffers)
        try:
            run.start(stdin)
            self._follow(run)
        finally:
            kill_all(run.ended)
            self._reserve.give_up()
        return run.facts()

    def _buffers_for(self, process: Process) -> tuple[Buffer, Buffer]:
        sizes = process.output_bytes, process.error_bytes
        if sizes != tuple(buffer.most for buffer in self._buffers):
            # The old ones go first.
            self._buffers = Buffer(0), Buffer(0)
            self._buffers = Buffer(sizes[0]), Buffer(sizes[1])
        return self._buffers

    def _follow(self, run: "_Run") -> None:
        poll, others = select.poll(), select.poll()
        for each in (poll, others):
            # Nothing to read is asked for: the next frames may be waiting there by now.
            each.register(self._host, 0)
            each.register(self._woken, select.POLLIN)
        streams = {output.read_end: output for output in (run.out, run.err)}
        for descriptor in streams:
            poll.register(descriptor, select.POLLIN)
        while not run.over:
            little: list[bool] = []
            for descriptor, _ in poll.poll(1000 * run.wait_s(self._cores)):
                if descriptor == self._host:
                    raise HostGoneError
                if descriptor == self._woken:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._woken, CHUNK)
                else:
                    little.append(streams[descriptor].take())
                    if not streams[descriptor].open:
                        poll.unregister(descriptor)
            # On every turn: what has detached itself must not pile up as it dies.
            reap(run.ends, run.ended)
            if little and all(little) and not run.over:
                others.poll(_GATHER_MS)


class _Run:
    """One process on its way from start to end."""

    def __init__(
        self,
        process: Process,
        counters: Counters,
        delay: Delay,
        together: Together,
        buffers: tuple[Buffer, Buffer],
    ) -> None:
        self.out, self.err = map(Output, buffers)
        self._process = process
        self._counters = counters
        self._delay = delay
        self._together = together
        self._pid = self._starter = 0
        self._status: int | None = None
        self._stopped = ""
        self._largest = 0
        self._failure = b""
        self._memory, self._peak = counters.memory(), counters.peak_memory()
        self._kills = counters.out_of_memory_kills()
        self._begun = time.monotonic()
        self._cpu_ns = counters.cpu_ns() - time.process_time_ns()

    def start(self, stdin: int) -> None:
        failed, failing = os.pipe()
        out, err = self.out.write_end, self.err.write_end
        self._starter = start(self._process, stdin, out, err, failing)
        for descriptor in (out, err, failing):
            os.close(descriptor)
        self._failed = failed
        # At once: the starter does nothing else before.
        line, _, self._failure = os.read(failed, CHUNK).partition(b"\n")
        self._pid = int(line) if line.isdigit() else self._starter
        if self._pid == self._starter:
            self._failure = line

    def ends(self, pid: int) -> None:
        """Hears of a process that has ended, while the kernel still knows it."""
        # As all goes on after a standstill, it may end before there is another turn.
        self._delay.wakes()
        self._delay.ends(pid)

    def ended(self, pid: int, status: int, largest_kib: int) -> None:
        """Hears of a process that has ended: this one, its starter, or one that it left."""
        if pid == self._pid:
            self._status = status
        if pid != self._starter:
            self._largest = max(self._largest, largest_kib * _KIB)

    @property
    def over(self) -> bool:
        return self._status is not None or bool(self._stopped)

    def wait_s(self, cores: int) -> float:
        """Returns how long the limits cannot be reached, and notes one that is."""
        self._delay.wakes()
        self._together.look_if_due()
        wall = self._wall_left_s()
        if wall <= 0 or self._delay.is_due:
            self._delay.look()
            wall = self._wall_left_s()
        cpu = self._process.cpu_s - self._used_s()
        if self.out.cut:
            self._stopped = "output"
        elif cpu <= 0:
            self._stopped = "cpu"
        elif wall <= 0:
            self._stopped = "wall"
        if self._stopped:
            return 0.0
        wait = max(min(wall, cpu / cores, LOOK_S, MEMORY_LOOK_S), _LEAST_WAIT_S)
        self._delay.sleeps(wait)
        return wait

    def _wall_left_s(self) -> float:
        """Returns how much is left by the clock, which is against programs that wait.

        What the machine kept it waiting is not its own, up to a bound that holds anyway.
        """
        wall_s, passed = self._process.wall_s, time.monotonic() - self._begun
        return min(wall_s + self._delay.total_s, most_wall_s(wall_s)) - passed

    def facts(self) -> Ended:
        used_s, wall_s = self._used_s(), time.monotonic() - self._begun
        out, err = self.out.rest(), self.err.rest()
        self.out.close()
        self.err.close()
        with open(self._failed, "rb") as failed:
            failure = self._failure + failed.read()
        if self.out.cut and not self._stopped:
            self._stopped = "output"
        assert self._status is not None  # noqa: S101 - it was waited for
        exited = os.WIFEXITED(self._status)
        facts = {
            "exit_status": os.WEXITSTATUS(self._status) if exited else None,
            "signal": None if exited else os.WTERMSIG(self._status),
            "stopped": self._stopped,
            "cpu_s": used_s,
            "wall_s": wall_s,
            "delayed_s": min(self._delay.total_s, wall_s),
            "peak_memory_bytes": self._peak_memory(),
            "largest_process_bytes": self._largest,
            "together_bytes": self._together.most,
            "out_of_memory_kills": self._counters.out_of_memory_kills() - self._kills,
            "stdout_cut": self.out.cut,
            "stderr_cut": self.err.cut,
            "failure": failure.decode("utf-8", "replace").strip(),
        }
        return facts, out, err

    def _used_s(self) -> float:
        # All that the container used, less what this program itself did.
        return (self._counters.cpu_ns() - time.process_time_ns() - self._cpu_ns) / _NS

    def _peak_memory(self) -> int:
        """Returns the most that is known: of one process, as seen, or of the container.

        Of the container it is known where its peak rose. Only about: it holds files of the
        image that the kernel would give up first. So no limit is told from that.
        """
        peak = self._counters.peak_memory()
        rose = peak - self._memory if peak > self._peak else 0
        return max(self._largest, self._together.most, rose)


def reap(ends: Callable[[int], None], ended: Callable[[int, int, int], None]) -> None:
    """Takes note of the processes that have ended, of each before and after it goes."""
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None:
            return
        ends(found.si_pid)
        pid, status, usage = os.wait4(found.si_pid, 0)
        ended(pid, status, usage.ru_maxrss)


def kill_all(ended: Callable[[int, int, int], None]) -> None:
    """Kills every other process of the container and waits until there is none."""
    while True:
        # Only ever in a container, where the first process is spared by itself.
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        try:
            pid, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return
        ended(pid, status, usage.ru_maxrss)
