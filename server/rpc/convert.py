"""Between the wire's messages and the records inside: requests, runs, events, calls."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from llm_crowdsourced.v1 import call_pb2, event_pb2, league_pb2, round_pb2, run_pb2, run_service_pb2

from server.errors import InvalidRequestError
from server.league.league import (
    DEFAULT_MAX_CONCURRENT_CALLS,
    DEFAULT_MAX_REASKS,
    Budget,
    EvidenceView,
    Identity,
    League,
    Order,
    Participant,
    ProgrammingRules,
    QuestionGate,
    Subject,
)
from server.league.outcome import Outcome
from server.league.schedule import Role
from server.play.estimate import BASIS, Estimate
from server.store.records import (
    CallRecord,
    EventRecord,
    Failure,
    Progress,
    RunRecord,
    RunState,
)

E = TypeVar("E", bound=StrEnum)

# Of times of the store, which are UTC without time zone.
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001
_S_A_DAY = 86_400
_NS_A_US = 1_000
_PROGRESS = tuple(field.name for field in fields(Progress))


def _word(enum: Any, prefix: str, value: int, kind: type[E], default: E) -> E:
    """Returns our word for a value of the wire, `default` for the unset one."""
    return kind(enum.Name(value).removeprefix(prefix).lower()) if value else default


def _number(enum: Any, prefix: str, word: StrEnum) -> Any:
    """Returns the wire's value for a word of ours."""
    return enum.Value(prefix + word.upper())


def _optional(message: Message, name: str) -> Any:
    """Returns an optional field, `None` if it is unset."""
    return getattr(message, name) if message.HasField(name) else None


def known(values: Mapping[str, Any]) -> dict[str, Any]:
    """Leaves out what is not known, so that it stays unset on the wire."""
    return {name: value for name, value in values.items() if value is not None}


def timestamp(at: datetime | None) -> Timestamp | None:
    """Returns a time of the store as the wire has it."""
    if at is None:
        return None
    since = at - _EPOCH
    return Timestamp(
        seconds=since.days * _S_A_DAY + since.seconds, nanos=since.microseconds * _NS_A_US
    )


# Requests.


def league_from(message: league_pb2.League) -> League:
    """Reads a league that the wire has checked, its defaults filled in."""
    reasks = _optional(message, "max_reasks")
    concurrent = _optional(message, "max_concurrent_calls")
    return League(
        subject=_word(league_pb2.Subject, "SUBJECT_", message.subject, Subject, Subject.MATH),
        participants=tuple(_participant_from(item) for item in message.participants),
        rounds_per_participant=message.rounds_per_participant,
        seed=message.seed,
        budget=budget_from(message.budget),
        judges=tuple(message.judges),
        identity=identity_from(message.identity),
        order=order_from(message.order),
        max_reasks=DEFAULT_MAX_REASKS if reasks is None else reasks,
        max_concurrent_calls=DEFAULT_MAX_CONCURRENT_CALLS if concurrent is None else concurrent,
        programming=_programming_from(message.programming),
        title=message.title,
    )


def identity_from(value: int) -> Identity:
    """Reads whether judges learn whose answers they see."""
    return _word(league_pb2.Identity, "IDENTITY_", value, Identity, Identity.BLIND)


def order_from(value: int) -> Order:
    """Reads the order in which judges see the answers."""
    return _word(league_pb2.Order, "ORDER_", value, Order, Order.SHUFFLED)


def evidence_from(value: int) -> EvidenceView:
    """Reads whether judges see what programs did."""
    prefix = "EVIDENCE_VIEW_"
    return _word(league_pb2.EvidenceView, prefix, value, EvidenceView, EvidenceView.SHOWN)


def budget_from(message: league_pb2.Budget) -> Budget:
    """Reads a budget."""
    return Budget(
        max_calls=_optional(message, "max_calls"),
        max_tokens=_optional(message, "max_tokens"),
        max_cost_usd=_optional(message, "max_cost_usd"),
    )


