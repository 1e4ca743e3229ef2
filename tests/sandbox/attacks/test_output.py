"""Attacks through the streams of a program, and through how it ends."""

import signal
from dataclasses import replace

import pytest

from sandbox.docker_runner import DockerRunner
from sandbox.model import MIB, Stopped, Verdict
from tests.support.attacks import SMALL, attack, run

pytestmark = pytest.mark.docker

_ODD = bytes(range(256)) + b"\x1b]0;title\x07\x1b[2J\x1b[?1049h\x00\x00\xff\xfe\xc3\x28\r\x08\n"
_DEEP = """
int f(volatile int n) { int a[64]; a[n % 64] = n; return f(n + 1) + a[n % 64]; }
int main(void) { return f(0); }
"""


@pytest.mark.parametrize(
    "piece",
    [b"x", b"x\n", b"\0", b"\xff", b"\x1b[2J"],
    ids=["line", "lines", "nul", "ff", "escape"],
)
async def test_endless_output_is_cut_at_the_limit(runner: DockerRunner, piece: bytes) -> None:
    outcome = await attack(
        runner,
        f"piece = {piece!r} * 16384\nfor _ in range(1 << 30): os.write(1, piece)",
        b"",
        b"",
    )
    for case in outcome.cases:
        assert case.verdict is Verdict.OUTPUT_LIMIT, case
        assert case.facts.stopped is Stopped.OUTPUT
        assert case.facts.stdout_cut
        assert len(case.facts.stdout) == SMALL.output_bytes
        assert case.facts.stdout == (piece * SMALL.output_bytes)[: SMALL.output_bytes]


async def test_a_gibibyte_on_standard_error_is_dropped(runner: DockerRunner) -> None:
    """It is no failure to say much there; what is over the bound is not kept anywhere."""
    outcome = await run(
        runner,
        "c",
        """
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static char piece[1 << 20];
int main(void) {
  memset(piece, 'e', sizeof piece);
  for (long left = 1L << 30; left > 0;) {
    long got = write(2, piece, left < (long)sizeof piece ? left : (long)sizeof piece);
    if (got <= 0) return 1;
    left -= got;
  }
  puts("all of it");
}
""",
        limits=replace(SMALL, cpu_s=10.0, wall_s=60.0),
    )
    case = outcome.only
    assert (case.verdict, case.facts.stdout) == (Verdict.ACCEPTED, b"all of it\n")
    assert case.facts.stderr_cut
    assert len(case.facts.stderr) <= 64 << 10
    assert case.facts.peak_memory_bytes < SMALL.memory_bytes


