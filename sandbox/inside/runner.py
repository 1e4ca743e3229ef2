"""The runner: process 1 of a container, which compiles one program and runs it on cases.

It runs as root with three capabilities: to become another user (two) and to kill. What it
starts runs as a user of its own without any, and cannot read, signal or trace it. What it
should print is not known here.
"""

import contextlib
import fcntl
import os
import sys
from collections.abc import Iterable
from typing import Any

from .cgroup import counters
from .cleaning import empty, remove
from .frames import Frames
from .made import unfit
from .reserve import Reserve
from .spawn import Process
from .watch import Ended, HostGoneError, Watcher

_WORK = "/scratch"
_BUILD = "/build"
_SHARED = "/dev/shm"  # noqa: S108 - the container's own
_TOOLCHAINS = "/opt/sandbox/toolchains.json"
_TERMINALS = "/dev/pts/ptmx"
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


def main() -> None:
    """Serves frames from standard input until it ends."""
    frames = Frames(*_own_streams())
    compiler, program = (int(argument) for argument in sys.argv[1:3])
    _lock_terminals()
    reading = counters()
    reserve = Reserve(reading)
    watcher = Watcher(reading, reserve, 0)
    with open(_TOOLCHAINS, encoding="utf-8") as file:
        frames.send({"ready": True, "toolchains": file.read(), "cgroup": reading.version})
    try:
        while (header := frames.receive()) is not None:
            facts, out, err = _run(watcher, frames, header, (compiler, program))
            made = header["makes"] if facts["exit_status"] == 0 else ""
            facts["unfit"] = unfit(made) if made else ""
            if header["temporary"]:
                remove(header["temporary"], compiler)
            # Nothing of one process is left to the next. Before the answer, which takes
            # memory that they may hold.
            for folder in (_WORK, _SHARED):
                empty(folder, (program, compiler))
            facts["made_bytes"] = _used(_BUILD) if header["compiles"] else 0
            frames.send(facts, (out, err))
            reserve.fill()
    except (HostGoneError, BrokenPipeError):
        return


def _lock_terminals() -> None:
    """Takes from programs what makes terminals: a host has only so many for everybody."""
    # A kernel of its own, as gVisor's, may refuse; its terminals are not the host's.
    with contextlib.suppress(OSError):
        os.chmod(_TERMINALS, 0)


def _own_streams() -> tuple[int, int]:
    """Returns the two descriptors of the stream, away from those that programs get."""
    target = os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 1)
    os.dup2(null, 2)
    return 0, target


def _run(watcher: Watcher, frames: Frames, header: dict[str, Any], users: tuple[int, int]) -> Ended:
    sizes = iter(header["blobs"])
    stdin = _file_of(frames.blob(next(sizes)))
    files = {
        name: b"".join(frames.blob(size)) for name, size in zip(header["files"], sizes, strict=True)
    }
    process = Process(
        argv=header["argv"],
        environment=header["environment"],
        folder=header["folder"],
        user=users[0] if header["compiles"] else users[1],
        files=files,
        temporary=header["temporary"],
        **header["limits"],
    )
    try:
        return watcher.run(process, stdin)
    finally:
        os.close(stdin)


def _file_of(pieces: Iterable[bytes]) -> int:
    """Returns a descriptor that gives the bytes, whoever reads them or does not."""
    file = os.memfd_create("stdin", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        for piece in pieces:
            os.write(file, piece)
        # It would be memory to write to, which no limit of the program's folders bounds.
        fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
        os.fchmod(file, 0o444)
        # Opened anew, for reading alone.
        return os.open(f"/proc/self/fd/{file}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(file)


def _used(folder: str) -> int:
    """Returns the bytes that all files of a mount take."""
    of = os.statvfs(folder)
    return (of.f_blocks - of.f_bfree) * of.f_frsize
