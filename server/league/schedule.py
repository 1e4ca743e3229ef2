"""The schedule: which steps a league has, as a pure function of the league.

What is left of a run is this schedule less the steps that the store holds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from server.league.league import League


class Role(StrEnum):
    """What a step asks a model for."""

    QUESTION = "question"
    ANSWER = "answer"
    JUDGMENT = "judgment"


@dataclass(frozen=True, order=True)
class StepKey:
    """Natural key of a step within its run.

    Attributes:
        round: Index of the round, from 1.
        role: What is asked for.
        participant: Id of the participant that is asked.
    """

    round: int
    role: Role
    participant: str

    def __str__(self) -> str:
        return f"{self.round}/{self.role}/{self.participant}"


def setter_of(league: League, round_index: int) -> str:
    """Returns the participant that sets the question of a round (from 1)."""
    return league.ids[(round_index - 1) % len(league.participants)]


def answerers_of(league: League, round_index: int) -> tuple[str, ...]:
    """Returns those who answer in a round, in league order: everyone but the setter."""
    setter = setter_of(league, round_index)
    return tuple(i for i in league.ids if i != setter)


def judged_by(league: League, round_index: int, judge: str) -> tuple[str, ...]:
    """Returns whose answers a judge is to judge in a round: all but its own."""
    return tuple(i for i in answerers_of(league, round_index) if i != judge)


def schedule(league: League) -> Iterator[StepKey]:
    """Yields every step of a league, round by round.

    With everyone judging that is `2 N^2` steps a cycle: for each of N rounds a
    question, N - 1 answers and N judgments.
    """
    for index in range(1, league.rounds + 1):
        yield StepKey(index, Role.QUESTION, setter_of(league, index))
        for answerer in answerers_of(league, index):
            yield StepKey(index, Role.ANSWER, answerer)
        for judge in league.judge_ids:
            yield StepKey(index, Role.JUDGMENT, judge)


def planned_steps(league: League) -> int:
    """Returns the number of steps of a league, without making them."""
    per_round = 1 + (len(league.participants) - 1) + len(league.judge_ids)
    return league.rounds * per_round


def planned_marks(league: League) -> int:
    """Returns the number of marks of a league: `N (N-1)^2` a cycle when everyone judges."""
    return sum(
        len(judged_by(league, index, judge))
        for index in range(1, league.rounds + 1)
        for judge in league.judge_ids
    )
