"""Listings: every entry once and in order, whatever the page; tokens good for one listing."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import grpc
import pytest
from llm_crowdsourced.v1 import call_pb2, result_service_pb2, round_pb2, run_service_pb2

from server.rpc.requests import page_token
from tests.support.league_server import LeagueServer, league_server, math_league, settings_for
from tests.support.rounds import create
from tests.support.scripted_endpoint import ScriptedReply
from tests.support.scripted_league import LeagueScript
from tests.support.wire import refused

NAME = "runs/run-1"


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LeagueServer]:
    """Two small runs, and one whose answers are long."""
    long = ScriptedReply(text=json.dumps({"solution": "x" * 50_000, "answer": "4"}))
    script = LeagueScript(
        lambda asked: (
            long
            if asked.role == "answer"
            and asked.request.headers["x-llm-crowdsourced-run"] == "long-1"
            else None
        )
    )
    database = Path(tmp_path_factory.mktemp("pages"), "league.duckdb")
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, database)) as made,
    ):
        for name in ("run-1", "run-2"):
            await made.play(create(math_league(3), name))
        await made.play(create(math_league(8), "long-1"))
        yield made


async def _runs(server: LeagueServer, size: int, token: str) -> tuple[list[str], str]:
    page = await server.runs.ListRuns(
        run_service_pb2.ListRunsRequest(page_size=size, page_token=token)
    )
    return [run.name for run in page.runs], page.next_page_token


async def _rounds(server: LeagueServer, size: int, token: str) -> tuple[list[str], str]:
    request = result_service_pb2.ListRoundsRequest(parent=NAME, page_size=size, page_token=token)
    page = await server.results.ListRounds(request)
    return [found.name for found in page.rounds], page.next_page_token


async def _calls(server: LeagueServer, size: int, token: str) -> tuple[list[str], str]:
    request = result_service_pb2.ListCallsRequest(parent=NAME, page_size=size, page_token=token)
    page = await server.results.ListCalls(request)
    return [f"{c.round}/{c.role}/{c.participant}" for c in page.calls], page.next_page_token


@pytest.mark.parametrize("listing", [_runs, _rounds, _calls])
async def test_pages_hold_every_entry_once_and_in_order(server: LeagueServer, listing: Any) -> None:
    everything, token = await listing(server, 0, "")
    assert token == ""
    assert len(set(everything)) == len(everything) >= 3
    for size in (1, 2, len(everything), len(everything) + 1):
        found: list[str] = []
        pages = 0
        while True:
            page, token = await listing(server, size, token)
            assert len(page) <= size
            found += page
            pages += 1
            if not token:
                break
        assert found == everything
        # No empty page at the end.
        assert pages == -(-len(everything) // size)


async def test_the_newest_run_comes_first(server: LeagueServer) -> None:
    names, _ = await _runs(server, 0, "")
    assert names == ["runs/long-1", "runs/run-2", "runs/run-1"]


async def test_a_token_of_another_listing_is_refused(server: LeagueServer) -> None:
    _, token = await _rounds(server, 1, "")
    list_rounds, list_calls = server.results.ListRounds, server.results.ListCalls
    rounds, calls = result_service_pb2.ListRoundsRequest, result_service_pb2.ListCallsRequest
    deep = base64.urlsafe_b64encode(b"[" * 740).decode()
    forged = base64.urlsafe_b64encode(json.dumps(["0" * 12, 1]).encode()).decode()
    refused_calls: tuple[Awaitable[Any], ...] = (
        list_rounds(rounds(parent="runs/run-2", page_token=token)),
        list_rounds(rounds(parent=NAME, page_token=token, view=round_pb2.ROUND_VIEW_FULL)),
        list_calls(calls(parent=NAME, page_token=token)),
        server.runs.ListRuns(run_service_pb2.ListRunsRequest(page_token=token)),
        server.runs.WatchRun(run_service_pb2.WatchRunRequest(name=NAME, resume_token=token)).read(),
        *(
            list_rounds(rounds(parent=NAME, page_token=text))
            for text in ("x", "%%%", "é", "bnVsbA", "W10", "MQ==", forged, token + "x", " ", deep)
        ),
    )
    for call in refused_calls:
        found = await refused(call)
        assert found.code is grpc.StatusCode.INVALID_ARGUMENT
        assert found.reason == "INVALID_TOKEN"


@pytest.mark.parametrize(
    "position", ["1" + "0" * 300, "9223372036854775808", "0", "-1", "true", "1.0", "1e3", '"1"']
)
async def test_a_forged_position_is_refused(server: LeagueServer, position: str) -> None:
    def token(purpose: str) -> str:
        mark = json.loads(base64.urlsafe_b64decode(page_token(purpose, 1) + "=="))[0]
        text = f'["{mark}", {position}]'
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    list_rounds, list_calls = server.results.ListRounds, server.results.ListCalls
    rounds, calls = result_service_pb2.ListRoundsRequest, result_service_pb2.ListCallsRequest
    coverage = result_service_pb2.GetCoverageRequest
    refused_calls: tuple[Awaitable[Any], ...] = (
        server.runs.ListRuns(run_service_pb2.ListRunsRequest(page_token=token("runs"))),
        list_rounds(rounds(parent=NAME, page_token=token(f"rounds of {NAME} False"))),
        list_calls(calls(parent=NAME, page_token=token(f"calls of {NAME} False"))),
        server.results.GetCoverage(coverage(name=NAME, page_token=token(f"coverage of {NAME}"))),
    )
    for call in refused_calls:
        found = await refused(call)
        assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_TOKEN")
    # A watch may stand before the first event.
    stream = server.runs.WatchRun(
        run_service_pb2.WatchRunRequest(name=NAME, resume_token=token(f"watch {NAME}"))
    )
    if position == "0":
        assert [message.event.sequence async for message in stream][:2] == [1, 2]
    else:
        assert (await refused(stream.read())).reason == "INVALID_TOKEN"


async def test_the_largest_position_is_beyond_every_list(server: LeagueServer) -> None:
    def token(purpose: str) -> str:
        return page_token(purpose, 2**63 - 1)

    rounds, calls = result_service_pb2.ListRoundsRequest, result_service_pb2.ListCallsRequest
    found_rounds = await server.results.ListRounds(
        rounds(parent=NAME, page_token=token(f"rounds of {NAME} False"))
    )
    found_calls = await server.results.ListCalls(
        calls(parent=NAME, page_token=token(f"calls of {NAME} False"))
    )
    found_coverage = await server.results.GetCoverage(
        result_service_pb2.GetCoverageRequest(name=NAME, page_token=token(f"coverage of {NAME}"))
    )
    assert not found_rounds.rounds
    assert not found_calls.calls
    assert not found_coverage.cells
    for page in (found_rounds, found_calls, found_coverage):
        assert page.next_page_token == ""


async def test_a_page_is_bounded_in_bytes(server: LeagueServer) -> None:
    """Eight rounds of seven answers of 50 kB do not fit into one response."""
    found: list[str] = []
    pages, token = 0, ""
    while True:
        page = await server.results.ListRounds(
            result_service_pb2.ListRoundsRequest(
                parent="runs/long-1", page_token=token, view=round_pb2.ROUND_VIEW_FULL
            )
        )
        assert page.ByteSize() < 4 << 20
        found += [r.name for r in page.rounds]
        pages, token = pages + 1, page.next_page_token
        if not token:
            break
    assert pages > 1
    assert found == [f"runs/long-1/rounds/{index}" for index in range(1, 9)]


async def test_a_page_of_calls_with_their_texts_is_bounded_in_bytes(server: LeagueServer) -> None:
    """Sixty-four judgments of answers of 50 kB each, of which judges see 120 kB in all."""
    found: list[tuple[int, int, str, int]] = []
    pages, size, token = 0, 0, ""
    while True:
        page = await server.results.ListCalls(
            result_service_pb2.ListCallsRequest(
                parent="runs/long-1",
                page_size=1000,
                page_token=token,
                view=call_pb2.CALL_VIEW_FULL,
            )
        )
        size += page.ByteSize()
        assert page.ByteSize() < 3 << 20
        found += [(c.round, c.role, c.participant, c.ask) for c in page.calls]
        pages, token = pages + 1, page.next_page_token
        if not token:
            break
    assert pages >= size / (3 << 20) > 2
    assert len(set(found)) == len(found) == 128


async def test_views_leave_long_texts_out_or_not(server: LeagueServer) -> None:
    for view, there in ((round_pb2.ROUND_VIEW_BASIC, False), (round_pb2.ROUND_VIEW_FULL, True)):
        request = result_service_pb2.GetRoundRequest(name=f"{NAME}/rounds/2", view=view)
        found = (await server.results.GetRound(request)).round
        assert (found.index, found.question_setter) == (2, "p2")
        assert all(bool(answer.text) is there for answer in found.answers)
        assert bool(found.question.reference_answer) is there
        assert bool(found.question.marking_scheme) is there
        assert found.question.text
        assert found.question.principle
        assert all(bool(mark.reason) is there for j in found.judgments for mark in j.marks)
    for call_view, there in ((call_pb2.CALL_VIEW_BASIC, False), (call_pb2.CALL_VIEW_FULL, True)):
        page = await server.results.ListCalls(
            result_service_pb2.ListCallsRequest(parent=NAME, view=call_view)
        )
        assert all(bool(call.prompt) is bool(call.raw_reply) is there for call in page.calls)
