"""`execute.py`: a program on cases, against a real server whose sandbox is of the tests."""

import asyncio
import base64
import json
import signal
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from llm_crowdsourced.v1 import execution_pb2 as ex
from llm_crowdsourced.v1 import sandbox_service_pb2 as pb
from rich.console import Console

from client import amounts
from client.execute_arguments import parser
from client.execution_view import ExecutionView
from client.failures import CommandError
from client.program_files import read_request
from tests.support.execute_script import Execute
from tests.support.fake_runner import FakeRunner
from tests.support.files import write
from tests.support.scripted_league import eventually
from tests.support.server_process import (
    PROJECT,
    ended,
    run_script,
    settings_file,
    start_script,
)

ADDS = "a, b = map(int, input().split())\nprint(a + b)\n"


def request_of(*arguments: str | Path) -> pb.ExecuteRequest:
    return read_request(parser("").parse_args(list(map(str, arguments))))


async def test_cases_are_shown_with_their_verdicts(execute: Execute) -> None:
    done = await execute(
        "sum.py", "--case", "1.txt:3.txt", "--case", "2.txt:3.txt", "--case", "bad.txt:3.txt",
        sum_py=ADDS, **{"1_txt": "1 2", "2_txt": "2 2", "bad_txt": "x", "3_txt": "3\n"},
    )  # fmt: skip
    assert done.status == 1
    first, heading, *rows = done.out.splitlines()
    assert first.startswith("python: Python 3")
    assert heading.split() == ["Case", "Verdict", "CPU", "Memory", "Exit", "Detail"]
    assert rows[0].startswith("1.txt    accepted")
    assert rows[1].startswith("2.txt    wrong answer")
    assert "expected" in rows[1]
    assert rows[2].startswith("bad.txt  runtime error")
    assert "ValueError" in done.out
    assert rows[-1] == "1 of 3 cases accepted; the first that was not: 2.txt (wrong answer)."
    assert done.err == ""


async def test_all_accepted_is_status_0(execute: Execute) -> None:
    done = await execute(
        "sum.py", "--case", "1.txt:3.txt", sum_py=ADDS, **{"1_txt": "1 2", "3_txt": "3"}
    )
    assert (done.status, done.out.splitlines()[-1]) == (0, "1 of 1 case accepted.")


async def test_a_folder_of_cases_is_run_in_the_order_of_its_numbers(
    execute: Execute, tmp_path: Path
) -> None:
    cases = tmp_path / "cases"
    cases.mkdir()
    write(cases, **{"1_in": "1 1", "1_out": "2", "10_in": "1 9", "2_in": "1 2", "2_ans": "3"})
    done = await execute("sum.py", "--cases", "cases", sum_py=ADDS)
    assert done.status == 0
    rows = [line.split()[0] for line in done.out.splitlines() if " accepted  " in line]
    assert rows == ["1", "2", "10"]
    # What is not compared is shown.
    assert "  stdout:\n    10\n" in done.out


async def test_what_a_program_writes_is_no_command_to_a_terminal(execute: Execute) -> None:
    evil = 'import sys\nprint("\\x1b]0;x\\x07\\u202e\\ttab")\nsys.exit("\\x1b[2J")\n'
    done = await execute("evil.py", evil_py=evil)
    assert done.status == 1
    assert "    \\x1b]0;x\\x07\\u202e  tab\n" in done.out
    assert "    \\x1b[2J\n" in done.out
    assert "\x1b" not in done.out + done.err


async def test_long_output_is_cut_unless_all_is_asked_for(execute: Execute) -> None:
    lines = "for n in range(50): print(n)\n"
    short = await execute("lines.py", lines_py=lines)
    whole = await execute("lines.py", "--show", lines_py=lines)
    assert "    … 40 more lines: --show shows them\n" in short.out
    assert "    10\n" not in short.out
    assert "    49\n" in whole.out
    assert "more line" not in whole.out


async def test_a_program_that_does_not_compile_is_told_with_the_compiler_s_words(
    execute: Execute,
) -> None:
    done = await execute("bad.py", bad_py="print(")
    assert done.status == 1
    assert "compile error after" in done.out
    assert "SyntaxError" in done.out
    assert "Verdict" not in done.out


async def test_what_went_wrong_stands_in_the_row_and_below(execute: Execute) -> None:
    deep = "def f(n):\n    if n == 0:\n        raise ValueError('the end')\n    n = n - 1\n"
    calls = "".join(f"def g{n}():\n    g{n + 1}()\n" for n in range(9))
    source = f"{deep}    f(n)\n{calls}def g9():\n    f(2)\ng0()\n"
    done = await execute("deep.py", deep_py=source)
    (row,) = [line for line in done.out.splitlines() if line.startswith("no input")]
    assert "runtime error" in row
    assert "ValueError: the" in row
    shown = done.out.split("  stderr:\n")[1].splitlines()
    assert "earlier lines: --show shows them" in shown[0]
    assert "    ValueError: the end" in shown


