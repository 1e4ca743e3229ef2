"""What may cost something is asked first at a terminal, and can be tried dry."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from llm_crowdsourced.v1 import league_pb2, round_pb2, run_pb2, run_service_pb2

from client import consent, run_rejudge, run_retry, typed
from client.exit_status import ExitStatus
from client.failures import CallError, CommandError
from client.follow import get_run
from client.playing import PlayOptions, play
from client.session import Session
from tests.support.fake_service import IDS, FakeService, league, run

DRY = PlayOptions(dry_run=True)


@pytest.fixture
def paid(service: FakeService) -> FakeService:
    """A run that has succeeded, of a provider's models, with a judgment to ask again."""
    service.run = run(run_pb2.Run.STATE_SUCCEEDED)
    for participant in service.run.league.participants:
        participant.provider = "openai"
    away = round_pb2.StepResult(outcome=round_pb2.OUTCOME_UNAVAILABLE, cause="timeout")
    ok = round_pb2.StepResult(outcome=round_pb2.OUTCOME_OK)
    service.rounds = [
        round_pb2.Round(
            index=1,
            question_setter="ada",
            result=ok,
            judgments=[round_pb2.Judgment(judge="bob", result=away)],
        )
    ]
    service.estimate.cost_usd = 6.4
    for name in IDS:
        service.estimate.participants.add(participant=name, calls=8, cost_usd=1.6)
    return service


class Terminal:
    """Standard input and error as a terminal on which somebody types."""

    def __init__(self, typed_line: str, patch: pytest.MonkeyPatch) -> None:
        ours, theirs = os.openpty()
        self._ours = ours
        self._stdin = os.fdopen(theirs, "r")
        os.write(ours, typed_line.encode())
        # Not in `sys` itself, where pytest has streams of its own.
        patch.setattr(consent, "sys", SimpleNamespace(stdin=self._stdin, stderr=self._stdin))

    def close(self) -> None:
        """Hangs up."""
        self._stdin.close()
        os.close(self._ours)


@pytest.fixture(params=["n\n", "\n"])
def refusing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    terminal = Terminal(request.param, monkeypatch)
    yield
    terminal.close()


@pytest.fixture
def agreeing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    terminal = Terminal("y\n", monkeypatch)
    yield
    terminal.close()


def judging(**fields: object) -> run_rejudge.Options:
    found: dict[str, object] = {
        "run_id": "", "judges": ("ada", "bob"), "identity": "blind", "order": "shuffled",
        "evidence": "shown", "seed": None, "budget": league_pb2.Budget(),
    }  # fmt: skip
    return run_rejudge.Options(**{**found, **fields})  # type: ignore[arg-type]


