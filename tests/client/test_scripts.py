"""The scripts as people type them, with the real server and a scripted endpoint."""

import asyncio
import importlib
import json
import re
import shutil
import signal
import subprocess
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

SCRIPTS = ("play", "runs", "report", "execute")
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


def foreign_python() -> str | None:
    """Returns a Python of this machine that knows nothing of the project."""
    for name in ("/usr/bin/python3", "python3", "python3.12", "python3.13"):
        found = shutil.which(name)
        if found is None:
            continue
        code = "import importlib.util as u; raise SystemExit(bool(u.find_spec('llm_crowdsourced')))"
        if subprocess.run([found, "-c", code], check=False, cwd="/").returncode == 0:
            return found
    return None


@pytest.mark.parametrize("is_foreign", [False, True], ids=["own", "foreign"])
async def test_help_has_an_example(tmp_path: Path, *, is_foreign: bool) -> None:
    python = foreign_python() if is_foreign else sys.executable
    if python is None:
        pytest.skip("there is no other Python here")
    if is_foreign and not (PROJECT / ".venv" / "bin" / "python").exists():
        pytest.skip("the project's environment is elsewhere")

    every = await asyncio.gather(
        *(run_script(script, "--help", cwd=tmp_path, python=python) for script in SCRIPTS)
    )

    for script, done in zip(SCRIPTS, every, strict=True):
        assert done.status == 0, done.err
        assert "example:" in done.out
        assert f"python client/{script}.py" in done.out
        assert not done.err


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_a_set_up_project_the_cure_is_named(script: str, tmp_path: Path) -> None:
    python = foreign_python()
    if python is None:
        pytest.skip("there is no other Python here")
    (tmp_path / "client").mkdir()
    for name in (script, "venv_python"):
        shutil.copy(PROJECT / "client" / f"{name}.py", tmp_path / "client")

    done = subprocess.run(
        [python, str(tmp_path / "client" / f"{script}.py")],
        check=False,
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )

    assert done.returncode == 2
    assert "run `make setup`" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("script", "arguments", "told"),
    [
        ("play", (), "LEAGUE.toml"),
        ("play", ("none.toml",), "none.toml cannot be read: No such file or directory."),
        ("play", ("none.toml", "--detach"), "--detach needs --server"),
        ("runs", ("show", "Bad_Name"), "cannot be the id of a run"),
        ("runs", ("list", "--limit", "0"), 'takes a whole number from 1, not "0"'),
        ("runs", ("resume", "math-1", "--max-cost", "-1"), 'takes a sum in dollars, not "-1"'),
        ("runs", (), "ACTION"),
        ("runs", ("retry",), "RUN"),
        (
            "runs",
            ("retry", "math-1", "--max-calls", "none"),
            'takes a whole number from 1, not "none"',
        ),
        ("runs", ("retry", "Bad_Name"), "cannot be the id of a run"),
        ("runs", ("limits", "math-1", "--max-calls", "0"), 'from 1, or "none", not "0"'),
        ("runs", ("limits", "math-1", "--max-cost", "nan"), 'dollars, or "none", not "nan"'),
        (
            "runs",
            ("limits", "math-1", "--concurrency", "none"),
            'takes a whole number from 1, not "none"',
        ),
        ("runs", ("provider-limits",), "PROVIDER"),
        ("runs", ("calls", "math-1", "--role", "referee"), "invalid choice: 'referee'"),
        ("runs", ("rejudge", "math-1", "--identity", "x"), "invalid choice: 'x'"),
        ("runs", ("rejudge", "math-1", "--evidence", "x"), "invalid choice: 'x'"),
        ("runs", ("rejudge", "math-1", "--run-id", "X"), "cannot be the id of a run"),
        ("runs", ("export", "math-1"), "--out"),
        ("runs", ("ledger", "math-1", "--ca", "x.pem"), "--ca goes with --server"),
        ("report", (), "--run-id"),
        ("report", ("--run-id", "math-1", "--server", "nowhere"), "HOST:PORT"),
        ("execute", (), "Name the file of a program, or --list"),
        ("execute", ("x.py", "--list"), "Name the file of a program, or --list"),
    ],
)
def test_wrong_usage_is_told(
    script: str, arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main = importlib.import_module(f"client.{script}").main
    try:
        status = main(list(arguments))
    except SystemExit as stop:
        status = stop.code

    said = capsys.readouterr()
    assert status == 2
    assert told in said.err
    assert not said.out


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


async def test_settings_that_are_wrong_are_told(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("[server]\nport = 1\n")

    done = await run_script("runs", "list", "--settings", "bad.toml", cwd=tmp_path)

    assert done.status == 1
    assert "server.port" in done.err
    assert "Traceback" not in done.err


def test_another_python_is_told_how_the_server_is_started() -> None:
    python = foreign_python()
    if python is None:
        pytest.skip("there is no other Python here")

    done = subprocess.run(
        [python, "-m", "server", "--help"], check=False, capture_output=True, text=True, cwd=PROJECT
    )

    assert done.returncode == 1
    assert "`make serve` or `.venv/bin/python -m server`" in done.stderr
    assert len(done.stderr.splitlines()) == 1
