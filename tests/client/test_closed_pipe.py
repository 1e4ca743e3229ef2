"""A pipe that nobody reads ends a command quietly: the scripts, over the real server."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.support.scripted_endpoint import ScriptedEndpoint
from tests.support.scripted_league import LeagueScript
from tests.support.server_process import (
    PROJECT,
    league_file,
    run_script,
    server_process,
    settings_file,
)


async def into_a_closed_pipe(folder: Path, script: str, *words: str) -> tuple[int | None, str]:
    """Runs a script whose standard output has no reader; gives its status and its errors."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(PROJECT / "client" / f"{script}.py"),
            *words,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writer,
            stderr=asyncio.subprocess.PIPE,
        )
    finally:
        os.close(writer)
    _, err = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode, err.decode()


@pytest.mark.parametrize("script", ["play", "runs", "report", "execute"])
async def test_help(script: str, tmp_path: Path) -> None:
    status, err = await into_a_closed_pipe(tmp_path, script, "--help")

    assert not err
    # Without a buffer the library's own parser has passed it over.
    assert status in ({0} if os.environ.get("PYTHONUNBUFFERED") else {141})


async def test_results(tmp_path: Path) -> None:
    async with ScriptedEndpoint(LeagueScript()) as endpoint:
        settings = settings_file(tmp_path, endpoint.base_url)
        async with server_process(settings) as server:
            there = ("--server", server.address)
            league = league_file(tmp_path)
            words = ("--run-id", "mine", "--no-report")
            played = await run_script("play", league, *words, *there, cwd=tmp_path)
            assert played.status == 0, played.err
            every = await asyncio.gather(
                *(
                    into_a_closed_pipe(tmp_path, "runs", *words, *there)
                    for words in (
                        ("calls", "mine", "--json"),
                        ("calls", "mine"),
                        ("list",),
                        ("list", "--json"),
                    )
                ),
                into_a_closed_pipe(tmp_path, "execute", "--list", "--json", *there),
            )
    assert every == [(141, "")] * 5


async def test_a_server_of_the_commands_own_is_stopped(tmp_path: Path) -> None:
    settings = settings_file(tmp_path)
    words = ("list", "--json", "--settings", str(settings))

    assert await into_a_closed_pipe(tmp_path, "runs", *words) == (141, "")
    # Its server has left the database to the next one.
    assert (await run_script("runs", *words, cwd=tmp_path)).status == 0