async def test_children_share_one_limit_of_output(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        while True:
            os.write(1, bytes(4096))
time.sleep(60)
""",
    )
    assert outcome.verdict is Verdict.OUTPUT_LIMIT
    assert len(outcome.only.facts.stdout) == SMALL.output_bytes


async def test_odd_bytes_go_through_as_they_are(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        "data = sys.stdin.buffer.read()\nos.write(1, data)\nos.write(2, data)",
        _ODD,
        b"\0" * 1000,
        b"\xff",
    )
    for case, given in zip(outcome.cases, (_ODD, b"\0" * 1000, b"\xff"), strict=True):
        assert case.verdict is Verdict.ACCEPTED
        assert case.facts.stdout == case.facts.stderr == given


@pytest.mark.parametrize(
    "act",
    [
        "pass",
        "os.close(0)",
        "os.close(0); os.close(1); os.close(2)",
        "os.read(0, 1)",
        "os.lseek(0, 0, 2)",
        "attempt(os.ftruncate, 0, 0)",
        "attempt(lambda: open('/proc/self/fd/0', 'wb').write(bytes(1 << 20)))",
    ],
)
async def test_ten_mebibytes_of_input_may_go_unread(runner: DockerRunner, act: str) -> None:
    given = b"0123456789abcdef" * (10 * MIB // 16)
    outcome = await attack(runner, act, given, b"", given)
    assert [case.verdict for case in outcome.cases] == [Verdict.ACCEPTED] * 3
    assert all(case.facts.stdout == b"" for case in outcome.cases)


async def test_ten_mebibytes_of_input_can_be_read_twice(runner: DockerRunner) -> None:
    given = b"0123456789abcdef" * (10 * MIB // 16)
    outcome = await attack(
        runner,
        """
import hashlib
say([hashlib.sha256(sys.stdin.buffer.read()).hexdigest(), os.lseek(0, 0, 0), len(os.read(0, 100))])
""",
        given,
        given + b"!",
    )
    first, second = outcome.said(0), outcome.said(1)
    assert first[1:] == second[1:] == [0, 100]
    assert first[0] != second[0]


async def test_every_signal_and_status_is_told_as_it_was(runner: DockerRunner) -> None:
    fatal = [
        number
        for number in range(1, 65)
        if number
        not in (*range(17, 24), 28, 32, 33)  # Those that stop or do nothing, and the C library's.
    ]
    inputs = [f"s {number}" for number in fatal] + [
        f"e {number}" for number in (0, 1, 126, 127, 137, 139, 255)
    ]
    outcome = await run(
        runner,
        "c",
        """
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
  char how; int number;
  if (scanf("%c %d", &how, &number) != 2) return 99;
  if (how == 'e') _exit(number);
  signal(number, SIG_DFL);
  kill(getpid(), number);
  for (;;) pause();
}
""",
        *(each.encode() for each in inputs),
    )
    for given, case in zip(inputs, outcome.cases, strict=True):
        how, number = given[0], int(given[2:])
        if how == "s":
            assert (case.facts.signal, case.facts.exit_status) == (number, None), (given, case)
            forged = number == signal.SIGSYS
            assert case.verdict is (Verdict.SECURITY_VIOLATION if forged else Verdict.RUNTIME_ERROR)
        else:
            assert (case.facts.signal, case.facts.exit_status) == (None, number), (given, case)
            assert case.verdict is (Verdict.RUNTIME_ERROR if number else Verdict.ACCEPTED)


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("c", _DEEP),
        (
            "python",
            "import sys\nsys.setrecursionlimit(1 << 30)\ndef f(n): return f(n + 1) + 1\nf(0)",
        ),
        ("python", "def f(n): return f(n + 1) + 1\nf(0)"),
    ],
)
async def test_recursion_without_end_is_an_ending(
    runner: DockerRunner, language: str, source: str
) -> None:
    outcome = await run(runner, language, source, b"", b"")
    for case in outcome.cases:
        assert case.verdict in (Verdict.RUNTIME_ERROR, Verdict.MEMORY_LIMIT), case
        assert case.facts.stopped is Stopped.NOT


async def test_huge_arguments_and_environment_are_its_own_affair(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
found = [attempt(os.execve, "/bin/true", ["x" * 131072], {}),
         attempt(os.execve, "/bin/true", ["true"] + ["x" * 100000] * 200, {}),
         attempt(os.execve, "/bin/true", ["true"], {"x": "y" * (4 << 20)})]
say(found)
""",
    )
    assert outcome.said() == ["E2BIG"] * 3


async def test_streams_can_be_opened_by_name_and_are_no_way_around_a_limit(
    runner: DockerRunner,
) -> None:
    outcome = await attack(
        runner,
        """
with open("/dev/stdin") as given, open("/dev/stdout", "w") as out, open("/dev/stderr", "w") as err:
    what = given.read()
    out.write(what)
    err.write(what)
found = [attempt(open, "/proc/self/fd/1"), attempt(open, "/dev/stdout", "r+")]
os.write(2, json.dumps(found).encode())
while what == "flood":
    with open("/dev/stdout", "wb", buffering=0) as out:
        out.write(bytes(65536))
""",
        b"some",
        b"flood",
    )
    some, flood = outcome.cases
    assert (some.verdict, some.facts.stdout) == (Verdict.ACCEPTED, b"some")
    assert some.facts.stderr == b'some["EACCES", "EACCES"]'
    assert flood.verdict is Verdict.OUTPUT_LIMIT
    assert len(flood.facts.stdout) == SMALL.output_bytes
