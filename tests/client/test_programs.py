"""Programming rounds: what travels, and what a terminal shows of it."""

import io
from dataclasses import replace

import pytest
from google.protobuf.duration_pb2 import Duration
from llm_crowdsourced.v1 import (
    execution_pb2,
    league_pb2,
    result_service_pb2,
    round_pb2,
    run_pb2,
    run_service_pb2,
)
from rich.console import Console

from analysis import dataset as records
from analysis.verdict_words import failures, legend, outcome_words, verdict_line
from client import run_actions, run_rejudge, tables
from client.dataset import fetch_dataset
from client.exit_status import ExitStatus
from client.failures import CommandError
from client.playing import PlayOptions
from client.run_text import round_text
from client.session import Session
from tests.support.fake_service import FakeService, league, run
from tests.support.programs import UNVERIFIED, VERIFIED, execution

OK = round_pb2.StepResult(outcome=round_pb2.OUTCOME_OK, calls=1)
SOURCE = "\n".join(f"line_{i} = {i}" for i in range(30))
EVIL = "\x1b[2J[bold]\u202e"
CASES = (
    execution_pb2.CaseResult(
        name="small",
        verdict=execution_pb2.VERDICT_ACCEPTED,
        exit_status=0,
        cpu_time=Duration(nanos=20_000_000),
        wall_time=Duration(nanos=30_000_000),
        peak_memory_bytes=8 << 20,
        stdout=b"7\n",
    ),
    execution_pb2.CaseResult(
        name="edge",
        verdict=execution_pb2.VERDICT_WRONG_ANSWER,
        exit_status=0,
        detail=f"word 1 differs {EVIL}",
    ),
    execution_pb2.CaseResult(name="large", verdict=execution_pb2.VERDICT_TIME_LIMIT, signal=9),
)


def a_programming_round() -> round_pb2.Round:
    return round_pb2.Round(
        name="runs/code-1/rounds/1",
        index=1,
        question_setter="ada",
        result=OK,
        question=round_pb2.Question(
            text="Print the sum.",
            reference_answer="print(sum(map(int, open(0))))",
            marking_scheme="Correctness 80, style 20.",
            check=round_pb2.QuestionCheck(
                verified=True,
                reference=execution_pb2.Program(language="python"),
                cases=[execution_pb2.Case(name=case.name) for case in CASES],
                dropped_cases=1,
                dropped=[round_pb2.DroppedCase(name="huge", reason="the reference was too slow")],
                disputed_cases=["large"],
                repairs=1,
                detail="A case was mended.",
            ),
        ),
        answers=[
            round_pb2.Answer(
                answerer="bob",
                result=OK,
                text="I add.",
                final_answer=SOURCE,
                execution=execution_pb2.Execution(
                    program=execution_pb2.Program(language="python"),
                    compile=execution_pb2.CompileResult(
                        verdict=execution_pb2.VERDICT_ACCEPTED,
                        toolchain="Python 3.11",
                        language="python",
                        language_basis="fence",
                    ),
                    cases=CASES,
                    passed_cases=1,
                    total_cases=2,
                    pass_rate=0.5,
                ),
            ),
            round_pb2.Answer(
                answerer="cy",
                result=OK,
                final_answer="int main() { return 0 }",
                execution=execution_pb2.Execution(
                    program=execution_pb2.Program(language="c"),
                    compile=execution_pb2.CompileResult(
                        verdict=execution_pb2.VERDICT_COMPILE_ERROR,
                        message=f"expected ';' {EVIL}",
                        language="c",
                    ),
                    total_cases=2,
                    pass_rate=0,
                ),
            ),
        ],
        judgments=[
            round_pb2.Judgment(
                judge="ada",
                result=OK,
                answerers=["bob", "cy"],
                marks=[
                    round_pb2.Mark(
                        answerer="bob", label="A", position=1, score=62.5, reason="Fails the edge."
                    ),
                    round_pb2.Mark(
                        answerer="cy", label="B", position=2, score=5, reason="No code."
                    ),
                ],
            )
        ],
    )


@pytest.fixture
def played(service: FakeService) -> FakeService:
    rules = league(
        subject=league_pb2.SUBJECT_PROGRAMMING,
        programming=league_pb2.ProgrammingRules(evidence=league_pb2.EVIDENCE_VIEW_HIDDEN),
    )
    service.run = run(run_pb2.Run.STATE_SUCCEEDED, league=rules, name="runs/code-1")
    service.rounds = [a_programming_round()]
    return service


