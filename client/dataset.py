"""Runs as they travel, turned into the dataset that every report is made of."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from llm_crowdsourced.v1 import (
    call_pb2,
    execution_pb2,
    league_pb2,
    result_service_pb2,
    round_pb2,
    run_pb2,
    run_service_pb2,
)

from analysis import dataset as records
from analysis.pass_rates import NOT_RUN
from client import enum_words
from client.connection import Connection
from client.run_name import run_id

# What a participant may leave to its provider; unset stays unsaid in a report.
_SETTINGS = (
    "temperature",
    "top_p",
    "frequency_penalty",
    "sampling_seed",
    "max_output_tokens",
    "system_prompt",
    "reasoning_effort",
)


async def fetch_dataset(connection: Connection, names: Sequence[str]) -> records.Dataset:
    """Fetches runs with all that they produced.

    Args:
        connection: The server.
        names: Such as `runs/math-1`.

    Raises:
        CommandError: A run is not known, or the server does not answer.
        ValueError: The runs have different subjects.
    """
    return records.Dataset(runs=tuple([await fetch_run(connection, name) for name in names]))


async def fetch_run(connection: Connection, name: str) -> records.Run:
    """Fetches one run with its rounds and calls.

    Raises:
        CommandError: The run is not known, or the server does not answer.
    """
    answer = await connection.ask(connection.runs.GetRun, run_service_pb2.GetRunRequest(name=name))
    rounds, calls = await asyncio.gather(_rounds(connection, name), _calls(connection, name))
    return run_record(answer.run, rounds, calls)


async def _rounds(connection: Connection, name: str) -> list[round_pb2.Round]:
    view = round_pb2.ROUND_VIEW_FULL
    return [r async for r in list_rounds(connection, name, view)]


async def list_rounds(
    connection: Connection, name: str, view: "round_pb2.RoundView.ValueType"
) -> AsyncIterator[round_pb2.Round]:
    """Yields every round of a run, page after page.

    Raises:
        CommandError: The run is not known, or the server does not answer.
    """
    request = result_service_pb2.ListRoundsRequest(parent=name, page_size=100, view=view)
    while True:
        page = await connection.ask(connection.results.ListRounds, request)
        for item in page.rounds:
            yield item
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


async def _calls(connection: Connection, name: str) -> list[call_pb2.Call]:
    return [c async for c in list_calls(connection, name, call_pb2.CALL_VIEW_BASIC)]


async def list_calls(
    connection: Connection, name: str, view: "call_pb2.CallView.ValueType"
) -> AsyncIterator[call_pb2.Call]:
    """Yields every call of a run, page after page.

    Raises:
        CommandError: The run is not known, or the server does not answer.
    """
    request = result_service_pb2.ListCallsRequest(parent=name, page_size=1000, view=view)
    while True:
        page = await connection.ask(connection.results.ListCalls, request)
        for call in page.calls:
            yield call
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def run_record(
    run: run_pb2.Run, rounds: Sequence[round_pb2.Round], calls: Sequence[call_pb2.Call]
) -> records.Run:
    """Returns the record of a run, its rounds and its calls."""
    league = run.league
    ids = [participant.id for participant in league.participants]
    return records.Run(
        id=run_id(run.name),
        title=league.title,
        subject=enum_words.subject(league.subject),
        state=enum_words.state(run.state),
        state_reason=run.state_reason or run.failure.message,
        participants=tuple(map(_participant, league.participants)),
        judges=tuple(i for i in ids if not league.judges or i in league.judges),
        rounds_per_participant=league.rounds_per_participant,
        seed=league.seed,
        identity=enum_words.identity(league.identity),
        order=enum_words.order(league.order),
        evidence=(
            enum_words.evidence(league.programming.evidence)
            if league.subject == league_pb2.SUBJECT_PROGRAMMING
            else ""
        ),
        rounds=tuple(map(round_record, rounds)),
        calls=tuple(map(_call, calls)),
        planned_marks=run.progress.total_marks,
        planned_steps=run.progress.total_steps,
        prompts_sha256=run.prompts_sha256,
        source_run=run_id(run.source_run),
        server_version=run.server_version,
        created_at=_time(run, "create_time"),
        started_at=_time(run, "start_time"),
        ended_at=_time(run, "end_time"),
    )


def _participant(message: league_pb2.Participant) -> records.Participant:
    set_fields = {field.name: value for field, value in message.ListFields()}
    return records.Participant(
        id=message.id,
        provider=message.provider,
        model=message.model,
        family=message.family,
        settings={name: str(set_fields[name]) for name in _SETTINGS if name in set_fields},
    )


def round_record(message: round_pb2.Round) -> records.Round:
    """Returns the record of a round."""
    return records.Round(
        index=message.index,
        setter=message.question_setter,
        result=_result(message.result),
        question=_question(message.question) if message.HasField("question") else None,
        answers=tuple(map(_answer, message.answers)),
        judgments=tuple(map(_judgment, message.judgments)),
    )


def _question(message: round_pb2.Question) -> records.Question:
    return records.Question(
        text=message.text,
        reference_answer=message.reference_answer,
        marking_scheme=message.marking_scheme,
        principle=message.principle,
        check=_check(message.check) if message.HasField("check") else None,
    )


def _check(message: round_pb2.QuestionCheck) -> records.QuestionCheck:
    return records.QuestionCheck(
        verified=message.verified,
        kept=tuple(case.name for case in message.cases),
        dropped=tuple(records.DroppedCase(name=c.name, reason=c.reason) for c in message.dropped),
        disputed=tuple(message.disputed_cases),
        repairs=message.repairs,
        detail=message.detail,
        language=message.reference.language,
        checker=_checker(message.checker),
    )


def _checker(message: execution_pb2.Checker) -> records.Checker | None:
    kind = message.WhichOneof("kind")
    if kind is None:
        return None
    return records.Checker(
        kind=kind,
        absolute=message.floats.absolute,
        relative=message.floats.relative,
        language=message.program.language,
    )


def _answer(message: round_pb2.Answer) -> records.Answer:
    return records.Answer(
        answerer=message.answerer,
        result=_result(message.result),
        text=message.text,
        final_answer=message.final_answer,
        names_maker=message.names_maker,
        execution=_execution(message.execution) if message.HasField("execution") else None,
    )


def _execution(message: execution_pb2.Execution) -> records.Execution:
    compiled = message.compile
    return records.Execution(
        language=compiled.language or message.program.language,
        language_basis=compiled.language_basis,
        compile_verdict=enum_words.verdict(compiled.verdict),
        compile_message=compiled.message,
        toolchain=compiled.toolchain,
        cases=tuple(map(_case, message.cases)),
        pass_rate=message.pass_rate if message.HasField("pass_rate") else None,
    )


def _case(message: execution_pb2.CaseResult) -> records.CaseRun:
    return records.CaseRun(
        name=message.name,
        verdict=NOT_RUN if message.not_run else enum_words.verdict(message.verdict),
        cpu_s=_seconds(message.cpu_time),
        wall_s=_seconds(message.wall_time),
        memory_bytes=message.peak_memory_bytes,
        exit_status=message.exit_status if message.HasField("exit_status") else None,
        signal=message.signal if message.HasField("signal") else None,
        detail=message.detail,
    )


def _judgment(message: round_pb2.Judgment) -> records.Judgment:
    return records.Judgment(
        judge=message.judge,
        result=_result(message.result),
        answerers=tuple(message.answerers),
        marks=tuple(map(_mark, message.marks)),
        evidence_outdated=message.evidence_outdated,
    )


def _mark(message: round_pb2.Mark) -> records.Mark:
    return records.Mark(
        answerer=message.answerer,
        label=message.label,
        position=message.position,
        rank=message.rank if message.HasField("rank") else None,
        score=message.score if message.HasField("score") else None,
        points=message.points if message.HasField("points") else None,
        share=message.share if message.HasField("share") else None,
        reason=message.reason,
    )


def _result(message: round_pb2.StepResult) -> records.StepResult:
    return records.StepResult(
        outcome=enum_words.outcome(message.outcome),
        cause=message.cause,
        detail=message.detail,
        reasks=message.reasks,
        repaired=message.repaired,
        calls=message.calls,
        retries=message.retries,
        earlier_cause=message.earlier_cause,
        earlier_detail=message.earlier_detail,
    )


def _call(message: call_pb2.Call) -> records.Call:
    usage = message.usage
    return records.Call(
        round=message.round,
        role=enum_words.role(message.role),
        participant=message.participant,
        ask=message.ask,
        attempt=message.attempt,
        outcome=enum_words.outcome(message.outcome),
        cause=message.cause,
        detail=message.detail,
        http_status=message.http_status if message.HasField("http_status") else None,
        finish_reason=message.finish_reason,
        prompt_tokens=usage.prompt_tokens if usage.HasField("prompt_tokens") else None,
        cached_tokens=usage.cached_tokens if usage.HasField("cached_tokens") else None,
        completion_tokens=(
            usage.completion_tokens if usage.HasField("completion_tokens") else None
        ),
        reasoning_tokens=usage.reasoning_tokens if usage.HasField("reasoning_tokens") else None,
        cost_usd=usage.cost_usd if usage.HasField("cost_usd") else None,
        latency_s=_seconds(message.latency),
        first_token_s=(
            _seconds(message.first_token_latency)
            if message.HasField("first_token_latency")
            else None
        ),
        started_at=_time(message, "start_time"),
        served_model=message.served_model,
        response_format=message.response_format,
        request_sha256=message.request_sha256,
    )


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


def _time(message: run_pb2.Run | call_pb2.Call, field: str) -> datetime | None:
    if not message.HasField(field):  # type: ignore[arg-type]
        return None
    stamp: Timestamp = getattr(message, field)
    return stamp.ToDatetime(tzinfo=UTC)
