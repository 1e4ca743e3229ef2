"""What comes at once: a burst of new runs, and a pause while models are made ready."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import grpc
import pytest
from llm_crowdsourced.v1 import run_pb2, run_service_pb2

from server.models.chat import Preparation, Report
from server.models.endpoints import LocalModelInfo
from server.settings import ProviderSettings, Settings
from tests.support.league_server import league_server, math_league, settings_for
from tests.support.rounds import create, is_in_state
from tests.support.scripted_endpoint import ScriptedEndpoint
from tests.support.scripted_league import Held, LeagueScript, eventually

NAME = "runs/math-1"
PAUSE = run_service_pb2.PauseRunRequest(name=NAME)
RESUME = run_service_pb2.ResumeRunRequest(name=NAME)
CANCEL = run_service_pb2.CancelRunRequest(name=NAME)
SUCCEEDED = run_pb2.Run.STATE_SUCCEEDED
UUID = "6d8a2c3e-6f0e-4f0e-9f43-0c1f6a8f1b11"


@pytest.mark.parametrize("same_request", [False, True], ids=["others", "the same request"])
async def test_a_burst_of_new_runs_stays_within_the_limit(
    tmp_path: Path, same_request: bool
) -> None:
    """Twelve at once while three may wait; the same request twelve times is one of them."""
    held = Held(lambda asked: asked.role == "question")
    script = LeagueScript(held)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb")
        few = settings.server.model_copy(update={"max_waiting_runs": 3})
        async with league_server(settings.model_copy(update={"server": few})) as server:
            requests = [create(math_league(3), f"run-{number}") for number in range(12)]
            if same_request:
                for request in requests:
                    request.run_id, request.request_id = "run-0", UUID
            answers = await asyncio.gather(
                *(server.runs.CreateRun(request) for request in requests),
                return_exceptions=True,
            )
            held.let_go()
            runs = (await server.runs.ListRuns(run_service_pb2.ListRunsRequest())).runs
            for run in runs:
                await is_in_state(server, SUCCEEDED, run.name)
    refused = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert {error.code() for error in refused} <= {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert len(refused) == (0 if same_request else 9)
    assert len(runs) == (1 if same_request else 3)


class _SlowModels:
    """Local models that take until told to be ready."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        self.ready = asyncio.Event()
        self.begun = 0
        self.under_way = 0

    def problem(self, _: str) -> str:
        """Nothing is wrong with them."""
        return ""

    def catalogue(self) -> Sequence[LocalModelInfo]:
        """Lists nothing."""
        return []

    async def ensure(self, models: Sequence[str], report: Report) -> Mapping[str, str]:
        """Waits until told."""
        self.begun += 1
        self.under_way += 1
        try:
            report(Preparation(activity="fetching", done=1, total=100, unit="bytes"))
            await self.ready.wait()
        finally:
            self.under_way -= 1
        return dict.fromkeys(models, self._base_url)

    async def close(self) -> None:
        """Has nothing to stop."""


def _settings(
    endpoint: ScriptedEndpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Settings, _SlowModels]:
    models = _SlowModels(endpoint.base_url)
    monkeypatch.setattr("server.app.LocalLeague", lambda _: models)
    settings = settings_for(endpoint, tmp_path / "a.duckdb")
    local = {"scripted": ProviderSettings(kind="local")}
    return settings.model_copy(update={"providers": local}), models


async def test_a_pause_ends_a_preparation_and_a_resumption_begins_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = LeagueScript()
    async with script.endpoint() as endpoint:
        settings, models = _settings(endpoint, tmp_path, monkeypatch)
        async with league_server(settings) as server:
            await server.runs.CreateRun(create(math_league(3)))
            await eventually(lambda: models.under_way == 1)
            paused = (await server.runs.PauseRun(PAUSE)).run
            await eventually(lambda: models.under_way == 0)
            assert paused.state == run_pb2.Run.STATE_PAUSED
            await server.runs.ResumeRun(RESUME)
            await eventually(lambda: models.under_way == 1)
            assert (models.begun, len(script.asked)) == (2, 0)
            models.ready.set()
            ended = await is_in_state(server, SUCCEEDED)
    assert ended.progress.calls == 18


async def test_a_run_is_cancelled_and_a_server_stopped_during_a_preparation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = LeagueScript()
    async with script.endpoint() as endpoint:
        settings, models = _settings(endpoint, tmp_path, monkeypatch)
        async with league_server(settings) as server:
            await server.runs.CreateRun(create(math_league(3)))
            await server.runs.CreateRun(create(math_league(3), "run-2"))
            await eventually(lambda: models.under_way == 2)
            await server.runs.CancelRun(CANCEL)
            await is_in_state(server, run_pb2.Run.STATE_CANCELLED)
            assert models.under_way == 1
        assert models.under_way == 0
        # The next server goes on with the run that was being prepared.
        settings, models = _settings(endpoint, tmp_path, monkeypatch)
        models.ready.set()
        async with league_server(settings) as server:
            await is_in_state(server, SUCCEEDED, "runs/run-2")
    assert len(script.asked) == 18
