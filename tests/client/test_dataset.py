"""What travels becomes the dataset's records, whole and page after page."""

from datetime import UTC, datetime

import pytest
from google.protobuf.duration_pb2 import Duration
from llm_crowdsourced.v1 import call_pb2, league_pb2, result_service_pb2, round_pb2, run_pb2

from analysis import dataset as records
from client.dataset import fetch_dataset
from client.failures import CallError
from client.session import Session
from tests.support.fake_service import BEGIN, IDS, FakeService, league, run

OK = round_pb2.StepResult(outcome=round_pb2.OUTCOME_OK, calls=1)


def a_round(index: int) -> round_pb2.Round:
    return round_pb2.Round(
        name=f"runs/math-1/rounds/{index}", index=index, question_setter=IDS[index - 1]
    )


def a_played_round() -> round_pb2.Round:
    return round_pb2.Round(
        name="runs/math-1/rounds/1",
        index=1,
        question_setter="ada",
        result=OK,
        question=round_pb2.Question(
            text="2+2?", reference_answer="4", marking_scheme="exact", principle="sums"
        ),
        answers=[
            round_pb2.Answer(
                answerer="bob", result=OK, text="four", final_answer="4", names_maker=True
            ),
            round_pb2.Answer(
                answerer="cy",
                result=round_pb2.StepResult(
                    outcome=round_pb2.OUTCOME_UNPARSABLE,
                    cause="unparsable",
                    detail="Not JSON.",
                    reasks=2,
                    repaired=True,
                    calls=3,
                ),
            ),
        ],
        judgments=[
            round_pb2.Judgment(
                judge="ada",
                result=OK,
                answerers=["bob"],
                marks=[
                    round_pb2.Mark(
                        answerer="bob", label="A", position=1, rank=1, points=2, reason="right"
                    )
                ],
            )
        ],
    )


async def test_a_round_comes_whole(service: FakeService, session: Session) -> None:
    service.rounds = [a_played_round()]

    found = (await fetch_dataset(session.connection, ["runs/math-1"])).runs[0].rounds[0]

    ok = records.StepResult(outcome="ok", calls=1)
    assert found == records.Round(
        index=1,
        setter="ada",
        result=ok,
        question=records.Question(
            text="2+2?", reference_answer="4", marking_scheme="exact", principle="sums"
        ),
        answers=(
            records.Answer(
                answerer="bob", result=ok, text="four", final_answer="4", names_maker=True
            ),
            records.Answer(
                answerer="cy",
                result=records.StepResult(
                    outcome="unparsable",
                    cause="unparsable",
                    detail="Not JSON.",
                    reasks=2,
                    repaired=True,
                    calls=3,
                ),
            ),
        ),
        judgments=(
            records.Judgment(
                judge="ada",
                result=ok,
                answerers=("bob",),
                marks=(
                    records.Mark(
                        answerer="bob", label="A", position=1, rank=1, points=2, reason="right"
                    ),
                ),
            ),
        ),
    )
    assert found.judgments[0].marks[0].share is None


async def test_every_page_is_read(service: FakeService, session: Session) -> None:
    service.rounds = [a_round(index) for index in (1, 2, 3, 4)]
    service.calls = [call_pb2.Call(round=1, attempt=i) for i in range(5)]

    found = (await fetch_dataset(session.connection, ["runs/math-1"])).runs[0]

    assert [r.index for r in found.rounds] == [1, 2, 3, 4]
    assert found.rounds[0].question is None
    assert found.rounds[0].result.outcome == ""
    assert [c.attempt for c in found.calls] == [0, 1, 2, 3, 4]
    (first, *_) = service.asked(result_service_pb2.ListRoundsRequest)
    assert first.view == round_pb2.ROUND_VIEW_FULL
    (call, *_) = service.asked(result_service_pb2.ListCallsRequest)
    # No report has use for prompts and replies, which are most of what a run has.
    assert call.view == call_pb2.CALL_VIEW_BASIC


