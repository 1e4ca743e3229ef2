"""A real server over a real channel, its provider a scripted endpoint over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from llm_crowdsourced.v1 import (
    league_pb2,
    model_service_pb2_grpc,
    result_service_pb2_grpc,
    run_service_pb2,
    run_service_pb2_grpc,
    sandbox_service_pb2_grpc,
)

from sandbox.runner import Runner
from server.app import serving
from server.settings import ProviderSettings, SandboxSettings, ServerSettings, Settings
from tests.support.scripted_endpoint import ScriptedEndpoint

# A run that takes longer hangs, however busy the machine is.
BOUND_S = 600.0


@dataclass(frozen=True)
class LeagueServer:
    """Stubs of a server that serves."""

    address: str
    channel: grpc.aio.Channel
    runs: run_service_pb2_grpc.RunServiceAsyncStub
    results: result_service_pb2_grpc.ResultServiceAsyncStub
    models: model_service_pb2_grpc.ModelServiceAsyncStub
    sandbox: sandbox_service_pb2_grpc.SandboxServiceAsyncStub

    async def play(
        self, request: run_service_pb2.CreateRunRequest, *, within_s: float = BOUND_S
    ) -> list[run_service_pb2.WatchRunResponse]:
        """Creates a run and watches it to its end."""
        created = await self.runs.CreateRun(request)
        return await self.watch(created.run.name, within_s=within_s)

    async def watch(
        self, name: str, token: str = "", *, within_s: float = BOUND_S
    ) -> list[run_service_pb2.WatchRunResponse]:
        """Returns the events of a run from after a token to its end, heartbeats left out."""
        stream = self.runs.WatchRun(run_service_pb2.WatchRunRequest(name=name, resume_token=token))
        async with asyncio.timeout(within_s):
            return [message async for message in stream if message.HasField("event")]


def settings_for(endpoint: ScriptedEndpoint, database: Path, **provider: object) -> Settings:
    """Returns settings whose one provider, `scripted`, is the given endpoint."""
    values: dict[str, object] = {"base_url": endpoint.base_url, "max_concurrent_calls": 256}
    return Settings(
        server=ServerSettings(address="127.0.0.1:0", database=database, grace_s=5),
        providers={"scripted": ProviderSettings.model_validate(values | provider)},
        # Mathematics, whatever this machine has; a test of programs brings its runner.
        sandbox=SandboxSettings(enabled=False),
    )


@asynccontextmanager
async def league_server(
    settings: Settings, *, playing: bool = True, runner: Runner | None = None
) -> AsyncIterator[LeagueServer]:
    """Serves in this process and gives stubs over a real channel."""
    async with serving(settings, playing=playing, runner=runner) as server:
        limits = [("grpc.max_receive_message_length", 64 << 20)]
        async with grpc.aio.insecure_channel(server.address, options=limits) as channel:
            yield LeagueServer(
                address=server.address,
                channel=channel,
                runs=run_service_pb2_grpc.RunServiceStub(channel),
                results=result_service_pb2_grpc.ResultServiceStub(channel),
                models=model_service_pb2_grpc.ModelServiceStub(channel),
                sandbox=sandbox_service_pb2_grpc.SandboxServiceStub(channel),
            )


def math_league(participants: int, **values: Any) -> league_pb2.League:
    """Returns a league of that many participants on the scripted endpoint, `p1` and on."""
    defaults: dict[str, Any] = {"subject": league_pb2.SUBJECT_MATH, "rounds_per_participant": 1}
    return league_pb2.League(
        participants=[
            league_pb2.Participant(id=f"p{number}", provider="scripted", model=f"model-{number}")
            for number in range(1, participants + 1)
        ],
        **(defaults | values),
    )