def _participant_from(message: league_pb2.Participant) -> Participant:
    optional = (
        "temperature",
        "top_p",
        "frequency_penalty",
        "sampling_seed",
        "max_output_tokens",
    )
    return Participant(
        id=message.id,
        provider=message.provider,
        model=message.model,
        system_prompt=message.system_prompt,
        reasoning_effort=message.reasoning_effort,
        family=message.family,
        **{name: _optional(message, name) for name in optional},
    )


def _programming_from(message: league_pb2.ProgrammingRules) -> ProgrammingRules:
    repairs = _optional(message, "max_repairs")
    gate = message.question_gate
    return ProgrammingRules(
        evidence=evidence_from(message.evidence),
        question_gate=_word(
            league_pb2.QuestionGate, "QUESTION_GATE_", gate, QuestionGate, QuestionGate.FLAG
        ),
        max_repairs=ProgrammingRules.max_repairs if repairs is None else repairs,
    )


# Responses.


def league_to(league: League) -> league_pb2.League:
    """Writes a league, its defaults filled in."""
    message = league_pb2.League(
        subject=_number(league_pb2.Subject, "SUBJECT_", league.subject),
        participants=[_participant_to(item) for item in league.participants],
        rounds_per_participant=league.rounds_per_participant,
        seed=league.seed,
        budget=budget_to(league.budget),
        judges=league.judge_ids,
        identity=_number(league_pb2.Identity, "IDENTITY_", league.identity),
        order=_number(league_pb2.Order, "ORDER_", league.order),
        max_reasks=league.max_reasks,
        max_concurrent_calls=league.max_concurrent_calls,
        title=league.title,
    )
    if league.subject is Subject.PROGRAMMING:
        rules = league.programming
        gate = _number(league_pb2.QuestionGate, "QUESTION_GATE_", rules.question_gate)
        message.programming.evidence = _number(
            league_pb2.EvidenceView, "EVIDENCE_VIEW_", rules.evidence
        )
        message.programming.question_gate = gate
        message.programming.max_repairs = rules.max_repairs
    return message


def budget_to(budget: Budget) -> league_pb2.Budget:
    """Writes a budget."""
    return league_pb2.Budget(**known({f.name: getattr(budget, f.name) for f in fields(budget)}))


def _participant_to(participant: Participant) -> league_pb2.Participant:
    values = {f.name: getattr(participant, f.name) for f in fields(participant)}
    return league_pb2.Participant(**known(values))


def run_to(run: RunRecord) -> run_pb2.Run:
    """Writes a run."""
    return run_pb2.Run(
        name=run.name,
        league=league_to(run.league),
        state=state_to(run.state),
        state_reason=run.state_reason,
        failure=_failure_to(run.failure),
        progress=progress_to(run.progress),
        create_time=timestamp(run.created_at),
        start_time=timestamp(run.started_at),
        end_time=timestamp(run.ended_at),
        prompts_sha256=run.prompts_sha256,
        source_run=f"runs/{run.source_run}" if run.source_run else "",
        server_version=run.server_version,
    )


def state_to(state: RunState) -> run_pb2.Run.State.ValueType:
    """Writes the state of a run."""
    value: run_pb2.Run.State.ValueType = _number(run_pb2.Run.State, "STATE_", state)
    return value


def _failure_to(failure: Failure | None) -> run_pb2.Failure | None:
    if failure is None:
        return None
    return run_pb2.Failure(
        reason=failure.reason, message=failure.message, metadata=failure.metadata
    )


def progress_to(progress: Progress) -> run_pb2.Progress:
    """Writes a progress."""
    return run_pb2.Progress(**{name: getattr(progress, name) for name in _PROGRESS})


def estimate_to(estimate: Estimate, refusals: list[str]) -> run_service_pb2.EstimateRunResponse:
    """Writes an estimate."""
    message = run_service_pb2.EstimateRunResponse(
        calls=estimate.calls,
        marks=estimate.marks,
        prompt_tokens=estimate.prompt_tokens,
        completion_tokens=estimate.completion_tokens,
        refusals=refusals,
        basis=BASIS,
        participants=[
            run_service_pb2.ParticipantEstimate(
                **known({f.name: getattr(entry, f.name) for f in fields(entry)})
            )
            for entry in estimate.participants
        ],
    )
    if estimate.cost_usd is not None:
        message.cost_usd = estimate.cost_usd
    return message


