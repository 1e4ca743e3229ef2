"""`runs.py calls`, `ledger` and `export`: what they print, and what reaches a terminal."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from llm_crowdsourced.v1 import call_pb2, result_service_pb2, round_pb2

from client import run_calls, run_export, run_ledger, screen
from client.exit_status import ExitStatus
from client.failures import CallError, CommandError
from client.run_calls import Choice
from client.session import Session
from tests.support.fake_service import FakeService

EVIL = "\x1b[2J \u202e\\alpha\x07"


def call(round_: int, role: int, who: str, **fields: object) -> call_pb2.Call:
    found = call_pb2.Call(
        round=round_,
        role=round_pb2.Role.ValueType(role),
        participant=who,
        outcome=round_pb2.OUTCOME_OK,
        response_format="json_schema",
        prompt=json.dumps([{"role": "user", "content": f"Set a question. {EVIL}"}]),
        raw_reply=f'{{"text": "{EVIL}"}}',
    )
    found.latency.FromTimedelta(timedelta(seconds=1.25))
    found.usage.prompt_tokens = 1000
    found.usage.completion_tokens = 234
    found.usage.cost_usd = 0.01
    for name, value in fields.items():
        setattr(found, name, value)
    return found


@pytest.fixture
def called(service: FakeService) -> FakeService:
    away = call(1, 3, "cy", outcome=5, cause="rate_limited", detail=f"Slow down{EVIL}.", ask=1)
    away.attempt = 2
    away.http_status = 429
    away.ClearField("usage")
    service.calls = [call(1, 1, "ada"), call(1, 2, "bob"), away, call(2, 1, "bob")]
    return service


async def show(session: Session, choice: Choice, *, raw: bool = False, js: bool = False) -> int:
    return await run_calls.show_calls(
        session.connection, "runs/math-1", choice, raw=raw, as_json=js
    )


async def test_every_call_is_a_line(
    called: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await show(session, Choice()) == ExitStatus.OK

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == ["1", "question", "ada", "1", "ok", "1,234", "$0.0100", "1.2", "s"]
    assert lines[3] == ["1", "judgment", "cy", "2.3", "unavailable", "rate_limited", "-", "-",
                        "1.2", "s"]  # fmt: skip
    assert " ".join(lines[5]) == "rate_limited 1: Slow down[2J \\alpha."
    assert " ".join(lines[6]) == ("4 calls, 1 failed, 3,702 tokens, $0.0300, 1 of unknown price")
    (first, second) = called.asked(result_service_pb2.ListCallsRequest)
    assert first.view == second.view == call_pb2.CALL_VIEW_BASIC


@pytest.mark.usefixtures("called")
@pytest.mark.parametrize(
    ("choice", "chosen"),
    [
        (Choice(round=2), ["2 question bob"]),
        (Choice(participant="bob"), ["1 answer bob", "2 question bob"]),
        (Choice(role="answer"), ["1 answer bob"]),
        (Choice(failed=True), ["1 judgment cy"]),
        (Choice(participant="bob", failed=True), []),
    ],
)
async def test_calls_can_be_chosen(
    session: Session,
    capsys: pytest.CaptureFixture[str],
    choice: Choice,
    chosen: list[str],
) -> None:
    await show(session, choice)

    said = capsys.readouterr()
    rows = [
        " ".join(line.split()[:3]) for line in said.out.splitlines() if line.strip()[:1] in "12"
    ]
    assert [row for row in rows if " call" not in row] == chosen
    assert ("No call of those failed, and every reply could be used." in said.err) == (not chosen)


@pytest.mark.usefixtures("called")
@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (Choice(participant="bobb", failed=True), "called bobb. There are: ada, bob, cy, di"),
        (Choice(round=5, failed=True), "no round 5: this run has 4 rounds"),
    ],
)
@pytest.mark.parametrize("js", [False, True])
async def test_a_slip_does_not_read_as_nothing_failed(
    session: Session, choice: Choice, told: str, *, js: bool
) -> None:
    with pytest.raises(CommandError, match=told):
        await show(session, choice, js=js)


@pytest.mark.usefixtures("called")
async def test_raw_texts_are_whole_and_cannot_command_the_terminal(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    await show(session, Choice(round=1, role="judgment"), raw=True)

    out = capsys.readouterr().out
    assert "=== round 1, judgment of cy, asking 2, attempt 3 ===" in out
    assert "unavailable, rate_limited, HTTP 429; json_schema; - tokens" in out
    assert "--- user ---\nSet a question. \\x1b[2J \\u202e\\alpha\\x07\n" in out
    assert '{"text": "\\x1b[2J \\u202e\\alpha\\x07"}' in out
    assert not {"\x1b", "\u202e", "\x07"} & set(out)


async def test_replies_that_could_not_be_used_are_told_from_those_that_were(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    service.calls = [
        call(1, 1, "ada"),
        call(1, 2, "bob"),
        call(1, 2, "bob", ask=1),
        call(1, 3, "cy"),
    ]
    lost = round_pb2.StepResult(
        outcome=round_pb2.OUTCOME_UNPARSABLE, cause="labels_missing", detail="B is missing."
    )
    judgment = round_pb2.Judgment(judge="cy", result=lost)
    service.rounds = [round_pb2.Round(index=1, question_setter="ada", judgments=[judgment])]

    await show(session, Choice(failed=True))

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1][:6] == ["1", "answer", "bob", "1", "unread", "asked_again"]
    assert lines[2][:6] == ["1", "judgment", "cy", "1", "unread", "labels_missing"]
    assert "labels_missing 1: B is missing." in [" ".join(line) for line in lines]
    assert lines[-1][:6] == ["2", "calls,", "2", "of", "unusable", "reply,"]


@pytest.mark.parametrize("unread", [0, 1])
async def test_a_question_that_went_back_to_be_mended_was_read(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str], unread: int
) -> None:
    """Where some were unread too, none of the earlier ones is told as usable."""
    asks = 2 + unread
    service.calls = [call(1, 1, "ada", ask=ask) for ask in range(asks)]
    check = round_pb2.QuestionCheck(verified=True, repairs=1)
    result = round_pb2.StepResult(outcome=round_pb2.OUTCOME_OK, reasks=unread)
    question = round_pb2.Question(text="Sort.", check=check)
    service.rounds = [
        round_pb2.Round(index=1, question_setter="ada", result=result, question=question)
    ]

    await show(session, Choice())
    out = capsys.readouterr().out
    await show(session, Choice(), js=True)
    found = json.loads(capsys.readouterr().out)["calls"]

    lines = [line.split() for line in out.splitlines()]
    first, last = lines[1], lines[asks]
    if unread:
        assert first[4:6] == ["unread", "asked_again"]
        assert "Of 2 earlier replies, 1 went back to be mended; the rest were unread." in out
    else:
        assert first[4:6] == ["ok", "sent_back"]
        assert "1 sent back to be mended" in out
        assert "unusable" not in out
    assert last[4] == "ok"
    assert "sent_back" not in last
    assert [c["reply_used"] for c in found] == [not unread] * (asks - 1) + [True]
    assert [c["sent_back"] for c in found] == [not unread] * (asks - 1) + [False]


async def test_a_prompt_that_is_no_list_of_messages_is_shown_as_it_is(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    service.calls = [call(1, 1, "ada", prompt="{not json")]

    await show(session, Choice(), raw=True)

    assert "--- prompt ---\n{not json\n" in capsys.readouterr().out


@pytest.mark.usefixtures("called")
async def test_calls_as_json(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    await show(session, Choice(failed=True), raw=True, js=True)

    out = capsys.readouterr().out
    (found,) = json.loads(out)["calls"]
    assert found["cause"] == "rate_limited"
    assert found["reply_used"] is False
    assert EVIL in found["raw_reply"]
    assert "\x1b" not in out


def ledger() -> result_service_pb2.GetLedgerResponse:
    answer = result_service_pb2.GetLedgerResponse(
        calls_under_way=3, reserved_tokens=9000, reserved_cost_usd=0.02
    )
    answer.budget.max_calls = 40
    answer.budget.max_cost_usd = 2.0
    figures: dict[str, Any] = {
        "calls": 5, "failed_calls": 1, "prompt_tokens": 1200, "completion_tokens": 345,
        "cost_usd": 0.5, "unpriced_calls": 1, "charged_tokens": 2000, "charged_cost_usd": 0.6,
    }  # fmt: skip
    for role in (1, 2):
        answer.entries.add(participant="ada", role=round_pb2.Role.ValueType(role), **figures)
    answer.total.MergeFrom(
        result_service_pb2.LedgerEntry(**{name: 2 * value for name, value in figures.items()})
    )
    return answer


async def test_the_ledger_stands_against_the_budget(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    service.ledger = ledger()

    assert (
        await run_ledger.show_ledger(session.connection, "runs/math-1", as_json=False)
        == ExitStatus.OK
    )

    said = capsys.readouterr()
    rows = [line.split() for line in said.out.splitlines()]
    assert ["ada", "question", "5", "1", "1,545", "$0.5000", "1", "2,000", "$0.6000"] in rows
    assert ["answer", "5", "1", "1,545", "$0.5000", "1", "2,000", "$0.6000"] in rows
    assert ["In", "all", "10", "2", "3,090", "$1.00", "2", "4,000", "$1.20"] in rows
    assert ["calls", "10", "3", "40", "25", "%"] in rows
    assert ["tokens", "4,000", "up", "to", "9,000", "no", "limit"] in rows
    assert ["cost", "$1.20", "up", "to", "$0.0200", "$2.00", "60", "%"] in rows
    assert "leaves out 2 calls of unknown price" in said.err


async def test_the_ledger_fits_80_columns(
    service: FakeService,
    session: Session,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(screen, "_UNBOUNDED", 80)
    service.ledger = ledger()
    for entry in service.ledger.entries:
        entry.participant = "a-model-with-a-long-name-and-more"
        entry.calls = entry.unpriced_calls = 99_999
        entry.prompt_tokens = entry.charged_tokens = 999_999_999

    await run_ledger.show_ledger(session.connection, "runs/math-1", as_json=False)

    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    assert "999,999,999" in out
    assert "a-m" in out


async def test_a_run_without_calls_has_an_empty_ledger(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_ledger.show_ledger(session.connection, "runs/math-1", as_json=False)
    assert "No call has ended yet." in capsys.readouterr().err

    await run_ledger.show_ledger(session.connection, "runs/math-1", as_json=True)
    assert json.loads(capsys.readouterr().out)["entries"] == []


async def test_tables_are_exported_whole(
    service: FakeService,
    session: Session,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    service.pieces = [("run", b"PAR1"), ("call", b"ab"), ("call", b"cd")]
    folder = tmp_path / "deep" / "er"

    status = await run_export.export(session.connection, "runs/math-1", folder, as_json=False)

    assert status == ExitStatus.OK
    assert (folder / "run.parquet").read_bytes() == b"PAR1"
    assert (folder / "call.parquet").read_bytes() == b"abcd"
    paths = [str(folder / "run.parquet"), str(folder / "call.parquet")]
    assert capsys.readouterr().out.splitlines() == paths

    await run_export.export(session.connection, "runs/math-1", folder, as_json=True)
    assert json.loads(capsys.readouterr().out)["export"] == paths


async def test_a_broken_export_leaves_no_file(
    service: FakeService, session: Session, tmp_path: Path
) -> None:
    service.pieces = [("run", b"PAR1"), ("call", b"ab"), None]

    with pytest.raises(CallError):
        await run_export.export(session.connection, "runs/math-1", tmp_path / "t", as_json=False)

    assert list((tmp_path / "t").iterdir()) == []


async def test_an_export_that_cannot_be_written_is_told(
    service: FakeService, session: Session, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    service.pieces = [("run", b"PAR1")]
    with pytest.raises(CommandError, match="--out DIR"):
        await run_export.export(session.connection, "runs/math-1", tmp_path / "file", as_json=False)

    service.pieces = [("../run", b"PAR1")]
    with pytest.raises(CommandError, match="cannot be a file"):
        await run_export.export(session.connection, "runs/math-1", tmp_path / "t", as_json=False)


async def test_an_unknown_run(session: Session, tmp_path: Path) -> None:
    for work in (
        run_calls.show_calls(session.connection, "runs/other", Choice(), raw=False, as_json=False),
        run_ledger.show_ledger(session.connection, "runs/other", as_json=False),
        run_export.export(session.connection, "runs/other", tmp_path, as_json=False),
    ):
        with pytest.raises(CallError, match="runs/other is not known") as caught:
            await work
        assert caught.value.status == ExitStatus.ERROR
