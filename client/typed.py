"""The project's scripts as people type them from where they stand."""

import os
import shlex
from pathlib import Path

_PROJECT = Path(__file__).resolve().parent.parent


def path(name: str) -> str:
    """Returns a file of the project, such as `client/runs.py`, as a path that works here."""
    found = _PROJECT / name
    here = Path.cwd()
    is_inside = here == _PROJECT or _PROJECT in here.parents
    return os.path.relpath(found, here) if is_inside else str(found)


def command(script: str, *words: str) -> str:
    """Returns such as `python client/runs.py show math-1`."""
    return shlex.join(["python", path(f"client/{script}.py"), *words])
