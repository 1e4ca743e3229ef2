"""Starts a process that nobody trusts: another user, limits, nothing inherited."""

import contextlib
import os
import resource
import signal
from dataclasses import dataclass, field
from typing import NoReturn

_FILES_OPEN = 1024
# Deep recursion is legitimate; memory is what bounds it.
_STACK_BYTES = 256 << 20
# Behind the CPU limit that `watch` holds to the millisecond over all processes.
_CPU_SLACK_S = 2


@dataclass(frozen=True)
class Process:
    """What to start.

    Attributes:
        argv: Command; the first word is a path.
        environment: All of its environment.
        folder: Where it starts.
        user: User and group id that it runs as.
        cpu_s: CPU seconds of all its processes.
        wall_s: Seconds by the clock.
        memory_bytes: Memory, for what is reported; the container's limit holds it.
        output_bytes: Bytes kept of its standard output; more end it.
        error_bytes: Bytes kept of its standard error; more are dropped.
        processes: Processes and threads at once.
        files: Files to write in its folder first, as its user.
    """

    argv: list[str]
    environment: dict[str, str]
    folder: str
    user: int
    cpu_s: float
    wall_s: float
    memory_bytes: int
    output_bytes: int
    error_bytes: int
    processes: int
    files: dict[str, bytes] = field(default_factory=dict)


def start(process: Process, stdin: int, stdout: int, stderr: int, failure: int) -> int:
    """Forks and executes; returns the process id.

    Args:
        process: What to start.
        stdin: Its standard input.
        stdout: Its standard output.
        stderr: Its standard error.
        failure: Written to, in words, if it cannot be executed. Closed on execution.
    """
    pid = os.fork()
    if pid == 0:
        _become(process, (stdin, stdout, stderr), failure)
    return pid


def _become(process: Process, streams: tuple[int, int, int], failure: int) -> NoReturn:
    try:
        os.setsid()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        _limit(process)
        # Python ignores these two, which an executed program would inherit.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        become_user(process.user)
        os.umask(0o022)
        os.chdir(process.folder)
        for name, content in process.files.items():
            with open(name, "xb") as file:
                file.write(content)
        os.execve(process.argv[0], process.argv, process.environment)
    except BaseException as error:  # noqa: BLE001 - whatever it is, this is not the runner any more
        with contextlib.suppress(OSError):
            os.write(failure, f"{type(error).__name__}: {error}".encode()[:500])
    os._exit(127)


def become_user(user: int) -> None:
    """Becomes another user, with no way back: its capabilities go with it."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _limit(process: Process) -> None:
    cpu_s = int(process.cpu_s) + _CPU_SLACK_S
    for what, value in (
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _FILES_OPEN),
        (resource.RLIMIT_NPROC, process.processes),
        (resource.RLIMIT_STACK, _STACK_BYTES),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        resource.setrlimit(what, (value, value))
    # When memory runs out, the program goes and the runner stays.
    descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    os.write(descriptor, b"1000")
    os.close(descriptor)
