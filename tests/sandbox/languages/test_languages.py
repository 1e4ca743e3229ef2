"""Every language, over real containers: what works, what fails, and each limit."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from sandbox.docker_runner import DockerRunner
from sandbox.languages import LANGUAGES
from sandbox.model import MIB, Case, Program, ProgramChecker, Stopped, Verdict
from tests.sandbox.languages.programs import GREETING, PROGRAMS
from tests.support.sandboxes import LIMITS, executed, job, running

pytestmark = pytest.mark.docker
each_language = pytest.mark.parametrize("language", LANGUAGES)
# What starts a virtual machine, with room to reach a limit and not another one.
SMALL = replace(LIMITS, memory_bytes=192 * MIB)


@pytest.fixture(scope="module")
async def runner(sandbox_image: str) -> AsyncGenerator[DockerRunner, None]:
    async with running(sandbox_image, pool_size=2) as made:
        yield made


@each_language
async def test_a_greeting_is_accepted(runner: DockerRunner, language: str) -> None:
    got = await executed(
        runner, job(language, PROGRAMS[language]["HELLO"], Case(b"", GREETING), limits=SMALL)
    )
    assert got.compiled.verdict is Verdict.ACCEPTED
    assert got.compiled.toolchain
    assert got.verdicts == [Verdict.ACCEPTED], got.cases
    assert got.cases[0].facts.stdout == GREETING


@each_language
async def test_standard_input_is_read_to_its_end(runner: DockerRunner, language: str) -> None:
    cases = (
        Case(b"1 2\n", b"3\n"),
        Case(b"", b"0\n"),
        Case(b"5\n" * 20_000, b"100000\n"),
        Case(b"1 2", b"4\n"),
    )
    got = await executed(runner, job(language, PROGRAMS[language]["SUM"], *cases, limits=SMALL))
    assert got.verdicts == ["accepted", "accepted", "accepted", "wrong_answer"], got.cases


@each_language
async def test_deep_recursion_is_legitimate(runner: DockerRunner, language: str) -> None:
    wanted = job(language, PROGRAMS[language]["DEEP"], Case(b"", b"50000\n"), limits=SMALL)
    got = await executed(runner, wanted)
    assert got.verdicts == [Verdict.ACCEPTED], got.cases


@each_language
async def test_what_does_not_compile_runs_on_no_case(runner: DockerRunner, language: str) -> None:
    got = await executed(runner, job(language, PROGRAMS[language]["BROKEN"]))
    assert got.compiled.verdict is Verdict.COMPILE_ERROR
    assert LANGUAGES[language].file in got.compiled.message
    assert got.cases == ()


@each_language
async def test_an_error_of_its_own(runner: DockerRunner, language: str) -> None:
    got = await executed(runner, job(language, PROGRAMS[language]["CRASH"], limits=SMALL))
    assert got.verdicts == [Verdict.RUNTIME_ERROR], got.cases
    facts = got.cases[0].facts
    assert facts.exit_status or facts.signal


@each_language
async def test_a_checker_that_crashes_calls_nothing_right_or_wrong(
    runner: DockerRunner, language: str
) -> None:
    wanted = job("c", "int main(void) { return 0; }", Case(b"", b"1"))
    checker = ProgramChecker(Program(language, PROGRAMS[language]["CRASH"]))
    got = await executed(runner, replace(wanted, checker=checker))
    assert got.verdicts == [Verdict.SANDBOX_ERROR]
    assert got.cases[0].detail.startswith("the checker ")


@each_language
async def test_cpu_time(runner: DockerRunner, language: str) -> None:
    limits = replace(SMALL, cpu_s=1.0)
    got = await executed(runner, job(language, PROGRAMS[language]["BUSY"], limits=limits))
    assert got.verdicts == [Verdict.TIME_LIMIT], got.cases
    facts = got.cases[0].facts
    assert facts.stopped is Stopped.CPU
    assert facts.cpu_s > 1.0


@each_language
async def test_time_by_the_clock(runner: DockerRunner, language: str) -> None:
    limits = replace(SMALL, wall_s=1.0)
    got = await executed(runner, job(language, PROGRAMS[language]["SLEEP"], limits=limits))
    assert got.verdicts == [Verdict.TIME_LIMIT], got.cases
    facts = got.cases[0].facts
    assert facts.stopped is Stopped.WALL
    assert facts.cpu_s < 1.0


@each_language
@pytest.mark.parametrize("bomb", ["MEMORY", "HUGE"])
async def test_memory(runner: DockerRunner, language: str, bomb: str) -> None:
    limits = replace(SMALL, cpu_s=20.0)
    wanted = job(language, PROGRAMS[language][bomb], Case(b""), Case(b""), limits=limits)
    got = await executed(runner, wanted)
    assert got.verdicts == [Verdict.MEMORY_LIMIT, Verdict.MEMORY_LIMIT], got.cases
    assert all(case.facts.out_of_memory_kills for case in got.cases)


@each_language
async def test_output(runner: DockerRunner, language: str) -> None:
    got = await executed(runner, job(language, PROGRAMS[language]["FLOOD"], limits=SMALL))
    assert got.verdicts == [Verdict.OUTPUT_LIMIT], got.cases
    assert len(got.cases[0].facts.stdout) == SMALL.output_bytes


SPACESHIP = """
#include <compare>
struct Pair { int a, b; auto operator<=>(const Pair &) const = default; };
int main() { return Pair{1, 2} < Pair{1, 3} ? 0 : 1; }
"""
# Text in UTF-8 is of a type of its own since C++20.
PLAIN_UTF8 = 'int main() { const char *text = u8"x"; return *text - 120; }'


@pytest.mark.parametrize(
    ("language", "source", "compiles"),
    [
        ("cpp", SPACESHIP, True),
        ("cpp17", SPACESHIP, False),
        ("cpp", PLAIN_UTF8, False),
        ("cpp17", PLAIN_UTF8, True),
    ],
)
async def test_the_two_standards_of_cpp_differ(
    runner: DockerRunner, language: str, source: str, *, compiles: bool
) -> None:
    got = await executed(runner, job(language, source))
    assert got.verdicts == (["accepted"] if compiles else [])
    assert got.compiled.verdict == ("accepted" if compiles else "compile_error")


@pytest.mark.parametrize(
    "source",
    [
        "public class Solution { %s }",
        "package a.b; public class Größe { %s }",
        "class Helper { class Inner {} } class Program { %s }",
        "package c; class Program { %s } public class Other { class Inner {} }",
        "public enum Single { ONE; %s }",
    ],
)
async def test_java_is_run_by_the_names_that_it_has(runner: DockerRunner, source: str) -> None:
    main = 'public static void main(String[] a) { System.out.println("it runs"); }'
    wanted = job("java", source.replace("%s", main), Case(b"", b"it runs\n"), limits=SMALL)
    got = await executed(runner, wanted)
    assert got.verdicts == [Verdict.ACCEPTED], (got.compiled, got.cases)


@pytest.mark.parametrize(
    ("end", "error"), [("", 0), ("process.exit(0);", 0), ("throw new Error('no');", 1)]
)
async def test_node_prints_all_before_it_ends(runner: DockerRunner, end: str, error: int) -> None:
    """Node on its own loses what a pipe did not take at once."""
    source = f"for (let n = 0; n < 100000; n++) console.log('0123456');\n{end}"
    limits = replace(SMALL, output_bytes=MIB)
    got = await executed(runner, job("javascript", source, limits=limits))
    facts = got.cases[0].facts
    assert facts.exit_status == error
    assert facts.stdout == b"0123456\n" * 100_000


_WORKERS = """
const { Worker, isMainThread, parentPort } = require('worker_threads');
if (isMainThread) {
  new Worker(__filename).on('message', (said) => console.log(said));
} else {
  console.log('from the thread');
  parentPort.postMessage('through the main one');
}
"""
_CHILDREN = """
const { fork } = require('child_process');
if (process.argv[2]) {
  console.log('not seen');
  process.send('sent', () => process.exit(7));
} else {
  const stdio = [HOW, HOW, 'inherit', 'ipc'];
  const child = fork(__filename, ['child'], { stdio });
  child.on('message', (said) => console.log(said));
  child.on('exit', (status) => console.log(status));
}
"""


@pytest.mark.parametrize(
    ("source", "printed"),
    [
        (_WORKERS, {b"from the thread", b"through the main one"}),
        (_CHILDREN.replace("HOW", "'ignore'"), {b"sent", b"7"}),
        (_CHILDREN.replace("HOW", "'pipe'"), {b"sent", b"7"}),
        (_CHILDREN.replace("HOW", "'inherit'"), {b"not seen", b"sent", b"7"}),
    ],
    ids=["worker", "ignored", "pipe", "inherited"],
)
async def test_node_has_threads_and_children(
    runner: DockerRunner, source: str, printed: set[bytes]
) -> None:
    limits = replace(SMALL, memory_bytes=512 * MIB)
    got = await executed(runner, job("javascript", source, limits=limits))
    assert got.verdicts == [Verdict.ACCEPTED], got.cases
    assert set(got.cases[0].facts.stdout.splitlines()) == printed


async def test_garbage_is_collected_before_it_reaches_the_limit(runner: DockerRunner) -> None:
    """60 MiB are alive at any time, and ten times as much passes through."""
    java = """
class Main {
  public static void main(String[] a) {
    int[][] alive = new int[600][];
    for (int n = 0; n < 6000; n++) alive[n % 600] = new int[25_000];
  }
}
"""
    node = """
const alive = [];
for (let n = 0; n < 6000; n++) alive[n % 600] = new Array(12500).fill(n);
"""
    for language, source in (("java", java), ("javascript", node)):
        limits = replace(SMALL, memory_bytes=256 * MIB)
        got = await executed(runner, job(language, source, limits=limits))
        assert got.verdicts == [Verdict.ACCEPTED], got.cases
