"""What a server writes on a terminal: lines of one form, under the names of who writes them."""

import asyncio
import json
import logging
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from server.errors import InvalidRequestError
from server.rpc.full_disk import FullDisk
from server.store.store import Store
from tests.support.server_process import PROJECT, settings_file


async def test_on_a_terminal_all_lines_are_the_log_s(tmp_path: Path) -> None:
    master, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", "--settings", str(settings_file(tmp_path)), "--address", "127.0.0.1:0",
        cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    text = b""
    while b'"serving"' not in text:
        text += await asyncio.to_thread(os.read, master, 1 << 16)
    process.send_signal(signal.SIGINT)
    while True:
        try:
            text += await asyncio.to_thread(os.read, master, 1 << 16)
        except OSError:
            # All that had the terminal open are gone.
            break
    assert await process.wait() == 0
    os.close(master)
    lines = [json.loads(line) for line in text.decode().splitlines()]
    assert all({"time", "level", "event", "logger"} <= line.keys() for line in lines)
    (serving,) = [line for line in lines if line["event"] == "serving"]
    assert serving["pid"] == process.pid
    assert serving["address"].startswith("127.0.0.1:")
    assert serving["database"]


async def test_a_refused_change_is_logged_by_the_service_of_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def refused() -> None:
        raise InvalidRequestError({"name": "is not known"})

    caplog.set_level(logging.INFO)
    with Store(tmp_path / "league.duckdb") as store:
        with pytest.raises(InvalidRequestError):
            await FullDisk(store).bounded(refused())
        await asyncio.sleep(0)
    (record,) = [each for each in caplog.records if "refused" in each.message]
    assert record.name == "server.rpc.run_service"
