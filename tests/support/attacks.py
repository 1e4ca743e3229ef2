"""Runs programs that attack the sandbox, in real containers, and reads what they say.

An attack prints, as JSON on its last line, what it could do. What it claims counts for
nothing by itself: a test looks at the verdict too, and at what the kernel counted.
"""

import json
from dataclasses import dataclass
from typing import Any

from sandbox.docker_runner import DockerRunner
from sandbox.model import (
    MIB,
    Case,
    CaseResult,
    CompileResult,
    Exact,
    Job,
    Limits,
    Program,
    Verdict,
)

# Room for an interpreter on a busy machine, and no more: attacks are many.
SMALL = Limits(cpu_s=2.0, wall_s=120.0, memory_bytes=64 * MIB, output_bytes=256 << 10, processes=32)

# What attacks in Python begin with. A wall that ends a process is told by a child.
_PRELUDE = """
import ctypes, errno, json, os, signal, sys, time
_libc = ctypes.CDLL(None, use_errno=True)

def call(number, *arguments):
    "Makes a system call; the name of its error, or what it returned."
    ctypes.set_errno(0)
    got = _libc.syscall(number, *arguments)
    return errno.errorcode[ctypes.get_errno()] if got == -1 else got

def attempt(act, *arguments):
    "Calls; the name of its error, or 'done'."
    try:
        act(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "done"

def in_child(act, *arguments):
    "Calls in a child; what it returned, or the name of the signal that ended it."
    here, there = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(there, json.dumps(act(*arguments)).encode())
        finally:
            os._exit(0)
    os.close(there)
    said = os.read(here, 4096)
    os.close(here)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return json.loads(said)

def say(found):
    print(json.dumps(found), flush=True)
"""


@dataclass(frozen=True)
class Outcome:
    """What came of an attack.

    Attributes:
        compiled: What the compiler said.
        cases: One result for each input that was reached.
    """

    compiled: CompileResult
    cases: tuple[CaseResult, ...]

    @property
    def verdict(self) -> Verdict:
        """Verdict on the first case, or of the compiler where there is none."""
        return self.cases[0].verdict if self.cases else self.compiled.verdict

    @property
    def only(self) -> CaseResult:
        """The one case there was."""
        assert len(self.cases) == 1, self.compiled
        return self.cases[0]

    def said(self, number: int = 0) -> Any:
        """Returns what the attack printed last on a case, which must have gone well."""
        case = self.cases[number]
        assert case.verdict is Verdict.ACCEPTED, (case, case.facts.stderr)
        return json.loads(case.facts.stdout.splitlines()[-1])


async def run(
    runner: DockerRunner,
    language: str,
    source: str,
    *inputs: bytes,
    limits: Limits = SMALL,
) -> Outcome:
    """Runs a program on inputs, on an empty one if none is given."""
    job = Job(
        program=Program(language, source),
        cases=tuple(Case(each) for each in inputs or (b"",)),
        checker=Exact(),
        limits=limits,
    )
    results = [result async for result in runner.execute(job)]
    compiled, cases = results[0], results[1:]
    assert isinstance(compiled, CompileResult)
    return Outcome(compiled, tuple(case for case in cases if isinstance(case, CaseResult)))


async def attack(
    runner: DockerRunner, source: str, *inputs: bytes, limits: Limits = SMALL
) -> Outcome:
    """Runs an attack in Python, with `call`, `attempt`, `in_child` and `say` at hand."""
    return await run(runner, "python", _PRELUDE + source, *inputs, limits=limits)
