"""How programs end: well, with an error, or before they begin."""

import signal

from sandbox.conformance.support import (
    Check,
    expect,
    expect_equal,
    expect_verdict,
    job,
    only,
    outcome,
)
from sandbox.model import Case, Stopped, Verdict
from sandbox.runner import Runner


async def hello(runner: Runner) -> None:
    """A program that prints what is expected is accepted, and measured."""
    whole = await outcome(runner, job('print("hello")\n', Case(b"", b"hello\n", "greeting")))
    expect_equal(whole.compiled.verdict, Verdict.ACCEPTED, "compiling")
    result = whole.only
    expect_verdict(result, Verdict.ACCEPTED)
    expect_equal(result.name, "greeting", "name of the case")
    expect_equal(result.detail, "", "detail of an accepted case")
    facts = result.facts
    expect_equal(facts.stdout, b"hello\n", "standard output")
    expect_equal((facts.exit_status, facts.signal), (0, None), "exit status and signal")
    expect_equal(facts.stopped, Stopped.NOT, "why it was stopped")
    expect(facts.cpu_s > 0, "no CPU time was measured")
    expect(facts.wall_s > 0, "no wall time was measured")
    expect(facts.peak_memory_bytes > 0, "no memory was measured")


async def adds_what_it_reads(runner: Runner) -> None:
    """Standard input reaches the program."""
    source = "import sys\nprint(sum(map(int, sys.stdin.read().split())))\n"
    result = await only(runner, job(source, Case(b"1 2\n3\n", b"6\n")))
    expect_verdict(result, Verdict.ACCEPTED)


async def names_its_tools(runner: Runner) -> None:
    """A runner that can run names the version of what it compiles and runs with."""
    expect_equal(await runner.problem(), "", "why programs cannot be run")
    versions = {language.id: language.toolchain for language in await runner.languages()}
    expect("python" in versions, "there is no Python")
    expect(all(versions.values()), f"languages without a version: {versions}")
    whole = await outcome(runner, job("pass\n"))
    expect_equal(whole.compiled.toolchain, versions["python"], "version in a compile result")


async def compile_error(runner: Runner) -> None:
    """A program that does not compile is not run, and the message names the line."""
    whole = await outcome(runner, job("a = 1\nb = 2\nc = = 3\n", Case(b"", b""), Case(b"", b"")))
    expect_equal(whole.compiled.verdict, Verdict.COMPILE_ERROR, "compiling")
    message = whole.compiled.message
    expect("line 3" in message, f"the message does not name the line: {message!r}")
    expect("main.py" in message, f"the message does not name the file: {message!r}")
    expect_equal(whole.cases, (), "cases of a program that does not compile")


async def exit_status(runner: Runner) -> None:
    """A status other than 0 is a runtime error, and is kept."""
    for status in (1, 42, 255):
        result = await only(runner, job(f'print("done")\nraise SystemExit({status})\n'))
        expect_verdict(result, Verdict.RUNTIME_ERROR)
        expect_equal((result.facts.exit_status, result.facts.signal), (status, None), "its end")
        expect_equal(result.facts.stdout, b"done\n", "what it printed before")


async def uncaught_exception(runner: Runner) -> None:
    """A right output does not make up for a crash, and the crash is explained."""
    source = 'print("right", flush=True)\nraise ValueError("of no value")\n'
    result = await only(runner, job(source, Case(b"", b"right\n")))
    expect_verdict(result, Verdict.RUNTIME_ERROR)
    expect(b"of no value" in result.facts.stderr, "the exception is not on standard error")


async def signals(runner: Runner) -> None:
    """A program that a signal ends keeps the signal, and has no exit status."""
    for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGTERM, signal.SIGKILL):
        source = f"import os\nos.kill(os.getpid(), {number:d})\nimport time\ntime.sleep(30)\n"
        result = await only(runner, job(source))
        expect_verdict(result, Verdict.RUNTIME_ERROR)
        expect_equal(
            (result.facts.exit_status, result.facts.signal), (None, number), f"end by {number!r}"
        )


async def feigned_limits(runner: Runner) -> None:
    """Statuses that limits often give prove no limit when a program chooses them."""
    for status in (124, 137, 152, 159):
        result = await only(runner, job(f"import os\nos._exit({status})\n"))
        expect_verdict(result, Verdict.RUNTIME_ERROR)
        expect_equal(result.facts.exit_status, status, "exit status")


async def nothing_to_run(runner: Runner) -> None:
    """An empty source is a program that prints nothing."""
    whole = await outcome(runner, job("", Case(b"1\n", b""), Case(b"1\n", b"1\n")))
    expect_equal(whole.compiled.verdict, Verdict.ACCEPTED, "compiling")
    expect_equal(
        [result.verdict for result in whole.cases],
        [Verdict.ACCEPTED, Verdict.WRONG_ANSWER],
        "verdicts",
    )


async def source_is_kept(runner: Runner) -> None:
    """Line ends, quotes, back slashes and all of Unicode reach the compiler as they are."""
    source = 's = "é\u4e16\U0001f600\'\\"\\\\$HOME`%s{}"\r\nprint(ascii(s))\r\nprint(len(s))\r\n'
    text = "é\u4e16\U0001f600'\"\\$HOME`%s{}"
    wanted = f"{text!a}\n{len(text)}\n".encode()
    result = await only(runner, job(source, Case(b"", wanted)))
    expect_verdict(result, Verdict.ACCEPTED)
    # A program of bytes: how it was written is how it lies there.
    source = "# \t\r\n#\x0c \u2028\nimport sys\nprint(ascii(open(sys.argv[0], 'rb').read()))"
    result = await only(runner, job(source))
    expect_equal(result.facts.stdout.decode(), f"{source.encode()!a}\n", "source as it lies")


CHECKS: tuple[Check, ...] = (
    hello,
    adds_what_it_reads,
    names_its_tools,
    compile_error,
    exit_status,
    uncaught_exception,
    signals,
    feigned_limits,
    nothing_to_run,
    source_is_kept,
)
