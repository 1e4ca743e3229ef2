"""What the daemon says while it pulls, imports or builds."""

import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from sandbox.images.errors import ImageError
from sandbox.images.progress import Progress

_STEP = re.compile(r"Step \d+/\d+ : ")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_LINES_SHOWN = 3


def followed(answers: Iterable[Mapping[str, Any]], progress: Progress) -> None:
    """Reads answers to their end, with the latest line as the running step's detail.

    Args:
        answers: What it said, in order.
        progress: Is told of each.

    Raises:
        ImageError: One of them says that it failed.
    """
    step, last = "", deque[str](maxlen=_LINES_SHOWN)
    for said in answers:
        if "error" in said:
            raise ImageError(explained(": ".join(filter(None, (step, *last, said["error"])))))
        line = _ESCAPES.sub("", said.get("stream", "")).strip()
        if _STEP.match(line):
            step = f"at {_STEP.sub('', line)[:60]!r}"
            last.clear()
        elif line:
            last.append(line)
        if line or "status" in said:
            progress.detail(line or f"{said['status']} {said.get('progress', '')}")


def explained(problem: str) -> str:
    """Returns what failed in one line, with a cure where one is known."""
    problem = " ".join(problem.split())
    if "no space left on device" in problem.lower():
        return (
            f"the disk is full: free 4 GB where Docker keeps its images (docker system prune "
            f"removes what it does not use); it said: {problem}"
        )
    return problem
