"""Pass rates: what programs did, beside what judges thought of them and never mixed with it."""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analysis.dataset import Answer, Dataset, Execution, Question, Round
from analysis.intervals import wilson
from analysis.marks import finite, mean
from analysis.origins import distinct_rounds
from analysis.resampling import STANDARD, Drawing, spreads

ACCEPTED = "accepted"
COMPILE_ERROR = "compile_error"
SANDBOX_ERROR = "sandbox_error"
NOT_RUN = "not_run"
"""Of a case that a program's time for all cases did not suffice for; it counts as failed."""
VERDICTS = (
    ACCEPTED,
    "wrong_answer",
    "time_limit",
    NOT_RUN,
    "memory_limit",
    "output_limit",
    "runtime_error",
    COMPILE_ERROR,
    "security_violation",
    SANDBOX_ERROR,
)
"""In the order in which they are shown."""
MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class PassRate:
    """How many cases a model's programs pass.

    Attributes:
        model: The model.
        value: Mean pass rate, 0..1, over the rounds that have one; every round weighs
            the same, however many cases it has. `None` for none.
        rounds: Rounds with a pass rate; the n of `value`.
        answered: Rounds that the model gave an answer in.
        perfect: Rounds in which its program passed every case.
        not_compiled: Rounds in which its program did not compile.
        low: Lower end of the interval of `value`; `None` below two rounds. Where every
            round has the same rate it is Wilson's on the number of rounds.
        high: Upper end.
        level: Level of the interval.
        resamples: Resamples of questions behind it.
        seed: Seed of the resamples.
    """

    model: str
    value: float | None
    rounds: int
    answered: int
    perfect: int
    not_compiled: int
    low: float | None
    high: float | None
    level: float
    resamples: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class ModelRuns:
    """What a model's programs came to, case by case.

    Attributes:
        model: The model.
        verdicts: Cases by verdict. A program that did not compile has that verdict on
            every case that it was to be run on.
        cpu_s: CPU seconds of every accepted case; others say how a program failed,
            not how fast it is.
        memory_bytes: Peak memory of every accepted case.
    """

    model: str
    verdicts: Mapping[str, int]
    cpu_s: tuple[float, ...]
    memory_bytes: tuple[int, ...]

    @property
    def median_cpu_s(self) -> float | None:
        """Median CPU seconds of an accepted case; `None` without one."""
        return statistics.median(self.cpu_s) if self.cpu_s else None

    @property
    def median_mib(self) -> float | None:
        """Median peak memory of an accepted case in MiB; `None` without one."""
        return statistics.median(self.memory_bytes) / MIB if self.memory_bytes else None


def answer_rate(answer: Answer) -> float | None:
    """Returns the pass rate of an answer, 0..1; `None` where it has none."""
    return finite(answer.execution.pass_rate) if answer.execution is not None else None


def pass_rates(dataset: Dataset, drawing: Drawing = STANDARD) -> tuple[PassRate, ...]:
    """Returns the pass rate of every participant, in league order.

    Answers that several runs judge count once. Intervals draw whole rounds, as those of
    the judges' scores do. Nothing where no program was run.

    Args:
        dataset: The runs to read together.
        drawing: How the intervals are drawn.
    """
    rounds = [round_ for _, round_ in distinct_rounds(dataset)]
    if not any(answer.execution for round_ in rounds for answer in round_.answers):
        return ()
    columns: dict[str, list[float | None]] = {
        model: [_rate_in(round_, model) for round_ in rounds] for model in dataset.participants
    }
    spread = (
        spreads(columns, resamples=drawing.resamples, seed=drawing.seed, level=drawing.level)
        if drawing.resamples
        else {}
    )
    found = []
    for model, column in columns.items():
        there = [rate for rate in column if rate is not None]
        value, around = mean(there), spread.get(model)
        low, high = (around.low, around.high) if around else (None, None)
        if around and low is None and value is not None:
            low, high = wilson(value, len(there), drawing.level)
        own = [a for round_ in rounds for a in round_.answers if a.answerer == model]
        found.append(
            PassRate(
                model=model,
                value=value,
                rounds=len(there),
                answered=sum(answer.result.outcome == "ok" for answer in own),
                perfect=sum(rate == 1 for rate in there),
                not_compiled=sum(_failed_to_compile(answer.execution) for answer in own),
                low=low,
                high=high,
                level=drawing.level,
                resamples=drawing.resamples,
                seed=drawing.seed,
            )
        )
    return tuple(found)


def _rate_in(round_: Round, model: str) -> float | None:
    """Returns the pass rate of a model's answer in a round."""
    return next((answer_rate(a) for a in round_.answers if a.answerer == model), None)


def _failed_to_compile(execution: Execution | None) -> bool:
    """Tells whether a program was given to a compiler that refused it."""
    return execution is not None and execution.compile_verdict not in (
        "",
        ACCEPTED,
        SANDBOX_ERROR,
    )


def model_runs(dataset: Dataset) -> tuple[ModelRuns, ...]:
    """Returns what every participant's programs came to, in league order.

    Answers that several runs judge count once; disputed cases are left out, as they are
    of pass rates.
    """
    verdicts: dict[str, Counter[str]] = {model: Counter() for model in dataset.participants}
    seconds: dict[str, list[float]] = {model: [] for model in verdicts}
    memory: dict[str, list[int]] = {model: [] for model in verdicts}
    for _, round_ in distinct_rounds(dataset):
        for answer in round_.answers:
            model, execution = answer.answerer, answer.execution
            if execution is None or model not in verdicts:
                continue
            disputed = disputed_cases(round_.question)
            if _failed_to_compile(execution):
                verdicts[model][COMPILE_ERROR] += _due(round_.question)
            for case in execution.cases:
                if case.name in disputed:
                    continue
                verdicts[model][case.verdict] += 1
                if case.verdict == ACCEPTED:
                    seconds[model].append(case.cpu_s)
                    memory[model].append(case.memory_bytes)
    return tuple(
        ModelRuns(
            model=model,
            verdicts={verdict: n for verdict, n in counted.items() if n},
            cpu_s=tuple(seconds[model]),
            memory_bytes=tuple(memory[model]),
        )
        for model, counted in verdicts.items()
    )


def verdicts_in(runs: Iterable[ModelRuns]) -> tuple[str, ...]:
    """Returns the verdicts that there are, in the order in which they are shown.

    A later version of the contract may know others: they come last.
    """
    present = {verdict for run in runs for verdict in run.verdicts}
    known = [verdict for verdict in VERDICTS if verdict in present]
    return (*known, *sorted(present - set(known)))


def disputed_cases(question: Question | None) -> frozenset[str]:
    """Returns the names of the disputed cases."""
    check = question.check if question is not None else None
    return frozenset(check.disputed) if check is not None else frozenset()


def _due(question: Question | None) -> int:
    """Returns how many undisputed cases a program was to be run on."""
    check = question.check if question is not None else None
    return len(set(check.kept) - set(check.disputed)) if check is not None else 0
