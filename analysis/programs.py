"""All that is computed of what programs did, once for every part of a report."""

from dataclasses import dataclass

from analysis.accuracy import Accuracy, accuracy
from analysis.dataset import Dataset
from analysis.evidence_effect import EvidenceEffect, evidence_effects
from analysis.pass_rates import ModelRuns, PassRate, model_runs, pass_rates, verdicts_in


@dataclass(frozen=True, kw_only=True)
class Programs:
    """What programs did, and what judges made of it.

    Attributes:
        rates: Pass rates, in league order; empty where no program was run.
        runs: Verdicts, times and memory, in league order.
        accuracy: Judges' scores against pass rates.
        effects: Comparisons of judgings with and without evidence; empty without both.
    """

    rates: tuple[PassRate, ...]
    runs: tuple[ModelRuns, ...]
    accuracy: Accuracy
    effects: tuple[EvidenceEffect, ...]

    @property
    def verdicts(self) -> tuple[str, ...]:
        """The verdicts that there are, in the order in which they are shown."""
        return verdicts_in(self.runs)

    def rate_of(self, model: str) -> PassRate | None:
        """Returns the pass rate of a model; `None` where there is none of anybody."""
        return next((rate for rate in self.rates if rate.model == model), None)

    def runs_of(self, model: str) -> ModelRuns | None:
        """Returns what a model's programs came to; `None` for an unknown model."""
        return next((run for run in self.runs if run.model == model), None)


def programs_of(dataset: Dataset) -> Programs | None:
    """Computes it; `None` where no question was checked and no program run."""
    if not any(
        (round_.question is not None and round_.question.check is not None)
        or any(answer.execution is not None for answer in round_.answers)
        for _, round_ in dataset.rounds()
    ):
        return None
    return Programs(
        rates=pass_rates(dataset),
        runs=model_runs(dataset),
        accuracy=accuracy(dataset),
        effects=evidence_effects(dataset),
    )
