"""What was played, from the store's rows to `analysis` and on to the wire."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llm_crowdsourced.v1 import result_service_pb2, round_pb2

from analysis.dataset import (
    Answer,
    Judgment,
    Mark,
    Participant,
    Question,
    QuestionCheck,
    Round,
    Run,
    StepResult,
)
from analysis.scores import Standing
from server.league.cutting import cut
from server.league.league import Subject
from server.league.outcome import Outcome
from server.league.schedule import Role, StepKey, answerers_of, judged_by, setter_of
from server.rpc.convert import known, outcome_to
from server.store.executions import MeanPassRate
from server.store.records import MarkRecord, RunRecord, StepRecord

# Of all reasons of a round. With 50 participants each has some 850 characters at the least.
_MOST_REASON_BYTES = 8 << 20
_BYTES_OF_A_CHARACTER = 4


def assemble_rounds(
    run: RunRecord,
    first: int,
    last: int,
    steps: Iterable[StepRecord],
    marks: Iterable[MarkRecord],
) -> tuple[Round, ...]:
    """Puts the rounds from `first` to `last` together, steps not finished included."""
    by_key = {step.key: step for step in steps}
    by_judge: dict[tuple[int, str], list[Mark]] = {}
    for mark in marks:
        by_judge.setdefault((mark.round, mark.judge), []).append(_mark(mark))
    return tuple(_round(run, index, by_key, by_judge) for index in range(first, last + 1))


def assemble_run(run: RunRecord, rounds: tuple[Round, ...]) -> Run:
    """Returns a run as `analysis` takes it, calls left out."""
    league = run.league
    return Run(
        id=run.run_id,
        subject=str(league.subject),
        participants=tuple(
            Participant(id=p.id, provider=p.provider, model=p.model, family=p.family)
            for p in league.participants
        ),
        judges=league.judge_ids,
        rounds=rounds,
        state=str(run.state),
        rounds_per_participant=league.rounds_per_participant,
        planned_marks=run.progress.total_marks,
        planned_steps=run.progress.total_steps,
    )


def _round(
    run: RunRecord,
    index: int,
    steps: Mapping[StepKey, StepRecord],
    marks: Mapping[tuple[int, str], list[Mark]],
) -> Round:
    league = run.league
    setter = setter_of(league, index)
    answers = tuple(
        _answer(who, steps.get(StepKey(index, Role.ANSWER, who)))
        for who in answerers_of(league, index)
    )
    missing = {a.answerer for a in answers if a.result.outcome not in {"", Outcome.OK}}
    judgments = tuple(
        Judgment(
            judge=judge,
            result=_result(steps.get(StepKey(index, Role.JUDGMENT, judge))),
            answerers=tuple(i for i in judged_by(league, index, judge) if i not in missing),
            marks=tuple(marks.get((index, judge), ())),
        )
        for judge in league.judge_ids
    )
    step = steps.get(StepKey(index, Role.QUESTION, setter))
    return Round(
        index=index,
        setter=setter,
        result=_result(step),
        question=_question(step),
        answers=answers,
        judgments=judgments,
    )


def _result(step: StepRecord | None) -> StepResult:
    if step is None:
        return StepResult()
    return StepResult(
        outcome=str(step.outcome),
        cause=step.cause,
        detail=step.detail,
        reasks=step.reasks,
        repaired=step.repaired,
        calls=step.calls,
        retries=step.retries,
        earlier_cause=step.earlier_cause,
        earlier_detail=step.earlier_detail,
    )


def _question(step: StepRecord | None) -> Question | None:
    """Returns a question that was read, that of a void round too: its reason can be looked into."""
    if step is None or step.content is None:
        return None
    names = ("text", "reference_answer", "marking_scheme", "principle")
    verified = step.content.get("verified")
    check = None
    if verified is not None:
        check = QuestionCheck(
            verified=verified,
            repairs=step.content["repairs"],
            detail=step.content["check_detail"],
        )
    return Question(**{name: step.content[name] for name in names}, check=check)


def _answer(answerer: str, step: StepRecord | None) -> Answer:
    content: Mapping[str, Any] = (step.content if step is not None else None) or {}
    return Answer(
        answerer=answerer,
        result=_result(step),
        text=content.get("text", ""),
        final_answer=content.get("final_answer", ""),
        names_maker=content.get("names_maker", False),
    )


def _mark(mark: MarkRecord) -> Mark:
    return Mark(
        answerer=mark.answerer,
        label=mark.label,
        position=mark.position,
        rank=mark.rank,
        score=mark.score,
        points=mark.points,
        share=mark.share,
        reason=mark.reason,
    )


# On to the wire.


def round_to(run_name: str, round_: Round, *, full: bool) -> round_pb2.Round:
    """Writes a round, with its long texts only where everything is asked for."""
    message = round_pb2.Round(
        name=f"{run_name}/rounds/{round_.index}",
        index=round_.index,
        question_setter=round_.setter,
        result=_result_to(round_.result),
        answers=[_answer_to(answer, full=full) for answer in round_.answers],
        judgments=[_judgment_to(judgment, full=full) for judgment in round_.judgments],
    )
    question = round_.question
    if question is not None:
        message.question.text = question.text
        message.question.principle = question.principle
        if full:
            message.question.reference_answer = question.reference_answer
            message.question.marking_scheme = question.marking_scheme
    _bound_reasons([mark for judgment in message.judgments for mark in judgment.marks])
    return message


def _bound_reasons(marks: Sequence[round_pb2.Mark]) -> None:
    """Cuts the reasons of a round where they are too long together for one message."""
    if sum(len(mark.reason.encode()) for mark in marks) <= _MOST_REASON_BYTES:
        return
    most = _MOST_REASON_BYTES // len(marks) // _BYTES_OF_A_CHARACTER
    for mark in marks:
        mark.reason = cut(mark.reason, most)


def _result_to(result: StepResult) -> round_pb2.StepResult:
    message = round_pb2.StepResult(
        cause=result.cause,
        detail=result.detail,
        reasks=result.reasks,
        repaired=result.repaired,
        calls=result.calls,
        retries=result.retries,
        earlier_cause=result.earlier_cause,
        earlier_detail=result.earlier_detail,
    )
    if result.outcome:
        message.outcome = outcome_to(Outcome(result.outcome))
    return message


def _answer_to(answer: Answer, *, full: bool) -> round_pb2.Answer:
    return round_pb2.Answer(
        answerer=answer.answerer,
        result=_result_to(answer.result),
        text=answer.text if full else "",
        final_answer=answer.final_answer if full else "",
        names_maker=answer.names_maker,
    )


def _judgment_to(judgment: Judgment, *, full: bool) -> round_pb2.Judgment:
    return round_pb2.Judgment(
        judge=judgment.judge,
        result=_result_to(judgment.result),
        marks=[_mark_to(mark, full=full) for mark in judgment.marks],
        answerers=judgment.answerers,
    )


def _mark_to(mark: Mark, *, full: bool) -> round_pb2.Mark:
    values = {
        name: getattr(mark, name)
        for name in ("answerer", "label", "position", "rank", "score", "points", "share")
    }
    return round_pb2.Mark(**known(values), reason=mark.reason if full else "")


def standing_to(
    standing: Standing, subject: Subject, passed: MeanPassRate | None
) -> result_service_pb2.Standing:
    """Writes a participant's place, and what its programs passed where there are some."""
    values = {
        "participant": standing.model,
        "rank": standing.place,
        "answer_score": standing.answer_score,
        "question_score": standing.question_score,
        "answer_share": standing.share,
        "points": standing.total if subject is Subject.MATH else None,
        "marks": standing.marks,
        "planned_marks": standing.planned,
        "rounds": standing.rounds,
        "answer_score_low": standing.low,
        "answer_score_high": standing.high,
        "best_rank": standing.best,
        "worst_rank": standing.worst,
    }
    if passed is not None:
        values |= {
            "pass_rate": passed.rate,
            "pass_rate_rounds": passed.rounds,
            "passed_cases": passed.passed,
            "total_cases": passed.cases,
        }
    return result_service_pb2.Standing(**known(values))
