"""What a setter is told of its programs, in words that are the same whenever they do the same.

They name no times that were measured, no amounts of memory and no files of the sandbox.
"""

import json
import re
import signal
from collections.abc import Iterator

from sandbox.model import CaseResult, CompileResult, Verdict
from server.league.excerpts import excerpt

MOST_TEXT = 200
_MOST_MESSAGE = 1200

_encode = json.JSONEncoder(ensure_ascii=False).encode
_PATH = re.compile(r"(?<![\w.])(?:/[\w.+@~-]+)+/?")
_SOURCE = re.compile(r"/build/([A-Za-z]+\.[a-z]+)")
_ADDRESS = re.compile(r"\b0[xX][0-9a-fA-F]+")
_DURATION = re.compile(r"\b\d+(?:\.\d+)? ?(?:ns|us|µs|ms|s|secs?|seconds?)\b")


def ending(result: CaseResult) -> str:
    """Returns how a program ended that did not end well, without figures that change."""
    facts = result.facts
    match result.verdict:
        case Verdict.TIME_LIMIT:
            return "reaches the time limit"
        case Verdict.MEMORY_LIMIT:
            return "reaches the memory limit"
        case Verdict.OUTPUT_LIMIT:
            why = f": {result.detail}" if result.detail else ""
            return f"prints more than a program may{why}"
        case Verdict.SECURITY_VIOLATION:
            return "makes a system call that is forbidden"
        case _ if facts.signal is not None:
            return f"is ended by {_signal_name(facts.signal)}"
        case _:
            return f"ends with exit status {facts.exit_status}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def compiler_says(what: str, compiled: CompileResult) -> str:
    """Returns why a program, such as a `reference`, does not compile."""
    if compiled.verdict is not Verdict.COMPILE_ERROR:
        limit = str(compiled.verdict).replace("_", " ")
        return f"the {what} does not compile: its compiler reached the {limit}"
    message = bare(compiled.message.strip(), _MOST_MESSAGE)
    return f"the {what} does not compile: {message or 'its compiler says nothing'}"


def last_line(stderr: bytes) -> str:
    """Returns the last line of standard error, as it goes behind a reason."""
    text = stderr[-8 * MOST_TEXT :].decode("utf-8", "replace")
    line = next(_lines_from_end(text), "")
    return f" ({bare(line, MOST_TEXT)})" if line else ""


def _lines_from_end(text: str) -> Iterator[str]:
    return (line.strip() for line in reversed(text.splitlines()) if line.strip())


def bare(text: str, most: int) -> str:
    """Returns what a program said, without what may be another thing in another run."""
    text = _SOURCE.sub(r"\1", text)
    for changing in (_PATH, _ADDRESS, _DURATION):
        text = changing.sub("...", text)
    return excerpt(text, most)


def quoted(text: bytes | str) -> str:
    """Returns the beginning of a text as a string of JSON."""
    return _encode(excerpt(text, MOST_TEXT))