@pytest.mark.usefixtures("played")
async def test_programs_come_whole(session: Session) -> None:
    (found,) = (await fetch_dataset(session.connection, ["runs/code-1"])).runs

    assert found.evidence == "hidden"
    (round_,) = found.rounds
    assert round_.question is not None
    assert round_.question.check == records.QuestionCheck(
        verified=True,
        kept=("small", "edge", "large"),
        dropped=(records.DroppedCase(name="huge", reason="the reference was too slow"),),
        disputed=("large",),
        repairs=1,
        detail="A case was mended.",
        language="python",
    )
    bob, cy = round_.answers
    assert bob.final_answer == SOURCE
    assert bob.execution is not None
    assert bob.execution.cases[0] == records.CaseRun(
        name="small",
        verdict="accepted",
        cpu_s=0.02,
        wall_s=0.03,
        memory_bytes=8 << 20,
        exit_status=0,
    )
    assert (bob.execution.cases[2].signal, bob.execution.cases[2].exit_status) == (9, None)
    assert (bob.execution.pass_rate, bob.execution.language_basis) == (0.5, "fence")
    assert cy.execution is not None
    # Nothing passed is not the same as nothing known.
    assert cy.execution.pass_rate == 0
    assert cy.execution.compile_verdict == "compile_error"


async def test_a_case_that_was_not_run_has_a_word_of_its_own(
    played: FakeService, session: Session
) -> None:
    case = played.rounds[0].answers[0].execution.cases[2]
    case.ClearField("cpu_time")
    case.verdict, case.not_run = execution_pb2.VERDICT_TIME_LIMIT, True
    (found,) = (await fetch_dataset(session.connection, ["runs/code-1"])).runs
    ran = found.rounds[0].answers[0].execution
    assert ran is not None
    assert (ran.cases[2].verdict, ran.cases[2].cpu_s) == ("not_run", 0.0)
    assert verdict_line(ran, None).endswith("N")


async def test_a_round_without_a_pass_rate_has_none(played: FakeService, session: Session) -> None:
    played.rounds[0].answers[0].execution.ClearField("pass_rate")
    played.rounds[0].answers[1].ClearField("execution")
    (found,) = (await fetch_dataset(session.connection, ["runs/code-1"])).runs
    bob, cy = found.rounds[0].answers
    assert bob.execution is not None
    assert bob.execution.pass_rate is None
    assert cy.execution is None


async def test_mathematics_has_no_evidence(service: FakeService, session: Session) -> None:
    service.rounds = [round_pb2.Round(index=1, question_setter="ada")]
    (found,) = (await fetch_dataset(session.connection, ["runs/math-1"])).runs
    assert found.evidence == ""