def event_to(event: EventRecord) -> event_pb2.RunEvent:
    """Writes an event."""
    message = event_pb2.RunEvent(
        sequence=event.sequence,
        event_time=timestamp(event.at),
        progress=progress_to(event.progress),
    )
    body = event.body
    if event.kind == "state":
        message.run_state_changed.state = state_to(RunState(body["state"]))
        message.run_state_changed.reason = body["reason"]
    elif event.kind == "step":
        finished = message.step_finished
        finished.round = body["round"]
        finished.role = role_to(Role(body["role"]))
        finished.participant = body["participant"]
        finished.outcome = outcome_to(Outcome(body["outcome"]))
        finished.cause = body["cause"]
        finished.calls = body["calls"]
        finished.unverified = body.get("unverified", False)
    elif event.kind == "preparation":
        message.preparation_progress.MergeFrom(event_pb2.PreparationProgress(**body))
    elif event.kind == "limits":
        message.run_limits_changed.budget.CopyFrom(budget_to(Budget(**body["budget"])))
        message.run_limits_changed.max_concurrent_calls = body["max_concurrent_calls"]
    elif event.kind == "reopened":
        message.steps_reopened.steps.extend(map(_reopened_to, body["steps"]))
    return message


def _reopened_to(step: Mapping[str, Any]) -> event_pb2.ReopenedStep:
    return event_pb2.ReopenedStep(
        round=step["round"],
        role=role_to(Role(step["role"])),
        participant=step["participant"],
        outcome=outcome_to(Outcome(step["outcome"])),
        cause=step["cause"],
    )


@cache
def role_to(role: Role) -> round_pb2.Role.ValueType:
    """Writes what a step asks for."""
    value: round_pb2.Role.ValueType = _number(round_pb2.Role, "ROLE_", role)
    return value


@cache
def outcome_to(outcome: Outcome) -> round_pb2.Outcome.ValueType:
    """Writes how a step ended."""
    value: round_pb2.Outcome.ValueType = _number(round_pb2.Outcome, "OUTCOME_", outcome)
    return value


def call_to(call: CallRecord) -> call_pb2.Call:
    """Writes a call."""
    usage = (
        "prompt_tokens",
        "cached_tokens",
        "completion_tokens",
        "reasoning_tokens",
        "cost_usd",
    )
    message = call_pb2.Call(
        round=call.key.round,
        role=role_to(call.key.role),
        participant=call.key.participant,
        ask=call.ask,
        attempt=call.attempt,
        outcome=outcome_to(call.outcome),
        cause=call.cause,
        detail=call.detail,
        finish_reason=call.finish_reason,
        usage=call_pb2.Usage(**known({name: getattr(call, name) for name in usage})),
        start_time=timestamp(call.started_at),
        served_model=call.served_model,
        response_format=call.response_format,
        request_sha256=call.request_sha256,
        prompt=call.prompt,
        raw_reply=call.raw_reply,
        charged_tokens=call.charged_tokens,
        charged_cost_usd=call.charged_cost_usd,
    )
    message.latency.FromTimedelta(timedelta(seconds=call.latency_s))
    if call.first_token_s is not None:
        message.first_token_latency.FromTimedelta(timedelta(seconds=call.first_token_s))
    if call.http_status is not None:
        message.http_status = call.http_status
    return message


def is_terminal(event: EventRecord) -> bool:
    """Says whether an event made its run terminal."""
    return event.kind == "state" and RunState(event.body["state"]).terminal


def check_judges(league: League) -> None:
    """Refuses judges that do not take part.

    Raises:
        InvalidRequestError: Some do not.
    """
    unknown = [judge for judge in league.judges if judge not in league.ids]
    if unknown:
        raise InvalidRequestError(
            {"judges": f"{', '.join(unknown)} takes no part; participants: {', '.join(league.ids)}"}
        )
