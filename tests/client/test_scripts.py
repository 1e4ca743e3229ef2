"""The scripts as people type them, with the real server and a scripted endpoint."""

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.league_replies import play_along
from tests.support.scripted_endpoint import ScriptedEndpoint, ScriptedReply, ScriptedRequest
from tests.support.server_process import (
    PROJECT,
    ended,
    league_file,
    run_script,
    server_process,
    settings_file,
    start_script,
)

# Enough on any machine for the calls under way at the slow endpoint, so that none is cut.
_GRACE_S = 60.0


@pytest.fixture
async def endpoint() -> AsyncIterator[ScriptedEndpoint]:
    async with ScriptedEndpoint(play_along) as endpoint:
        yield endpoint


async def slowly(request: ScriptedRequest) -> ScriptedReply:
    await asyncio.sleep(0.3)
    return play_along(request)


@pytest.fixture
async def slow_endpoint() -> AsyncIterator[ScriptedEndpoint]:
    async with ScriptedEndpoint(slowly) as endpoint:
        yield endpoint


async def test_a_league_is_played_to_its_report(endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    settings = settings_file(tmp_path, endpoint.base_url)
    league = league_file(tmp_path)
    common = ("--settings", settings)

    dry = await run_script("play", league, "--dry-run", *common, cwd=tmp_path)
    assert (dry.status, endpoint.requests) == (0, [])
    assert "32 calls and 36 marks when nothing fails." in dry.out

    played = await run_script("play", league, "--run-id", "mine", *common, cwd=tmp_path)
    assert played.status == 0, played.err
    assert len(endpoint.requests) == 32
    assert "Marks received: 36 of 36 (100 %)." in played.out
    assert "succeeded" in played.err
    assert "\x1b" not in played.out + played.err
    assert played.out.splitlines()[-1] == "reports/mine/report.html"
    assert (tmp_path / "reports" / "mine" / "report.html").stat().st_size
    assert (tmp_path / "reports" / "mine" / "report.xlsx").stat().st_size

    async with server_process(settings, "--no-play") as server:
        there = ("--server", server.address)
        listed, shown, whole, report, over, none, again = await asyncio.gather(
            run_script("runs", "list", *there, cwd=tmp_path),
            run_script("runs", "show", "mine", "--round", "1", *there, cwd=tmp_path),
            run_script("runs", "show", "runs/mine", "--json", *there, cwd=tmp_path),
            run_script(
                "report", "--run-id", "mine", "--out", "there", "--json", *there, cwd=tmp_path
            ),
            run_script("runs", "pause", "mine", *there, cwd=tmp_path),
            run_script("runs", "show", "other", *there, cwd=tmp_path),
            run_script("play", league, *there, cwd=tmp_path),
        )
    assert listed.out.splitlines()[1].split()[:3] == ["mine", "succeeded", "math"]
    assert "Judgment of" in shown.out
    assert len(json.loads(whole.out)["rounds"]) == 4
    assert report.status == 0, report.err
    assert "there/run.json" in json.loads(report.out)["report"]
    assert json.loads((tmp_path / "there" / "run.json").read_text())
    assert over.status == 3
    assert none.status == 1
    assert "other" in none.err
    assert again.status == 3
    assert "--server HOST:PORT" in again.err
    for done in (listed, shown, whole, report, over, none, again):
        assert "Traceback" not in done.err
    assert len(endpoint.requests) == 32


async def test_ctrl_c_pauses_the_run_of_a_server_of_its_own(
    slow_endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    settings = settings_file(tmp_path, slow_endpoint.base_url, _GRACE_S)
    league = league_file(tmp_path, "max_concurrent_calls = 2")
    process = await start_script(
        "play", league, "--run-id", "mine", "--settings", settings, cwd=tmp_path
    )
    await asyncio.wait_for(slow_endpoint.received.wait(), 60)
    process.send_signal(signal.SIGINT)
    done = await ended(process)

    assert done.status == 130
    assert f"python {PROJECT}/client/runs.py resume mine --settings {settings}" in done.err
    assert re.search(
        r"mine is paused, \d+ of 32 steps done( so far, .* still under way)?; go on with:", done.err
    )
    assert "Traceback" not in done.err
    before = len(slow_endpoint.requests)
    assert before < 32

    shown = await run_script("runs", "list", "--settings", settings, cwd=tmp_path)
    assert "paused" in shown.out
    assert len(slow_endpoint.requests) == before

    resumed = await run_script(
        "runs", "resume", "mine", "--no-report", "--settings", settings, cwd=tmp_path
    )
    assert resumed.status == 0, resumed.err
    assert "Marks received: 36 of 36" in resumed.out
    assert len(slow_endpoint.requests) == 32


async def test_a_killed_command_leaves_no_server_and_a_run_that_can_go_on(
    slow_endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    settings = settings_file(tmp_path, slow_endpoint.base_url, _GRACE_S)
    league = league_file(tmp_path, "max_concurrent_calls = 2")
    process = await start_script(
        "play", league, "--run-id", "mine", "--settings", settings, cwd=tmp_path
    )
    await asyncio.wait_for(slow_endpoint.received.wait(), 60)
    process.kill()
    await ended(process)
    for _ in range(20):
        watched = await run_script("runs", "watch", "mine", "--settings", settings, cwd=tmp_path)
        # Its server sees the closed pipe, and stops by itself within its grace.
        if "is in use" not in watched.err:
            break
    before = len(slow_endpoint.requests)
    assert watched.status == 1
    assert f"runs.py resume mine --settings {settings}" in watched.err
    assert len(slow_endpoint.requests) == before < 32

    resumed = await run_script(
        "runs", "resume", "mine", "--no-report", "--settings", settings, cwd=tmp_path
    )
    assert resumed.status == 0, resumed.err
    assert "Marks received: 36 of 36" in resumed.out
    assert len(slow_endpoint.requests) == 32


async def test_a_run_goes_on_at_a_server_that_is_named(
    slow_endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    settings = settings_file(tmp_path, slow_endpoint.base_url)
    league = league_file(tmp_path)
    async with server_process(settings) as server:
        there = ("--server", server.address)
        process = await start_script("play", league, "--run-id", "mine", *there, cwd=tmp_path)
        await asyncio.wait_for(slow_endpoint.received.wait(), 60)
        process.send_signal(signal.SIGINT)
        done = await ended(process)
        assert done.status == 130
        assert f"mine goes on at {server.address}." in done.err

        held = await run_script("runs", "resume", "mine", "--settings", settings, cwd=tmp_path)
        assert held.status == 1
        assert str(server.pid) in held.err
        assert "--server" in held.err

        watched = await run_script("runs", "watch", "mine", *there, cwd=tmp_path)
        assert watched.status == 0, watched.err
        assert "Marks received: 36 of 36" in watched.out
        assert len(slow_endpoint.requests) == 32


async def never(_: ScriptedRequest) -> ScriptedReply:
    await asyncio.sleep(3600)
    raise AssertionError


@pytest.fixture
async def silent_endpoint() -> AsyncIterator[ScriptedEndpoint]:
    async with ScriptedEndpoint(never) as endpoint:
        yield endpoint


async def test_a_run_that_another_command_plays_is_found(
    silent_endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    settings = settings_file(tmp_path, silent_endpoint.base_url)
    league = league_file(tmp_path)
    common = ("--settings", settings)
    process = await start_script("play", league, "--run-id", "mine", *common, cwd=tmp_path)
    await asyncio.wait_for(silent_endpoint.received.wait(), 60)

    watching = await start_script("runs", "watch", "mine", *common, cwd=tmp_path)
    # A dry run plays nothing: it asks the server that plays.
    dry = await run_script("play", league, "--dry-run", *common, cwd=tmp_path)
    assert dry.status == 0, dry.err
    assert "32 calls and 36 marks" in dry.out
    refused = await run_script("play", league, *common, cwd=tmp_path)
    assert refused.status == 1
    assert "name another database with --settings FILE" in refused.err
    assert "Talk to that server instead: add --server 127.0.0.1:" in refused.err
    shown, limits, paused = [
        await run_script("runs", *words, *common, cwd=tmp_path)
        for words in (("show", "mine"), ("limits", "mine", "--concurrency", "1"), ("pause", "mine"))
    ]
    played, watched = await asyncio.gather(ended(process), ended(watching))

    assert shown.status == 0, shown.err
    assert "running" in shown.out
    assert limits.status == 0, limits.err
    assert "Calls under way at once: 1 at most." in limits.out
    assert paused.status == 0, paused.err
    assert paused.out.startswith("mine paused")
    assert (played.status, watched.status) == (5, 5)
    for done in (played, watched):
        assert "mine is paused" in done.err


async def test_a_server_that_cannot_be_asked_is_told_with_its_process(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    settings = settings_file(tmp_path, endpoint.base_url)
    async with server_process(settings) as server:
        holder = tmp_path / "league.duckdb.server.json"
        assert json.loads(holder.read_text())["address"] == server.address
        # Nobody listens there, and nobody is asked elsewhere than on this machine.
        for elsewhere in ("127.0.0.1:9", "192.0.2.1:50051", ""):
            holder.write_text(json.dumps({"address": elsewhere, "pid": server.pid}))
            done = await run_script("runs", "list", "--settings", settings, cwd=tmp_path)
            assert done.status == 1
            assert f"process {server.pid}" in done.err
            assert "in use by another server" in done.err
            assert "name another database with --settings FILE" in done.err
        serving = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "server", "--settings", str(settings),
            cwd=PROJECT, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, told = await asyncio.wait_for(serving.communicate(), 120)
        assert serving.returncode == 1
        assert f"process {server.pid}: stop that one" in told.decode()
        assert told.decode().rstrip().endswith("name another database with --database FILE")


async def test_a_budget_pauses_and_a_larger_one_goes_on(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    settings = settings_file(tmp_path, endpoint.base_url)
    league = league_file(tmp_path, "[budget]\nmax_calls = 10")
    common = ("--settings", settings)

    played = await run_script("play", league, "--run-id", "mine", *common, cwd=tmp_path)
    assert played.status == 5, played.err
    assert "mine is paused" in played.err
    assert "--max-calls N" in played.err
    assert len(endpoint.requests) == 10

    resumed = await run_script(
        "runs", "resume", "mine", "--max-calls", "99", "--no-report", *common, cwd=tmp_path
    )
    assert resumed.status == 0, resumed.err
    assert len(endpoint.requests) == 32


async def test_what_cannot_play_is_refused_before_a_call(
    endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    settings = settings_file(tmp_path, endpoint.base_url)
    league = league_file(tmp_path, provider="nobody")

    done = await run_script("play", league, "--settings", settings, cwd=tmp_path)

    assert done.status == 3
    assert "nobody" in done.err
    assert "Nothing was sent to a model." in done.err
    assert endpoint.requests == []
