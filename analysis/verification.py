"""How many questions of a programming league rest on a reference that was verified."""

from dataclasses import dataclass

from analysis.dataset import Dataset
from analysis.origins import distinct_rounds


@dataclass(frozen=True, kw_only=True)
class Verification:
    """Questions that were played, those of void rounds left out.

    Attributes:
        verified: Those whose reference was verified; answers to the others have no pass rate.
        questions: Those that were checked; 0 in mathematics.
    """

    verified: int
    questions: int

    @property
    def warning(self) -> str:
        """One sentence where a reference was not verified; else empty."""
        missing = self.questions - self.verified
        if not missing:
            return ""
        noun, verb = ("question", "has") if self.questions == 1 else ("questions", "have")
        told = f"{self.verified} of {self.questions} {noun} {verb} a verified reference: "
        if not self.verified:
            return f"{told}pass rates are missing, and scores rest on the judges alone."
        others = "the other one" if missing == 1 else f"the other {missing}"
        return (
            f"{told}answers to {others} have no pass rate, and their scores rest on the "
            "judges alone."
        )


def verification(dataset: Dataset) -> Verification:
    """Counts the questions of a dataset; those that several runs judge count once."""
    checks = [
        round_.question.check
        for _, round_ in distinct_rounds(dataset)
        if round_.question is not None and not round_.is_void
    ]
    checked = [check.verified for check in checks if check is not None]
    return Verification(verified=sum(checked), questions=len(checked))
