"""The scripted endpoint as a process: prints its base URL, and how long each reply took at its end.

It ends when its input closes.
"""

import asyncio
import json
import sys

import uvloop

from tests.support.league_replies import play_along
from tests.support.scripted_endpoint import ScriptedEndpoint


async def main() -> None:
    """Serves until standard input closes."""
    async with ScriptedEndpoint(play_along, latency_s=float(sys.argv[1])) as endpoint:
        print(endpoint.base_url, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        print(json.dumps(endpoint.durations), flush=True)


# The faster loop: the endpoint shares the machine with what is measured.
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
