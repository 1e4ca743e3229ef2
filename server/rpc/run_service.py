"""`RunService`: starts leagues and follows them. Convert, call, convert."""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import grpc
from llm_crowdsourced.v1 import run_service_pb2 as pb
from llm_crowdsourced.v1 import run_service_pb2_grpc

from server.league.league import Budget, League
from server.league.prompts import load_prompts
from server.models.registry import Models
from server.play.admission import refusals
from server.play.estimate import estimate
from server.play.runs import Runs
from server.rpc import convert
from server.rpc.full_disk import FullDisk
from server.rpc.notices import Notices
from server.rpc.pages import PAGE_BYTES, each, fitting
from server.rpc.requests import check, page_position, page_token, run_id_of
from server.rpc.watching import HEARTBEAT_S, StoppingError, Watching
from server.store.records import NewRun
from server.store.store import Store

_PAGE = 50
_MAX_PAGE = 500

Context = grpc.aio.ServicerContext[Any, Any]


class RunServicer(run_service_pb2_grpc.RunServiceServicer):
    """Fills `RunService` over the runs of one server.

    Args:
        runs: Plays them.
        store: Keeps them.
        models: Who can be asked.
        version: Version of this program.
        settings: What the server's settings say, without secrets.
        closing: Set when the server stops, which ends watches.
        heartbeat_s: Seconds between signs of life in a watch.
    """

    def __init__(
        self,
        runs: Runs,
        store: Store,
        models: Models,
        *,
        version: str,
        settings: dict[str, Any],
        closing: asyncio.Event,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._runs = runs
        self._store = store
        self._models = models
        self._version = version
        self._settings = settings
        self._full_disk = FullDisk(store)
        self._watching = Watching(store, closing, heartbeat_s, Notices(store, models).of)

    async def CreateRun(
        self, request: pb.CreateRunRequest, context: Context
    ) -> pb.CreateRunResponse:
        """Creates a run."""
        check(request)
        league = convert.league_from(request.league)
        run, existed = await self._full_disk.bounded(
            self._runs.create(self._new_run(request, league))
        )
        return pb.CreateRunResponse(run=convert.run_to(run), existed=existed)

    async def EstimateRun(
        self, request: pb.EstimateRunRequest, context: Context
    ) -> pb.EstimateRunResponse:
        """Estimates a league."""
        check(request)
        league = convert.league_from(request.league)
        prices = {p.id: self._models.price(p.provider, p.model) for p in league.participants}
        made = estimate(league, load_prompts(league.subject), prices)
        problems = await self._models.check(league.participants)
        refused = refusals(league, self._models)
        refused += [f"{participant}: {why}" for participant, why in problems.items()]
        if why := await self._runs.sandbox_problem(league):
            refused.append(why)
        return convert.estimate_to(made, refused)

    async def GetRun(self, request: pb.GetRunRequest, context: Context) -> pb.GetRunResponse:
        """Returns a run."""
        check(request)
        run = await self._store.run(run_id_of(request.name))
        return pb.GetRunResponse(run=convert.run_to(self._full_disk.shown(run)))

    async def ListRuns(self, request: pb.ListRunsRequest, context: Context) -> pb.ListRunsResponse:
        """Lists runs, the newest first."""
        check(request)
        size = min(request.page_size or _PAGE, _MAX_PAGE)
        before = page_position("runs", request.page_token) if request.page_token else None
        page = await self._store.runs(size, before, most_bytes=PAGE_BYTES)
        shown = map(self._full_disk.shown, page.runs)
        messages = await fitting(each(map(convert.run_to, shown)))
        more = page.more or len(page.runs) > len(messages)
        return pb.ListRunsResponse(
            runs=messages,
            next_page_token=page_token("runs", page.runs[len(messages) - 1].number) if more else "",
        )

    async def PauseRun(self, request: pb.PauseRunRequest, context: Context) -> pb.PauseRunResponse:
        """Pauses a run."""
        check(request)
        run = await self._full_disk.bounded(self._runs.pause(run_id_of(request.name)))
        return pb.PauseRunResponse(run=convert.run_to(run))

    async def ResumeRun(
        self, request: pb.ResumeRunRequest, context: Context
    ) -> pb.ResumeRunResponse:
        """Resumes a run."""
        check(request)
        budget = convert.budget_from(request.budget) if request.HasField("budget") else None
        run = await self._full_disk.bounded(self._runs.resume(run_id_of(request.name), budget))
        return pb.ResumeRunResponse(run=convert.run_to(run))

    async def CancelRun(
        self, request: pb.CancelRunRequest, context: Context
    ) -> pb.CancelRunResponse:
        """Cancels a run."""
        check(request)
        run = await self._full_disk.bounded(self._runs.cancel(run_id_of(request.name)))
        return pb.CancelRunResponse(run=convert.run_to(run))

    async def RejudgeRun(
        self, request: pb.RejudgeRunRequest, context: Context
    ) -> pb.RejudgeRunResponse:
        """Creates a run that judges another one's answers again."""
        check(request)
        source = await self._store.run(run_id_of(request.name))
        league = replace(
            source.league,
            judges=tuple(request.judges),
            identity=convert.identity_from(request.identity),
            order=convert.order_from(request.order),
            programming=replace(
                source.league.programming, evidence=convert.evidence_from(request.evidence)
            ),
            seed=request.seed if request.HasField("seed") else source.league.seed,
            budget=convert.budget_from(request.budget) if request.HasField("budget") else Budget(),
        )
        convert.check_judges(league)
        new = self._new_run(request, league, source_run=source.run_id)
        run, existed = await self._full_disk.bounded(self._runs.create(new))
        return pb.RejudgeRunResponse(run=convert.run_to(run), existed=existed)

    async def RetryRun(self, request: pb.RetryRunRequest, context: Context) -> pb.RetryRunResponse:
        """Asks the failed steps of a run again."""
        check(request)
        budget = convert.budget_from(request.budget) if request.HasField("budget") else None
        again = await self._full_disk.bounded(self._runs.retry(run_id_of(request.name), budget))
        return pb.RetryRunResponse(
            run=convert.run_to(again.run),
            reopened_steps=again.steps,
            unskipped_steps=again.unskipped,
        )

    async def UpdateRunLimits(
        self, request: pb.UpdateRunLimitsRequest, context: Context
    ) -> pb.UpdateRunLimitsResponse:
        """Changes the limits of a run."""
        check(request)
        budget = convert.budget_from(request.budget) if request.HasField("budget") else None
        at_once = request.max_concurrent_calls if request.HasField("max_concurrent_calls") else None
        run = await self._full_disk.bounded(
            self._runs.update_limits(run_id_of(request.name), budget, at_once)
        )
        return pb.UpdateRunLimitsResponse(run=convert.run_to(run))

    async def WatchRun(
        self, request: pb.WatchRunRequest, context: Context
    ) -> AsyncIterator[pb.WatchRunResponse]:
        """Streams events: past ones, then new ones, to the end of the run."""
        check(request)
        following = self._watching.follow(run_id_of(request.name), request.resume_token)
        try:
            # Closed at once when the watcher goes away, and not when its memory is cleared.
            async with aclosing(following):
                async for response in following:
                    yield response
        except StoppingError:
            await context.abort(
                grpc.StatusCode.UNAVAILABLE, "the server stops; watch on from the last token"
            )

    def _new_run(
        self,
        request: pb.CreateRunRequest | pb.RejudgeRunRequest,
        league: League,
        source_run: str = "",
    ) -> NewRun:
        prompts = load_prompts(league.subject)
        return NewRun(
            run_id=request.run_id or f"{league.subject}-{secrets.token_hex(4)}",
            league=league,
            prompts_sha256=prompts.sha256,
            prompts=dict(prompts.texts),
            server_version=self._version,
            settings=self._settings,
            request_id=request.request_id,
            content_sha256=_content(request),
            source_run=source_run,
        )


def _content(request: Any) -> str:
    """Returns the hash of what a request asks for, its request id left out."""
    asked = type(request)()
    asked.CopyFrom(request)
    asked.ClearField("request_id")
    return hashlib.sha256(asked.SerializeToString(deterministic=True)).hexdigest()
