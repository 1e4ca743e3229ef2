"""What goes in and comes out, byte for byte."""

from sandbox.conformance.support import (
    Check,
    expect,
    expect_equal,
    expect_verdict,
    job,
    only,
)
from sandbox.model import MIB, Case, Exact, Verdict
from sandbox.runner import Runner

_COPY = "import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read())\n"


async def every_byte(runner: Runner) -> None:
    """NULs, line ends and what is no UTF-8 go in and come out unchanged."""
    data = bytes(range(256)) + b"\r\n\r\0\n\xff\xfe" + "\u4e16\U0001f600".encode()
    result = await only(runner, job(_COPY, Case(data, data), checker=Exact()))
    expect_verdict(result, Verdict.ACCEPTED)
    expect_equal(result.facts.stdout, data, "standard output")


async def large_input_and_output(runner: Runner) -> None:
    """A MiB goes in and comes out, while the program reads and writes in turn."""
    data = b"0123456789abcdef" * (MIB // 16)
    source = """\
        import sys
        while block := sys.stdin.buffer.read1(5000):
            sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()
    """
    result = await only(runner, job(source, Case(data, data), checker=Exact()))
    expect_verdict(result, Verdict.ACCEPTED)


async def unread_input(runner: Runner) -> None:
    """A program that reads nothing, or a part, ends as it likes."""
    data = b"1 2 3\n" * (MIB // 6)
    for source in (
        "print(1)\n",
        "print(input()[0])\n",
        "import sys\nsys.stdin.close()\nprint(1)\n",
    ):
        result = await only(runner, job(source, Case(data, b"1\n")))
        expect_verdict(result, Verdict.ACCEPTED)


async def input_has_an_end(runner: Runner) -> None:
    """An empty input ends at once instead of keeping the program waiting."""
    source = "import sys\nprint(repr(sys.stdin.read()))\n"
    result = await only(runner, job(source, Case(b"", b"''\n")))
    expect_verdict(result, Verdict.ACCEPTED)


async def errors_are_apart(runner: Runner) -> None:
    """Standard error is kept apart from the output, and is not compared."""
    source = 'import sys\nsys.stderr.buffer.write(b"w\\0\\xff\\n")\nprint("out")\n'
    result = await only(runner, job(source, Case(b"", b"out\n"), checker=Exact()))
    expect_verdict(result, Verdict.ACCEPTED)
    expect_equal(result.facts.stdout, b"out\n", "standard output")
    expect_equal(result.facts.stderr, b"w\0\xff\n", "standard error")
    expect(
        not result.facts.stdout_cut and not result.facts.stderr_cut,
        "whole streams are marked as cut",
    )


async def closed_output(runner: Runner) -> None:
    """A program may close its output and go on; its end is that of the process."""
    source = """\
        import os, time
        os.write(1, b"before")
        os.close(1)
        os.close(2)
        time.sleep(0.2)
        os._exit(7)
    """
    result = await only(runner, job(source))
    expect_verdict(result, Verdict.RUNTIME_ERROR)
    expect_equal(result.facts.exit_status, 7, "exit status")
    expect_equal(result.facts.stdout, b"before", "standard output")


CHECKS: tuple[Check, ...] = (
    every_byte,
    large_input_and_output,
    unread_input,
    input_has_an_end,
    errors_are_apart,
    closed_output,
)
