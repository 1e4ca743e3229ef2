"""Requests to a sandbox service, and what comes of them."""

import asyncio
from pathlib import Path
from typing import Any

from google.protobuf.duration_pb2 import Duration
from llm_crowdsourced.v1 import execution_pb2 as ex
from llm_crowdsourced.v1 import sandbox_service_pb2 as pb

from server.settings import ServerSettings, Settings
from tests.support.league_server import LeagueServer


def settings_in(folder: Path, **values: Any) -> Settings:
    """Returns settings with a database of their own and no provider."""
    return Settings(
        server=ServerSettings(address="127.0.0.1:0", database=folder / "league.duckdb", grace_s=5),
        **values,
    )


def request(source: str = "echoes", *inputs: bytes, **fields: Any) -> pb.ExecuteRequest:
    """Returns a request for a Python program, with a case for each input."""
    asked: dict[str, Any] = {
        "program": ex.Program(language="python", source=source),
        "cases": [ex.Case(input=each) for each in inputs],
    }
    return pb.ExecuteRequest(**asked | fields)


async def execute(server: LeagueServer, asked: pb.ExecuteRequest) -> list[pb.ExecuteResponse]:
    """Returns all that is told of an execution."""
    async with asyncio.timeout(120):
        return [response async for response in server.sandbox.Execute(asked)]


async def first_of(stream: Any) -> pb.ExecuteResponse:
    """Returns what is told first."""
    async with asyncio.timeout(120):
        response: pb.ExecuteResponse = await anext(aiter(stream))
        return response


def seconds(value: float) -> Duration:
    """Returns a duration."""
    duration = Duration()
    duration.FromNanoseconds(round(value * 1e9))
    return duration
