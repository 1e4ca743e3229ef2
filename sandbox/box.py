"""One container with one program in it: what goes in, and the frames that come out.

The stream is Docker's: pieces with eight bytes before each. In its pieces are the frames
of `sandbox.inside.frames`. A runner that says what it must not is a lost one: it ran
beside hostile code, and nothing of it is believed beyond its bounds.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from sandbox.engine import Container
from sandbox.inside.clock import most_wall_s
from sandbox.inside.frames import HEAD, MOST_HEADER, packed
from sandbox.languages import (
    BUILD,
    BUILD_BYTES,
    COMPILE_LIMITS,
    ENVIRONMENT,
    TEMPORARY,
    WORK,
    WORK_BYTES,
    Language,
)
from sandbox.model import ExitFacts, Limits, Stopped

_READY_S = 30.0
# Beyond what a process may take: the runner has to notice, kill and report.
_GRACE_S = 20.0
_ERROR_BYTES = 64 << 10
_PIECE_HEAD = 8
_STDOUT = 1
_MOST_PIECE = 16 << 20
# Small cases can wait in the pipes on the way while the one before them runs. A frame
# without its input takes about 1 KiB, and a pipe 64.
_AHEAD_BYTES = 16 << 10
_MOST_AHEAD = 8
# What is stored and sent of an answer: 32 and 64 bits, and the longest time of a message.
_MOST_STATUS = (1 << 31) - 1
_MOST_COUNT = (1 << 63) - 1
_MOST_SECONDS = 315_576_000_000.0


class BoxLostError(Exception):
    """The container has gone, or its runner does not answer as it should."""


class BoxStarvedError(BoxLostError):
    """The container has gone, since what a program left in it let its runner have no memory."""


@dataclass(frozen=True)
class Command:
    """What to start in a container.

    Attributes:
        argv: Command; the first word is a path in the image.
        limits: What it may use.
        stdin: Its standard input.
        files: Files to write first, in the folder where it starts.
        compiles: It is the compiler, which may write the build folder.
        makes: File that has to be a program once it has ended well; empty for none.
        temporary: Folder that it has for what it writes by the way; empty for the usual one.
    """

    argv: tuple[str, ...]
    limits: Limits
    stdin: bytes = b""
    files: tuple[tuple[str, bytes], ...] = ()
    compiles: bool = False
    makes: str = ""
    temporary: str = ""

    @classmethod
    def to_compile(cls, language: Language, source: str) -> Self:
        """Returns the command that compiles a program."""
        content = source.encode("utf-8", "replace")
        return cls(
            argv=language.compile,
            limits=COMPILE_LIMITS,
            files=((language.file, content),),
            compiles=True,
            makes=language.makes,
            temporary="" if language.checks_only else TEMPORARY,
        )

    def frame(self) -> bytes:
        """Returns it as the runner reads it."""
        limits = {
            "cpu_s": self.limits.cpu_s,
            "wall_s": self.limits.wall_s,
            "output_bytes": self.limits.output_bytes,
            "error_bytes": self.error_bytes,
            "processes": self.limits.processes,
            "file_bytes": BUILD_BYTES if self.compiles else WORK_BYTES,
        }
        header = {
            "argv": self.argv,
            "environment": ENVIRONMENT | ({"TMPDIR": self.temporary} if self.temporary else {}),
            "folder": BUILD if self.compiles else WORK,
            "compiles": self.compiles,
            "makes": self.makes,
            "temporary": self.temporary,
            "limits": limits,
            "files": [name for name, _ in self.files],
        }
        return packed(header, (self.stdin, *(content for _, content in self.files)))

    @property
    def error_bytes(self) -> int:
        """Bytes kept of standard error."""
        return self.limits.output_bytes if self.compiles else _ERROR_BYTES


class Box:
    """A container that waits for a program, or has one."""

    def __init__(
        self, container: Container, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.id = container.id
        self.toolchains: dict[str, str] = {}
        self._stream = container.stream
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self._sent: list[Command] = []

    @classmethod
    async def over(cls, container: Container) -> Self:
        """Returns a box whose runner is ready.

        Raises:
            BoxLostError: It did not get ready.
        """
        stream = container.stream
        if stream.family == socket.AF_UNIX:
            reader, writer = await asyncio.open_unix_connection(sock=stream)
        else:
            reader, writer = await asyncio.open_connection(sock=stream)
        box = cls(container, reader, writer)
        try:
            async with _in_time(_READY_S):
                header = await box._header()
            box.toolchains = json.loads(header["toolchains"])
        except (KeyError, TypeError, ValueError) as error:
            box.close()
            raise BoxLostError(f"no greeting: {error}") from error
        except BaseException:
            box.close()
            raise
        return box

    @property
    def alive(self) -> bool:
        """Whether the container has not been heard to end."""
        return not (self._reader.at_eof() or self._writer.is_closing())

    async def send(self, command: Command) -> None:
        """Sends a command.

        Raises:
            BoxLostError: The container has gone.
        """
        self._sent.append(command)
        try:
            self._writer.write(command.frame())
            async with _in_time(_GRACE_S):
                await self._writer.drain()
        except OSError as error:
            raise BoxLostError(str(error)) from error

    async def facts(self) -> ExitFacts:
        """Returns how the first command that was sent and not answered yet ended.

        Raises:
            BoxLostError: The container has gone, or answered what it cannot mean.
        """
        command = self._sent[0]
        async with _in_time(most_wall_s(command.limits.wall_s) + _GRACE_S):
            header = await self._header()
            sizes = _sizes(header, (command.limits.output_bytes, command.error_bytes))
            out, err = [await self._take(size) for size in sizes]
        self._sent.pop(0)
        return _facts(header, out, err)

    async def run(self, command: Command) -> ExitFacts:
        """Sends a command and returns how it ended.

        Raises:
            BoxLostError: The container has gone, or answered what it cannot mean.
        """
        await self.send(command)
        return await self.facts()

    def close(self) -> None:
        """Lets go of the stream; the runner ends. Removing the container is the engine's."""
        # First of all: Docker cannot kill a container whose attached stream is not read.
        with contextlib.suppress(OSError):
            self._stream.shutdown(socket.SHUT_RDWR)
        self._writer.transport.abort()

    async def _header(self) -> dict[str, Any]:
        (size,) = HEAD.unpack(await self._take(HEAD.size))
        if size > MOST_HEADER:
            raise BoxLostError("a header is too long")
        try:
            header = json.loads(await self._take(size))
        except (ValueError, RecursionError) as error:
            raise BoxLostError("a header is no JSON") from error
        if not isinstance(header, dict):
            raise BoxLostError("a header is no object")
        return header

    async def _take(self, size: int) -> bytes:
        """Returns the next bytes that the runner wrote."""
        while len(self._buffer) < size:
            try:
                head = await self._reader.readexactly(_PIECE_HEAD)
                length = int.from_bytes(head[4:], "big")
                if length > _MOST_PIECE:
                    raise BoxLostError("a piece of the stream is too long")
                piece = await self._reader.readexactly(length)
            except (asyncio.IncompleteReadError, OSError) as error:
                raise BoxLostError("the stream ended") from error
            if head[0] == _STDOUT:
                self._buffer += piece
        taken = bytes(memoryview(self._buffer)[:size])
        del self._buffer[:size]
        return taken


