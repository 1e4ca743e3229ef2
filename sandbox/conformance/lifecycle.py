"""Executions beside each other, refused, or left before their end."""

import asyncio
from contextlib import aclosing

from sandbox.conformance.support import (
    Check,
    expect,
    expect_equal,
    expect_verdict,
    job,
    only,
    outcome,
)
from sandbox.model import Case, CompileResult, Job, Verdict
from sandbox.runner import Runner, UnknownLanguageError

# More than a machine has processors; fewer than a queue must hold.
_AT_ONCE = 6
# Against waiting forever; no runner that stops a program comes near.
_PATIENCE_S = 50.0


async def unknown_language(runner: Runner) -> None:
    """A language that there is not is refused by its name."""
    for language in ("no-such-language", "", "Python"):
        try:
            await outcome(runner, job("print(1)\n", language=language))
        except UnknownLanguageError as error:
            expect(language in str(error), f"the language is not named: {error}")
        else:
            raise AssertionError(f"the language {language!r} was not refused")


async def several_at_once(runner: Runner) -> None:
    """Executions beside each other give each its own results."""
    source = """\
        import os, time
        who = input()
        with open("who", "w") as file:
            file.write(who)
        time.sleep(0.1)
        print(open("who").read(), sorted(os.listdir(".")))
    """

    async def one(number: int) -> None:
        cases = [
            Case(f"{number}-{n}\n".encode(), f"{number}-{n} ['who']\n".encode(), f"{number}-{n}")
            for n in range(3)
        ]
        whole = await outcome(runner, job(source, *cases))
        expect_equal([r.name for r in whole.cases], [c.name for c in cases], "names")
        for result in whole.cases:
            expect_verdict(result, Verdict.ACCEPTED)

    await asyncio.gather(*(one(number) for number in range(_AT_ONCE)))


async def results_come_as_they_are_ready(runner: Runner) -> None:
    """A result is given before the next case ends."""
    source = "import time\nif input() == 'sleep':\n    time.sleep(600)\n"
    cases = (Case(b"go\n", b""), Case(b"sleep\n", b""))
    async with aclosing(runner.execute(job(source, *cases))) as executing:
        async with asyncio.timeout(_PATIENCE_S):
            expect(isinstance(await anext(executing), CompileResult), "no compile result")
            await anext(executing)


async def _left_in_a_case(runner: Runner, job_: Job) -> None:
    executing = runner.execute(job_)
    expect(isinstance(await anext(executing), CompileResult), "no compile result")
    # By now a case may run, or begins with the next step; it never ends by itself.
    step = asyncio.ensure_future(anext(executing))
    await asyncio.sleep(0.1)
    step.cancel()
    await asyncio.wait([step])
    expect(step.cancelled(), "a cancelled step ended otherwise")
    await executing.aclose()


async def left_in_the_middle(runner: Runner) -> None:
    """Leaving an execution stops the program and gives its place to the next one."""
    endless = job("import time\ntime.sleep(600)\n", Case(b""), Case(b""))
    async with asyncio.timeout(_PATIENCE_S):
        for _ in range(2):
            await asyncio.gather(*(_left_in_a_case(runner, endless) for _ in range(_AT_ONCE)))
    result = await only(runner, job("print(1)\n", Case(b"", b"1\n")))
    expect_verdict(result, Verdict.ACCEPTED)


async def left_between_results(runner: Runner) -> None:
    """An execution can be closed at once, after any result, and more than once."""
    cases = [Case(b"", b"1\n")] * 3
    for taken in range(4):
        executing = runner.execute(job("print(1)\n", *cases))
        for _ in range(taken):
            await anext(executing)
        async with asyncio.timeout(_PATIENCE_S):
            await executing.aclose()
            await executing.aclose()
    result = await only(runner, job("print(1)\n", Case(b"", b"1\n")))
    expect_verdict(result, Verdict.ACCEPTED)


CHECKS: tuple[Check, ...] = (
    unknown_language,
    several_at_once,
    results_come_as_they_are_ready,
    left_in_the_middle,
    left_between_results,
)
