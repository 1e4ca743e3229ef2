"""A server for the time of one command, as a child process over the default database."""

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from client.failures import CommandError
from client.plain import clean

# Reading the database of a long history takes seconds, not minutes.
_READY_TIMEOUT_S = 120.0
# A server that plays nothing has nothing to wait for.
_IDLE_STOP_S = 10.0
_SHOWN_LINES = 8
_NAME = "llm-crowdsourced server: "


class DatabaseHeldError(CommandError):
    """Another server has the database open.

    Attributes:
        held_by: Where that server listens; empty where it does not say so.
    """

    def __init__(self, message: str, held_by: str) -> None:
        super().__init__(message)
        self.held_by = held_by


@dataclass(frozen=True, kw_only=True)
class _Ready:
    address: str
    database: str


@dataclass(frozen=True, kw_only=True)
class _Held:
    by: str


class EmbeddedServer:
    """The child process: started, waited for, and stopped again.

    It runs in a session of its own, so that a Ctrl-C in the terminal reaches
    the command alone, which decides what becomes of the run. Its standard
    input is a pipe: were the command killed, the server would see it close and
    stop by itself.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, log: IO[bytes], ready: _Ready, *, plays: bool
    ) -> None:
        self._process = process
        self._log = log
        self._plays = plays
        self.address = ready.address
        self.database = ready.database

    @classmethod
    async def start(cls, *, plays: bool, settings: Path | None = None) -> "EmbeddedServer":
        """Starts the server and waits until it answers.

        Args:
            plays: Whether it may play runs. A command that only reads must not
                start paid calls because a run was left in the database.
            settings: The server's settings; those that come with it if `None`.

        Raises:
            DatabaseHeldError: Another server has the database open.
            CommandError: It could not start; the message has its own words.
        """
        log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the server
        # -P keeps a folder named `server` in the caller's place out of the way.
        command = [sys.executable, "-P", "-m", "server", "--address", "127.0.0.1:0"]
        command += ["--until-stdin-closes"]
        # It never goes on with what another server left: that may cost, and nobody
        # has asked for it.
        command += ["--no-take-up"] if plays else ["--no-play"]
        command += ["--settings", str(settings)] if settings else []
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(_READY_TIMEOUT_S):
                ready = await _ready(process)
        except TimeoutError:
            ready = None
        except BaseException:
            await _end(process)
            log.close()
            raise
        if not isinstance(ready, _Ready):
            await _end(process)
            held_by = ready.by if isinstance(ready, _Held) else ""
            message = _start_failure(_tail(log), held_by)
            log.close()
            if isinstance(ready, _Held):
                raise DatabaseHeldError(message, held_by)
            raise CommandError(message)
        return cls(process, log, ready, plays=plays)

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process.returncode is None

    def last_words(self) -> str:
        """Returns the end of what the server wrote on standard error."""
        return _tail(self._log)

    async def stop(self) -> None:
        """Stops it; a server that plays may first wait for calls under way.

        Cancelling this ends it at once.
        """
        try:
            if self._process.stdin is not None:
                self._process.stdin.close()
            with contextlib.suppress(TimeoutError):
                # The server has its own grace for calls under way; people who
                # do not want to wait for it press Ctrl-C again.
                async with asyncio.timeout(None if self._plays else _IDLE_STOP_S):
                    await self._process.wait()
        finally:
            await _end(self._process)
            self._log.close()


async def _ready(process: asyncio.subprocess.Process) -> _Ready | _Held | None:
    """Returns what the first line says; nothing if the server ended without one."""
    if process.stdout is None:
        return None
    line = await process.stdout.readline()
    try:
        said = json.loads(line)
        if "held_by" in said:
            return _Held(by=str(said["held_by"]))
        return _Ready(address=str(said["address"]), database=str(said.get("database", "")))
    except (ValueError, KeyError, TypeError):
        return None


async def _end(process: asyncio.subprocess.Process) -> None:
    """Ends it at once: a second SIGTERM asks for no grace, and SIGKILL asks nothing."""
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        if process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.5 if number is signal.SIGTERM else None):
                await process.wait()


def _tail(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").strip().splitlines()
    # What it says to people begins with its name; its log is lines of JSON.
    sentences = [line.removeprefix(_NAME) for line in lines if line.startswith(_NAME)]
    sentences = sentences or [line for line in lines if not line.startswith("{")] or lines
    return "\n".join(clean(line) for line in sentences[-_SHOWN_LINES:])


def _start_failure(words: str, held_by: str) -> str:
    said = words or "it gave no reason"
    # DuckDB lets one process in; the server's sentence names who that is.
    cure = f"\nTalk to that server instead: add --server {held_by}" if held_by else ""
    return f"The server for this command could not start: {said}{cure}"
