"""Limits hold, are told apart, and end one case only."""

from dataclasses import replace

from sandbox.conformance.support import (
    LIMITS,
    Check,
    expect,
    expect_equal,
    expect_verdict,
    job,
    only,
    outcome,
)
from sandbox.model import MIB, Case, Stopped, Verdict
from sandbox.runner import Runner

_LOOP = "while True:\n    pass\n"
_SHORT_CPU = replace(LIMITS, cpu_s=0.3)
# One after the other, where a busy machine lets a program come to nothing in a shorter time.
_WALLS_S = (0.5, 4.0, 30.0)
_SMALL_OUTPUT = replace(LIMITS, output_bytes=1000)


async def cpu_limit(runner: Runner) -> None:
    """A loop is ended at the CPU limit, not by the clock."""
    result = await only(runner, job(_LOOP, limits=_SHORT_CPU))
    expect_verdict(result, Verdict.TIME_LIMIT)
    facts = result.facts
    expect_equal(facts.stopped, Stopped.CPU, "why it was stopped")
    expect(facts.cpu_s >= _SHORT_CPU.cpu_s, f"it was ended early, after {facts.cpu_s} s")


async def cpu_limit_against_deaf_ears(runner: Runner) -> None:
    """A program that ignores signals is ended like any other."""
    source = """\
        import signal
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        while True:
            pass
    """
    result = await only(runner, job(source, limits=_SHORT_CPU))
    expect_verdict(result, Verdict.TIME_LIMIT)


async def cpu_of_children(runner: Runner) -> None:
    """What children use counts, once they have been waited for."""
    source = """\
        import os, time
        if os.fork() == 0:
            while time.process_time() < 1:
                pass
            os._exit(0)
        os.wait()
    """
    result = await only(runner, job(source, limits=_SHORT_CPU))
    expect_verdict(result, Verdict.TIME_LIMIT)


async def wall_limit(runner: Runner) -> None:
    """A program that sleeps is ended by the clock, and what it printed is kept."""
    source = 'import time\nprint("now", flush=True)\ntime.sleep(600)\n'
    for wall_s in _WALLS_S:
        limits = replace(LIMITS, wall_s=wall_s)
        result = await only(runner, job(source, Case(b"", b"now\n"), limits=limits))
        expect_verdict(result, Verdict.TIME_LIMIT)
        facts = result.facts
        expect_equal(facts.stopped, Stopped.WALL, "why it was stopped")
        expect(facts.wall_s >= wall_s, f"it was ended early, after {facts.wall_s} s")
        expect(facts.cpu_s < limits.cpu_s, f"sleep was counted as CPU time: {facts.cpu_s} s")
        if facts.stdout:
            break
    expect_equal(facts.stdout, b"now\n", "what it printed before")


async def memory_limit(runner: Runner) -> None:
    """A program that takes ever more memory reaches that limit and no other."""
    source = "blocks = []\nwhile True:\n    blocks.append(bytearray(1 << 20))\n"
    limits = replace(LIMITS, memory_bytes=64 * MIB)
    result = await only(runner, job(source, limits=limits))
    expect_verdict(result, Verdict.MEMORY_LIMIT)


async def memory_is_measured(runner: Runner) -> None:
    """The peak counts what was touched, within an allowance for the interpreter."""
    source = """\
        import time
        block = bytearray(48 << 20)
        time.sleep(1)
        print(len(block))
    """
    result = await only(runner, job(source))
    expect_verdict(result, Verdict.ACCEPTED)
    peak = result.facts.peak_memory_bytes
    expect(48 * MIB <= peak <= 96 * MIB, f"48 MiB were touched, {peak:,} bytes were measured")


async def output_limit(runner: Runner) -> None:
    """A flood is ended, and what was printed is kept up to the limit."""
    source = 'import sys\nwhile True:\n    sys.stdout.write("0123456789" * 1000)\n'
    result = await only(runner, job(source, limits=_SMALL_OUTPUT))
    expect_verdict(result, Verdict.OUTPUT_LIMIT)
    expect_equal(result.facts.stopped, Stopped.OUTPUT, "why it was stopped")
    expect_equal(result.facts.stdout, b"0123456789" * 100, "standard output")
    expect(result.facts.stdout_cut, "the output was cut and is not marked so")


async def output_up_to_the_limit(runner: Runner) -> None:
    """As much as the limit may be printed, and one byte more may not."""
    for surplus, verdict in ((0, Verdict.ACCEPTED), (1, Verdict.OUTPUT_LIMIT)):
        source = f'print("x" * {_SMALL_OUTPUT.output_bytes + surplus}, end="")\n'
        result = await only(runner, job(source, limits=_SMALL_OUTPUT))
        expect_verdict(result, verdict)
        expect_equal(len(result.facts.stdout), _SMALL_OUTPUT.output_bytes, "bytes that were kept")
        expect_equal(result.facts.stdout_cut, bool(surplus), "mark of a cut output")


async def errors_are_not_output(runner: Runner) -> None:
    """A flood on standard error is cut and costs no verdict."""
    source = """\
        import sys
        for _ in range(64):
            sys.stderr.write("x" * (1 << 16))
        print("done")
    """
    result = await only(runner, job(source, Case(b"", b"done\n"), limits=_SMALL_OUTPUT))
    expect_verdict(result, Verdict.ACCEPTED)
    expect(result.facts.stderr.startswith(b"x" * 1000), "standard error is not kept")
    expect(len(result.facts.stderr) < 4 * MIB, "standard error is not bounded")
    expect(result.facts.stderr_cut, "standard error was cut and is not marked so")


async def limit_before_answer(runner: Runner) -> None:
    """What a program printed before it reached a limit is not compared."""
    source = f'print("wrong", flush=True)\n{_LOOP}'
    result = await only(runner, job(source, Case(b"", b"right\n"), limits=_SHORT_CPU))
    expect_verdict(result, Verdict.TIME_LIMIT)


async def limits_are_of_one_case(runner: Runner) -> None:
    """Each case has all of its limits, whatever those before it used or reached."""
    source = """\
        import sys, time
        kind = sys.stdin.read()
        if kind == "memory":
            blocks = []
            while True:
                blocks.append(bytearray(1 << 20))
        elif kind == "output":
            while True:
                print("x" * 1000)
        elif kind == "sleep":
            time.sleep(600)
        block = bytearray(20 << 20)
        while time.process_time() < 0.3:
            pass
        print("x" * 900)
    """
    kinds = (b"", b"memory", b"", b"output", b"", b"sleep", b"")
    wanted = [
        "accepted", "memory_limit", "accepted", "output_limit", "accepted", "time_limit",
        "accepted",
    ]  # fmt: skip
    for wall_s in (4.0, 30.0):
        limits = replace(LIMITS, cpu_s=0.8, wall_s=wall_s, memory_bytes=64 * MIB, output_bytes=1000)
        whole = await outcome(runner, job(source, *map(Case, kinds), limits=limits))
        verdicts = [result.verdict.value for result in whole.cases]
        if verdicts == wanted:
            break
        # On a busy machine the clock may have been first: once more, with more time by it.
    expect_equal(verdicts, wanted, "verdicts")


CHECKS: tuple[Check, ...] = (
    cpu_limit,
    cpu_limit_against_deaf_ears,
    cpu_of_children,
    wall_limit,
    memory_limit,
    memory_is_measured,
    output_limit,
    output_up_to_the_limit,
    errors_are_not_output,
    limit_before_answer,
    limits_are_of_one_case,
)
