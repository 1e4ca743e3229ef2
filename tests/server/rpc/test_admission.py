"""Leagues that could not be played to the end, or not be told, are refused with the reason."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from llm_crowdsourced.v1 import league_pb2, run_service_pb2

from tests.support.league_server import LeagueServer, league_server, math_league, settings_for
from tests.support.rounds import create
from tests.support.scripted_league import LeagueScript
from tests.support.wire import refused

NAMED = league_pb2.IDENTITY_NAMED
LONGEST = 100_000


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LeagueServer]:
    async with (
        LeagueScript().endpoint(12) as endpoint,
        league_server(settings_for(endpoint, tmp_path / "league.duckdb")) as made,
    ):
        yield made


def _alike(identity: "league_pb2.Identity.ValueType") -> league_pb2.League:
    league = math_league(4, identity=identity)
    league.participants[0].id, league.participants[1].id = "GPT-4", "gpt-4"
    return league


async def test_ids_that_differ_in_case_only_are_refused_where_judges_see_them(
    server: LeagueServer,
) -> None:
    found = await refused(server.runs.CreateRun(create(_alike(NAMED), "named-1")))
    assert found.code is grpc.StatusCode.INVALID_ARGUMENT
    assert found.reason == "INVALID_FIELD"
    assert "GPT-4 and gpt-4 differ in case only" in found.fields["league.participants"]
    estimate = await server.runs.EstimateRun(
        run_service_pb2.EstimateRunRequest(league=_alike(NAMED))
    )
    assert any("GPT-4 and gpt-4 differ in case only" in why for why in estimate.refusals)
    # Under labels they are played, and every mark arrives; they can't be judged again by name.
    await server.play(create(_alike(league_pb2.IDENTITY_BLIND), "blind-1"))
    run = (await server.runs.GetRun(run_service_pb2.GetRunRequest(name="runs/blind-1"))).run
    assert run.progress.marks == run.progress.total_marks == 36
    again = run_service_pb2.RejudgeRunRequest(name="runs/blind-1", identity=NAMED)
    assert "differ in case only" in (await refused(server.runs.RejudgeRun(again))).message
    await server.play(create(math_league(3, identity=NAMED), "named-2"))


async def test_system_prompts_are_bounded_together(server: LeagueServer) -> None:
    league = math_league(11)
    for participant in league.participants:
        participant.system_prompt = "é" * (LONGEST // 2)
    found = await refused(server.runs.CreateRun(create(league, "long-1")))
    assert found.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "1,100,000 bytes together" in found.fields["league.participants.system_prompt"]
    del league.participants[10:]
    created = await server.runs.CreateRun(create(league, "long-1"))
    assert created.run.league.participants[9].system_prompt == "é" * (LONGEST // 2)


async def test_pages_of_runs_are_bounded_in_bytes(server: LeagueServer) -> None:
    """A client takes 4 MiB in a message, which a handful of such leagues pass."""
    league = math_league(10)
    for participant in league.participants:
        participant.system_prompt = "x" * LONGEST
    for number in range(7):
        await server.runs.CreateRun(create(league, f"run-{number}"))
        await server.runs.CancelRun(run_service_pb2.CancelRunRequest(name=f"runs/run-{number}"))
    found: list[str] = []
    token = ""
    async with grpc.aio.insecure_channel(server.address) as channel:
        list_runs = channel.unary_unary(
            "/llm_crowdsourced.v1.RunService/ListRuns",
            request_serializer=run_service_pb2.ListRunsRequest.SerializeToString,
            response_deserializer=run_service_pb2.ListRunsResponse.FromString,
        )
        while True:
            page = await list_runs(run_service_pb2.ListRunsRequest(page_token=token))
            assert page.ByteSize() < 3 << 20
            assert len(page.runs) in {1, 2}
            found += [run.name for run in page.runs]
            token = page.next_page_token
            if not token:
                break
    assert found == [f"runs/run-{number}" for number in range(6, -1, -1)]
