"""Every field of a request that is out of range is refused by name."""

from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from llm_crowdsourced.v1 import league_pb2, model_service_pb2, result_service_pb2, run_service_pb2

from tests.support.league_server import LeagueServer, math_league
from tests.support.rounds import create
from tests.support.scripted_league import LeagueScript
from tests.support.wire import Refusal, refused

INVALID = grpc.StatusCode.INVALID_ARGUMENT


def _assert_names(found: Refusal, field: str) -> None:
    assert found.code is INVALID
    assert found.reason == "INVALID_FIELD"
    assert field in found.fields, found.fields
    assert found.fields[field]


def _set(path: str, value: Any) -> Callable[[league_pb2.League], None]:
    """Returns what sets a field of a league, such as `participants[1].top_p`."""

    def change(league: league_pb2.League) -> None:
        *parents, name = path.split(".")
        target: Any = league
        for parent in parents:
            base, _, index = parent.partition("[")
            target = getattr(target, base)
            target = target[int(index[:-1])] if index else target
        setattr(target, name, value)

    return change


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("subject", 0),
        ("subject", 9),
        ("rounds_per_participant", 0),
        ("rounds_per_participant", -1),
        ("rounds_per_participant", 101),
        ("identity", 9),
        ("order", 9),
        ("max_reasks", -1),
        ("max_reasks", 11),
        ("max_concurrent_calls", 0),
        ("max_concurrent_calls", 1001),
        ("title", "x" * 201),
        ("budget.max_calls", 0),
        ("budget.max_tokens", -5),
        ("budget.max_cost_usd", 0.0),
        ("budget.max_cost_usd", float("inf")),
        ("budget.max_cost_usd", float("nan")),
        ("programming.evidence", 9),
        ("programming.question_gate", 9),
        ("programming.max_repairs", 11),
        ("participants[1].id", ""),
        ("participants[1].id", "two words"),
        ("participants[1].id", "x" * 64),
        ("participants[1].id", "p1\n"),
        ("participants[1].provider", ""),
        ("participants[1].provider", "x" * 101),
        ("participants[1].model", ""),
        ("participants[1].model", "x" * 201),
        ("participants[1].temperature", -0.1),
        ("participants[1].temperature", 2.1),
        ("participants[1].temperature", float("nan")),
        ("participants[1].top_p", 0.0),
        ("participants[1].top_p", 1.1),
        ("participants[1].frequency_penalty", -2.1),
        ("participants[1].frequency_penalty", 2.1),
        ("participants[1].max_output_tokens", 15),
        ("participants[1].max_output_tokens", 1_000_001),
        ("participants[1].system_prompt", "x" * 100_001),
        ("participants[1].reasoning_effort", "x" * 33),
        ("participants[1].family", "x" * 101),
    ],
)
async def test_a_field_of_a_league_out_of_range_is_named(
    server: LeagueServer, script: LeagueScript, path: str, value: object
) -> None:
    league = math_league(4)
    _set(path, value)(league)
    calls = (
        server.runs.CreateRun(create(league)),
        server.runs.EstimateRun(run_service_pb2.EstimateRunRequest(league=league)),
    )
    for call in calls:
        _assert_names(await refused(call), f"league.{path}")
    assert script.asked == []


async def test_several_fields_are_named_at_once(server: LeagueServer) -> None:
    league = math_league(3, rounds_per_participant=0, max_reasks=99)
    league.participants[2].model = ""
    found = await refused(server.runs.CreateRun(create(league)))
    assert set(found.fields) == {
        "league.rounds_per_participant",
        "league.max_reasks",
        "league.participants[2].model",
    }


@pytest.mark.parametrize("number", [0, 1, 2, 51])
async def test_a_league_has_from_3_to_50_participants(server: LeagueServer, number: int) -> None:
    found = await refused(server.runs.CreateRun(create(math_league(number))))
    _assert_names(found, "league.participants")


async def test_ids_are_distinct_and_judges_take_part(server: LeagueServer) -> None:
    twice = math_league(3)
    twice.participants[2].id = "p1"
    found = await refused(server.runs.CreateRun(create(twice)))
    _assert_names(found, "league")
    assert "distinct ids" in found.fields["league"]
    found = await refused(server.runs.CreateRun(create(math_league(3, judges=["p1", "p9"]))))
    assert "judge must be the id of a participant" in found.fields["league"]
    found = await refused(server.runs.CreateRun(create(math_league(3, judges=["p1", "p1"]))))
    _assert_names(found, "league.judges")


