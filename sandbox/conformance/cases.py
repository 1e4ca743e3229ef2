"""Cases come in order, and none knows of another."""

from dataclasses import replace

from sandbox.conformance.support import (
    Check,
    expect,
    expect_equal,
    expect_verdict,
    job,
    outcome,
)
from sandbox.model import Case, Verdict
from sandbox.runner import Runner

_MANY = 200


async def many_in_order(runner: Runner) -> None:
    """Two hundred cases give as many results, in their order, each with its own."""
    source = "n = int(input())\nprint(n * n)\n"
    cases = [Case(b"%d\n" % n, b"%d\n" % (n * n), f"case {n}") for n in range(_MANY)]
    whole = await outcome(runner, job(source, *cases))
    expect_equal([result.name for result in whole.cases], [c.name for c in cases], "names")
    for result in whole.cases:
        expect_verdict(result, Verdict.ACCEPTED)


async def no_cases(runner: Runner) -> None:
    """Without cases a program is compiled and nothing else."""
    whole = await outcome(runner, replace(job("print(1)\n"), cases=()))
    expect_equal(whole.compiled.verdict, Verdict.ACCEPTED, "compiling")
    expect_equal(whole.cases, (), "cases")


async def failures_do_not_end_a_job(runner: Runner) -> None:
    """Whatever one case does, the next one runs."""
    source = """\
        import os
        kind = input()
        if kind == "crash":
            os.abort()
        if kind == "exit":
            raise SystemExit(3)
        print(kind)
    """
    kinds = ("right", "crash", "wrong", "exit", "right")
    whole = await outcome(
        runner, job(source, *(Case(kind.encode() + b"\n", b"right\n") for kind in kinds))
    )
    expect_equal(
        [result.verdict.value for result in whole.cases],
        ["accepted", "runtime_error", "wrong_answer", "runtime_error", "accepted"],
        "verdicts",
    )


async def files_do_not_last(runner: Runner) -> None:
    """A file that one case writes is not there in the next."""
    source = """\
        import os
        home, there = os.environ.get("HOME", "."), os.environ.get("TMPDIR", ".")
        seen = [os.path.exists(os.path.join(at, "left")) for at in (".", home, there)]
        for at in (".", home, there):
            os.makedirs(os.path.join(at, "folder"), exist_ok=True)
            with open(os.path.join(at, "left"), "w") as file:
                file.write("x")
        print(any(seen), sorted(os.listdir(".")))
    """
    whole = await outcome(runner, job(source, *(Case(b"") for _ in range(3))))
    printed = [result.facts.stdout for result in whole.cases]
    expect_equal(printed, [b"False ['folder', 'left']\n"] * 3, "what each case finds")


async def programs_do_not_change(runner: Runner) -> None:
    """A program that writes over itself is the same in the next case."""
    source = """\
        import sys
        try:
            with open(sys.argv[0], "w") as file:
                file.write("print('another')")
        except OSError:
            pass
        print("itself")
    """
    whole = await outcome(runner, job(source, *(Case(b"", b"itself\n") for _ in range(3))))
    for result in whole.cases:
        expect_verdict(result, Verdict.ACCEPTED)


async def children_do_not_last(runner: Runner) -> None:
    """A child that outlives its program neither delays its end nor meets the next case."""
    source = """\
        import os, time
        others = 0
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != os.getpid():
                try:
                    with open(f"/proc/{entry}/cmdline", "rb") as file:
                        others += os.path.abspath(__file__).encode() in file.read()
                except OSError:
                    pass
        print(others, flush=True)
        if os.fork() == 0:
            time.sleep(600)
    """
    whole = await outcome(runner, job(source, *(Case(b"", b"0\n") for _ in range(3))))
    for result in whole.cases:
        expect_verdict(result, Verdict.ACCEPTED)


async def inputs_do_not_mix(runner: Runner) -> None:
    """What one case leaves unread is not read by the next."""
    source = "print(input())\n"
    cases = [Case(b"%d\n" % n + b"rest\n" * 50_000, b"%d\n" % n) for n in range(3)]
    whole = await outcome(runner, job(source, *cases))
    expect(len(whole.cases) == len(cases), "cases are missing")
    for result in whole.cases:
        expect_verdict(result, Verdict.ACCEPTED)


CHECKS: tuple[Check, ...] = (
    many_in_order,
    no_cases,
    failures_do_not_end_a_job,
    files_do_not_last,
    programs_do_not_change,
    children_do_not_last,
    inputs_do_not_mix,
)
