"""Programs are told from what else a compiler makes."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from google._upb import _message

from sandbox.inside.made import unfit


def test_a_program_is_fit() -> None:
    assert unfit(os.path.realpath(sys.executable)) == ""


@pytest.mark.parametrize("kind", ["nothing", "folder", "link", "pipe", "text", "cut", "library"])
def test_what_is_no_program_is_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "main"
    program = Path(os.path.realpath(sys.executable))
    match kind:
        case "folder":
            path.mkdir()
        case "link":
            path.symlink_to(program)
        case "pipe":
            os.mkfifo(path)
        case "text":
            path.write_text("#!/bin/sh\n" * 10)
        case "cut":
            path.write_bytes(program.read_bytes()[:50])
        case "library":
            shutil.copy(_message.__file__, path)
    if kind in ("text", "cut", "library"):
        path.chmod(0o755)
    assert unfit(str(path)).startswith("it has no main program: ")


def test_a_program_that_nobody_may_execute_is_told(tmp_path: Path) -> None:
    path = tmp_path / "main"
    shutil.copy(os.path.realpath(sys.executable), path)
    path.chmod(0o644)
    assert unfit(str(path))
