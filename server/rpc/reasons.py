"""Why a case was not accepted, in a few words: which limit it reached, or what it said last.

For who runs a program by itself. A league keeps no such words: figures and addresses in
them are others in each run, and what models are told must not change with these.
"""

import re

from sandbox.checker import safe
from sandbox.model import MIB, CaseResult, ExitFacts, Limits, Stopped, Verdict

_KIB = 1 << 10
_TAIL_BYTES = 16 << 10
_LETTER = re.compile(r"[^\W\d_]")
# What runtimes say after the point of it: where to look further, and the frames of Go.
_AFTERWORD = re.compile(r"Node\.js v\d|note: |goroutine \d+ \[|exit status \d|main\.\w+\(")
_ABOUT_IT = "what():"


def reason(result: CaseResult, limits: Limits) -> str:
    """Returns why a case ended as it did; empty where there is nothing to say.

    Args:
        result: What the program did.
        limits: What it might use.
    """
    return result.detail or _of_facts(result.verdict, result.facts, limits)


def _of_facts(verdict: Verdict, facts: ExitFacts, limits: Limits) -> str:
    match verdict:
        case Verdict.MEMORY_LIMIT:
            why = f"more than {size(limits.memory_bytes)}"
        case Verdict.OUTPUT_LIMIT:
            why = f"printed more than {size(limits.output_bytes)}"
        case Verdict.TIME_LIMIT if facts.stopped is Stopped.WALL:
            why = f"{limits.wall_s:g} s by the clock ({facts.cpu_s:.2f} s of CPU)"
        case Verdict.TIME_LIMIT:
            why = f"{limits.cpu_s:g} s of CPU time used"
        case Verdict.RUNTIME_ERROR:
            why = facts.unfit or last_words(facts.stderr, cut=facts.stderr_cut)
        case Verdict.SECURITY_VIOLATION:
            why = "a forbidden system call"
        case _:
            why = ""
    return why


def last_words(stderr: bytes, *, cut: bool = False) -> str:
    """Returns the line of standard error that names what went wrong, safe for a terminal.

    It is the last that begins at the margin: runtimes indent the places that led to it.

    Args:
        stderr: What was kept of it.
        cut: Its end is not there, and so nothing of it is the last.
    """
    if cut:
        return ""
    text = stderr[-_TAIL_BYTES:].decode("utf-8", "replace")
    lines = [line.rstrip() for line in text.splitlines() if _LETTER.search(line)]
    margin = [
        number
        for number, line in enumerate(lines)
        if not line[0].isspace() and not _AFTERWORD.match(line)
    ]
    if not margin:
        return safe(lines[-1].strip()) if lines else ""
    last = margin[-1]
    told = lines[last]
    # C++ says on a line of its own what an exception is about.
    if after := next((line.strip() for line in lines[last + 1 : last + 2]), ""):
        told += f": {after}" if after.startswith(_ABOUT_IT) else ""
    return safe(told)


def size(number: int) -> str:
    """Returns such as `64 MiB`, the largest unit in which it is whole."""
    for unit, name in ((MIB, "MiB"), (_KIB, "KiB")):
        if number % unit == 0:
            return f"{number // unit:,} {name}"
    return f"{number:,} bytes"
