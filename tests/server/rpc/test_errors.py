"""Each of our errors has a code, a reason of the contract, and its details."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import grpc
import pytest
from google.rpc import code_pb2
from llm_crowdsourced.v1 import (
    error_reason_pb2,
    league_pb2,
    result_service_pb2,
    run_pb2,
    run_service_pb2,
)

from server import errors
from server.models.local.errors import LocalModelError
from server.rpc.errors import DOMAIN, code_of, status_of
from server.store.store import Store
from tests.support.league_server import LeagueServer, league_server, math_league, settings_for
from tests.support.rounds import create, run, until_state
from tests.support.scripted_league import Held, LeagueScript, eventually
from tests.support.wire import refused

_REASONS = error_reason_pb2.ErrorReason.keys()
_MADE: dict[type[errors.LeagueError], errors.LeagueError] = {
    errors.InvalidRequestError: errors.InvalidRequestError({"league.seed": "too large"}),
    errors.NotFoundError: errors.NotFoundError("runs/x"),
    errors.RunExistsError: errors.RunExistsError("runs/x"),
    errors.RequestIdReusedError: errors.RequestIdReusedError("id", "runs/x"),
    errors.WrongStateError: errors.WrongStateError("runs/x", "paused", "it must be running"),
    errors.ModelUnavailableError: errors.ModelUnavailableError({"p1": "no key"}),
    LocalModelError: LocalModelError("qwen", "no weights"),
}


def _kinds(base: type[errors.LeagueError] = errors.LeagueError) -> Iterator[Any]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


@pytest.mark.parametrize("kind", list(_kinds()), ids=lambda kind: kind.__name__)
def test_every_error_has_a_code_and_a_reason_of_the_contract(
    kind: type[errors.LeagueError],
) -> None:
    error = _MADE.get(kind) or kind("it failed")
    assert f"ERROR_REASON_{error.reason}" in _REASONS
    status = status_of(error)
    assert status.code == code_of(error) not in {code_pb2.OK, code_pb2.UNKNOWN}
    assert status.message == error.message
    # Every dynamic part of the message is in the metadata too.
    assert all(value in error.message for value in error.metadata.values())


def test_no_reason_of_the_contract_is_without_an_error() -> None:
    used = {f"ERROR_REASON_{kind.reason}" for kind in _kinds()}
    # INTERNAL is a run's alone: what is no error of ours has no class.
    apart = {"ERROR_REASON_UNSPECIFIED", "ERROR_REASON_INTERNAL"}
    assert used | apart == set(_REASONS)


def test_documented_codes() -> None:
    """What each reason's comment in the contract says of its code."""
    text = Path(error_reason_pb2.__file__).with_name("error_reason.proto").read_text()
    for kind in _kinds():
        if f"ERROR_REASON_{kind.reason} =" in text and kind is not errors.DatabaseUnusableError:
            comment = text.split(f"ERROR_REASON_{kind.reason} =")[0].rpartition(";")[2]
            error = _MADE.get(kind) or kind("it failed")
            assert f"`{code_pb2.Code.Name(code_of(error))}`" in comment, kind


@pytest.mark.parametrize(
    "call",
    [
        lambda s, n: s.runs.GetRun(run_service_pb2.GetRunRequest(name=n)),
        lambda s, n: s.runs.PauseRun(run_service_pb2.PauseRunRequest(name=n)),
        lambda s, n: s.runs.ResumeRun(run_service_pb2.ResumeRunRequest(name=n)),
        lambda s, n: s.runs.CancelRun(run_service_pb2.CancelRunRequest(name=n)),
        lambda s, n: s.runs.RejudgeRun(run_service_pb2.RejudgeRunRequest(name=n)),
        lambda s, n: s.runs.WatchRun(run_service_pb2.WatchRunRequest(name=n)).read(),
        lambda s, n: s.results.ListRounds(result_service_pb2.ListRoundsRequest(parent=n)),
        lambda s, n: s.results.ListCalls(result_service_pb2.ListCallsRequest(parent=n)),
        lambda s, n: s.results.GetStandings(result_service_pb2.GetStandingsRequest(name=n)),
        lambda s, n: s.results.ExportRun(result_service_pb2.ExportRunRequest(name=n)).read(),
        lambda s, n: s.results.GetRound(result_service_pb2.GetRoundRequest(name=f"{n}/rounds/1")),
    ],
)
async def test_an_unknown_run_is_said_by_every_method(server: LeagueServer, call: Any) -> None:
    found = await refused(call(server, "runs/unknown"))
    assert found.code is grpc.StatusCode.NOT_FOUND
    assert (found.reason, found.domain) == ("NOT_FOUND", DOMAIN)
    assert found.metadata == {"name": "runs/unknown"}
    assert found.message == "runs/unknown does not exist"


async def test_states_that_do_not_allow_a_call(server: LeagueServer) -> None:
    await server.play(create(math_league(3)))
    name = "runs/math-1"
    for call in (
        server.runs.PauseRun(run_service_pb2.PauseRunRequest(name=name)),
        server.runs.ResumeRun(run_service_pb2.ResumeRunRequest(name=name)),
        server.runs.CancelRun(run_service_pb2.CancelRunRequest(name=name)),
    ):
        found = await refused(call)
        assert found.code is grpc.StatusCode.FAILED_PRECONDITION
        assert found.reason == "WRONG_STATE"
        assert found.metadata == {"name": name, "state": "succeeded"}
        assert list(found.preconditions) == [name]
    assert (await run(server)).state == run_pb2.Run.STATE_SUCCEEDED


