"""The type of the fixture that runs `execute.py`."""

from pathlib import Path
from typing import Protocol

from tests.support.server_process import Ended


class Execute(Protocol):
    """Runs the script in a folder with some files, against the server of the test."""

    async def __call__(self, *arguments: str | Path, **files: str | bytes) -> Ended:
        """Writes the files, as `write` does, and returns how the script ended."""
