"""What a retry would ask again, and which replies were of no use, as the client tells it."""

from typing import TypeAlias

import pytest
from llm_crowdsourced.v1 import call_pb2, round_pb2

from client.call_endings import Endings
from client.run_retry import failed_steps

OK = round_pb2.OUTCOME_OK
SKIPPED = round_pb2.OUTCOME_SKIPPED
UNPARSABLE = round_pb2.OUTCOME_UNPARSABLE
UNAVAILABLE = round_pb2.OUTCOME_UNAVAILABLE
REFUSED = round_pb2.OUTCOME_REFUSED
Outcome: TypeAlias = "round_pb2.Outcome.ValueType"


def played(
    question: Outcome, answers: dict[str, Outcome], judgments: dict[str, Outcome]
) -> round_pb2.Round:
    """Returns a round whose steps ended so; `p1` set its question."""
    return round_pb2.Round(
        index=1,
        question_setter="p1",
        result=round_pb2.StepResult(outcome=question),
        answers=[
            round_pb2.Answer(answerer=who, result=round_pb2.StepResult(outcome=outcome))
            for who, outcome in answers.items()
        ],
        judgments=[
            round_pb2.Judgment(judge=who, result=round_pb2.StepResult(outcome=outcome))
            for who, outcome in judgments.items()
        ],
    )


def told(entry: round_pb2.Round, *, judgments_only: bool = False) -> tuple[list[str], list[str]]:
    """Returns the steps to ask again and those skipped for want of them, as words."""
    failed = failed_steps([entry], judgments_only=judgments_only)
    again, skipped = (
        [f"{step.role} {step.participant}" for step in steps]
        for steps in (failed.again, failed.skipped)
    )
    return again, skipped


def test_a_void_question_brings_its_round_with_it() -> None:
    entry = played(UNPARSABLE, {"p2": SKIPPED, "p3": SKIPPED}, {"p1": SKIPPED, "p2": SKIPPED})
    assert told(entry) == (
        ["question p1"],
        ["answer p2", "answer p3", "judgment p1", "judgment p2"],
    )


def test_a_judgment_is_played_only_if_it_waits_for_an_answer_that_is_asked_again() -> None:
    # p2 judges p3 alone, whose refusal stays; p3 judges p2, who is asked again.
    entry = played(OK, {"p2": UNAVAILABLE, "p3": REFUSED}, {"p2": SKIPPED, "p3": SKIPPED})
    assert told(entry) == (["answer p2"], ["judgment p3"])


def test_what_a_judging_again_took_over_is_not_its_own_to_ask() -> None:
    entry = played(OK, {"p2": UNAVAILABLE, "p3": OK}, {"p1": UNPARSABLE, "p3": SKIPPED})
    assert told(entry, judgments_only=True) == (["judgment p1"], [])


@pytest.mark.parametrize(("ask", "attempt"), [(0, 1), (1, 0)])
def test_a_reply_that_was_followed_by_another_was_not_read(ask: int, attempt: int) -> None:
    calls = [
        call_pb2.Call(
            round=1,
            role=round_pb2.ROLE_JUDGMENT,
            participant="p1",
            ask=number[0],
            attempt=number[1],
            outcome=OK,
        )
        for number in ((0, 0), (ask, attempt))
    ]
    endings = Endings(calls, [played(OK, {"p2": OK, "p3": OK}, {"p1": OK})])
    assert [endings.of(call).word for call in calls] == ["unread", "ok"]