async def test_a_round_that_the_league_does_not_have(server: LeagueServer) -> None:
    await server.play(create(math_league(3)))
    request = result_service_pb2.GetRoundRequest(name="runs/math-1/rounds/4")
    found = await refused(server.results.GetRound(request))
    assert found.metadata == {"name": "runs/math-1/rounds/4"}


async def test_a_taken_id(server: LeagueServer) -> None:
    await server.play(create(math_league(3)))
    found = await refused(server.runs.CreateRun(create(math_league(3))))
    assert found.code is grpc.StatusCode.ALREADY_EXISTS
    assert (found.reason, found.metadata) == ("RUN_EXISTS", {"name": "runs/math-1"})


async def test_each_participant_that_cannot_play_is_named(
    server: LeagueServer, script: LeagueScript
) -> None:
    league = math_league(4)
    league.participants[0].provider = "nobody"
    league.participants[2].model = "model-99"
    found = await refused(server.runs.CreateRun(create(league)))
    assert found.code is grpc.StatusCode.FAILED_PRECONDITION
    assert found.reason == "MODEL_UNAVAILABLE"
    assert set(found.preconditions) == {"p1", "p3"}
    assert "nobody" in found.preconditions["p1"]
    assert "model-99" in found.preconditions["p3"]
    listed = await server.runs.ListRuns(run_service_pb2.ListRunsRequest())
    assert not listed.runs
    assert script.asked == []


async def test_more_runs_than_may_wait_are_refused_for_now(tmp_path: Path) -> None:
    held = Held(lambda asked: asked.role == "question")
    script = LeagueScript(held)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb")
        few = settings.server.model_copy(update={"max_playing_runs": 1, "max_waiting_runs": 2})
        async with league_server(settings.model_copy(update={"server": few})) as server:
            for number in (1, 2):
                await server.runs.CreateRun(create(math_league(3), f"run-{number}"))
            found = await refused(server.runs.CreateRun(create(math_league(3), "run-3")))
            held.let_go()
            for number in (1, 2):
                await server.watch(f"runs/run-{number}")
    assert (found.code, found.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_RUNS")
    assert found.retry_s > 0


async def test_an_endpoint_out_of_reach(tmp_path: Path) -> None:
    script = LeagueScript()
    async with script.endpoint() as endpoint:
        gone = settings_for(endpoint, tmp_path / "a.duckdb", base_url="http://127.0.0.1:9/v1")
        async with league_server(gone) as server:
            found = await refused(server.runs.CreateRun(create(math_league(3))))
    assert found.reason == "MODEL_UNAVAILABLE"
    assert set(found.preconditions) == {"p1", "p2", "p3"}


async def test_programming_needs_a_sandbox(server: LeagueServer) -> None:
    league = math_league(3, subject=league_pb2.SUBJECT_PROGRAMMING)
    found = await refused(server.runs.CreateRun(create(league)))
    assert found.code is grpc.StatusCode.UNAVAILABLE
    assert found.reason == "SANDBOX_UNAVAILABLE"
    # What it would take can be told all the same, and what is missing.
    estimated = await server.runs.EstimateRun(run_service_pb2.EstimateRunRequest(league=league))
    assert any("needs the sandbox" in refusal for refusal in estimated.refusals)


async def test_a_server_that_plays_nothing_shows_what_there_is(tmp_path: Path) -> None:
    script = LeagueScript()
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb")
        async with league_server(settings) as server:
            await server.play(create(math_league(3)))
        async with league_server(settings, playing=False) as server:
            assert (await run(server)).state == run_pb2.Run.STATE_SUCCEEDED
            found = await refused(server.runs.CreateRun(create(math_league(3), "math-2")))
    assert (found.code, found.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_PLAYING")


async def test_what_is_not_ours_leaks_nothing(
    server: LeagueServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of the program itself: the client learns an id, the log the rest."""

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("secret /root/key")

    monkeypatch.setattr(Store, "runs", fail)
    monkeypatch.setattr(Store, "last_event", fail)
    listing = server.runs.ListRuns(run_service_pb2.ListRunsRequest())
    watch = server.runs.WatchRun(run_service_pb2.WatchRunRequest(name="runs/math-1"))
    for call in (listing, watch.read()):
        found = await refused(call)
        assert found.code is grpc.StatusCode.INTERNAL
        assert "secret" not in found.message
        incident = found.message.rpartition(" ")[2]
        (record,) = [r for r in caplog.records if getattr(r, "incident", "") == incident]
        assert record.exc_info is not None
        assert "secret" in str(record.exc_info[1])


async def test_a_store_that_cannot_be_read_tells_no_path(
    server: LeagueServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise duckdb.IOException(
            f'IO Error: Could not read from file "{tmp_path}/league.duckdb": x'
        )

    monkeypatch.setattr("server.store.store.read_run", fail)
    request = run_service_pb2.GetRunRequest(name="runs/math-1")
    found = await refused(server.runs.GetRun(request))
    assert (found.code, found.reason) == (grpc.StatusCode.INTERNAL, "STORE_FAILED")
    assert str(tmp_path) not in found.message
    assert "Could not read from file (path): x" in found.message


async def test_a_run_whose_store_fails_says_so_and_tells_no_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(lambda asked: asked.role == "question")
    script = LeagueScript(held)

    async def fail(*_: object, **__: object) -> None:
        raise errors.StoreError("the database cannot be written: disk on fire")

    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.runs.CreateRun(create(math_league(3)))
        await eventually(lambda: held.waiting == 3)
        monkeypatch.setattr(Store, "finish_step", fail)
        held.let_go()
        # Paused, not failed: it can go on once the store works.
        await until_state(server, run_pb2.Run.STATE_PAUSED)
        failed = await run(server)
    assert "disk on fire" in failed.state_reason