def fit_ahead(commands: Sequence[Command]) -> bool:
    """Says whether commands may be sent before what runs is answered: they wait in pipes."""
    if len(commands) > _MOST_AHEAD:
        return False
    sizes = (len(each.stdin) + sum(len(content) for _, content in each.files) for each in commands)
    return sum(sizes) < _AHEAD_BYTES


@contextlib.asynccontextmanager
async def _in_time(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise BoxLostError(f"no answer within {seconds:g} s") from error


def _sizes(header: dict[str, Any], most: tuple[int, int]) -> list[int]:
    sizes = header.get("blobs")
    if not isinstance(sizes, list) or len(sizes) != len(most):
        raise BoxLostError("an answer has not two outputs")
    for size, bound in zip(sizes, most, strict=True):
        if not isinstance(size, int) or not 0 <= size <= bound:
            raise BoxLostError("an output is longer than it can be")
    return sizes


def _facts(header: dict[str, Any], out: bytes, err: bytes) -> ExitFacts:
    try:
        return ExitFacts(
            exit_status=_optional(header["exit_status"]),
            signal=_optional(header["signal"]),
            stopped=Stopped(header["stopped"]),
            cpu_s=_seconds(header["cpu_s"]),
            wall_s=_seconds(header["wall_s"]),
            delayed_s=_seconds(header["delayed_s"]),
            peak_memory_bytes=_count(header["peak_memory_bytes"]),
            largest_process_bytes=_count(header["largest_process_bytes"]),
            together_bytes=_count(header["together_bytes"]),
            out_of_memory_kills=_count(header["out_of_memory_kills"]),
            stdout=out,
            stderr=err,
            stdout_cut=bool(header["stdout_cut"]),
            stderr_cut=bool(header["stderr_cut"]),
            failure=str(header["failure"])[:500],
            unfit=str(header["unfit"])[:500],
            made_bytes=_count(header["made_bytes"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BoxLostError(f"an answer cannot be read: {error}") from error


def _optional(value: object) -> int | None:
    return None if value is None else _whole(value, _MOST_STATUS)


def _count(value: object) -> int:
    return _whole(value, _MOST_COUNT)


def _whole(value: object, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError("a number is not whole, or beyond what it can be")
    return value


def _seconds(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise TypeError("a time is no number")
    # Not a number is not below anything.
    if not value < _MOST_SECONDS:
        raise ValueError("a time is beyond what it can be")
    # The runner's own time is taken from that of all.
    return max(0.0, float(value))
