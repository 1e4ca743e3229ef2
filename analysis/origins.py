"""Which runs judge the same questions and answers: a run, and those that judge it again."""

from collections.abc import Iterator

from analysis.dataset import Dataset, Round, Run


def origins(dataset: Dataset) -> dict[str, str]:
    """Returns, by id of a run, the id of the run whose questions and answers it has.

    A run that judges one again which is itself such a run has those of the first, as far
    as the dataset tells.
    """
    sources = {run.id: run.source_run for run in dataset.runs}
    found = {}
    for run in dataset.runs:
        at, seen = run.id, {run.id}
        while (source := sources.get(at, "")) and source not in seen:
            at = source
            seen.add(at)
        found[run.id] = at
    return found


def distinct_rounds(dataset: Dataset) -> Iterator[tuple[Run, Round]]:
    """Yields every round once, however many runs judge its answers."""
    origin = origins(dataset)
    seen = set()
    for run, round_ in dataset.rounds():
        key = (origin[run.id], round_.index)
        if key not in seen:
            seen.add(key)
            yield run, round_
