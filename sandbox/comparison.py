"""Compares outputs without holding up the event loop, however large they are.

Started as a program, it is the process that compares numbers by the million: on a thread
they would hold the interpreter for a good part of a minute.
"""

import asyncio
import contextlib
import logging
import os
import sys
from pathlib import Path

from sandbox.beside import beside
from sandbox.checker import Difference, compare
from sandbox.model import Exact, Floats, Tokens

_LARGE_BYTES = 1 << 20
# Below the server, which must not wait for it.
_NICENESS = 5
_START = "import sys; sys.path.insert(0, sys.argv[1]); from sandbox.comparison import main; main()"
_ROOT = str(Path(__file__).resolve().parent.parent)

_log = logging.getLogger(__name__)


async def compared(
    checker: Exact | Tokens | Floats, output: bytes, expected: bytes
) -> Difference | None:
    """Returns where an output first differs from the expected one; `None` if it is right."""
    size = len(output) + len(expected)
    if output != expected and isinstance(checker, Floats) and size > _LARGE_BYTES:
        try:
            return await _in_process(checker, output, expected)
        except OSError as error:
            # No memory for one more, or it was killed.
            _log.warning("outputs are compared on a thread", extra={"why": str(error)})
    return await beside(size, lambda: compare(checker, output, expected))


async def _in_process(checker: Floats, output: bytes, expected: bytes) -> Difference | None:
    """Compares numbers in a process, which ends when nobody waits for it any more.

    Raises:
        OSError: It could not be started, or did not come to its end.
    """
    numbers = (repr(checker.absolute), repr(checker.relative), str(len(output)))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-IS",
        "-c",
        _START,
        _ROOT,
        *numbers,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        said, _ = await process.communicate(output + expected)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode:
        raise OSError(f"the process that compares ended with {process.returncode}")
    return Difference(said.decode()) if said else None


def main() -> None:
    """Compares what comes on standard input, and prints where it first differs."""
    os.nice(_NICENESS)
    absolute, relative, size = float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    texts = sys.stdin.buffer.read()
    difference = compare(Floats(absolute, relative), texts[:size], texts[size:])
    if difference is not None:
        sys.stdout.buffer.write(difference.detail.encode())
