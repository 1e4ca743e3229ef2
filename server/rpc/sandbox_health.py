"""The health of `SandboxService`: whether programs can be run now, looked at again and again."""

import asyncio
import logging

from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer

from sandbox.runner import Runner

# Asking Docker costs milliseconds; a daemon that hangs must not leave an old answer standing.
_LOOK_S = 3.0
_ANSWERS_WITHIN_S = 10.0

_log = logging.getLogger(__name__)


async def tell_health(runner: Runner, health: HealthServicer, service: str) -> None:
    """Sets the health of a service to whether its runner can run programs, until cancelled.

    Args:
        runner: Is asked every few seconds.
        health: Is told when the answer changes, and so is the log.
        service: Full name of the service.
    """
    told: str | None = None
    while True:
        problem = await _problem(runner)
        if problem != told:
            serving = not problem
            await health.set(
                service,
                health_pb2.HealthCheckResponse.SERVING
                if serving
                else health_pb2.HealthCheckResponse.NOT_SERVING,
            )
            if serving:
                _log.info("programs can be run")
            else:
                _log.warning("programs cannot be run", extra={"why": problem})
            told = problem
        await asyncio.sleep(_LOOK_S)


async def _problem(runner: Runner) -> str:
    try:
        async with asyncio.timeout(_ANSWERS_WITHIN_S):
            return await runner.problem()
    except TimeoutError:
        return f"the sandbox does not answer within {_ANSWERS_WITHIN_S:g} s"
    except Exception as error:  # noqa: BLE001 - whatever it is, the health must not stop being told
        return f"the sandbox could not be asked: {error!r}"
