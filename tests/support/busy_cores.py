"""Keeps a machine busy."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Generator


@contextlib.contextmanager
def busy_cores(loops_a_core: int = 1) -> Generator[None, None, None]:
    """Keeps every core busy with so many processes of its own."""
    loops: list[subprocess.Popen[bytes]] = []
    try:
        for core in list(os.sched_getaffinity(0)) * loops_a_core:
            loops.append(subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"]))
            os.sched_setaffinity(loops[-1].pid, {core})
        yield
        assert all(loop.poll() is None for loop in loops)
    finally:
        for loop in loops:
            loop.send_signal(signal.SIGKILL)
            loop.wait()
