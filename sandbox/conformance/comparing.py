"""Outputs are compared by rule or by a program, and only where a program ended well."""

from sandbox.conformance.support import (
    Check,
    expect,
    expect_equal,
    expect_verdict,
    job,
    only,
    outcome,
    program,
)
from sandbox.model import Case, CaseResult, Checker, Exact, Floats, ProgramChecker, Tokens, Verdict
from sandbox.runner import Runner, UnknownLanguageError

# Accepts any two numbers whose sum is the one that the program read.
_SUMS = """\
    import sys
    given, output, expected = (open(name, "rb").read() for name in sys.argv[1:])
    words = output.split()
    if expected != b"two numbers":
        sys.exit(3)
    if len(words) != 2:
        print("not two numbers", file=sys.stderr)
        sys.exit(43)
    if sum(map(int, words)) != int(given):
        print("their sum is", sum(map(int, words)))
        sys.exit(43)
    sys.exit(42)
"""


async def wrong_answer(runner: Runner) -> None:
    """A wrong output is named as such, with the place."""
    result = await only(runner, job("print(1, 2)\nprint(7)\n", Case(b"", b"1 2\n8\n")))
    expect_verdict(result, Verdict.WRONG_ANSWER)
    expect("7" in result.detail and "8" in result.detail, f"detail: {result.detail!r}")
    expect_equal(result.facts.stdout, b"1 2\n7\n", "standard output")
    expect_equal(result.facts.exit_status, 0, "exit status")


async def nothing_expected(runner: Runner) -> None:
    """Without an expected output any will do; with an empty one, none."""
    cases = (Case(b""), Case(b"", b""), Case(b"", None, "free"))
    whole = await outcome(runner, job("print(1)\n", *cases))
    expect_equal(
        [result.verdict.value for result in whole.cases],
        ["accepted", "wrong_answer", "accepted"],
        "verdicts",
    )


async def _verdict(runner: Runner, checker: Checker, output: str, expected: bytes) -> CaseResult:
    source = f"import sys\nsys.stdout.write({output!r})\n"
    return await only(runner, job(source, Case(b"", expected), checker=checker))


async def rules_of_comparing(runner: Runner) -> None:
    """Each checker compares by its own rule."""
    rows: tuple[tuple[Checker, str, bytes, bool], ...] = (
        (Exact(), "1 2\n", b"1 2\n", True),
        (Exact(), "1 2", b"1 2\n", False),
        (Tokens(), " 1\t2", b"1\n2\n", True),
        (Tokens(), "12", b"1 2\n", False),
        (Tokens(), "1.0", b"1\n", False),
        (Floats(), "1.0", b"1\n", True),
        (Floats(absolute=1e-3), "3.1415", b"3.142\n", True),
        (Floats(absolute=1e-4), "3.1415", b"3.142\n", False),
        (Floats(relative=1e-3), "10005", b"1e4\n", True),
        (Floats(relative=1e-4), "10005", b"1e4\n", False),
        (Floats(absolute=1.0), "nan", b"0\n", False),
    )
    for checker, output, expected, right in rows:
        result = await _verdict(runner, checker, output, expected)
        wanted = Verdict.ACCEPTED if right else Verdict.WRONG_ANSWER
        expect_equal(result.verdict, wanted, f"{checker} of {output!r} and {expected!r}")
        expect_equal(bool(result.detail), not right, "whether there is a detail")


async def program_decides(runner: Runner) -> None:
    """A checker program sees input, output and expected output, and its word counts."""
    checker = ProgramChecker(program(_SUMS))
    source = 'n = int(input())\nprint({1: "0 1", 2: "2 2", 3: "3"}.get(n, f"{n - 1} 1"))\n'
    cases = [Case(b"%d\n" % n, b"two numbers") for n in (1, 2, 3, 4)]
    whole = await outcome(runner, job(source, *cases, checker=checker))
    expect_equal(
        [result.verdict.value for result in whole.cases],
        ["accepted", "wrong_answer", "wrong_answer", "accepted"],
        "verdicts",
    )
    details = [result.detail for result in whole.cases]
    expect("their sum is 4" in details[1], f"what the checker printed is lost: {details[1]!r}")
    expect("not two numbers" in details[2], f"what it said on its error is lost: {details[2]!r}")


async def checker_that_fails(runner: Runner) -> None:
    """A checker that fails says nothing of the program."""
    for source in (
        "pass\n",
        "raise SystemExit(1)\n",
        "raise SystemExit(2)\n",
        "print(1 / 0)\n",
        "import sys\nprint('a word first', file=sys.stderr)\nprint(1 / 0)\n",
        "import os\nos.abort()\n",
        'import sys\nwhile True:\n    sys.stdout.write("x" * 100000)\n',
        "this is no program\n",
    ):
        checker = ProgramChecker(program(source))
        cases = (Case(b"", b"1"), Case(b"", b"1"))
        whole = await outcome(runner, job("print(1)\n", *cases, checker=checker))
        expect_equal(whole.compiled.verdict, Verdict.ACCEPTED, "compiling the program")
        for result in whole.cases:
            expect_verdict(result, Verdict.SANDBOX_ERROR)
            expect("checker" in result.detail, f"the checker is not named: {result.detail!r}")
        expect_equal(len(whole.cases), 2, "cases")


async def checker_after_a_good_end(runner: Runner) -> None:
    """A checker cannot make a crash right, and is not asked where nothing is expected."""
    accepts_all = ProgramChecker(program("raise SystemExit(42)\n"))
    result = await only(
        runner, job("print(1)\nraise SystemExit(1)\n", Case(b"", b"1"), checker=accepts_all)
    )
    expect_verdict(result, Verdict.RUNTIME_ERROR)
    accepts_nothing = ProgramChecker(program("raise SystemExit(43)\n"))
    result = await only(runner, job("print(1)\n", Case(b""), checker=accepts_nothing))
    expect_verdict(result, Verdict.ACCEPTED)


async def checker_in_an_unknown_language(runner: Runner) -> None:
    """A checker in a language that there is not is refused like such a program."""
    checker = ProgramChecker(program("pass\n", language="no-such-language"))
    try:
        await outcome(runner, job("print(1)\n", Case(b"", b"1"), checker=checker))
    except UnknownLanguageError as error:
        expect("no-such-language" in str(error), f"the language is not named: {error}")
    else:
        raise AssertionError("a checker in an unknown language was not refused")


async def checker_is_out_of_reach(runner: Runner) -> None:
    """Neither checker nor expected output lies where the program could find it."""
    source = """\
        import os, sys
        found = []
        for folder in {os.getcwd(), os.path.dirname(os.path.abspath(sys.argv[0]))}:
            for place, _, names in os.walk(folder):
                for name in names:
                    with open(os.path.join(place, name), "rb") as file:
                        if b"sec" + b"ret" in file.read():
                            found.append(name)
        print(found, sys.argv[1:])
    """
    checker = ProgramChecker(program('raise SystemExit(42)  # "secret"\n'))
    cases = (Case(b"", b"secret"), Case(b"", b"secret"))
    whole = await outcome(runner, job(source, *cases, checker=checker))
    for result in whole.cases:
        expect_verdict(result, Verdict.ACCEPTED)
        expect_equal(result.facts.stdout, b"[] []\n", "what the program finds")


CHECKS: tuple[Check, ...] = (
    wrong_answer,
    nothing_expected,
    rules_of_comparing,
    program_decides,
    checker_that_fails,
    checker_after_a_good_end,
    checker_in_an_unknown_language,
    checker_is_out_of_reach,
)
