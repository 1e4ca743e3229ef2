"""The services as clients see them, played from a list of events: no rules inside."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status
from llm_crowdsourced.v1 import (
    call_pb2,
    event_pb2,
    league_pb2,
    model_service_pb2,
    model_service_pb2_grpc,
    result_service_pb2,
    result_service_pb2_grpc,
    round_pb2,
    run_pb2,
    run_service_pb2,
    run_service_pb2_grpc,
)

DOMAIN = "llm-crowdsourced"
BEGIN = datetime(2026, 11, 24, 12, tzinfo=UTC)
IDS = ("ada", "bob", "cy", "di")


def league(**fields: Any) -> league_pb2.League:
    """Returns a mathematics league of four."""
    players = [league_pb2.Participant(id=i, provider="local", model=i) for i in IDS]
    return league_pb2.League(
        **{"subject": 1, "participants": players, "rounds_per_participant": 1, **fields}
    )


def run(state: int = run_pb2.Run.STATE_RUNNING, **fields: Any) -> run_pb2.Run:
    """Returns a run of that league."""
    found = run_pb2.Run(**{"name": "runs/math-1", "league": league(), "state": state, **fields})
    found.create_time.FromDatetime(BEGIN.replace(tzinfo=None))
    found.progress.total_steps = 32
    found.progress.total_marks = 36
    return found


def event(sequence: int, **kind: Any) -> event_pb2.RunEvent:
    """Returns an event, as many seconds after the beginning as its number."""
    found = event_pb2.RunEvent(sequence=sequence, **kind)
    found.event_time.FromDatetime((BEGIN + timedelta(seconds=sequence)).replace(tzinfo=None))
    found.progress.total_steps = 32
    return found


def state_event(sequence: int, state: int, reason: str = "") -> event_pb2.RunEvent:
    """Returns the event of a new state."""
    changed = event_pb2.RunStateChanged(state=run_pb2.Run.State.ValueType(state), reason=reason)
    return event(sequence, run_state_changed=changed)


def refusal(
    code: int, message: str, reason: str, *details: Message, **metadata: str
) -> status_pb2.Status:
    """Returns an error as the server makes it."""
    status = status_pb2.Status(code=code, message=message)
    info = error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN, metadata=metadata)
    for detail in (info, *details):
        status.details.add().Pack(detail)
    return status


def unknown_run(name: str) -> status_pb2.Status:
    """Returns the error for a run that is not known."""
    return refusal(code_pb2.NOT_FOUND, f"{name} is not known.", "NOT_FOUND", name=name)


class FakeService(
    run_service_pb2_grpc.RunServiceServicer,
    result_service_pb2_grpc.ResultServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """Answers from what it was given, and keeps what it was asked.

    Attributes:
        run: The one run that there is; `None` before `CreateRun`.
        events: What a watch tells; a text is the notice of a heartbeat, and
            `None` a broken connection after which the watch goes on.
        estimate: Answer to `EstimateRun`.
        refusals: Errors to answer with, by method; each is used once.
        rounds: The rounds.
        calls: The calls.
        standings: The standings.
        ledger: The ledger.
        retried: Answer to `RetryRun`, with the run.
        pieces: What an export streams; `None` is a broken connection.
        providers: The providers.
        requests: What came, in order.
        metadata: Metadata of the last request.
        page: Entries of a page.
    """

    def __init__(self) -> None:
        self.run: run_pb2.Run | None = run()
        self.events: Sequence[event_pb2.RunEvent | str | None] = ()
        self.estimate = run_service_pb2.EstimateRunResponse(calls=32, marks=36, cost_usd=0.0)
        self.refusals: dict[str, status_pb2.Status] = {}
        self.rounds: list[round_pb2.Round] = []
        self.calls: list[call_pb2.Call] = []
        self.standings = result_service_pb2.GetStandingsResponse(planned_marks=36)
        self.coverage = result_service_pb2.GetCoverageResponse(planned_marks=36)
        self.ledger = result_service_pb2.GetLedgerResponse()
        self.retried = run_service_pb2.RetryRunResponse()
        self.pieces: Sequence[tuple[str, bytes] | None] = ()
        self.providers: list[model_service_pb2.Provider] = []
        self.requests: list[Message] = []
        self.metadata: dict[str, str | bytes] = {}
        self.page = 2

    async def _take(self, request: Any, context: Any) -> None:
        self.requests.append(request)
        self.metadata = dict(context.invocation_metadata() or ())
        method = type(request).__name__.removesuffix("Request")
        status = self.refusals.pop(method, None)
        name = getattr(request, "name", "") or getattr(request, "parent", "")
        if status is None and name and self._is_unknown(name):
            status = unknown_run(name)
        if status is not None:
            await context.abort_with_status(rpc_status.to_status(status))

    def _is_unknown(self, name: str) -> bool:
        return self.run is None or not name.startswith(self.run.name)

    def _known(self) -> run_pb2.Run:
        assert self.run is not None
        return self.run

    async def CreateRun(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Returns the run."""
        await self._take(request, context)
        self.run = run(league=request.league, name=f"runs/{request.run_id or 'math-1'}")
        return run_service_pb2.CreateRunResponse(run=self.run)

    async def EstimateRun(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Returns the estimate."""
        await self._take(request, context)
        return self.estimate

    async def GetRun(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Returns the run."""
        await self._take(request, context)
        return run_service_pb2.GetRunResponse(run=self._known())

    async def ListRuns(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Returns the run, if there is one."""
        await self._take(request, context)
        return run_service_pb2.ListRunsResponse(runs=[self.run] if self.run else [])

    async def PauseRun(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Pauses the run."""
        await self._take(request, context)
        self._known().state = run_pb2.Run.STATE_PAUSED
        return run_service_pb2.PauseRunResponse(run=self._known())

    async def ResumeRun(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Goes on with the run."""
        await self._take(request, context)
        self._known().state = run_pb2.Run.STATE_RUNNING
        return run_service_pb2.ResumeRunResponse(run=self._known())

    async def CancelRun(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Cancels the run."""
        await self._take(request, context)
        self._known().state = run_pb2.Run.STATE_CANCELLED
        return run_service_pb2.CancelRunResponse(run=self._known())

    async def WatchRun(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Tells the events after the token; stays open at the end of a run that goes on."""
        await self._take(request, context)
        start = int(request.resume_token or 0)
        # The run is where its last event left it, whichever is told now.
        for item in self.events:
            if isinstance(item, event_pb2.RunEvent) and item.HasField("run_state_changed"):
                self._known().state = item.run_state_changed.state
                self._known().state_reason = item.run_state_changed.reason
        for position, item in enumerate(self.events[start:], start + 1):
            if item is None:
                self.events = [e for e in self.events if e is not None]
                await context.abort(grpc.StatusCode.UNAVAILABLE, "connection lost")
                return
            if isinstance(item, str):
                yield run_service_pb2.WatchRunResponse(notice=item, resume_token=str(position))
                continue
            yield run_service_pb2.WatchRunResponse(event=item, resume_token=str(position))
        yield run_service_pb2.WatchRunResponse(resume_token=str(len(self.events)))
        if self._known().state < run_pb2.Run.STATE_SUCCEEDED:
            await asyncio.sleep(3600)

    async def GetRound(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Returns a round."""
        await self._take(request, context)
        found = [r for r in self.rounds if r.name == request.name]
        if not found:
            await context.abort_with_status(rpc_status.to_status(unknown_run(request.name)))
        return result_service_pb2.GetRoundResponse(round=found[0])

    async def ListRounds(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Returns a page of rounds."""
        await self._take(request, context)
        start = int(request.page_token or 0)
        return result_service_pb2.ListRoundsResponse(
            rounds=self.rounds[start : start + self.page],
            next_page_token=self._next(start, len(self.rounds)),
        )

    async def ListCalls(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Returns a page of calls."""
        await self._take(request, context)
        start = int(request.page_token or 0)
        return result_service_pb2.ListCallsResponse(
            calls=self.calls[start : start + self.page],
            next_page_token=self._next(start, len(self.calls)),
        )

    def _next(self, start: int, count: int) -> str:
        return str(start + self.page) if start + self.page < count else ""

    async def GetStandings(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Returns the standings."""
        await self._take(request, context)
        return self.standings

    async def RejudgeRun(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Returns a new run of that one's answers."""
        await self._take(request, context)
        new = run(name=f"runs/{request.run_id or 'math-2'}", source_run=request.name)
        return run_service_pb2.RejudgeRunResponse(run=new)

    async def RetryRun(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Goes on with the run."""
        await self._take(request, context)
        self._known().state = run_pb2.Run.STATE_RUNNING
        self.retried.run.CopyFrom(self._known())
        return self.retried

    async def UpdateRunLimits(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Changes the limits of the run and of its ledger."""
        await self._take(request, context)
        known = self._known().league
        if request.HasField("budget"):
            known.budget.CopyFrom(request.budget)
            self.ledger.budget.CopyFrom(request.budget)
        if request.HasField("max_concurrent_calls"):
            known.max_concurrent_calls = request.max_concurrent_calls
        return run_service_pb2.UpdateRunLimitsResponse(run=self._known())

    async def GetCoverage(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Returns a page of the coverage: one round's cells each."""
        await self._take(request, context)
        start = int(request.page_token or 1)
        answer = result_service_pb2.GetCoverageResponse()
        answer.CopyFrom(self.coverage)
        del answer.cells[:]
        answer.cells.extend(cell for cell in self.coverage.cells if cell.round == start)
        last = max((cell.round for cell in self.coverage.cells), default=0)
        answer.next_page_token = str(start + 1) if start < last else ""
        return answer

    async def GetLedger(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Returns the ledger."""
        await self._take(request, context)
        return self.ledger

    async def ExportRun(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Streams the pieces."""
        await self._take(request, context)
        for piece in self.pieces:
            if piece is None:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "connection lost")
                return
            table, data = piece
            yield result_service_pb2.ExportRunResponse(table=table, data=data)

    async def ListModels(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Returns the providers."""
        await self._take(request, context)
        return model_service_pb2.ListModelsResponse(providers=self.providers)

    async def UpdateProviderLimits(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Changes the limits of a provider."""
        await self._take(request, context)
        (found,) = (p for p in self.providers if p.name == request.provider)
        found.limits.CopyFrom(request.limits)
        return model_service_pb2.UpdateProviderLimitsResponse(limits=found.limits)

    def asked(self, kind: type[Message]) -> list[Any]:
        """Returns the requests of one kind."""
        return [r for r in self.requests if isinstance(r, kind)]


@asynccontextmanager
async def serving(service: FakeService) -> AsyncIterator[str]:
    """Serves it on a free port, whose address is given."""
    server = grpc.aio.server()
    run_service_pb2_grpc.add_RunServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call,unused-ignore]
    result_service_pb2_grpc.add_ResultServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call,unused-ignore]
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(service, server)  # type: ignore[no-untyped-call,unused-ignore]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
