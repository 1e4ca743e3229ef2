"""A program: starts children beside a busy gRPC server, on the loop and with the settings of ours.

`python -m tests.support.spawning N` prints how the N children ended, as JSON. A
child does nothing, so that whatever ends it otherwise came before it began.
"""

import asyncio
import json
import sys
from typing import Any

# isort: off
# First, as in the server: gRPC reads what it sets while it is loaded.
import server.__main__  # noqa: F401

# isort: on
import grpc
import grpc.aio
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc


async def _spawn(number: int) -> list[int]:
    service = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), service)
    port = service.add_insecure_port("127.0.0.1:0")
    await service.start()
    ended = []
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        # The published types know no method of this stub.
        stub: Any = health_pb2_grpc.HealthStub(channel)

        async def ask_on() -> None:
            while True:
                await stub.Check(health_pb2.HealthCheckRequest())

        asking = [asyncio.create_task(ask_on()) for _ in range(4)]
        for _ in range(number):
            child = await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", "")
            ended.append(await child.wait())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)
    await service.stop(0)
    return ended


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.write(json.dumps(runner.run(_spawn(int(sys.argv[1])))))
