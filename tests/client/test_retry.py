"""`runs.py retry`: what it says before it asks, and what it asks for."""

import json
from dataclasses import replace
from typing import cast

import pytest
from google.rpc import code_pb2, error_details_pb2
from llm_crowdsourced.v1 import league_pb2, round_pb2, run_pb2, run_service_pb2

from client import run_actions, run_retry
from client.embedded_server import EmbeddedServer
from client.exit_status import ExitStatus
from client.failures import CallError, CommandError
from client.playing import PlayOptions
from client.session import Session
from tests.support.fake_service import FakeService, league, refusal, run

OK = round_pb2.StepResult(outcome=round_pb2.OUTCOME_OK)
SKIPPED = round_pb2.StepResult(outcome=round_pb2.OUTCOME_SKIPPED, cause="question_void")
UNREAD = round_pb2.StepResult(outcome=round_pb2.OUTCOME_UNPARSABLE, cause="labels_missing")
AWAY = round_pb2.StepResult(outcome=round_pb2.OUTCOME_UNAVAILABLE, cause="rate_limited")
REFUSED = round_pb2.StepResult(outcome=round_pb2.OUTCOME_REFUSED, cause="refused")
IDS = ("ada", "bob", "cy", "di")


def played(
    index: int, question: round_pb2.StepResult, **others: round_pb2.StepResult
) -> round_pb2.Round:
    """A round of the setter with that index; `others` are judgments by judge."""
    setter = IDS[index - 1]
    rest = SKIPPED if question.outcome != round_pb2.OUTCOME_OK else OK
    return round_pb2.Round(
        name=f"runs/math-1/rounds/{index}",
        index=index,
        question_setter=setter,
        result=question,
        answers=[round_pb2.Answer(answerer=i, result=rest) for i in IDS if i != setter],
        judgments=[round_pb2.Judgment(judge=i, result=others.get(i, rest)) for i in IDS],
    )


@pytest.fixture
def failed(service: FakeService) -> FakeService:
    """A run over with one question and two judgments that can be asked again."""
    budget = league_pb2.Budget(max_calls=60)
    service.run = run(run_pb2.Run.STATE_SUCCEEDED, league=league(budget=budget, max_reasks=2))
    for participant in service.run.league.participants:
        participant.max_output_tokens = 100
    service.run.progress.calls = 40
    service.rounds = [
        played(1, OK, di=UNREAD, cy=REFUSED),
        played(2, OK, di=UNREAD),
        played(3, AWAY),
        played(4, REFUSED),
    ]
    for name in IDS:
        service.estimate.participants.add(participant=name, calls=8, cost_usd=1.6)
    service.retried.reopened_steps = 3
    service.retried.unskipped_steps = 7
    return service


