"""What a league is: the frozen records that decide every request of a run."""

from dataclasses import dataclass, field
from enum import StrEnum

DEFAULT_MAX_REASKS = 2
DEFAULT_MAX_CONCURRENT_CALLS = 64


class Subject(StrEnum):
    """What the questions are about."""

    MATH = "math"
    PROGRAMMING = "programming"


class Identity(StrEnum):
    """Whether judges learn whose answers they see."""

    BLIND = "blind"
    NAMED = "named"


class Order(StrEnum):
    """Order in which a judge sees the answers."""

    SHUFFLED = "shuffled"
    FIXED = "fixed"


class EvidenceView(StrEnum):
    """Whether judges see what the programs did (programming only)."""

    SHOWN = "shown"
    HIDDEN = "hidden"


class QuestionGate(StrEnum):
    """What happens to a question whose reference fails its own cases (programming only)."""

    FLAG = "flag"
    REQUIRE = "require"


@dataclass(frozen=True, kw_only=True)
class Participant:
    """A model with its settings; `None` leaves a setting to the provider."""

    id: str
    provider: str
    model: str
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    sampling_seed: int | None = None
    max_output_tokens: int | None = None
    system_prompt: str = ""
    reasoning_effort: str = ""
    family: str = ""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Hard limits of a run; `None` is no limit."""

    max_calls: int | None = None
    max_tokens: int | None = None
    max_cost_usd: float | None = None


@dataclass(frozen=True, kw_only=True)
class ProgrammingRules:
    """Options that only a programming league has."""

    evidence: EvidenceView = EvidenceView.SHOWN
    question_gate: QuestionGate = QuestionGate.FLAG
    max_repairs: int = 2


@dataclass(frozen=True, kw_only=True)
class League:
    """The rules of a run.

    Built from a request that the wire has checked, so it holds: three or more
    participants with distinct ids, and judges that are participants.
    """

    subject: Subject
    participants: tuple[Participant, ...]
    rounds_per_participant: int
    seed: int = 0
    budget: Budget = field(default_factory=Budget)
    judges: tuple[str, ...] = ()
    identity: Identity = Identity.BLIND
    order: Order = Order.SHUFFLED
    max_reasks: int = DEFAULT_MAX_REASKS
    max_concurrent_calls: int = DEFAULT_MAX_CONCURRENT_CALLS
    programming: ProgrammingRules = field(default_factory=ProgrammingRules)
    title: str = ""

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the participants, in league order."""
        return tuple(participant.id for participant in self.participants)

    @property
    def judge_ids(self) -> tuple[str, ...]:
        """Ids of those who judge, in league order."""
        return tuple(i for i in self.ids if not self.judges or i in self.judges)

    @property
    def rounds(self) -> int:
        """Number of rounds: one a participant and cycle."""
        return len(self.participants) * self.rounds_per_participant

    def participant(self, participant_id: str) -> Participant:
        """Returns the participant of that id.

        Raises:
            KeyError: No participant has it.
        """
        for participant in self.participants:
            if participant.id == participant_id:
                return participant
        raise KeyError(participant_id)
