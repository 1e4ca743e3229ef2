"""`python -m tests.support.fake_server`: the real server as a process, its sandbox a fake one.

It takes the options of `python -m server` that `server_process` gives, and ends when its
input closes.
"""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

from server.app import serving
from server.settings import load_settings
from tests.support.fake_runner import FakeRunner

# Programs of tests wait for each other.
_TURNS = 16


async def main() -> None:
    """Serves until standard input closes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", type=Path)
    parser.add_argument("--address")
    parser.add_argument("--until-stdin-closes", action="store_true")
    arguments = parser.parse_args()
    settings = load_settings(arguments.settings)
    addressed = settings.server.model_copy(update={"address": arguments.address})
    settings = settings.model_copy(update={"server": addressed})
    async with serving(settings, playing=True, runner=FakeRunner(turns=_TURNS)) as server:
        ready = {"address": server.address, "pid": os.getpid(), "database": str(server.database)}
        print(json.dumps(ready), flush=True)  # noqa: T201 - who started it reads that
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
