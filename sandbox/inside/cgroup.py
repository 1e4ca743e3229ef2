"""Reads the counters of the container's control group, of version 1 and of version 2.

They count every process of the container, detached ones too, which no wait for a child
does. They are read from inside, so that it works on a Docker host far away.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

ROOT = "/sys/fs/cgroup"
_BYTES = 4096
_OOM_KILL = re.compile(rb"^oom_kill (\d+)$", re.MULTILINE)
_USAGE_US = re.compile(rb"^usage_usec (\d+)$", re.MULTILINE)
# Of memory that a group has in all, below it too.
_ANONYMOUS_1 = re.compile(rb"^total_rss (\d+)$", re.MULTILINE)
_SHARED_1 = re.compile(rb"^total_shmem (\d+)$", re.MULTILINE)
_ANONYMOUS_2 = re.compile(rb"^anon (\d+)$", re.MULTILINE)
_SHARED_2 = re.compile(rb"^shmem (\d+)$", re.MULTILINE)
_NS_PER_US = 1000
_UNLIMITED = 1 << 62


class MissingCounterError(Exception):
    """A counter that limits and verdicts rest on is not there."""


@dataclass(frozen=True)
class Counters:
    """The counters of a control group, each read when it is called.

    Attributes:
        version: Version of the control groups, 1 or 2.
        cpu_ns: CPU time of all its processes so far, in nanoseconds.
        out_of_memory_kills: Processes that the kernel has killed at the limit so far.
        memory: Bytes in use.
        peak_memory: Most bytes in use so far; `memory` where the kernel does not keep it.
        memory_limit: Bytes that may be in use.
        anonymous_memory: Bytes of its processes that are of no file.
        kept_memory: Bytes that the kernel cannot take back: those, and of files in memory.
    """

    version: int
    cpu_ns: Callable[[], int]
    out_of_memory_kills: Callable[[], int]
    memory: Callable[[], int]
    peak_memory: Callable[[], int]
    memory_limit: Callable[[], int]
    anonymous_memory: Callable[[], int]
    kept_memory: Callable[[], int]


def counters(root: str = ROOT) -> Counters:
    """Opens the counters below a folder, which stay open.

    Raises:
        MissingCounterError: One is not there.
    """
    if os.path.exists(f"{root}/cgroup.controllers"):
        events, cpu = _opened(root, "memory.events"), _opened(root, "cpu.stat")
        memory, limit = _opened(root, "memory.current"), _opened(root, "memory.max")
        of_what = _opened(root, "memory.stat")
        try:
            peak = _opened(root, "memory.peak")
        except MissingCounterError:
            # Linux before 5.19.
            peak = memory
        return Counters(
            version=2,
            cpu_ns=lambda: _found(_USAGE_US, cpu) * _NS_PER_US,
            out_of_memory_kills=lambda: _found(_OOM_KILL, events),
            memory=lambda: _number(memory),
            peak_memory=lambda: _number(peak),
            memory_limit=lambda: _number(limit),
            anonymous_memory=lambda: _found(_ANONYMOUS_2, of_what),
            kept_memory=lambda: _found(_ANONYMOUS_2, of_what) + _found(_SHARED_2, of_what),
        )
    control = _opened(root, "memory/memory.oom_control")
    usage = _opened(root, "cpuacct/cpuacct.usage", "cpu,cpuacct/cpuacct.usage")
    memory = _opened(root, "memory/memory.usage_in_bytes")
    peak = _opened(root, "memory/memory.max_usage_in_bytes")
    limit = _opened(root, "memory/memory.limit_in_bytes")
    of_what = _opened(root, "memory/memory.stat")
    return Counters(
        version=1,
        cpu_ns=lambda: _number(usage),
        out_of_memory_kills=lambda: _found(_OOM_KILL, control),
        memory=lambda: _number(memory),
        peak_memory=lambda: _number(peak),
        memory_limit=lambda: _number(limit),
        anonymous_memory=lambda: _found(_ANONYMOUS_1, of_what),
        kept_memory=lambda: _found(_ANONYMOUS_1, of_what) + _found(_SHARED_1, of_what),
    )


def _opened(root: str, *names: str) -> int:
    for name in names:
        try:
            return os.open(f"{root}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
    raise MissingCounterError(f"{root} has no {' or '.join(names)}")


def _number(descriptor: int) -> int:
    text = os.pread(descriptor, _BYTES, 0)
    return _UNLIMITED if text == b"max\n" else int(text)


def _found(pattern: re.Pattern[bytes], descriptor: int) -> int:
    match = pattern.search(os.pread(descriptor, _BYTES, 0))
    if match is None:
        raise MissingCounterError(f"no {pattern.pattern.decode()}")
    return int(match[1])
