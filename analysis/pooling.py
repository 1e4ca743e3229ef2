"""What is to be known of runs that are read together."""

from analysis.dataset import Dataset


def pooling_notes(dataset: Dataset) -> tuple[str, ...]:
    """Returns sentences on what reading these runs together does to the numbers.

    Args:
        dataset: The runs.

    Returns:
        Nothing for one run; else a sentence where mathematics leagues differ in size,
        and one where a run and its judging again are both in it.
    """
    notes = []
    sizes = sorted({len(run.participants) for run in dataset.runs})
    if dataset.subject == "math" and len(sizes) > 1:
        numbers = f"{', '.join(map(str, sizes[:-1]))} and {sizes[-1]}"
        notes.append(
            f"These runs have {numbers} participants. Points depend on that number, so scores "
            "and places mix scales here; the mean share is the scale on which such runs compare."
        )
    # Two runs that judge the same third again share its questions as well.
    families: dict[str, list[str]] = {}
    for run in dataset.runs:
        families.setdefault(run.source_run or run.id, []).append(run.id)
    for members in families.values():
        if len(members) > 1:
            listed = f"{', '.join(members[:-1])} and {members[-1]}"
            notes.append(
                f"{listed} judge the same answers, so each of their questions counts "
                f"{_times(len(members))} and the intervals are narrower than they should be."
            )
    return tuple(notes)


def _times(number: int) -> str:
    return "twice" if number == 2 else f"{number} times"  # noqa: PLR2004  a word of its own
