"""Many watchers as a process: told a run's name, follows it, and says what each has got.

Reads names of runs from standard input, one a line; answers each with one line of JSON.
"""

import asyncio
import json
import sys

import grpc
from llm_crowdsourced.v1 import run_service_pb2, run_service_pb2_grpc

CHANNELS = 8


async def main() -> None:
    """Follows runs until standard input closes."""
    address, watchers = sys.argv[1], int(sys.argv[2])
    # Each with a connection of its own, or all would share one.
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options=options) for _ in range(CHANNELS)]
    await asyncio.gather(*(channel.channel_ready() for channel in channels))
    stubs = [run_service_pb2_grpc.RunServiceStub(channel) for channel in channels]
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        request = run_service_pb2.WatchRunRequest(name=line.strip())
        got = await asyncio.gather(
            *(follow(stubs[number % CHANNELS], request) for number in range(watchers))
        )
        print(json.dumps(got), flush=True)
    for channel in channels:
        await channel.close()


async def follow(
    runs: "run_service_pb2_grpc.RunServiceAsyncStub", request: run_service_pb2.WatchRunRequest
) -> int:
    """Follows a run to its end and returns the number of its events; each must be the next."""
    last = 0
    async for message in runs.WatchRun(request):
        if message.HasField("event"):
            if message.event.sequence != last + 1:
                raise AssertionError(f"event {message.event.sequence} after {last}")
            last += 1
    return last


asyncio.run(main())
