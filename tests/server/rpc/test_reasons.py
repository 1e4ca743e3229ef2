"""Why a case was not accepted: the limit that it reached is named, and what went wrong."""

import pytest

from sandbox.model import MIB, CaseResult, ExitFacts, Limits, Stopped, Verdict
from server.rpc.reasons import last_words, reason

LIMITS = Limits(cpu_s=2, wall_s=20, memory_bytes=64 * MIB, output_bytes=3 << 10, processes=8)
PYTHON = """\
Traceback (most recent call last):
  File "/build/main.py", line 1, in <module>
    print(1 / 0)
ZeroDivisionError: division by zero
"""
NODE = """\
/build/main.js:1
throw new Error("no")
^

Error: no
    at Object.<anonymous> (/build/main.js:1:7)
    at node:internal/main/run_main_module:23:47 {
  code: 'E'
}

Node.js v18.20.4
"""
JAVA = """\
Exception in thread "main" java.lang.RuntimeException: outer
\tat Main.main(Main.java:1)
Caused by: java.lang.IllegalStateException: inner
\tat Main.f(Main.java:2)
\t... 1 more
"""
GO = """\
panic: no

goroutine 1 [running]:
main.main()
\t/build/main.go:4 +0x2c
exit status 2
"""
RUST = """\
thread 'main' panicked at 'no', main.rs:1:13
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
"""
CPP = "terminate called after throwing an instance of 'std::out_of_range'\n  what():  vector\n"


@pytest.mark.parametrize(
    ("verdict", "facts", "told"),
    [
        (Verdict.MEMORY_LIMIT, ExitFacts(out_of_memory_kills=1), "more than 64 MiB"),
        (Verdict.OUTPUT_LIMIT, ExitFacts(stopped=Stopped.OUTPUT), "printed more than 3 KiB"),
        (Verdict.TIME_LIMIT, ExitFacts(stopped=Stopped.CPU), "2 s of CPU time used"),
        (Verdict.TIME_LIMIT, ExitFacts(exit_status=0, cpu_s=2.1), "2 s of CPU time used"),
        (
            Verdict.TIME_LIMIT,
            ExitFacts(stopped=Stopped.WALL, cpu_s=0.012),
            "20 s by the clock (0.01 s of CPU)",
        ),
        (Verdict.RUNTIME_ERROR, ExitFacts(exit_status=3), ""),
        (Verdict.RUNTIME_ERROR, ExitFacts(exit_status=1, stderr=b"odd \x1b[2J"), "odd \\x1b[2J"),
        (Verdict.ACCEPTED, ExitFacts(exit_status=0, stderr=b"a word"), ""),
    ],
)
def test_the_limit_is_named(verdict: Verdict, facts: ExitFacts, told: str) -> None:
    assert reason(CaseResult(name="1", verdict=verdict, facts=facts), LIMITS) == told


def test_what_is_told_already_stands() -> None:
    result = CaseResult(name="1", verdict=Verdict.WRONG_ANSWER, detail="line 1, word 1")
    assert reason(result, LIMITS) == "line 1, word 1"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (PYTHON, "ZeroDivisionError: division by zero"),
        (NODE, "Error: no"),
        (JAVA, "Caused by: java.lang.IllegalStateException: inner"),
        (GO, "panic: no"),
        (RUST, "thread 'main' panicked at 'no', main.rs:1:13"),
        (CPP, f"{CPP.splitlines()[0]}: what():  vector"),
        ("  only indented\n", "only indented"),
        ("", ""),
    ],
)
def test_the_exception_is_found(said: str, told: str) -> None:
    assert last_words(said.encode()) == told
    assert last_words((f"x{'y' * 99}\n" * 9999 + said).encode(), cut=True) == ""


def test_a_long_line_is_bounded() -> None:
    assert len(last_words(b"x" * 100_000)) == 200
