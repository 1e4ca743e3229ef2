"""What the scripts say to people who ask for help, or mistype."""

import asyncio
import importlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.server_process import PROJECT, run_script

SCRIPTS = ("play", "runs", "report", "execute")


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
