"""Folders are emptied, whatever was done to them, and nothing outside of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.inside.cleaning import empty

# In a process of its own, since it changes its folder.
FLATTEN = """
import os, sys
os.chdir(sys.argv[1])
from sandbox.inside.cleaning import _flatten
_flatten(os.listdir())
"""
DEEP = """
import os, sys
os.chdir(sys.argv[1])
for _ in range(3000):
    os.mkdir("d")
    os.chdir("d")
"""


def test_files_links_and_pipes_go_and_what_they_lead_to_stays(tmp_path: Path) -> None:

    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "file").write_text("x")
    (folder / "-rf *\n").write_text("x")
    (folder / "link").symlink_to(outside)
    (folder / "file link").symlink_to(outside / "kept")
    (folder / "nowhere").symlink_to("nowhere")
    (folder / "empty").mkdir()
    os.mkfifo(folder / "pipe")
    os.link(outside / "kept", folder / "hard")
    empty(str(folder), ())
    assert list(folder.iterdir()) == []
    assert (outside / "kept").read_text() == "kept"


def test_what_is_left_is_an_error(tmp_path: Path) -> None:
    """Nothing of one process may reach the next: the runner ends instead."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(OSError, match="keeps 1 files"):
        empty(str(tmp_path), ())


def _run(script: str, folder: Path) -> None:
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", script, str(folder)], check=True, cwd=root)


def test_folders_go_that_shut_out_their_owner_or_are_too_deep_for_a_path(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o500)
    folder = tmp_path / "work"
    folder.mkdir()
    _run(DEEP, folder)
    for name in ("shut", "readable"):
        inner = folder / name / "a" / "b"
        inner.mkdir(parents=True)
        (inner / "file").touch()
        (inner / "link").symlink_to(outside)
    (folder / "readable" / "a").chmod(0o500)
    (folder / "shut" / "a" / "b").chmod(0)
    (folder / "shut").chmod(0)
    _run(FLATTEN, folder)
    assert list(folder.iterdir()) == []
    assert outside.stat().st_mode & 0o777 == 0o500