@pytest.mark.usefixtures("played")
async def test_a_round_is_told_in_the_terminal(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    status = await run_actions.show_round(session.connection, "runs/code-1", 1, as_json=False)

    out = capsys.readouterr().out
    assert status == ExitStatus.OK
    lines = [line.strip() for line in out.splitlines()]
    assert (
        "Verified: the reference ran twice alike on every case kept; 3 of 4 cases kept. "
        "Disputed by the answers: large. Mended once by its setter." in lines
    )
    assert "dropped huge: the reference was too slow" in lines
    assert "reference (python):" in lines
    assert "print(sum(map(int, open(0))))" in lines
    assert "python (told by its fence): passed 1 of 2 cases (50 %)  ✓✗D" in lines
    assert "edge: wrong answer: word 1 differs [2J[bold]" in lines
    assert "c: compile error, passes no case" in lines
    # The source is cut, and says how to see the rest.
    assert "line_11 = 11" in lines
    assert "line_12 = 12" not in lines
    assert "… 18 more lines: --full shows them" in lines
    told = "Cases, one character each: ✓ accepted; ✗ wrong answer; D disputed, counts for nothing"
    assert told in lines
    assert "bob: 62.5 of 100 (seen as A, place 1)" in lines
    assert "Fails the edge." in lines
    assert "\x1b" not in out
    assert "\u202e" not in out


@pytest.mark.usefixtures("played")
async def test_programs_are_shown_whole_when_asked(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_actions.show_round(session.connection, "runs/code-1", 1, full=True, as_json=False)

    out = capsys.readouterr().out
    assert all(f"line_{i} = {i}\n" in out for i in range(30))
    assert "--full" not in out


@pytest.mark.parametrize("width", [40, 80, 120])
def test_nothing_is_wider_than_the_screen(width: int) -> None:
    answer = records.Answer(
        answerer="model-b",
        result=records.StepResult(outcome="ok"),
        text="I add. " * 40,
        final_answer="    x = " + "#" * 300 + "\n\tindented()",
        execution=execution("..WT", text="w" * 200),
    )
    question = records.Question(text="Q " * 100, reference_answer="z" * 300, check=VERIFIED)
    entry = records.Round(
        index=3,
        setter="model-a",
        result=records.StepResult(outcome="ok"),
        question=question,
        answers=(answer,),
    )
    text = drawn(entry, width, full=True)
    assert max(map(len, text.splitlines())) <= width
    # All of the code is there, with its indentation.
    assert text.count("#") == 300
    assert "            indented()" in text


def drawn(entry: records.Round, width: int, *, full: bool, ascii_only: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None, markup=False)
    for part in round_text(entry, full=full, ascii_only=ascii_only):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_plain_terminal_gets_plain_signs() -> None:
    answer = records.Answer(
        answerer="b", result=records.StepResult(outcome="ok"), execution=execution(".WTS")
    )
    question = records.Question(text="Q", check=replace(UNVERIFIED, kept=VERIFIED.kept))
    entry = records.Round(
        index=1,
        setter="a",
        result=records.StepResult(outcome="ok"),
        question=question,
        answers=(answer,),
    )
    text = drawn(entry, 80, full=False, ascii_only=True)
    assert "passed 1 of 3 cases (33.3 %)  +xTS" in text
    assert "+ accepted; x wrong answer; T time limit; S the sandbox failed" in " ".join(
        text.split()
    )
    assert text.isascii()
    assert "Unverified: 4 of 5 cases kept. Mended 2 times by its setter." in text


def test_verdicts_in_words() -> None:
    assert outcome_words(execution("C"), VERIFIED).endswith(": compile error, passes no case")
    none = records.QuestionCheck(verified=False)
    assert outcome_words(execution("C", none), none).endswith(": compile error")
    told = outcome_words(execution("....", none), none)
    assert told.endswith(": compiles; no case to run it on, so no pass rate")
    lost = outcome_words(execution("SSSS"), VERIFIED)
    assert lost.endswith(": compiles; no case counts, 4 lost by the sandbox, so no pass rate")
    check = replace(VERIFIED, disputed=("1", "2", "3"))
    told = outcome_words(execution(".W.S", check), check)
    assert "no case counts, 3 disputed and 1 lost by the sandbox, so no pass rate" in told
    check = replace(VERIFIED, disputed=VERIFIED.kept)
    assert "no case counts, 4 disputed, so no" in outcome_words(execution("W.SW", check), check)
    odd = records.Execution(
        language="",
        compile_verdict="accepted",
        cases=(records.CaseRun(name="1", verdict="unknown-99"),),
        pass_rate=0.0,
    )
    assert verdict_line(odd, None) == "?"
    assert outcome_words(odd, None) == "no language told: passed 0 of 1 cases (0 %)"
    broken = replace(odd, compile_verdict="time_limit", cases=())
    assert outcome_words(broken, None) == "no language told: compiler: time limit, passes no case"
    assert legend(["✓✓", "T"]) == "✓ accepted; T time limit"
    assert legend([]) == ""
    late = execution(".TNN", text="not run: the time was used up")
    assert verdict_line(late, None) == "✓TNN"
    # It counts as failed.
    assert outcome_words(late, None).endswith("passed 1 of 4 cases (25 %)")
    assert failures(late)[1] == "3: not run: the time was used up"


def test_pass_rates_stand_beside_scores() -> None:
    answer = result_service_pb2.GetStandingsResponse(marks=12, planned_marks=12)
    answer.standings.add(
        participant="ada", rank=1, answer_score=80, marks=6, planned_marks=6,
        pass_rate=0.9996, pass_rate_rounds=3,
    )  # fmt: skip
    answer.standings.add(participant="bob", rank=2, answer_score=70, marks=6, planned_marks=6)
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(tables.standings(answer))
    assert isinstance(console.file, io.StringIO)
    head, below, ada, bob = (line.split() for line in console.file.getvalue().splitlines()[-4:])
    assert "Pass" in head
    assert "(rounds)" in below
    # What is not complete is not 100 %.
    assert ada[-6:] == ["99.9", "%", "(3)", "6", "of", "6"]
    assert bob[-4:] == ["-", "6", "of", "6"]
    assert "no part of the rank" in tables.reading(answer)


@pytest.mark.usefixtures("played")
async def test_a_run_tells_whether_judges_saw_the_evidence(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    await run_actions.show_run(session, "runs/code-1", as_json=False)
    assert "hidden to judges" in " ".join(capsys.readouterr().out.split())


def wanted(evidence: str) -> run_rejudge.Options:
    return run_rejudge.Options(
        run_id="", judges=(), identity="blind", order="shuffled", evidence=evidence, seed=None,
        budget=league_pb2.Budget(),
    )  # fmt: skip


@pytest.mark.parametrize("evidence", ["shown", "hidden"])
async def test_evidence_is_asked_for(
    played: FakeService,
    session: Session,
    capsys: pytest.CaptureFixture[str],
    evidence: str,
) -> None:
    await run_rejudge.rejudge(session, "runs/code-1", wanted(evidence), PlayOptions())
    (asked,) = played.asked(run_service_pb2.RejudgeRunRequest)
    assert asked.evidence == league_pb2.EvidenceView.Value(f"EVIDENCE_VIEW_{evidence.upper()}")
    assert "Judging code-1 again" in capsys.readouterr().err


async def test_there_is_no_evidence_in_mathematics(service: FakeService, session: Session) -> None:
    with pytest.raises(CommandError, match="no evidence to hide"):
        await run_rejudge.rejudge(session, "runs/math-1", wanted("hidden"), PlayOptions())
    assert not service.asked(run_service_pb2.RejudgeRunRequest)