async def test_a_call_keeps_what_the_provider_did_not_say_apart(
    service: FakeService, session: Session
) -> None:
    full = call_pb2.Call(
        round=2,
        role=round_pb2.ROLE_JUDGMENT,
        participant="bob",
        ask=1,
        attempt=2,
        outcome=round_pb2.OUTCOME_UNAVAILABLE,
        cause="rate_limited",
        detail="Slow down.",
        http_status=429,
        finish_reason="stop",
        usage=call_pb2.Usage(
            prompt_tokens=0, cached_tokens=1, completion_tokens=2, reasoning_tokens=3, cost_usd=0.5
        ),
        latency=Duration(seconds=1, nanos=500_000_000),
        first_token_latency=Duration(nanos=250_000_000),
        served_model="m",
        response_format="json_schema",
        request_sha256="ab",
        raw_reply="reply",
    )
    full.start_time.FromDatetime(BEGIN.replace(tzinfo=None))
    service.calls = [full, call_pb2.Call(round=1, role=round_pb2.ROLE_QUESTION, participant="ada")]

    first, second = (await fetch_dataset(session.connection, ["runs/math-1"])).runs[0].calls

    assert first == records.Call(
        round=2,
        role="judgment",
        participant="bob",
        ask=1,
        attempt=2,
        outcome="unavailable",
        cause="rate_limited",
        detail="Slow down.",
        http_status=429,
        finish_reason="stop",
        prompt_tokens=0,
        cached_tokens=1,
        completion_tokens=2,
        reasoning_tokens=3,
        cost_usd=0.5,
        latency_s=1.5,
        first_token_s=0.25,
        started_at=BEGIN,
        served_model="m",
        response_format="json_schema",
        request_sha256="ab",
    )
    assert second.prompt_tokens is None
    assert second.cost_usd is None
    assert second.http_status is None
    assert second.started_at is None


async def test_a_run_with_its_league(service: FakeService, session: Session) -> None:
    players = [
        league_pb2.Participant(id=i, provider="p", model="m", family="f", temperature=0)
        for i in ("a", "b", "c")
    ]
    rules = league(
        title="T",
        participants=players,
        seed=4,
        judges=["c", "a"],
        identity=league_pb2.IDENTITY_NAMED,
        order=league_pb2.ORDER_FIXED,
    )
    service.run = run(run_pb2.Run.STATE_FAILED, league=rules, source_run="runs/math-0")
    service.run.failure.message = "The disk is full."
    service.run.end_time.FromDatetime(datetime(2026, 11, 25))  # noqa: DTZ001

    found = (await fetch_dataset(session.connection, ["runs/math-1"])).runs[0]

    assert (found.id, found.title, found.subject, found.seed) == ("math-1", "T", "math", 4)
    assert (found.identity, found.order) == ("named", "fixed")
    assert found.judges == ("a", "c")
    assert (found.state, found.state_reason) == ("failed", "The disk is full.")
    assert found.source_run == "math-0"
    assert found.participants[0] == records.Participant(
        id="a", provider="p", model="m", family="f", settings={"temperature": "0.0"}
    )
    assert found.created_at == BEGIN
    assert found.started_at is None
    assert found.ended_at == datetime(2026, 11, 25, tzinfo=UTC)
    assert (found.planned_steps, found.planned_marks) == (32, 36)


async def test_an_outcome_of_the_future_is_a_word_too(
    service: FakeService, session: Session
) -> None:
    odd = a_round(1)
    odd.result.MergeFromString(b"\x08\x63")
    service.rounds = [odd]

    found = (await fetch_dataset(session.connection, ["runs/math-1"])).runs[0]

    assert found.rounds[0].result.outcome == "unknown-99"


async def test_an_unknown_run(session: Session) -> None:
    with pytest.raises(CallError, match="not known"):
        await fetch_dataset(session.connection, ["runs/none"])