@pytest.mark.usefixtures("refusing")
async def test_a_no_sends_nothing_and_is_no_ctrl_c(
    paid: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = league(participants=paid.run.league.participants if paid.run else ())
    assert await play(session, wanted, PlayOptions()) == ExitStatus.ERROR

    err = capsys.readouterr().err
    assert "Play it, for about $6.40? [y/N]" in err
    assert not paid.asked(run_service_pb2.CreateRunRequest)


@pytest.mark.usefixtures("refusing")
async def test_a_no_to_a_retry(
    paid: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    raised = league_pb2.Budget(max_cost_usd=2)
    status = await run_retry.retry(session, "runs/math-1", raised, PlayOptions())

    assert status == ExitStatus.ERROR
    assert "Ask again, for about $0.2000, $2.00 at most? [y/N]" in capsys.readouterr().err
    assert not paid.asked(run_service_pb2.RetryRunRequest)


@pytest.mark.usefixtures("refusing")
async def test_a_no_to_a_judging_again(
    paid: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    paid.estimate.participants[0].ClearField("cost_usd")

    status = await run_rejudge.rejudge(session, "runs/math-1", judging(), PlayOptions())

    assert status == ExitStatus.ERROR
    assert "Judge again, for an unknown sum? [y/N]" in capsys.readouterr().err
    assert not paid.asked(run_service_pb2.RejudgeRunRequest)


@pytest.mark.usefixtures("agreeing")
async def test_a_yes_goes_on(paid: FakeService, session: Session) -> None:
    await run_retry.retry(session, "runs/math-1", league_pb2.Budget(), PlayOptions())

    assert paid.asked(run_service_pb2.RetryRunRequest)


@pytest.mark.usefixtures("refusing")
async def test_nobody_is_asked_who_has_said_yes(paid: FakeService, session: Session) -> None:
    yes = PlayOptions(yes=True)

    await run_retry.retry(session, "runs/math-1", league_pb2.Budget(), yes)
    assert paid.asked(run_service_pb2.RetryRunRequest)
    assert paid.run is not None
    paid.run.state = run_pb2.Run.STATE_SUCCEEDED
    await run_rejudge.rejudge(session, "runs/math-1", judging(), yes)
    assert paid.asked(run_service_pb2.RejudgeRunRequest)


@pytest.mark.parametrize("as_json", [False, True])
async def test_a_dry_run_says_what_it_would_ask_and_cost(
    paid: FakeService, session: Session, capsys: pytest.CaptureFixture[str], *, as_json: bool
) -> None:
    options = replace(DRY, json=as_json)
    assert await run_retry.retry(session, "runs/math-1", league_pb2.Budget(), options) == 0
    retried = capsys.readouterr().out
    assert await run_rejudge.rejudge(session, "runs/math-1", judging(), options) == 0
    judged = capsys.readouterr().out

    if as_json:
        assert json.loads(retried)["reopened_steps"] == 1
        assert json.loads(judged) == {"calls": 8, "cost_usd": pytest.approx(1.6)}
    else:
        assert "To ask again: 1 step." in retried
        assert "Estimated cost: about $0.2000" in retried
        assert judged == (
            "To judge math-1 again: 8 calls when nothing fails. Estimated cost: about $1.60.\n"
        )
    assert not paid.asked(run_service_pb2.RetryRunRequest)
    assert not paid.asked(run_service_pb2.RejudgeRunRequest)


async def test_a_dry_run_refuses_what_would_be_refused(paid: FakeService, session: Session) -> None:
    assert paid.run is not None
    paid.run.state = run_pb2.Run.STATE_RUNNING

    with pytest.raises(CommandError, match="math-1 is running: only a run that has succeeded or"):
        await run_retry.retry(session, "runs/math-1", league_pb2.Budget(), DRY)
    with pytest.raises(CommandError, match="math-1 is running: only a run that has succeeded can"):
        await run_rejudge.rejudge(session, "runs/math-1", judging(), DRY)
    assert not paid.asked(run_service_pb2.RetryRunRequest)
    assert not paid.asked(run_service_pb2.RejudgeRunRequest)


async def test_an_unknown_cost_is_told_with_what_is_missing_and_with_the_budget(
    paid: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert paid.run is not None
    paid.estimate.ClearField("cost_usd")
    paid.estimate.participants[1].ClearField("cost_usd")
    players = paid.run.league.participants

    budget = league_pb2.Budget(max_calls=200, max_tokens=1_000_000)
    await play(session, league(participants=players, budget=budget), DRY)

    out = capsys.readouterr().out
    assert "server/settings.toml gives no price for openai bob." in out
    assert "The league's budget: at most 200 calls, 1,000,000 tokens." in out


async def test_a_run_that_is_not_there_is_told_where_to_look(session: Session) -> None:
    with pytest.raises(CallError) as caught:
        await get_run(session.connection, "runs/nope")

    listed = typed.command("runs", "list", "--server", session.target.server)
    assert str(caught.value).splitlines()[1] == f"Those there are: {listed}"


def test_a_command_works_from_where_it_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Path(typed.__file__).resolve().parents[1]
    monkeypatch.chdir(project)
    assert typed.command("runs", "list") == "python client/runs.py list"
    monkeypatch.chdir(project / "client")
    assert typed.command("runs", "list") == "python runs.py list"
    monkeypatch.chdir(tmp_path)
    assert typed.command("runs", "list") == f"python {project}/client/runs.py list"


def test_the_report_goes_where_it_was_to_go_when_a_run_is_taken_up(session: Session) -> None:
    told = replace(session, report=("--out", "rep 1")).resumption("math-1")

    assert "client/runs.py resume math-1 --out 'rep 1' --server" in told