async def test_it_says_what_it_asks_and_what_that_takes_before_it_does(
    failed: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    status = await run_retry.retry(session, "runs/math-1", league_pb2.Budget(), PlayOptions())

    said = capsys.readouterr()
    assert status == ExitStatus.OK
    rows = [line.split() for line in said.err.splitlines()]
    assert rows[1] == ["cy", "question", "unavailable", "rate_limited", "1"]
    assert rows[2] == ["di", "judgment", "unparsable", "labels_missing", "2"]
    assert "To ask again: 3 steps, and 7 steps that were skipped for want of them." in said.err
    assert "At worst 30 calls with 3,000 reply tokens, if every reply" in said.err
    assert "Estimated cost: about $2.00, $6.00 at that worst." in said.err
    assert "40 of 60 calls used" in said.err
    assert said.out == "math-1: 3 steps asked again\n"
    assert "python client/runs.py watch math-1 --server" in said.err
    (asked,) = failed.asked(run_service_pb2.RetryRunRequest)
    assert not asked.HasField("budget")


async def test_a_larger_budget_keeps_the_limits_that_do_not_change(
    failed: FakeService, session: Session
) -> None:
    assert failed.run is not None
    failed.run.league.budget.max_tokens = 9000

    raised = league_pb2.Budget(max_calls=90)
    await run_retry.retry(session, "runs/math-1", raised, PlayOptions(json=True))

    (asked,) = failed.asked(run_service_pb2.RetryRunRequest)
    assert asked.budget == league_pb2.Budget(max_calls=90, max_tokens=9000)


@pytest.mark.parametrize("as_json", [False, True])
async def test_nothing_to_retry_is_told_and_nothing_is_asked(
    service: FakeService,
    session: Session,
    capsys: pytest.CaptureFixture[str],
    *,
    as_json: bool,
) -> None:
    service.run = run(run_pb2.Run.STATE_SUCCEEDED)
    service.rounds = [played(1, OK, di=REFUSED), played(4, REFUSED)]

    options = PlayOptions(json=as_json)
    status = await run_retry.retry(session, "runs/math-1", league_pb2.Budget(), options)

    said = capsys.readouterr()
    assert status == ExitStatus.OK
    assert "Nothing to retry: no step of math-1 ended unavailable or unparsable." in said.err
    assert (json.loads(said.out)["reopened_steps"] == 0) if as_json else not said.out
    assert not service.asked(run_service_pb2.RetryRunRequest)


async def test_what_a_judging_again_took_over_is_no_step_to_retry(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    service.run = run(run_pb2.Run.STATE_SUCCEEDED, source_run="runs/math-0")
    taken_over = played(1, OK)
    taken_over.answers[0].result.CopyFrom(AWAY)
    service.rounds = [taken_over]

    await run_actions.show_run(session, "runs/math-1", as_json=False)
    shown = capsys.readouterr()
    await run_retry.retry(session, "runs/math-1", league_pb2.Budget(), PlayOptions())

    assert "runs.py retry" not in shown.out + shown.err
    assert "Nothing to retry" in capsys.readouterr().err
    assert not service.asked(run_service_pb2.RetryRunRequest)


async def test_an_unknown_cost_and_length_are_not_made_up(
    failed: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failed.run is not None
    failed.run.league.participants[3].ClearField("max_output_tokens")
    failed.estimate.participants[3].ClearField("cost_usd")

    await run_retry.retry(session, "runs/math-1", league_pb2.Budget(), PlayOptions())

    said = capsys.readouterr().err
    assert "At worst 30 calls, if every reply" in said
    assert "What that costs is not known." in said


async def test_a_run_that_is_being_played_is_refused_by_its_server(
    failed: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failed.run is not None
    failed.run.state = run_pb2.Run.STATE_RUNNING
    precondition = error_details_pb2.PreconditionFailure()
    precondition.violations.add(
        type="STATE", subject="runs/math-1", description="runs/math-1 is running; pause it first."
    )
    failed.refusals["RetryRun"] = refusal(
        code_pb2.FAILED_PRECONDITION, "Running.", "WRONG_STATE", precondition
    )

    with pytest.raises(CallError, match="is running; pause it first") as caught:
        await run_retry.retry(session, "runs/math-1", league_pb2.Budget(), PlayOptions())

    assert caught.value.status == ExitStatus.REFUSED
    assert "To ask again" not in capsys.readouterr().err


async def test_a_run_left_by_a_killed_server_has_to_go_on_first(
    failed: FakeService, session: Session
) -> None:
    assert failed.run is not None
    failed.run.state = run_pb2.Run.STATE_RUNNING
    own = replace(session.connection, embedded=cast("EmbeddedServer", object()))
    alone = replace(session, connection=own)

    with pytest.raises(CommandError, match=r"runs\.py resume math-1") as caught:
        await run_retry.retry(alone, "runs/math-1", league_pb2.Budget(), PlayOptions())

    assert caught.value.status == ExitStatus.REFUSED
    assert not failed.asked(run_service_pb2.RetryRunRequest)


async def test_an_unknown_run(session: Session) -> None:
    with pytest.raises(CallError, match="runs/other is not known") as caught:
        await run_retry.retry(session, "runs/other", league_pb2.Budget(), PlayOptions())
    assert caught.value.status == ExitStatus.ERROR
