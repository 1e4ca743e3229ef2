"""The real server, and the scripts of client/, as child processes."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class ServerProcess:
    """A server that is ready."""

    address: str
    pid: int
    database: str
    process: asyncio.subprocess.Process


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A script that has ended."""

    status: int | None
    out: str
    err: str


def settings_file(folder: Path, base_url: str = "", grace_s: float = 2) -> Path:
    """Writes settings with a database of their own and one provider, `own`."""
    path = folder / "settings.toml"
    provider = f'[providers.own]\nbase_url = "{base_url}"\nmax_retries = 1\n' if base_url else ""
    path.write_text(
        f'[server]\ndatabase = "{folder / "league.duckdb"}"\ngrace_s = {grace_s}\n{provider}'
    )
    return path


def league_file(folder: Path, more: str = "", provider: str = "own") -> Path:
    """Writes a league of four for that provider; `more` comes before the participants."""
    path = folder / "league.toml"
    players = "".join(
        f'[[participants]]\nid = "{name}"\nprovider = "{provider}"\nmodel = "scripted"\n'
        f"max_output_tokens = 100\n"
        for name in ("ada", "bob", "cy", "di")
    )
    path.write_text(f'subject = "math"\ntitle = "Test"\n{more}\n{players}')
    return path


@asynccontextmanager
async def server_process(
    settings: Path, *options: str, module: str = "server"
) -> AsyncIterator[ServerProcess]:
    """Starts `python -m server`, or another module that serves, and stops it at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, "--settings", str(settings), "--address", "127.0.0.1:0",
        "--until-stdin-closes", *options,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, cwd=PROJECT,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        ready = json.loads(line)
        yield ServerProcess(
            address=ready["address"],
            pid=ready["pid"],
            database=ready["database"],
            process=process,
        )
    finally:
        if process.returncode is None:
            assert process.stdin is not None
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), 90)
            except TimeoutError:
                process.kill()
                await process.wait()


async def start_script(
    name: str,
    *arguments: str | Path,
    cwd: Path,
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> asyncio.subprocess.Process:
    """Starts a script of client/ in another folder, and does not wait for it."""
    return await asyncio.create_subprocess_exec(
        python,
        str(PROJECT / "client" / f"{name}.py"),
        *map(str, arguments),
        cwd=cwd,
        env={**os.environ, "COLUMNS": "100", **(environment or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ended(process: asyncio.subprocess.Process, timeout_s: float = 120) -> Ended:
    """Waits for a script and returns what it wrote."""
    try:
        out, err = await asyncio.wait_for(process.communicate(), timeout_s)
    except TimeoutError:
        process.kill()
        raise
    return Ended(status=process.returncode, out=out.decode(), err=err.decode())


async def run_script(
    name: str, *arguments: str | Path, cwd: Path, python: str = sys.executable
) -> Ended:
    """Runs a script of client/ to its end."""
    return await ended(await start_script(name, *arguments, cwd=cwd, python=python))
