"""Starts a process that nobody trusts: another user, limits, nothing inherited."""

import os
import signal
from dataclasses import dataclass, field

START = "/opt/sandbox/start"
# Behind the CPU limit that `watch` holds over all processes, to the millisecond. Far
# behind: the kernel counts this one in ticks, which on a busy machine are half as many more.
_CPU_SLACK = 2
_FAILURE = 3


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
        output_bytes: Bytes kept of its standard output; more end it.
        error_bytes: Bytes kept of its standard error; more are dropped.
        processes: Processes and threads at once.
        file_bytes: The longest that a file may become.
        files: Files to write in its folder first, as its user.
        temporary: A folder to make there first, for what it leaves behind; empty for none.
    """

    argv: list[str]
    environment: dict[str, str]
    folder: str
    user: int
    cpu_s: float
    wall_s: float
    output_bytes: int
    error_bytes: int
    processes: int
    file_bytes: int
    files: dict[str, bytes] = field(default_factory=dict)
    temporary: str = ""


def start(process: Process, stdin: int, stdout: int, stderr: int, failure: int) -> int:
    """Starts a process by way of a starter, and returns the starter's id.

    Args:
        process: What to start.
        stdin: Its standard input.
        stdout: Its standard output.
        stderr: Its standard error.
        failure: Hears the process id in a line of its own, and, in words, why it cannot
            be executed. Closed on execution.

    Raises:
        OSError: Its files could not be written.
    """
    if process.files or process.temporary:
        _write_files(process)
    # See `start.c`: a fork of this interpreter would cost more than a small program.
    cpu_s = int(_CPU_SLACK * process.cpu_s) + _CPU_SLACK
    limits = (process.user, process.processes, cpu_s, process.file_bytes)
    return os.posix_spawn(
        START,
        [START, str(_FAILURE), *map(str, limits), process.folder, *process.argv],
        process.environment,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, descriptor, number)
            for number, descriptor in enumerate((stdin, stdout, stderr, failure))
        ],
        setsid=True,
        # Python ignores these two, which an executed program would inherit.
        setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
    )


def become_user(user: int) -> None:
    """Becomes another user, with no way back: its capabilities go with it."""
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _write_files(process: Process) -> None:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            become_user(process.user)
            os.umask(0o022)
            os.chdir(process.folder)
            if process.temporary:
                os.mkdir(process.temporary)
            for name, content in process.files.items():
                with open(name, "xb") as file:
                    file.write(content)
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(pid, 0)
    if status:
        raise OSError("the files of a program could not be written")
