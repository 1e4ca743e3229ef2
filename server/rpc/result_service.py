"""`ResultService`: reads what runs produced, finished or not."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import grpc
from llm_crowdsourced.v1 import call_pb2, result_service_pb2_grpc, round_pb2
from llm_crowdsourced.v1 import result_service_pb2 as pb

from analysis.coverage import coverage
from analysis.dataset import Dataset, Round
from analysis.scores import standings, tie_sentence
from analysis.verification import verification
from server.errors import NotFoundError
from server.league.league import Subject
from server.league.schedule import Role, StepKey
from server.play.runs import Runs
from server.rpc import convert
from server.rpc.coverage import coverage_to
from server.rpc.ledger import ledger_to
from server.rpc.pages import PAGE_BYTES, each, fitting
from server.rpc.programs import add_programs
from server.rpc.requests import check, page_position, page_token, run_id_of
from server.rpc.rounds import assemble_rounds, assemble_run, round_to, standing_to
from server.store.export import export_run
from server.store.records import RunRecord
from server.store.round_programs import read_programs
from server.store.store import Store

_ROUND_PAGE = 20
_MAX_ROUND_PAGE = 100
_COVERAGE_PAGE = 100
_MAX_COVERAGE_PAGE = 1000
_CALL_PAGE = 200
_MAX_CALL_PAGE = 1000

Context = grpc.aio.ServicerContext[Any, Any]
_ROUND_NAME = re.compile(r"runs/([^/]+)/rounds/(\d+)")


class ResultServicer(result_service_pb2_grpc.ResultServiceServicer):
    """Fills `ResultService` over the store and the runs of one server."""

    def __init__(self, store: Store, runs: Runs) -> None:
        self._store = store
        self._runs = runs

    async def GetRound(self, request: pb.GetRoundRequest, context: Context) -> pb.GetRoundResponse:
        """Returns one round."""
        check(request)
        match = _ROUND_NAME.fullmatch(request.name)
        if match is None:
            raise NotFoundError(request.name)
        run = await self._store.run(match[1])
        index = int(match[2])
        if index > run.league.rounds:
            raise NotFoundError(request.name)
        full = request.view == round_pb2.ROUND_VIEW_FULL
        (message,) = await fitting(self._messages(run, index, index, full=full))
        return pb.GetRoundResponse(round=message)

    async def ListRounds(
        self, request: pb.ListRoundsRequest, context: Context
    ) -> pb.ListRoundsResponse:
        """Lists the rounds of a run."""
        check(request)
        run = await self._store.run(run_id_of(request.parent))
        full = request.view == round_pb2.ROUND_VIEW_FULL
        purpose = f"rounds of {run.name} {full}"
        token = request.page_token
        first = page_position(purpose, token) if token else 1
        size = min(request.page_size or _ROUND_PAGE, _MAX_ROUND_PAGE)
        last = min(first + size - 1, run.league.rounds)
        messages = await fitting(self._messages(run, first, last, full=full))
        next_ = first + len(messages)
        return pb.ListRoundsResponse(
            rounds=messages,
            next_page_token=page_token(purpose, next_) if next_ <= run.league.rounds else "",
        )

    async def ListCalls(
        self, request: pb.ListCallsRequest, context: Context
    ) -> pb.ListCallsResponse:
        """Lists the calls of a run."""
        check(request)
        run = await self._store.run(run_id_of(request.parent))
        full = request.view == call_pb2.CALL_VIEW_FULL
        purpose = f"calls of {run.name} {full}"
        token = request.page_token
        after = page_position(purpose, token) if token else 0
        size = min(request.page_size or _CALL_PAGE, _MAX_CALL_PAGE)
        page = await self._store.calls(run.run_id, after, size, full=full, most_bytes=PAGE_BYTES)
        messages = await fitting(each(convert.call_to(call) for call in page.calls))
        more = page.more or len(page.calls) > len(messages)
        last = page.calls[len(messages) - 1].sequence if messages else after
        return pb.ListCallsResponse(
            calls=messages, next_page_token=page_token(purpose, last) if more else ""
        )

    async def GetStandings(
        self, request: pb.GetStandingsRequest, context: Context
    ) -> pb.GetStandingsResponse:
        """Returns the standings of a run."""
        check(request)
        run = await self._store.run(run_id_of(request.name))
        dataset = await self._dataset(run)
        # Resampling takes its time; calls under way must not stand still for it.
        table = await asyncio.to_thread(standings, dataset)
        covered = await asyncio.to_thread(coverage, dataset)
        rates = await self._store.mean_pass_rates(run.run_id)
        return pb.GetStandingsResponse(
            standings=[
                standing_to(standing, run.league.subject, rates.get(standing.model))
                for standing in table
            ],
            marks=sum(standing.marks for standing in table),
            planned_marks=run.progress.total_marks,
            summary=tie_sentence(table),
            coverage_warning=covered.warning,
            verification_warning=verification(dataset).warning,
        )

    async def GetCoverage(
        self, request: pb.GetCoverageRequest, context: Context
    ) -> pb.GetCoverageResponse:
        """Returns what arrived of what was planned."""
        check(request)
        run = await self._store.run(run_id_of(request.name))
        purpose = f"coverage of {run.name}"
        token = request.page_token
        first = page_position(purpose, token) if token else 1
        size = min(request.page_size or _COVERAGE_PAGE, _MAX_COVERAGE_PAGE)
        covered = await asyncio.to_thread(coverage, await self._dataset(run))
        message, next_ = coverage_to(
            covered, first=first, last=first + size - 1, page_bytes=PAGE_BYTES
        )
        if next_ <= run.league.rounds:
            message.next_page_token = page_token(purpose, next_)
        return message

    async def GetLedger(
        self, request: pb.GetLedgerRequest, context: Context
    ) -> pb.GetLedgerResponse:
        """Returns what a run has used, by role and participant."""
        check(request)
        run = await self._store.run(run_id_of(request.name))
        used = await self._store.ledger(run.run_id)
        return ledger_to(run, used, self._runs.reserved(run.run_id))

    async def ExportRun(
        self, request: pb.ExportRunRequest, context: Context
    ) -> AsyncIterator[pb.ExportRunResponse]:
        """Streams the tables of a run."""
        check(request)
        async for table, data in export_run(self._store, run_id_of(request.name)):
            yield pb.ExportRunResponse(table=table, data=data)

    async def _dataset(self, run: RunRecord) -> Dataset:
        rounds = await self._rounds(run, 1, run.league.rounds)
        return Dataset(runs=(assemble_run(run, rounds),))

    async def _messages(
        self, run: RunRecord, first: int, last: int, *, full: bool
    ) -> AsyncGenerator[round_pb2.Round, None]:
        """Yields rounds as they travel; what programs did is read one round at a time."""
        steps, marks = await self._store.played(run.run_id, first, last)
        content = {s.key: s.content or {} for s in steps if s.key.role is not Role.ANSWER}
        for round_ in assemble_rounds(run, first, last, steps, marks):
            message = round_to(run.name, round_, full=full)
            if run.league.subject is Subject.PROGRAMMING:
                programs = await read_programs(self._store, run.run_id, round_.index, full=full)
                question = content.get(StepKey(round_.index, Role.QUESTION, round_.setter), {})
                judgments = {
                    judge: content.get(StepKey(round_.index, Role.JUDGMENT, judge), {})
                    for judge in run.league.judge_ids
                }
                add_programs(message, question, judgments, programs, full=full)
            yield message

    async def _rounds(self, run: RunRecord, first: int, last: int) -> tuple[Round, ...]:
        steps, marks = await self._store.played(run.run_id, first, last)
        return assemble_rounds(run, first, last, steps, marks)
