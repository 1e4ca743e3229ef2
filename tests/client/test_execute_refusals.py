"""`execute.py`, given what cannot be: each option is told in a sentence, with the cure."""

from pathlib import Path

import pytest

from client import execute_arguments
from client.execute import main
from client.program_files import read_request
from tests.support.execute_script import Execute
from tests.support.fake_runner import FakeRunner
from tests.support.files import write

NOBODY = "127.0.0.1:9"
MIB = 1 << 20
TIME = "takes a time such as 2s or 500ms, not"
SIZE = "takes a size such as 256MiB, not"
FORM = "it takes IN or IN:OUT, such as in.txt:out.txt"
KNOWN = "name one of python, c, cpp, cpp17, java, javascript, go, rust"
LIMITS = """\
--time: must be at most 60 s on this server
--wall: must be at most 300 s on this server
--memory: must be at most 2147483648 bytes (2048 MiB) on this server
--output: must be at most 16777216 bytes (16 MiB) on this server
--processes: must be at most 256 on this server"""
BOTH_LONG = """\
--case 1.txt:big, its expected output: must be at most 16777216 bytes
--case big, its input: must be at most 16777216 bytes"""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            (
                *("--time", "61s", "--wall", "301", "--memory", "9GiB", "--output", "17MiB"),
                *("--processes", "257"),
            ),
            LIMITS,
        ),
        (("--language", "cobol"), f"--language cobol: is not known; {KNOWN}"),
        (("--language", "l" * 33), f"--language {'l' * 33}: must be at most 32 characters"),
        (
            ("--case", "1.txt:big", "--case", "big"),
            BOTH_LONG,
        ),
        (
            ("--cases", "folder"),
            "--cases folder, case b, its input: must be at most 16777216 bytes",
        ),
        (
            ("--checker", "odd"),
            f"--checker odd, its language: cannot be told from the source; {KNOWN}",
        ),
        (("--checker", "long.py"), "--checker long.py: must be at most 1048576 bytes"),
    ],
)
async def test_what_the_server_refuses_is_told_by_option(
    execute: Execute, tmp_path: Path, runner: FakeRunner, arguments: tuple[str, ...], told: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder, a_in="1", b_in=bytes(16 * MIB + 1))
    write(tmp_path, sum_py="print(1)", big=bytes(16 * MIB + 1), **{"1_txt": "1"})
    done = await execute("sum.py", *arguments, odd="? ?", long_py="#" * (MIB + 1))
    assert (done.status, done.out, done.err) == (3, "", f"{told}\n")
    assert not runner.begun


async def test_a_program_that_the_server_refuses_is_told_by_its_file(execute: Execute) -> None:
    long = await execute("long.py", long_py="#" * (MIB + 1))
    assert (long.status, long.err) == (3, "long.py: must be at most 1048576 bytes\n")
    odd = await execute("odd", odd="? ?")
    assert odd.status == 3
    assert odd.err == f"--language: cannot be told from the source; {KNOWN}\n"