async def test_a_checker_that_does_not_compile_is_the_callers_mistake(execute: Execute) -> None:
    done = await execute(
        "sum.py", "--case", "1.txt:3.txt", "--checker", "check.py",
        sum_py=ADDS, check_py="print(", **{"1_txt": "1 2", "3_txt": "3"},
    )  # fmt: skip
    assert done.status == 3
    assert done.err.startswith("--checker check.py: does not compile: ")
    assert "Verdict" not in done.out
    assert "sandbox error" not in done.out


async def test_less_memory_than_any_program_needs_is_refused(execute: Execute) -> None:
    done = await execute("sum.py", "--memory", "256B", sum_py=ADDS)
    least = "--memory: must be at least 8 MiB: no program in Python"
    assert (done.status, done.out) == (3, "")
    assert done.err.startswith(least)


async def test_json_is_one_document(execute: Execute) -> None:
    done = await execute(
        "sum.py", "--json", "--case", "1.txt:3.txt", "--case", "2.txt:3.txt",
        sum_py=ADDS, **{"1_txt": "1 2", "2_txt": "2 2", "3_txt": "3"},
    )  # fmt: skip
    document = json.loads(done.out)
    assert done.status == 1
    assert document["compile"]["verdict"] == "VERDICT_ACCEPTED"
    assert [case["verdict"] for case in document["cases"]] == [
        "VERDICT_ACCEPTED",
        "VERDICT_WRONG_ANSWER",
    ]
    assert base64.b64decode(document["cases"][0]["stdout"]) == b"3\n"
    assert document["summary"]["first_failed_case"] == 2


async def test_the_program_may_come_on_standard_input(tmp_path: Path, address: str) -> None:
    script = str(PROJECT / "client" / "execute.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, script, "-", "--server", address, cwd=tmp_path,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(b"import sys\nprint(1 + 1)\n"), 60)
    assert process.returncode == 0
    assert out.startswith(b"python (guessed from its source): ")
    assert b"    2\n" in out
    nothing = await run_script("execute", "-", "--server", address, cwd=tmp_path)
    assert (nothing.status, nothing.err) == (2, "Standard input is empty.\n")


async def test_languages_are_listed(execute: Execute, runner: FakeRunner) -> None:
    done = await execute("--list")
    document = json.loads((await execute("--list", "--json")).out)
    assert done.status == 0
    assert done.out.splitlines()[1].split()[:2] == ["python", "Python"]
    assert [each["name"] for each in document["languages"]] == [
        each.id for each in await runner.languages()
    ]


async def test_without_docker_the_cure_is_told(tmp_path: Path) -> None:
    """With a server of the command's own, whose Docker is out of reach."""
    settings = settings_file(tmp_path)
    settings.write_text(settings.read_text() + '[sandbox]\ndocker_host = "tcp://127.0.0.1:9"\n')
    write(tmp_path, sum_py=ADDS)
    done, listed = [
        await run_script("execute", argument, "--settings", settings, cwd=tmp_path)
        for argument in ("sum.py", "--list")
    ]
    assert (done.status, done.out) == (3, "")
    assert "Docker" in done.err
    assert "has stopped" not in done.err
    assert listed.status == 3
    assert listed.err == f"Programs cannot be run now: {done.err}"


async def test_ctrl_c_stops_the_program(tmp_path: Path, address: str, runner: FakeRunner) -> None:
    write(tmp_path, wait_py="print(1, flush=True)\nimport time\ntime.sleep(3600)\n")
    process = await start_script(
        "execute", "wait.py", "--wall", "300s", "--server", address, cwd=tmp_path
    )
    await eventually(lambda: len(runner.begun) == 1, 60)
    process.send_signal(signal.SIGINT)
    done = await ended(process)
    assert (done.status, done.err) == (130, "Stopped, and the program with it.\n")
    assert "Verdict" not in done.out
    await eventually(lambda: len(runner.ended) == 1, 60)


# Without a server: what is read, and how it looks.


@pytest.mark.parametrize(
    ("text", "value"),
    [("2s", 2), ("2", 2), ("500ms", 0.5), ("1.5 s", 1.5), ("2min", 120)],
)
def test_times(text: str, value: float) -> None:
    assert amounts.seconds(text) == value


@pytest.mark.parametrize("text", ["", "0", "-1s", "2h", "s", "1e3", "nan", "1" * 400])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        amounts.seconds(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("256MiB", 256 << 20),
        ("256M", 256 << 20),
        ("256mb", 256_000_000),
        ("1.5 GiB", 3 << 29),
        ("64KiB", 64 << 10),
        ("100B", 100),
    ],
)
def test_sizes(text: str, value: int) -> None:
    assert amounts.size(text) == value


@pytest.mark.parametrize("text", ["256", "1.5"])
def test_a_size_without_a_unit_is_refused(text: str) -> None:
    with pytest.raises(amounts.NoUnitError, match=f"^{text} needs a unit: {text}MiB$"):
        amounts.size(text)


