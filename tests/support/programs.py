"""Programs for synthetic leagues: what they did, and scores that follow it or do not."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from analysis.dataset import (
    Answer,
    CaseRun,
    DroppedCase,
    Execution,
    Question,
    QuestionCheck,
    Round,
    Run,
)

CASES = 4
VERDICTS = {
    ".": "accepted",
    "W": "wrong_answer",
    "T": "time_limit",
    "N": "not_run",
    "R": "runtime_error",
    "M": "memory_limit",
    "S": "sandbox_error",
}
LANGUAGES = ("python", "cpp", "rust")
VERIFIED = QuestionCheck(
    verified=True, kept=tuple(str(i) for i in range(1, CASES + 1)), language="python"
)
UNVERIFIED = QuestionCheck(
    verified=False,
    dropped=(DroppedCase(name="1", reason="the reference ran into the time limit"),),
    repairs=2,
    detail="The reference passed no case.",
)
Verdicts = Callable[[int, str], str]
"""By round and answerer: a letter a case, `C` for a compile error, `` for no program."""
Score = Callable[[int, str, str, float | None], float]
"""By round, judge, answerer and pass rate: the score that the judge gives."""


def execution(verdicts: str, check: QuestionCheck = VERIFIED, *, text: str = "") -> Execution:
    """Returns what a program did, by a letter a case."""
    language = LANGUAGES[len(verdicts) % len(LANGUAGES)]
    if verdicts == "C":
        due = set(check.kept) - set(check.disputed)
        return Execution(
            language=language,
            compile_verdict="compile_error",
            compile_message=text or "expected ';' before '}'",
            pass_rate=0.0 if due else None,
        )
    cases = tuple(
        CaseRun(
            name=name,
            verdict=VERDICTS[letter],
            cpu_s=0.01 * (1 + place),
            wall_s=0.02 * (1 + place),
            memory_bytes=(8 + place) << 20,
            exit_status=1 if letter == "R" else 0 if letter in ".W" else None,
            signal=9 if letter in "TM" else None,
            detail=text or ("line 1 differs" if letter == "W" else ""),
        )
        for place, (name, letter) in enumerate(zip(check.kept, verdicts, strict=False))
    )
    counted = [
        case.verdict == "accepted"
        for case in cases
        if case.name not in check.disputed and case.verdict != "sandbox_error"
    ]
    return Execution(
        language=language,
        compile_verdict="accepted",
        toolchain=f"{language} 1.0",
        cases=cases,
        pass_rate=sum(counted) / len(counted) if counted else None,
    )


def executed(
    run: Run,
    verdicts: Verdicts,
    checks: Callable[[int], QuestionCheck] = lambda _: VERIFIED,
    *,
    text: str = "",
) -> Run:
    """Returns the run with a check for each question and an execution for each answer."""

    def answer(index: int, given: Answer) -> Answer:
        letters = verdicts(index, given.answerer) if given.result.outcome == "ok" else ""
        found = execution(letters, checks(index), text=text) if letters else None
        return replace(given, execution=found)

    def question(index: int, given: Question | None) -> Question | None:
        return replace(given, check=checks(index)) if given is not None else None

    rounds = tuple(
        replace(
            round_,
            question=question(round_.index, round_.question),
            answers=tuple(answer(round_.index, given) for given in round_.answers),
        )
        for round_ in run.rounds
    )
    return replace(run, rounds=rounds, evidence="shown")


def scored(run: Run, score: Score) -> Run:
    """Returns the run with other scores in the place of those it has."""

    def again(round_: Round) -> Round:
        rates = {a.answerer: a.execution.pass_rate for a in round_.answers if a.execution}
        judgments = tuple(
            replace(
                judgment,
                marks=tuple(
                    replace(
                        mark,
                        score=score(
                            round_.index, judgment.judge, mark.answerer, rates.get(mark.answerer)
                        ),
                    )
                    for mark in judgment.marks
                ),
            )
            for judgment in round_.judgments
        )
        return replace(round_, judgments=judgments)

    return replace(run, rounds=tuple(map(again, run.rounds)))


def drawn_verdicts(run: Run, ability: Callable[[str], float]) -> Verdicts:
    """Returns verdicts of programs that pass a case as often as their author is able."""
    generator = random.Random(run.seed)  # noqa: S311  no secret depends on it
    found = {}
    for round_ in run.rounds:
        for answer in round_.answers:
            letters = [
                "." if generator.random() < ability(answer.answerer) else generator.choice("WWTRM")
                for _ in range(CASES)
            ]
            is_lost = generator.random() > 0.5 + ability(answer.answerer)
            found[round_.index, answer.answerer] = "C" if is_lost else "".join(letters)
    return lambda index, name: found[index, name]


def rejudged(run: Run, run_id: str, evidence: str = "hidden") -> Run:
    """Returns a run that judges the same answers again, with the same marks so far."""
    return replace(run, id=run_id, source_run=run.id, evidence=evidence)


def checks_of(unverified: Sequence[int]) -> Callable[[int], QuestionCheck]:
    """Returns checks of which those of some rounds did not verify the reference."""
    return lambda index: UNVERIFIED if index in unverified else VERIFIED
