"""A run whose row cannot be read: the server starts, plays the others, and says so."""

import asyncio
from pathlib import Path

import duckdb
import grpc
from llm_crowdsourced.v1 import result_service_pb2, run_pb2, run_service_pb2

from tests.support.league_server import (
    BOUND_S,
    LeagueServer,
    league_server,
    math_league,
    settings_for,
)
from tests.support.rounds import create
from tests.support.scripted_league import LeagueScript
from tests.support.wire import refused


async def _succeeded(server: LeagueServer, name: str) -> None:
    """Waits until a run has succeeded; its events ended before its server did."""
    async with asyncio.timeout(BOUND_S):
        while True:
            found = await server.runs.GetRun(run_service_pb2.GetRunRequest(name=name))
            if found.run.state == run_pb2.Run.STATE_SUCCEEDED:
                return
            await asyncio.sleep(0.05)


async def test_it_keeps_nobody_from_the_other_runs(tmp_path: Path) -> None:
    database = tmp_path / "league.duckdb"
    async with LeagueScript().endpoint() as endpoint:
        settings = settings_for(endpoint, database)
        async with league_server(settings) as server:
            for name in ("bad-1", "good-1"):
                await server.play(create(math_league(3), name))
        with duckdb.connect(str(database)) as connection:
            connection.execute("update run set state = 'running'")
            connection.execute("update run set league = '{}' where run_id = 'bad-1'")
        async with league_server(settings) as server:
            await _succeeded(server, "runs/good-1")
            page = await server.runs.ListRuns(run_service_pb2.ListRunsRequest())
            bad = await server.runs.GetRun(run_service_pb2.GetRunRequest(name="runs/bad-1"))
            resumed = await refused(
                server.runs.ResumeRun(run_service_pb2.ResumeRunRequest(name="runs/bad-1"))
            )
            export = server.results.ExportRun(
                result_service_pb2.ExportRunRequest(name="runs/bad-1")
            )
            tables = {piece.table async for piece in export}
    assert [(run.name, run.state) for run in page.runs] == [
        ("runs/good-1", run_pb2.Run.STATE_SUCCEEDED),
        ("runs/bad-1", run_pb2.Run.STATE_FAILED),
    ]
    assert page.runs[1] == bad.run
    assert "cannot read" in bad.run.state_reason
    assert bad.run.failure.reason == "STORE_FAILED"
    assert (resumed.code, resumed.reason) == (grpc.StatusCode.INTERNAL, "STORE_FAILED")
    assert {"run", "step", "call", "mark", "event"} <= tables
