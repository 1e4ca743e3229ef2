"""The versions that a setter gave of its question: which is played, and what is told of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from server.league.programs import ProgrammingQuestion, QuestionCheck
from server.play.asking import Asked
from server.play.checking import Checked


@dataclass(frozen=True)
class Version:
    """A version of a question.

    Attributes:
        asked: How its setter was asked for it.
        question: As it was given.
        checked: What came of checking it.
    """

    asked: Asked[ProgrammingQuestion]
    question: ProgrammingQuestion
    checked: Checked

    @property
    def is_verified(self) -> bool:
        """At least one of its cases is kept."""
        return self.checked.decision.check.verified

    @property
    def is_faultless(self) -> bool:
        """It has cases, and nothing is to be mended."""
        return self.is_verified and not self.checked.decision.repair


def best_of(versions: Sequence[Version]) -> Version:
    """Returns what is played: a faultless version, else the last with the most kept cases.

    A faultless one with fewer than half as many cases is no repair: the hard ones were deleted.
    """
    return versions[_best(versions)]


def after_repairs(versions: Sequence[Version], told: str, missing: str) -> QuestionCheck:
    """Returns the check of what is played; it says what became of mending it.

    Args:
        versions: All versions that were checked, in order.
        told: What its setter was told last; empty if there was nothing to mend.
        missing: Why no usable reply came to that; empty if one did.
    """
    best = _best(versions)
    check = versions[best].checked.decision.check
    if not told:
        return check
    parts = [check.detail or f"its setter was told: {told}"]
    if missing:
        parts.append(f"its setter was asked to mend it; no usable reply: {missing}")
    if best != len(versions) - 1:
        fewer = len(versions[-1].checked.decision.check.kept) < len(check.kept)
        why = "which has more cases" if fewer else "in which nothing is to be mended"
        parts.append(f"played is version {best + 1} of {len(versions)}, {why}")
    repairs = len(versions) - (not missing)
    return replace(check, repairs=repairs, detail="; ".join(parts))


def _best(versions: Sequence[Version]) -> int:
    kept = [len(version.checked.decision.check.kept) for version in versions]
    most = max(kept)

    def worth(index: int) -> tuple[bool, int, int]:
        is_repair = versions[index].is_faultless and 2 * kept[index] >= most
        return is_repair, kept[index], index

    return max(range(len(versions)), key=worth)
