"""`runs.py limits`, `provider-limits` and `rejudge`: what they ask for and show."""

import json
from datetime import UTC, datetime

import pytest
from google.rpc import code_pb2, error_details_pb2
from llm_crowdsourced.v1 import league_pb2, model_service_pb2, run_pb2, run_service_pb2

from client import run_limits, run_rejudge
from client.exit_status import ExitStatus
from client.failures import CallError, CommandError
from client.playing import PlayOptions
from client.run_limits import Change, ProviderChange
from client.session import Session
from tests.support.fake_service import FakeService, league, refusal, run


async def test_limits_are_shown_with_what_is_used(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    service.run = run(run_pb2.Run.STATE_PAUSED, state_reason="the budget of calls is used up")
    service.ledger.budget.max_calls = 10
    service.ledger.total.calls = 10

    assert await run_limits.limits(session, "runs/math-1", Change(), as_json=False) == ExitStatus.OK

    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "math-1 paused: the budget of calls is used up"
    rows = [line.split() for line in said.out.splitlines()]
    assert ["calls", "10", "0", "10", "100", "%"] in rows
    assert "Calls under way at once: 64 at most." in said.out
    assert "python client/runs.py resume math-1" in said.err
    assert not service.asked(run_service_pb2.UpdateRunLimitsRequest)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change(max_calls=9), (league_pb2.Budget(max_calls=9, max_tokens=100), None)),
        (Change(max_tokens="none"), (league_pb2.Budget(max_calls=5), None)),
        (
            Change(max_calls="none", max_tokens="none", max_cost_usd=1.5, concurrency=8),
            (league_pb2.Budget(max_cost_usd=1.5), 8),
        ),
        (Change(max_calls="none", max_tokens="none"), (league_pb2.Budget(), None)),
        (Change(concurrency=3), (None, 3)),
    ],
)
async def test_only_what_is_named_changes(
    service: FakeService,
    session: Session,
    capsys: pytest.CaptureFixture[str],
    change: Change,
    expected: tuple[league_pb2.Budget | None, int | None],
) -> None:
    budget, concurrency = expected
    service.run = run(league=league(budget=league_pb2.Budget(max_calls=5, max_tokens=100)))

    await run_limits.limits(session, "runs/math-1", change, as_json=False)

    (asked,) = service.asked(run_service_pb2.UpdateRunLimitsRequest)
    assert (asked.budget if asked.HasField("budget") else None) == budget
    told = asked.max_concurrent_calls if asked.HasField("max_concurrent_calls") else None
    assert told == concurrency
    assert f"at once: {concurrency or 64} at most" in capsys.readouterr().out


async def test_limits_that_cannot_be_are_told(service: FakeService, session: Session) -> None:
    violations = [
        error_details_pb2.BadRequest.FieldViolation(
            field="budget.max_tokens", description="needs max_output_tokens for every participant"
        )
    ]
    bad = error_details_pb2.BadRequest(field_violations=violations)
    service.refusals["UpdateRunLimits"] = refusal(
        code_pb2.INVALID_ARGUMENT, "Bad.", "INVALID_FIELD", bad
    )

    with pytest.raises(CallError, match=r"budget\.max_tokens: needs max_output_tokens") as caught:
        await run_limits.limits(session, "runs/math-1", Change(max_tokens=5), as_json=False)
    assert caught.value.status == ExitStatus.REFUSED

    with pytest.raises(CallError, match="runs/other is not known"):
        await run_limits.limits(session, "runs/other", Change(), as_json=False)


@pytest.fixture
def provider(service: FakeService) -> model_service_pb2.Provider:
    found = model_service_pb2.Provider(
        name="own", reachable=True, calls_under_way=7, concurrent_calls_now=10
    )
    found.limits.max_concurrent_calls = 20
    found.limits.tokens_per_minute = 90_000
    service.providers = [found]
    return found