@pytest.mark.parametrize("text", ["", "0", "0.1", "-1MiB", "1TiB", "MiB", "1 2"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        amounts.size(text)


@pytest.mark.parametrize(
    ("name", "language"),
    [("a.cpp", "cpp"), ("a.CC", "cpp"), ("a.rs", "rust"), ("a.mjs", "javascript"), ("a.txt", "")],
)
def test_the_language_is_told_by_the_name_of_the_file(
    tmp_path: Path, name: str, language: str
) -> None:
    (tmp_path / name).write_text("x")
    assert request_of(tmp_path / name).program.language == language
    named = request_of(tmp_path / name, "--language", "cpp17")
    assert named.program.language == "cpp17"


def test_limits_are_those_that_are_given(tmp_path: Path) -> None:
    write(tmp_path, a_py="x")
    assert not request_of(tmp_path / "a.py").limits.ByteSize()
    found = request_of(
        tmp_path / "a.py", "--time", "1500ms", "--wall", "10", "--memory", "1GiB",
        "--output", "1KiB", "--processes", "3",
    ).limits  # fmt: skip
    assert found.cpu_time.ToMilliseconds() == 1500
    assert found.wall_time.ToMilliseconds() == 10_000
    assert (found.memory_bytes, found.output_bytes, found.processes) == (1 << 30, 1024, 3)


def test_checkers(tmp_path: Path) -> None:
    write(tmp_path, a_py="x", check_py="y")

    def checker(text: str | Path) -> ex.Checker:
        return request_of(tmp_path / "a.py", "--checker", text).checker

    assert request_of(tmp_path / "a.py").checker.WhichOneof("kind") == "tokens"
    assert checker("exact").WhichOneof("kind") == "exact"
    floats = checker("floats:1e-6").floats
    assert (floats.absolute, floats.relative) == (1e-6, 1e-6)
    program = checker(tmp_path / "check.py").program
    assert (program.language, program.source) == ("python", "y")
    for wrong in ("floats", "floats:x", "floats:-1", "floats:inf", "none", tmp_path / "no.py"):
        with pytest.raises(CommandError, match="--checker"):
            checker(wrong)


def test_cases_have_names_that_tell_them_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        Path(folder).mkdir()
        write(Path(folder), x_in="1")
    write(tmp_path, p_py="x", out="o")
    Path("odd:name").write_text("2")
    found = request_of(
        "p.py", "--case", "a/x.in:out", "--case", "b/x.in", "--case", "odd:name"
    ).cases
    assert [case.name for case in found] == ["a/x.in:out", "b/x.in", "odd:name"]
    assert [case.HasField("expected_output") for case in found] == [True, False, False]
    assert found[2].input == b"2"


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"\xff\xfe", "is not UTF-8 text: byte 0"), (b" \n", "is empty")],
)
def test_what_is_no_program_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    write(tmp_path, a_py=content)
    with pytest.raises(CommandError, match=told):
        request_of(tmp_path / "a.py")


def test_what_no_request_has_room_for_is_told(tmp_path: Path) -> None:
    write(tmp_path, a_py="x", large=bytes(16 << 20))
    cases = ["--case", str(tmp_path / "large")] * 4
    with pytest.raises(CommandError, match=r"67\.1 MB together"):
        request_of(tmp_path / "a.py", *cases)


def test_a_folder_without_cases_is_told(tmp_path: Path) -> None:
    write(tmp_path, a_py="x")
    with pytest.raises(CommandError, match=r"has no file NAME\.in"):
        request_of(tmp_path / "a.py", "--cases", tmp_path)


@pytest.mark.parametrize("verdict", [v for v in ex.Verdict.values() if v])
def test_a_row_fits_on_80_columns(verdict: ex.Verdict.ValueType) -> None:
    out = StringIO()
    console = Console(file=out, width=80, highlight=False, markup=False, emoji=False)
    case = ex.Case(name="a-name-that-is-rather-long.txt", expected_output=b"")
    view = ExecutionView(console, [case])
    result = ex.CaseResult(
        name=case.name,
        verdict=verdict,
        signal=9,
        peak_memory_bytes=2 << 30,
        detail="line 12, word 3: [b]printed[/b] \x1b[31mwhat was not expected at all",
    )
    result.cpu_time.FromSeconds(60)
    view.show(pb.ExecuteResponse(compile=ex.CompileResult(verdict=ex.VERDICT_ACCEPTED)))
    view.show(pb.ExecuteResponse(case=result))
    lines = out.getvalue().splitlines()
    assert all(len(line) <= 80 for line in lines)
    words = ex.Verdict.Name(verdict).removeprefix("VERDICT_").lower().split("_")
    assert all(word in out.getvalue() for word in (*words, "60.00 s", "2048 MiB", "SIGKILL"))
    # Neither a terminal's commands nor markup are taken from what is shown.
    assert "\x1b" not in out.getvalue()
    assert "[b]printed[/b]" in out.getvalue()