async def test_a_league_is_required(server: LeagueServer) -> None:
    _assert_names(
        await refused(server.runs.CreateRun(run_service_pb2.CreateRunRequest())), "league"
    )
    request = run_service_pb2.EstimateRunRequest()
    _assert_names(await refused(server.runs.EstimateRun(request)), "league")


@pytest.mark.parametrize("run_id", ["A", "ab", "1st", "with space", "x" * 64, "a/b", "../../etc"])
async def test_a_run_id_has_its_form(server: LeagueServer, run_id: str) -> None:
    _assert_names(await refused(server.runs.CreateRun(create(math_league(3), run_id))), "run_id")


async def test_a_request_id_is_a_uuid(server: LeagueServer) -> None:
    request = create(math_league(3))
    request.request_id = "not a uuid"
    _assert_names(await refused(server.runs.CreateRun(request)), "request_id")


async def test_a_budget_needs_what_makes_it_hold(server: LeagueServer) -> None:
    budget = league_pb2.Budget(max_tokens=1000)
    found = await refused(server.runs.CreateRun(create(math_league(3, budget=budget))))
    _assert_names(found, "league.budget")
    league = math_league(3, budget=league_pb2.Budget(max_cost_usd=1))
    for participant in league.participants:
        participant.max_output_tokens = 100
    found = await refused(server.runs.CreateRun(create(league)))
    _assert_names(found, "league.budget.max_cost_usd")
    assert "p1, p2, p3" in found.fields["league.budget.max_cost_usd"]
    estimate = await server.runs.EstimateRun(run_service_pb2.EstimateRunRequest(league=league))
    assert len(estimate.refusals) == 1
    assert (estimate.calls, estimate.marks) == (18, 12)


_NAMES = ["", "math-1", "runs/", "runs/A", "runs/a b", "runs/math-1/", "runs/../x", "runs/math-1\n"]


@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.parametrize(
    ("method", "kind", "field"),
    [
        ("GetRun", run_service_pb2.GetRunRequest, "name"),
        ("PauseRun", run_service_pb2.PauseRunRequest, "name"),
        ("ResumeRun", run_service_pb2.ResumeRunRequest, "name"),
        ("CancelRun", run_service_pb2.CancelRunRequest, "name"),
        ("RejudgeRun", run_service_pb2.RejudgeRunRequest, "name"),
        ("ListRounds", result_service_pb2.ListRoundsRequest, "parent"),
        ("ListCalls", result_service_pb2.ListCallsRequest, "parent"),
        ("GetStandings", result_service_pb2.GetStandingsRequest, "name"),
        ("GetRound", result_service_pb2.GetRoundRequest, "name"),
    ],
)
async def test_a_name_has_its_form(
    server: LeagueServer, method: str, kind: type[Message], field: str, name: str
) -> None:
    stub = server.runs if hasattr(server.runs, method) else server.results
    found = await refused(getattr(stub, method)(kind(**{field: name})))
    _assert_names(found, field)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (run_service_pb2.ListRunsRequest(page_size=-1), "page_size"),
        (run_service_pb2.ListRunsRequest(page_token="x" * 1001), "page_token"),
        (result_service_pb2.ListRoundsRequest(parent="runs/abc", page_size=-1), "page_size"),
        (result_service_pb2.ListCallsRequest(parent="runs/abc", page_size=-1), "page_size"),
        (model_service_pb2.ListModelsRequest(provider="x" * 101), "provider"),
        (run_service_pb2.RejudgeRunRequest(name="runs/abc", judges=["a", "a"]), "judges"),
        (run_service_pb2.RejudgeRunRequest(name="runs/abc", request_id="x"), "request_id"),
        (
            run_service_pb2.ResumeRunRequest(
                name="runs/abc", budget=league_pb2.Budget(max_calls=0)
            ),
            "budget.max_calls",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_other_fields_out_of_range_are_named(
    server: LeagueServer, request_: Message, field: str
) -> None:
    method = type(request_).__name__.removesuffix("Request")
    stubs = (server.runs, server.results, server.models)
    stub = next(stub for stub in stubs if hasattr(stub, method))
    _assert_names(await refused(getattr(stub, method)(request_)), field)


async def test_a_watch_checks_its_name_and_token(server: LeagueServer) -> None:
    watch = server.runs.WatchRun(run_service_pb2.WatchRunRequest(name="nothing"))
    _assert_names(await refused(watch.read()), "name")
    export = server.results.ExportRun(result_service_pb2.ExportRunRequest(name="nothing"))
    _assert_names(await refused(export.read()), "name")