async def test_too_many_cases_are_told(execute: Execute, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    write(folder, **{f"{number}_in": "1" for number in range(1001)})
    done = await execute("sum.py", "--cases", "folder", sum_py="print(1)")
    assert done.status == 3
    assert done.err.startswith("--case and --cases: must ")
    assert "1000" in done.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--time", "0"), f'--time: {TIME} "0"; see --help.'),
        (("--time", "-1s"), f'--time: {TIME} "-1s"; see --help.'),
        (("--wall", "-1"), f'--wall: {TIME} "-1"; see --help.'),
        (("--time=-1s",), f'--time: {TIME} "-1s"; see --help.'),
        (("--time", "0.0000000001s"), f'--time: {TIME} "0.0000000001s"; see --help.'),
        (("--time", "9" * 30), f'--time: {TIME} "{"9" * 30}"; see --help.'),
        (("--time", "1\x1b[2Js"), f'--time: {TIME} "1[2Js"; see --help.'),
        (("--time",), "--time: expected one argument; see --help."),
        (("--memory", "lots"), f'--memory: {SIZE} "lots"; see --help.'),
        (("--memory", "256"), "--memory: 256 needs a unit: 256MiB; see --help."),
        (("--memory", "0"), f'--memory: {SIZE} "0"; see --help.'),
        (("--memory", "-1MiB"), f'--memory: {SIZE} "-1MiB"; see --help.'),
        (("--output", "9" * 400), f'--output: {SIZE} "{"9" * 79}…"; see --help.'),
        (
            ("--processes", "2147483648"),
            '--processes: takes a whole number from 1, not "2147483648"; see --help.',
        ),
        (("--tiem", "2s"), "Unrecognized arguments: --tiem 2s; see --help."),
        (("--case", "none"), f"--case: none cannot be read: No such file or directory; {FORM}."),
        (("--case", "folder"), f"--case: folder cannot be read: Is a directory; {FORM}."),
        (("--case", "in.txt:none"), "--case: none cannot be read: No such file or directory."),
        (("--case", "in.txt:/dev/zero"), "--case: /dev/zero is longer than 67.1 MB"),
        (("--case", "in.txt:"), 'such as in.txt:out.txt, not "in.txt:".'),
        (("--case", "n" * 300), "cannot be read: File name too long"),
        (("--case", "\udcff"), f"--case: ? cannot be read: No such file or directory; {FORM}."),
        (("--cases", "in.txt"), "--cases in.txt cannot be read: Not a directory."),
        (("--cases", "folder"), "--cases: folder/a.in cannot be read: Is a directory."),
        (("--checker", "folder"), "--checker: folder cannot be read: Is a directory."),
        (("--checker", "bytes"), "--checker: bytes is not UTF-8 text: byte 2 cannot be read."),
        (("--checker", "n" * 300), "--checker takes exact, tokens, floats:1e-6 or a file"),
    ],
)
def test_an_option_that_cannot_be_is_told_before_anything_is_sent(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    write(folder, sum_py="print(1)", in_txt="1", bytes=b"ok\xff")
    (folder / "folder" / "a.in").mkdir(parents=True)
    assert told in _refusal(capsys, "sum.py", *arguments)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("none.py", "none.py cannot be read: No such file or directory."),
        ("folder", "folder cannot be read: Is a directory."),
        # Reading it fails, even for whoever may read everything.
        ("/proc/self/mem", "/proc/self/mem cannot be read: Input/output error."),
        ("/dev/zero", "/dev/zero is longer than 67.1 MB, for which no request has room."),
        ("bytes", "bytes is not UTF-8 text: byte 2 cannot be read."),
        ("empty", "empty is empty."),
        ("n" * 300, f"{'n' * 300} cannot be read: File name too long."),
        ("\udcff", "? cannot be read: No such file or directory."),
    ],
)
def test_a_file_that_is_no_program_is_told_before_anything_is_sent(
    folder: Path, capsys: pytest.CaptureFixture[str], source: str, told: str
) -> None:
    write(folder, bytes=b"ok\xff", empty=" \n")
    (folder / "folder").mkdir()
    assert _refusal(capsys, source) == f"{told}\n"


def test_a_value_that_begins_like_an_option_is_a_value(folder: Path) -> None:
    write(folder, **{"-1_txt": "1", "sum_py": "x"})
    words = ["--case", "-1.txt", "--", "sum.py"]
    request = read_request(execute_arguments.parse("", words))
    assert [case.name for case in request.cases] == ["-1.txt"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Returns the only sentence of a command that nobody would have answered."""
    try:
        status: object = main([*arguments, "--server", NOBODY])
    except SystemExit as stop:
        status = stop.code
    said = capsys.readouterr()
    assert (status, said.out, said.err.count("\n")) == (2, "", 1)
    return said.err
