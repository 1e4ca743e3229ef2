"""Following a run, and what the commands make of it: with a fake of the services."""

import asyncio
import json
from pathlib import Path

import pytest
from google.rpc import code_pb2
from llm_crowdsourced.v1 import (
    call_pb2,
    league_pb2,
    result_service_pb2,
    round_pb2,
    run_pb2,
    run_service_pb2,
)

from client import follow, report_files, run_actions
from client.exit_status import ExitStatus
from client.failures import CallError, CommandError
from client.interrupts import InterruptedByUserError
from client.playing import PlayOptions, play
from client.run_name import run_name
from client.session import Session
from tests.support.fake_service import (
    IDS,
    FakeService,
    event,
    league,
    refusal,
    run,
    state_event,
)
from tests.support.scripted_league import eventually

RUNNING = state_event(1, run_pb2.Run.STATE_RUNNING)
SUCCEEDED = state_event(3, run_pb2.Run.STATE_SUCCEEDED)
NO_REPORT = PlayOptions(report=False)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_FIRST_PAUSE_S", 0.01)


def results(service: FakeService) -> None:
    service.standings = result_service_pb2.GetStandingsResponse(marks=30, planned_marks=36)
    for rank, name in enumerate(IDS[:3], 1):
        service.standings.standings.add(
            participant=name, rank=rank, answer_score=2 - rank / 3, question_score=1, marks=9,
            planned_marks=9, points=18.0, answer_share=0.5,
        )  # fmt: skip
    service.standings.standings.add(participant="di", planned_marks=9)


