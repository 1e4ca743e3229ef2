"""`python -m tests.support.fake_server`: the real server as a process, its sandbox a fake one.

It takes the options of `python -m server` that `server_process` gives, and ends when its
input closes.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

from sandbox.model import Job, Result
from server.app import serving
from server.settings import load_settings
from tests.support.fake_runner import FakeRunner

# Programs of tests wait for each other, and on a busy machine for long.
_TURNS = 16
_WALL_S = 600.0


class _PatientRunner(FakeRunner):
    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        """Gives each case more time by the clock than was asked for."""
        patient = replace(job, limits=replace(job.limits, wall_s=_WALL_S))
        async for result in super().execute(patient):
            yield result


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
    async with serving(settings, playing=True, runner=_PatientRunner(turns=_TURNS)) as server:
        ready = {"address": server.address, "pid": os.getpid(), "database": str(server.database)}
        print(json.dumps(ready), flush=True)  # noqa: T201 - who started it reads that
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