async def test_the_limits_of_a_provider_are_shown(
    provider: model_service_pb2.Provider, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_limits.provider_limits(session, "own", ProviderChange(), as_json=False)

    out = " ".join(capsys.readouterr().out.split())
    assert "calls at once 20 (now 10, since the provider said that it has too many)" in out
    assert "calls a minute no limit tokens a minute 90,000 under way now 7" in out

    await run_limits.provider_limits(session, "own", ProviderChange(), as_json=True)
    assert json.loads(capsys.readouterr().out)["provider"]["name"] == provider.name


async def test_a_provider_that_asked_to_wait_is_shown_with_until_when_and_why(
    provider: model_service_pb2.Provider, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    until = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    provider.held_until.FromDatetime(until)
    provider.hold_reason = "too many requests (HTTP 429)"

    await run_limits.provider_limits(session, "own", ProviderChange(), as_json=False)

    out = " ".join(capsys.readouterr().out.split())
    local = f"{until.astimezone():%H:%M:%S}"
    assert f"sent nothing until {local}, as it asked: too many requests (HTTP 429)" in out


async def test_the_limits_of_a_provider_change_and_the_others_stay(
    provider: model_service_pb2.Provider,
    service: FakeService,
    session: Session,
    capsys: pytest.CaptureFixture[str],
) -> None:
    change = ProviderChange(rpm=500, tpm="none")

    await run_limits.provider_limits(session, provider.name, change, as_json=False)

    (asked,) = service.asked(model_service_pb2.UpdateProviderLimitsRequest)
    assert asked.limits == model_service_pb2.ProviderLimits(
        max_concurrent_calls=20, requests_per_minute=500
    )
    said = capsys.readouterr()
    assert "tokens a minute  no limit" in said.out
    assert "until the server ends" in said.err


@pytest.mark.usefixtures("provider")
async def test_an_unknown_provider_is_told_with_those_there_are(session: Session) -> None:
    with pytest.raises(CommandError, match=r'no provider "other"\. There are: own\.'):
        await run_limits.provider_limits(session, "other", ProviderChange(rpm=1), as_json=False)


def options(**fields: object) -> run_rejudge.Options:
    found: dict[str, object] = {
        "run_id": "", "judges": (), "identity": "blind", "order": "shuffled",
        "evidence": "shown", "seed": None,
        "budget": league_pb2.Budget(),
    }  # fmt: skip
    return run_rejudge.Options(**{**found, **fields})  # type: ignore[arg-type]


async def test_a_run_is_judged_again(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = options(
        run_id="again", judges=("ada", "bob"), identity="named", order="fixed", seed=7,
        budget=league_pb2.Budget(max_calls=9),
    )  # fmt: skip

    status = await run_rejudge.rejudge(session, "runs/math-1", wanted, PlayOptions())

    said = capsys.readouterr()
    assert status == ExitStatus.OK
    assert said.out == "again\n"
    assert "Judging math-1 again as again: 8 calls when nothing fails." in said.err
    (asked,) = service.asked(run_service_pb2.RejudgeRunRequest)
    assert (asked.identity, asked.order) == (league_pb2.IDENTITY_NAMED, league_pb2.ORDER_FIXED)
    assert list(asked.judges) == ["ada", "bob"]
    assert asked.seed == 7
    assert asked.budget.max_calls == 9
    assert asked.request_id


async def test_without_a_seed_the_orders_stay(service: FakeService, session: Session) -> None:
    await run_rejudge.rejudge(session, "runs/math-1", options(), PlayOptions(json=True))

    (asked,) = service.asked(run_service_pb2.RejudgeRunRequest)
    assert not asked.HasField("seed")
    assert not asked.HasField("budget")


async def test_what_cannot_be_judged_again_is_told(service: FakeService, session: Session) -> None:
    service.refusals["RejudgeRun"] = refusal(
        code_pb2.FAILED_PRECONDITION, "Only a run that has succeeded.", "WRONG_STATE"
    )
    with pytest.raises(CallError, match="Only a run that has succeeded") as caught:
        await run_rejudge.rejudge(session, "runs/math-1", options(), PlayOptions())
    assert caught.value.status == ExitStatus.REFUSED

    with pytest.raises(CallError, match="runs/other is not known"):
        await run_rejudge.rejudge(session, "runs/other", options(), PlayOptions())
