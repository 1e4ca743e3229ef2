"""What is run, within which limits, and what came of it."""

from dataclasses import dataclass, field
from enum import StrEnum

MIB = 1 << 20


class Verdict(StrEnum):
    """How a program, its compiler or one of its cases ended."""

    ACCEPTED = "accepted"
    WRONG_ANSWER = "wrong_answer"
    COMPILE_ERROR = "compile_error"
    RUNTIME_ERROR = "runtime_error"
    TIME_LIMIT = "time_limit"
    MEMORY_LIMIT = "memory_limit"
    OUTPUT_LIMIT = "output_limit"
    SECURITY_VIOLATION = "security_violation"
    SANDBOX_ERROR = "sandbox_error"


@dataclass(frozen=True)
class Program:
    """A program in one file.

    Attributes:
        language: Id of a language of `sandbox.languages`.
        source: Its text.
    """

    language: str
    source: str


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        input: What the program reads on standard input.
        expected: What it should print; `None` where that is not compared.
        name: For people.
    """

    input: bytes
    expected: bytes | None = None
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What one case may use.

    Attributes:
        cpu_s: CPU time in seconds, of the program and all its children.
        wall_s: Seconds by the clock; a backstop for programs that sleep. Time in which the
            machine had no core for a program does not count, up to a bound.
        memory_bytes: Memory of a process, and of all of them together where they have it
            for some hundredths of a second. With their files they are held to this and a
            margin, in which the runner has its room too, whatever the time.
        output_bytes: Bytes on standard output.
        processes: Processes and threads at once.
    """

    cpu_s: float
    wall_s: float
    memory_bytes: int
    output_bytes: int
    processes: int


@dataclass(frozen=True)
class Exact:
    """Compares byte for byte."""


@dataclass(frozen=True)
class Tokens:
    """Compares words, with any white space between."""


@dataclass(frozen=True)
class Floats:
    """Compares words; two numbers are equal within a tolerance.

    Attributes:
        absolute: Largest absolute difference.
        relative: Largest difference relative to the expected number.
    """

    absolute: float = 0.0
    relative: float = 0.0


@dataclass(frozen=True)
class ProgramChecker:
    """A program decides, in a container of its own.

    It is started with three arguments, the names of files that hold the input, the
    output and the expected output. It exits with 42 for a right output and with 43
    for a wrong one; all else, 0 too, is its own failure.
    """

    program: Program


Checker = Exact | Tokens | Floats | ProgramChecker


@dataclass(frozen=True, kw_only=True)
class Job:
    """One program with the cases to run it on.

    Attributes:
        program: The program.
        cases: Its cases, run in order.
        checker: How outputs are compared.
        limits: What each case may use.
        caller: Who asks; callers take turns.
    """

    program: Program
    cases: tuple[Case, ...]
    checker: Checker
    limits: Limits
    caller: str = ""


class Stopped(StrEnum):
    """Why a program was ended from outside."""

    NOT = ""
    CPU = "cpu"
    WALL = "wall"
    OUTPUT = "output"


@dataclass(frozen=True, kw_only=True)
class ExitFacts:
    """How a process and all that it left behind ended, as the kernel counted it.

    Attributes:
        exit_status: Its exit status; `None` when a signal ended it.
        signal: The signal that ended it; `None` when it exited.
        stopped: What it was ended for, if it was.
        cpu_s: CPU seconds of all its processes, detached ones too.
        wall_s: Seconds by the clock.
        delayed_s: Seconds of these in which the machine kept it waiting, as far as that is
            known: it was ready to run and no core was free, or all stood still.
        peak_memory_bytes: Most memory at once, of all its processes and files where that
            is known and else of the largest process. About, and no verdict rests on it.
        largest_process_bytes: Most memory of one process.
        together_bytes: Most memory of all processes at once, without what it shares with
            files, as it was seen from time to time, and at the least; 0 if that was never.
        out_of_memory_kills: Processes that the kernel killed at the memory limit.
        stdout: What it printed, up to the limit.
        stderr: What it printed on standard error, up to a bound.
        stdout_cut: It printed more.
        stderr_cut: It printed more on standard error.
        failure: Why it could not be started; empty if it was.
        unfit: Why what a compiler made is no program; empty if it is.
        made_bytes: What lies in the build folder, which is memory, after a compiler.
    """

    exit_status: int | None = None
    signal: int | None = None
    stopped: Stopped = Stopped.NOT
    cpu_s: float = 0.0
    wall_s: float = 0.0
    delayed_s: float = 0.0
    peak_memory_bytes: int = 0
    largest_process_bytes: int = 0
    together_bytes: int = 0
    out_of_memory_kills: int = 0
    stdout: bytes = b""
    stderr: bytes = b""
    stdout_cut: bool = False
    stderr_cut: bool = False
    failure: str = ""
    unfit: str = ""
    made_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class CompileResult:
    """What the compiler said.

    Attributes:
        verdict: `ACCEPTED`, `COMPILE_ERROR`, or a limit that was reached.
        message: What it printed, as text, cut to a bound.
        message_cut: It printed more.
        cpu_s: CPU seconds that it took.
        wall_s: Seconds by the clock.
        toolchain: Name and version of the compiler or interpreter.
    """

    verdict: Verdict
    message: str = ""
    message_cut: bool = False
    cpu_s: float = 0.0
    wall_s: float = 0.0
    toolchain: str = ""


class CheckerFailure(StrEnum):
    """How a checker that is a program failed by itself, where it and not the sandbox did."""

    NOT = ""
    COMPILE = "compile"
    RUN = "run"


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """What a program did on one case.

    Attributes:
        name: Name of the case.
        verdict: How it ended.
        facts: What the verdict rests on.
        detail: Where the output differs, or what failed, in one sentence.
        checker: Whether the verdict is `SANDBOX_ERROR` for a checker that does not compile,
            or that ran on the output and said neither right nor wrong.
    """

    name: str
    verdict: Verdict
    facts: ExitFacts = field(default_factory=ExitFacts)
    detail: str = ""
    checker: CheckerFailure = CheckerFailure.NOT


Result = CompileResult | CaseResult


@dataclass(frozen=True, kw_only=True)
class LanguageInfo:
    """A language as this sandbox has it.

    Attributes:
        id: By which a program names it.
        title: Its name for people.
        toolchain: Name and version of its compiler or interpreter.
        limits: The limits of a case that sets none.
    """

    id: str
    title: str
    toolchain: str
    limits: Limits
