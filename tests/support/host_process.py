"""Runs one process of our own tests on this host, within limits, and says how it ended.

No sandbox: what it runs can do all that the tests can. Linux only. Limits are held by
looking every few milliseconds, so that a process can exceed them by a little; the
number of processes is not limited, and only the first process's memory is counted.
"""

import contextlib
import math
import os
import resource
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from sandbox.model import ExitFacts, Limits, Stopped

_LOOK_EVERY_S = 0.01
_STDERR_BYTES = 64 << 10
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
# Behind the looking, for a process that takes much at once.
_SPARE_MEMORY_BYTES = 1 << 30
_SPARE_CPU_S = 5


def run(
    argv: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    stdin: bytes,
    limits: Limits,
    stop: threading.Event,
) -> ExitFacts:
    """Runs a command to its end, and ends all of its process group.

    Args:
        argv: The command.
        folder: Where it starts.
        environment: All of its environment.
        stdin: What it reads.
        limits: What it may use.
        stop: Set from another thread, ends it early.
    """
    try:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        return ExitFacts(failure=str(error))
    with contextlib.closing(_Watch(process, stdin, limits)) as watch:
        return watch.to_the_end(stop)


class _Stream:
    """What came from a pipe, up to a bound."""

    def __init__(self, descriptor: int, most: int) -> None:
        self.descriptor = descriptor
        self.kept = bytearray()
        self.cut = False
        self._most = most

    def read(self) -> bool:
        """Takes what is there; says whether more can come."""
        try:
            block = os.read(self.descriptor, 1 << 16)
        except BlockingIOError:
            return True
        self._keep(block)
        return bool(block)

    def drain(self) -> None:
        """Takes what is left; whoever still holds the other end is not waited for."""
        with contextlib.suppress(BlockingIOError):
            while block := os.read(self.descriptor, 1 << 16):
                self._keep(block)

    def _keep(self, block: bytes) -> None:
        room = self._most - len(self.kept)
        self.kept += block[:room]
        self.cut = self.cut or len(block) > room


class _Watch:
    def __init__(self, process: "subprocess.Popen[bytes]", stdin: bytes, limits: Limits) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._process = process
        self._limits = limits
        self._began = time.monotonic()
        self._input = memoryview(stdin)
        self._stdin = process.stdin
        self._stdout = _Stream(process.stdout.fileno(), limits.output_bytes)
        self._stderr = _Stream(process.stderr.fileno(), _STDERR_BYTES)
        self._pidfd = os.pidfd_open(process.pid)
        self._peak_bytes = 0
        self._stopped = Stopped.NOT
        self._out_of_memory = False
        self._selector = selectors.DefaultSelector()
        for file in (process.stdin, process.stdout, process.stderr):
            os.set_blocking(file.fileno(), False)
        self._selector.register(self._stdin, selectors.EVENT_WRITE)
        self._selector.register(self._stdout.descriptor, selectors.EVENT_READ, self._stdout)
        self._selector.register(self._stderr.descriptor, selectors.EVENT_READ, self._stderr)
        self._selector.register(self._pidfd, selectors.EVENT_READ)
        self._limit_resources()

    def to_the_end(self, stop: threading.Event) -> ExitFacts:
        """Feeds and reads the process until it ends, and returns how it did."""
        ended = False
        while not self._serve():
            if not ended and (stop.is_set() or self._is_beyond_a_limit()):
                ended = True
                self._kill_group()
        # Not reaped yet, so that the group is still its own.
        self._kill_group()
        self._stdout.drain()
        self._stderr.drain()
        if self._stdout.cut and self._stopped is Stopped.NOT:
            self._stopped = Stopped.OUTPUT
        _, status, usage = os.wait4(self._process.pid, 0)
        code = self._process.returncode = os.waitstatus_to_exitcode(status)
        return ExitFacts(
            exit_status=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            stopped=self._stopped,
            cpu_s=usage.ru_utime + usage.ru_stime,
            wall_s=time.monotonic() - self._began,
            peak_memory_bytes=self._peak_bytes,
            largest_process_bytes=self._peak_bytes,
            out_of_memory_kills=int(self._out_of_memory),
            stdout=bytes(self._stdout.kept),
            stderr=bytes(self._stderr.kept),
            stdout_cut=self._stdout.cut,
            stderr_cut=self._stderr.cut,
        )

    def close(self) -> None:
        """Lets go of all descriptors."""
        self._selector.close()
        os.close(self._pidfd)
        for file in (self._process.stdin, self._process.stdout, self._process.stderr):
            if file is not None:
                file.close()

    def _serve(self) -> bool:
        """Moves what can be moved; says whether the process has ended."""
        ended = False
        for key, _ in self._selector.select(_LOOK_EVERY_S):
            if key.fd == self._pidfd:
                ended = True
            elif isinstance(key.data, _Stream):
                if not key.data.read():
                    self._selector.unregister(key.fd)
            else:
                self._feed()
        return ended

    def _feed(self) -> None:
        try:
            self._input = self._input[os.write(self._stdin.fileno(), self._input[: 1 << 16]) :]
        except BrokenPipeError:
            self._input = memoryview(b"")
        if not self._input:
            self._selector.unregister(self._stdin)
            self._stdin.close()

    def _is_beyond_a_limit(self) -> bool:
        limits = self._limits
        cpu_s, peak_bytes = self._used()
        self._peak_bytes = max(self._peak_bytes, peak_bytes)
        if self._stdout.cut:
            self._stopped = Stopped.OUTPUT
        elif self._peak_bytes > limits.memory_bytes:
            # What the kernel would have done, had it known the limit.
            self._out_of_memory = True
        elif cpu_s > limits.cpu_s:
            self._stopped = Stopped.CPU
        elif time.monotonic() - self._began > limits.wall_s:
            self._stopped = Stopped.WALL
        return self._out_of_memory or self._stopped is not Stopped.NOT

    def _used(self) -> tuple[float, int]:
        """Returns CPU seconds and peak memory in bytes; 0 of what has ended already.

        The peak that `wait4` gives would not do: it begins with that of the tests, from
        which the process was started.
        """
        folder = Path("/proc", str(self._process.pid))
        try:
            # After the name, which may hold anything.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            status = (folder / "status").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return 0.0, 0
        ticks = sum(map(int, fields[11:15]))
        _, found, rest = status.partition("VmHWM:")
        return ticks / _TICKS_A_SECOND, int(rest.split()[0]) << 10 if found else 0

    def _limit_resources(self) -> None:
        memory = self._limits.memory_bytes + _SPARE_MEMORY_BYTES
        cpu_s = math.ceil(self._limits.cpu_s) + _SPARE_CPU_S
        with contextlib.suppress(ProcessLookupError):
            for kind, most in (
                (resource.RLIMIT_AS, memory),
                (resource.RLIMIT_CPU, cpu_s),
                (resource.RLIMIT_CORE, 0),
            ):
                resource.prlimit(self._process.pid, kind, (most, most))

    def _kill_group(self) -> None:
        # It leads a group of its own, whose number is its own while it is not reaped.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