async def test_a_league_is_played(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    service.run = None
    service.events = [RUNNING, event(2), SUCCEEDED]
    results(service)

    status = await play(session, league(), PlayOptions(report=False, run_id="mine"))

    said = capsys.readouterr()
    assert status == ExitStatus.OK
    assert "32 calls and 36 marks when nothing fails." in said.err
    assert "Playing mine." in said.err
    assert "They judge weakly" in said.err
    assert "Marks received: 30 of 36 (83.3 %); what is missing counts as missing" in said.out
    rows = [line.split() for line in said.out.splitlines()]
    assert ["1", "-", "ada", "1.67", "-", "1.00", "0.50", "9", "of", "9"] in rows
    assert ["-", "-", "di", "-", "-", "-", "-", "0", "of", "9"] in rows
    (created,) = service.asked(run_service_pb2.CreateRunRequest)
    assert created.request_id


async def test_refusals_are_told_and_nothing_is_sent(
    service: FakeService, session: Session
) -> None:
    service.estimate.refusals.extend(
        ["ada: no key: export KEY.", "a: limit.", "bob: unknown model.", "cy: no key: export KEY."]
    )

    with pytest.raises(CommandError) as caught:
        await play(session, league(), NO_REPORT)

    assert caught.value.status == ExitStatus.REFUSED
    assert str(caught.value).splitlines() == [
        "Refused: ada, cy: no key: export KEY.",
        "Refused: a: limit.",
        "Refused: bob: unknown model.",
        "Nothing was sent to a model.",
    ]
    assert not service.asked(run_service_pb2.CreateRunRequest)


async def test_a_dry_run_only_estimates(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    service.estimate.ClearField("cost_usd")
    service.estimate.participants.add(participant="ada", calls=8, prompt_tokens=5000, cost_usd=0.12)

    assert await play(session, league(), PlayOptions(dry_run=True)) == ExitStatus.OK

    out = capsys.readouterr().out
    assert "32 calls" in out
    assert "about $0.1200" in out
    assert next(line for line in out.splitlines() if "In all" in line).split()[-1] == "unknown"
    assert not service.asked(run_service_pb2.CreateRunRequest)


async def test_json_is_one_document(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    service.events = [RUNNING, SUCCEEDED]
    results(service)

    await play(session, league(), PlayOptions(report=False, json=True))
    document = json.loads(capsys.readouterr().out)
    assert document["run"]["state"] == "STATE_SUCCEEDED"
    assert document["standings"]["standings"][0]["participant"] == "ada"
    assert document["report"] == []

    await play(session, league(), PlayOptions(dry_run=True, json=True))
    assert json.loads(capsys.readouterr().out)["calls"] == "32"


@pytest.mark.parametrize(
    "ending",
    [
        (run_pb2.Run.STATE_FAILED, ExitStatus.RUN_FAILED, "math-1 failed: why"),
        (run_pb2.Run.STATE_CANCELLED, ExitStatus.RUN_FAILED, "math-1 was cancelled: why"),
        (run_pb2.Run.STATE_PAUSED, ExitStatus.PAUSED, "math-1 is paused: why"),
    ],
)
async def test_how_a_run_ended_is_told(
    service: FakeService,
    session: Session,
    capsys: pytest.CaptureFixture[str],
    ending: tuple[int, ExitStatus, str],
) -> None:
    state, status, told = ending
    service.events = [RUNNING, state_event(2, state, "why.")]

    assert await play(session, league(), NO_REPORT) == status
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("budget", "advised"), [(league_pb2.Budget(), False), (league_pb2.Budget(max_calls=5), True)]
)
async def test_a_larger_budget_is_advised_only_where_there_is_a_limit(
    service: FakeService,
    session: Session,
    capsys: pytest.CaptureFixture[str],
    budget: league_pb2.Budget,
    *,
    advised: bool,
) -> None:
    service.events = [RUNNING, state_event(2, run_pb2.Run.STATE_PAUSED, "why.")]

    await play(session, league(budget=budget), NO_REPORT)

    assert ("A larger budget" in capsys.readouterr().err) == advised


async def test_a_pause_of_long_ago_does_not_end_the_view(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    states = [
        run_pb2.Run.STATE_RUNNING,
        run_pb2.Run.STATE_PAUSED,
        run_pb2.Run.STATE_RUNNING,
        run_pb2.Run.STATE_SUCCEEDED,
    ]
    service.events = [state_event(i, state) for i, state in enumerate(states, 1)]

    assert await play(session, league(), NO_REPORT) == ExitStatus.OK
    assert "succeeded" in capsys.readouterr().err


async def test_a_broken_connection_is_mended_without_a_lost_event(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    service.events = [RUNNING, event(2), None, SUCCEEDED]

    assert await play(session, league(), NO_REPORT) == ExitStatus.OK

    watches = service.asked(run_service_pb2.WatchRunRequest)
    assert [w.resume_token for w in watches] == ["", "2"]
    assert "Lost the server" in capsys.readouterr().err


async def test_why_a_run_stands_still_is_told_while_it_does(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    full = "the disk of league.duckdb is full: make room, and it goes on"
    service.events = [RUNNING, full, full, event(2), SUCCEEDED]

    assert await play(session, league(), NO_REPORT) == ExitStatus.OK

    lines = capsys.readouterr().err.splitlines()
    assert lines.count(full) == 1
    assert lines.index("It goes on.") == lines.index(full) + 1


async def test_a_refused_watch_is_not_tried_again(service: FakeService, session: Session) -> None:
    service.refusals["WatchRun"] = refusal(code_pb2.INTERNAL, "Broken.", "STORE_FAILED")

    with pytest.raises(CallError, match="Broken"):
        await play(session, league(), NO_REPORT)
    assert len(service.asked(run_service_pb2.WatchRunRequest)) == 1


async def test_ctrl_c_leaves_a_run_to_its_server(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    service.events = [RUNNING]

    async def interrupt_once_it_is_watched() -> None:
        await eventually(lambda: bool(service.asked(run_service_pb2.WatchRunRequest)))
        session.interrupts.interrupt()

    interrupting = asyncio.create_task(interrupt_once_it_is_watched())
    with pytest.raises(InterruptedByUserError):
        await play(session, league(), NO_REPORT)
    await interrupting

    err = capsys.readouterr().err
    assert f"math-1 goes on at {session.target.server}." in err
    assert f"python client/runs.py pause math-1 --server {session.target.server}" in err
    assert not service.asked(run_service_pb2.PauseRunRequest)


async def test_a_detached_run_prints_its_id(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await play(session, league(), PlayOptions(detach=True)) == ExitStatus.OK

    assert capsys.readouterr().out == "math-1\n"
    assert not service.asked(run_service_pb2.WatchRunRequest)


async def test_a_resumption_keeps_the_limits_that_do_not_change(
    service: FakeService, session: Session
) -> None:
    budget = league_pb2.Budget(max_calls=5, max_tokens=100)
    service.run = run(run_pb2.Run.STATE_PAUSED, league=league(budget=budget))

    raised = league_pb2.Budget(max_calls=9)
    await run_actions.resume_run(session, "runs/math-1", raised, NO_REPORT)

    (asked,) = service.asked(run_service_pb2.ResumeRunRequest)
    assert asked.budget == league_pb2.Budget(max_calls=9, max_tokens=100)


async def test_a_resumption_without_limits_sends_none(
    service: FakeService, session: Session
) -> None:
    service.run = run(run_pb2.Run.STATE_PAUSED)

    await run_actions.resume_run(session, "runs/math-1", league_pb2.Budget(), NO_REPORT)

    (asked,) = service.asked(run_service_pb2.ResumeRunRequest)
    assert not asked.HasField("budget")


async def test_runs_are_listed_and_shown(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    results(service)
    ok = round_pb2.StepResult(outcome=round_pb2.OUTCOME_OK)
    service.rounds = [
        round_pb2.Round(
            name="runs/math-1/rounds/1",
            index=1,
            question_setter="ada",
            result=ok,
            question=round_pb2.Question(text="What is\n[red]2+2[/red]?\x1b[31m"),
            answers=[round_pb2.Answer(answerer="bob", result=ok, text="It is", final_answer="4")],
            judgments=[
                round_pb2.Judgment(
                    judge="cy",
                    result=ok,
                    marks=[
                        round_pb2.Mark(
                            answerer="bob", label="B", position=2, rank=1, points=2, reason="Right."
                        )
                    ],
                ),
                round_pb2.Judgment(
                    judge="di",
                    result=round_pb2.StepResult(
                        outcome=round_pb2.OUTCOME_UNPARSABLE, cause="unparsable", detail="No JSON."
                    ),
                ),
            ],
        )
    ]
    service.coverage.failures.add(
        participant="di",
        role=round_pb2.ROLE_JUDGMENT,
        outcome=round_pb2.OUTCOME_UNPARSABLE,
        cause="no_json",
        count=1,
        rounds=[1],
        example="No JSON.",
    )

    await run_actions.list_runs(session, 10, as_json=False)
    assert "math-1  running  math" in capsys.readouterr().out

    await run_actions.show_run(session, "runs/math-1", as_json=False)
    shown = capsys.readouterr().out
    assert "1 question each; answers blind and shuffled; seed 0" in shown
    assert "no_json, 1 step: No JSON." in shown
    assert "di: judgment in round 1" in shown
    assert ["1", "ada", "ok", "1", "of", "1", "1", "of", "2"] in [
        line.split() for line in shown.splitlines()
    ]

    await run_actions.show_round(session.connection, "runs/math-1", 1, as_json=False)
    shown = capsys.readouterr().out
    assert "[red]2+2[/red]?[31m" in shown
    assert "\x1b" not in shown
    assert "bob: rank 1, 2 points (seen as B, place 2)" in shown
    assert "unparsable (unparsable: No JSON.)" in shown

    for work in (
        run_actions.list_runs(session, 10, as_json=True),
        run_actions.show_run(session, "runs/math-1", as_json=True),
        run_actions.show_round(session.connection, "runs/math-1", 1, as_json=True),
    ):
        await work
        assert json.loads(capsys.readouterr().out)


async def test_a_run_shows_its_budget_what_was_conceded_and_that_it_can_be_retried(
    service: FakeService, session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    budget = league_pb2.Budget(max_calls=40, max_tokens=9000)
    service.run = run(run_pb2.Run.STATE_SUCCEEDED, league=league(budget=budget))
    service.run.progress.calls = 36
    service.run.progress.charged_tokens = 7777
    away = round_pb2.StepResult(outcome=round_pb2.OUTCOME_UNAVAILABLE, cause="timeout")
    service.rounds = [round_pb2.Round(index=1, question_setter="ada", result=away)]
    formats = ["json_schema", "text", "text", "json_object"]
    service.calls = [call_pb2.Call(participant="bob", response_format=f) for f in formats]

    await run_actions.show_run(session, "runs/math-1", as_json=False)

    said = capsys.readouterr()
    assert "36 of 40 calls, 7,777 of 9,000 tokens counted" in said.out
    assert "bob: asked for as plain text and not by JSON schema in 2 of 4 calls" in said.out
    assert "bob: asked for as a JSON object and not by JSON schema in 1 of 4 calls" in said.out
    assert "python client/runs.py retry math-1 --server" in said.err

    service.rounds[0].result.outcome = round_pb2.OUTCOME_REFUSED
    del service.calls[1:]
    await run_actions.show_run(session, "runs/math-1", as_json=False)
    said = capsys.readouterr()
    assert "JSON schema" not in said.out
    assert "retry" not in said.err


def test_names_as_people_type_them() -> None:
    assert run_name("math-1") == run_name("runs/math-1") == "runs/math-1"
    for wrong in ("", "x", "Math-1", "runs/", "a" * 64, "a/b", "\x1b[31mred"):
        with pytest.raises(CommandError, match="cannot be the id of a run"):
            run_name(wrong)


def test_files_take_their_place_whole(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "er"
    paths = report_files.save({"a.txt": b"1", "charts/b.svg": b"2"}, folder)
    again = report_files.save({"a.txt": b"3"}, folder)

    assert paths == [folder / "a.txt", folder / "charts/b.svg"]
    assert again[0].read_bytes() == b"3"
    assert sorted(p.name for p in folder.rglob("*")) == ["a.txt", "b.svg", "charts"]
    for wrong in ("../x", "/tmp/x"):  # noqa: S108 - never written
        with pytest.raises(CommandError, match="outside"):
            report_files.save({wrong: b""}, folder)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CommandError, match="--out DIR"):
        report_files.save({"a.txt": b""}, tmp_path / "file")


def test_the_folder_is_named_after_the_runs() -> None:
    assert report_files.default_folder(["runs/a-1"]) == Path("reports/a-1")
    assert report_files.default_folder(["runs/a-1", "runs/b-2"]) == Path("reports/a-1+b-2")
    many = report_files.default_folder([f"runs/run-{i}" for i in range(99)])
    assert many.name.startswith("run-0+98-more-")
