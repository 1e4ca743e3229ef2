"""Small parts of sentences."""

from collections.abc import Sequence


def listed(names: Sequence[str]) -> str:
    """Joins names for a sentence, such as `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
