"""A child process that serves one model, seen from the parent."""

import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from server.models.local.errors import LocalModelError
from server.settings import PROJECT

_LOAD_S = 180.0
_PATIENCE_S = 2.0
_STDERR_BYTES = 8192

# What the engine needs to run. It has no use for the keys of providers, which
# stand in the same environment.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV")


@dataclass(frozen=True, kw_only=True)
class Engine:
    """How models are served.

    Attributes:
        command: The child's command, without its arguments.
        threads: Threads for each model.
        slots: Requests that a model works on at once.
        context: Tokens of one request and its reply together.
    """

    command: Sequence[str] = (sys.executable, "-m", "server.models.local.serve")
    threads: int = 1
    slots: int = 2
    context: int = 4096


class Child:
    """One model being served; made by `start`."""

    def __init__(self, model: str, process: asyncio.subprocess.Process) -> None:
        self.base_url = ""
        self._model = model
        self._process = process
        self._last: deque[int] = deque(maxlen=_STDERR_BYTES)
        # Read all the time: a full pipe would stop the engine.
        self._reading = asyncio.create_task(self._read_stderr())

    @classmethod
    async def start(cls, model: str, weights: Path, engine: Engine, port: int = 0) -> "Child":
        """Starts serving a model and returns when it answers.

        Args:
            model: Name under which it answers.
            weights: Its file.
            engine: How it is served.
            port: Where it answers; a free port if 0.

        Raises:
            LocalModelError: The model cannot be loaded.
        """
        process = await asyncio.create_subprocess_exec(
            *engine.command,
            f"--model={model}={weights}",
            f"--threads={engine.threads}",
            f"--slots={engine.slots}",
            f"--context={engine.context}",
            f"--port={port}",
            stdin=asyncio.subprocess.PIPE,  # It ends when this pipe does.
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=PROJECT,
            env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
            # A Ctrl-C of the terminal is for us; calls under way may still end well.
            start_new_session=True,
        )
        child = cls(model, process)
        try:
            child.base_url = await asyncio.wait_for(child._address(), _LOAD_S)
        except TimeoutError:
            await child.stop()
            raise LocalModelError(
                model, f"it did not load within {_LOAD_S:.0f} seconds on this machine"
            ) from None
        except BaseException:
            await child.stop()
            raise
        return child

    @property
    def alive(self) -> bool:
        """The process runs."""
        return self._process.returncode is None

    @property
    def pid(self) -> int:
        """Id of the process."""
        return self._process.pid

    @property
    def port(self) -> int:
        """Where it answers; 0 if it never did."""
        return urlsplit(self.base_url).port or 0

    async def ended(self) -> int:
        """Waits until the process ends, for whatever reason; returns its status."""
        return await self._process.wait()

    async def stop(self) -> None:
        """Ends the process and waits until it is gone."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _PATIENCE_S)
        except TimeoutError:
            pass
        finally:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()
            await self._reading

    async def _address(self) -> str:
        stdout = self._process.stdout
        line = await stdout.readline() if stdout is not None else b""
        if not line:
            code = await self._process.wait()
            await self._reading
            raise LocalModelError(
                self._model,
                f"the engine ended with status {code} while it loaded: "
                f"{self._last_words() or 'it said nothing'}",
            )
        said = json.loads(line)
        if "base_url" not in said:
            raise LocalModelError(self._model, str(said.get("error", said)))
        return str(said["base_url"])

    async def _read_stderr(self) -> None:
        stderr = self._process.stderr
        while stderr is not None and (chunk := await stderr.read(4096)):
            self._last.extend(chunk)

    def _last_words(self) -> str:
        lines = bytes(self._last).decode("utf-8", "replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")
