"""Synthetic leagues with known abilities, complete or with holes."""

import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from analysis.dataset import (
    Answer,
    Call,
    Dataset,
    Judgment,
    Mark,
    Participant,
    Question,
    Round,
    Run,
    StepResult,
)
from tests.support.programs import drawn_verdicts, executed

OK = StepResult(outcome="ok", calls=1)
STARTED = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Holes:
    """What never arrives, by number of round and id of participant.

    Attributes:
        judgments: Judges whose reply could not be read.
        answers: Answerers who refused.
        void: Rounds whose setter gave no usable question.
        not_begun: Rounds that no step of was taken.
        mended: Judges whose reply was broken JSON and mended.
        reasked: Judges who were asked again.
    """

    judgments: Collection[tuple[int, str]] = ()
    answers: Collection[tuple[int, str]] = ()
    void: Collection[int] = ()
    not_begun: Collection[int] = ()
    mended: Collection[tuple[int, str]] = ()
    reasked: Collection[tuple[int, str]] = ()


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a synthetic run is made of.

    Attributes:
        n: Participants.
        names: Their ids; by default `model-a`, `model-b`, and so on.
        subject: `math` or `programming`.
        cycles: Questions that each participant sets.
        abilities: Ability of each participant in 0..1; by default falling evenly.
        noise: Standard deviation of a judge's view of an answer; 0 for unanimous judges.
        holes: What never arrives.
        texts: Text in place of questions, answers and reasons, for attack strings.
        judges: Who judges; everybody by default.
        seed: Seed of the noise.
        id: Id of the run.
        programs: Whether answers were run; for programming.
    """

    n: int = 4
    names: Sequence[str] = ()
    subject: str = "math"
    cycles: int = 1
    abilities: Mapping[str, float] = field(default_factory=dict)
    noise: float = 0.0
    holes: Holes = Holes()
    texts: str = ""
    judges: Sequence[str] = ()
    seed: int = 1
    id: str = "run-1"
    programs: bool = False

    def ids(self) -> tuple[str, ...]:
        """Ids of the participants, in league order."""
        return tuple(self.names) or tuple(f"model-{chr(97 + i)}" for i in range(self.n))

    def ability(self, name: str) -> float:
        """Ability of one participant."""
        ids = self.ids()
        return self.abilities.get(name, 0.9 - 0.8 * ids.index(name) / len(ids))


def league(recipe: Recipe | None = None) -> Dataset:
    """Returns a dataset of the one run that the recipe describes."""
    return Dataset(runs=(league_run(recipe or Recipe()),))


def league_run(recipe: Recipe) -> Run:
    """Returns the run that the recipe describes."""
    ids = recipe.ids()
    judges = tuple(recipe.judges) or ids
    generator = random.Random(recipe.seed)  # noqa: S311  no secret depends on it
    rounds = tuple(
        _round(recipe, judges, index + 1, setter, generator)
        for index, setter in enumerate(ids * recipe.cycles)
    )
    run = Run(
        id=recipe.id,
        title="A synthetic league",
        subject=recipe.subject,
        participants=tuple(
            Participant(id=name, provider="example", model=name, family=name[:3]) for name in ids
        ),
        judges=judges,
        rounds=rounds,
        state="running" if recipe.holes.not_begun else "succeeded",
        rounds_per_participant=recipe.cycles,
        seed=recipe.seed,
        calls=_calls(rounds),
        planned_marks=sum(
            j != a for round_ in rounds for a in ids if a != round_.setter for j in judges
        ),
        planned_steps=2 * len(ids) * len(rounds),
        prompts_sha256="ab" * 32,
        server_version="0.1.0",
        created_at=STARTED,
        started_at=STARTED,
        ended_at=STARTED.replace(hour=11),
    )
    if not recipe.programs:
        return run
    return executed(run, drawn_verdicts(run, recipe.ability), text=recipe.texts)


def _round(
    recipe: Recipe, judges: Sequence[str], index: int, setter: str, generator: random.Random
) -> Round:
    """Returns one round with its answers and judgments."""
    holes = recipe.holes
    if index in holes.not_begun:
        return Round(index=index, setter=setter, result=StepResult(), question=None)
    if index in holes.void:
        why = "The reply held no question."
        result = StepResult(outcome="unparsable", cause="no_question", detail=why, calls=3)
        return Round(index=index, setter=setter, result=result, question=None)
    text = recipe.texts
    answers = tuple(_answer(recipe, index, name) for name in recipe.ids() if name != setter)
    there = [answer.answerer for answer in answers if answer.result.outcome == "ok"]
    judgments = tuple(
        _judgment(recipe, index, judge, [a for a in there if a != judge], generator)
        for judge in judges
    )
    question = Question(
        text=text or f"Question {index}: how many lattice paths avoid the diagonal?",
        reference_answer=text or "The Catalan number.",
        marking_scheme=text or "Correctness 60, rigour 40.",
        principle=text or "Reflection.",
    )
    return Round(
        index=index,
        setter=setter,
        result=OK,
        question=question,
        answers=answers,
        judgments=judgments,
    )


def _answer(recipe: Recipe, index: int, name: str) -> Answer:
    """Returns one answer, or a refusal."""
    if (index, name) in recipe.holes.answers:
        why = "The model declined to answer."
        return Answer(
            answerer=name, result=StepResult(outcome="refused", cause="refusal", detail=why)
        )
    text = recipe.texts or f"{name} reflects the path and counts."
    return Answer(answerer=name, result=OK, text=text, final_answer=recipe.texts or "C_n")


def _judgment(
    recipe: Recipe, index: int, judge: str, shown: list[str], generator: random.Random
) -> Judgment:
    """Returns one judgment of the answers shown."""
    holes = recipe.holes
    views = {name: recipe.ability(name) + generator.gauss(0, recipe.noise) for name in shown}
    if not shown:
        result = StepResult(outcome="skipped", cause="no_answers", detail="Nothing to judge.")
        return Judgment(judge=judge, result=result)
    why = "A label was ranked twice."
    if (index, judge) in holes.judgments:
        result = StepResult(
            outcome="unparsable", cause="duplicate_label", detail=why, reasks=2, calls=3
        )
        return Judgment(judge=judge, result=result, answerers=tuple(shown))
    is_reasked = (index, judge) in holes.reasked
    result = StepResult(
        outcome="ok",
        detail=why if is_reasked else "",
        repaired=(index, judge) in holes.mended,
        reasks=int(is_reasked),
        calls=1,
    )
    order = sorted(shown, key=lambda name: -views[name])
    marks = tuple(
        _mark(recipe, order, views, name, position + 1) for position, name in enumerate(shown)
    )
    return Judgment(judge=judge, result=result, answerers=tuple(shown), marks=marks)


def _mark(
    recipe: Recipe, order: list[str], views: Mapping[str, float], name: str, position: int
) -> Mark:
    """Returns one mark."""
    label = chr(64 + position)
    reason = recipe.texts or "Sound and complete."
    if recipe.subject == "programming":
        score = float(min(100, max(0, round(100 * views[name]))))
        return Mark(answerer=name, label=label, position=position, score=score, reason=reason)
    rank = order.index(name) + 1.0
    m, n = len(order), len(recipe.ids())
    return Mark(
        answerer=name,
        label=label,
        position=position,
        rank=rank,
        points=max(0.0, n - 2 - (rank - 1)),
        share=(m - rank) / (m - 1) if m > 1 else None,
        reason=reason,
    )


def _calls(rounds: Sequence[Round]) -> tuple[Call, ...]:
    """Returns one call for each step that was taken."""
    taken = [
        (round_.index, role, name, result)
        for round_ in rounds
        for role, name, result in (
            ("question", round_.setter, round_.result),
            *(("answer", a.answerer, a.result) for a in round_.answers),
            *(("judgment", j.judge, j.result) for j in round_.judgments),
        )
        if result.calls
    ]
    return tuple(
        Call(
            round=index,
            role=role,
            participant=name,
            ask=0,
            attempt=0,
            outcome=result.outcome,
            cause=result.cause,
            detail=result.detail,
            http_status=200,
            finish_reason="stop",
            prompt_tokens=400 + 10 * number,
            completion_tokens=200 + number,
            cost_usd=0.001 * (number + 1) if number % 5 else None,
            latency_s=1.0 + number / 10,
            started_at=STARTED,
            served_model=name,
            response_format="json_schema",
            request_sha256="cd" * 32,
        )
        for number, (index, role, name, result) in enumerate(taken)
    )
