"""Texts that others wrote, in errors and lists: none makes a call fail in a way of its own."""

import difflib
import json
from pathlib import Path

import grpc
import pytest
from llm_crowdsourced.v1 import model_service_pb2

from server.errors import ModelUnavailableError, NotFoundError, WrongStateError
from server.rpc.errors import status_of
from tests.support.league_server import LeagueServer, league_server, math_league, settings_for
from tests.support.rounds import create
from tests.support.scripted_endpoint import ScriptedEndpoint, ScriptedReply
from tests.support.scripted_league import LeagueScript
from tests.support.wire import refused

LIST = model_service_pb2.ListModelsRequest()
ODD = ["model-\ud800", "model-\n", "model-\x1b[2J", "model-\x00", "m" * 201, "m" * 5_000_000, ""]


@pytest.mark.parametrize(
    "error",
    [
        NotFoundError("runs/\ud800"),
        WrongStateError("runs/\ud800", "paused \udfff", "it must \ud800"),
        ModelUnavailableError({"p\ud800": "no \ud800"}),
    ],
    ids=lambda error: type(error).__name__,
)
def test_half_a_surrogate_pair_makes_a_status_like_any_other(error: NotFoundError) -> None:
    status = status_of(error)
    assert "?" in status.message
    assert status.details


async def test_what_fails_while_a_status_is_made_is_not_told(
    server: LeagueServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(_: object) -> None:
        raise ValueError("of /a/path/of/the/server")

    monkeypatch.setattr("server.rpc.errors.status_of", failing)
    found = await refused(
        server.models.ListModels(model_service_pb2.ListModelsRequest(provider="x"))
    )
    assert found.code is grpc.StatusCode.INTERNAL
    assert found.message.startswith("the server failed; its log says more under ")
    assert "/a/path" in caplog.text


async def test_names_of_models_that_no_league_can_use_are_left_out(tmp_path: Path) -> None:
    listed = {"data": [{"id": name} for name in [*ODD, "model-1", "模型-1", "model-1"]]}
    reply = ScriptedReply(body=json.dumps(listed))
    async with (
        ScriptedEndpoint(LeagueScript(), listing=reply) as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        (provider,) = (await server.models.ListModels(LIST)).providers
        found = await refused(server.runs.CreateRun(create(math_league(3))))
    assert [model.name for model in provider.models] == ["model-1", "模型-1"]
    assert found.code is grpc.StatusCode.FAILED_PRECONDITION
    assert set(found.preconditions) == {"p2", "p3"}
    assert "it has, among 2: model-1" in found.preconditions["p2"]


async def test_a_list_without_end_is_cut_and_what_is_not_in_it_may_be_had(tmp_path: Path) -> None:
    listed = {"data": [{"id": f"some-model-{number}"} for number in range(300_000)]}
    reply = ScriptedReply(body=json.dumps(listed))
    async with (
        ScriptedEndpoint(LeagueScript(), listing=reply) as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        (provider,) = (await server.models.ListModels(LIST)).providers
        await server.runs.CreateRun(create(math_league(3)))
    assert provider.reachable
    assert [model.name for model in provider.models] == [f"some-model-{n}" for n in range(2000)]


async def test_a_model_that_is_looked_for_among_many_is_compared_with_a_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[int] = []

    def near(word: str, among: list[str], **bounds: float) -> list[str]:
        compared.append(len(among))
        return difflib.get_close_matches(word, among, **bounds)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr("server.models.listing.get_close_matches", near)
    names = [f"{number:04}-{'a-rather-long-name' * 9}" for number in range(1990)]
    async with (
        ScriptedEndpoint(LeagueScript(), models=[*names, "model-1", "model-22"]) as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        found = await refused(server.runs.CreateRun(create(math_league(3))))
    assert "it has, among 1992: model-22" in found.preconditions["p2"]
    assert compared == [50, 50]


async def test_problems_in_any_script_arrive_with_their_details(tmp_path: Path) -> None:
    async with (
        LeagueScript().endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        league = math_league(12)
        for participant in league.participants:
            participant.model = "模型" * 100
        found = await refused(server.runs.CreateRun(create(league)))
    assert found.code is grpc.StatusCode.FAILED_PRECONDITION
    assert found.reason == "MODEL_UNAVAILABLE"
    assert "模型" in found.message
