"""What a league would take: exact numbers of calls and marks, estimated tokens and cost."""

from collections.abc import Mapping
from dataclasses import dataclass

from server.league.league import League, Participant
from server.league.prompts import PromptSet
from server.league.schedule import (
    Role,
    answerers_of,
    judged_by,
    planned_marks,
    planned_steps,
    setter_of,
)
from server.models.chat import Usage
from server.models.pricing import cost
from server.settings import ModelSettings

# Tokens of typical replies; a participant's own limit caps them. Reasoning
# models may take several times as many, which is why the basis is told.
_QUESTION_TOKENS = 1200
_ANSWER_TOKENS = 1000
_JUDGMENT_TOKENS_A_LABEL = 120
_BYTES_A_TOKEN = 4

BASIS = (
    "calls and marks are exact if nothing fails; tokens assume replies of about "
    f"{_QUESTION_TOKENS:,} (question), {_ANSWER_TOKENS:,} (answer) and "
    f"{_JUDGMENT_TOKENS_A_LABEL} an answer judged, or max_output_tokens where that is less; "
    "models that reason at length take more"
)


@dataclass
class ParticipantEstimate:
    """What one participant would take; cost in US dollars, `None` if no price is known."""

    participant: str
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a league would take, in all and by participant."""

    calls: int
    marks: int
    participants: tuple[ParticipantEstimate, ...]

    @property
    def prompt_tokens(self) -> int:
        """Estimated tokens of prompts."""
        return sum(p.prompt_tokens for p in self.participants)

    @property
    def completion_tokens(self) -> int:
        """Estimated tokens of completions."""
        return sum(p.completion_tokens for p in self.participants)

    @property
    def cost_usd(self) -> float | None:
        """Estimated cost in US dollars; `None` unless every price is known."""
        costs = [p.cost_usd for p in self.participants]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if len(known) == len(costs) else None


def estimate(
    league: League, prompts: PromptSet, prices: Mapping[str, ModelSettings | None]
) -> Estimate:
    """Estimates a league.

    Args:
        league: What would be played.
        prompts: Its prompts.
        prices: Prices of each participant's model, by participant id.
    """
    base = {role: len(prompts.texts[role].encode()) // _BYTES_A_TOKEN for role in Role}
    found = {p.id: ParticipantEstimate(p.id) for p in league.participants}

    def add(participant: str, prompt: int, completion: int) -> None:
        entry = found[participant]
        entry.calls += 1
        entry.prompt_tokens += prompt
        entry.completion_tokens += completion

    by_id = {p.id: p for p in league.participants}
    for index in range(1, len(league.participants) + 1):
        setter = setter_of(league, index)
        question = _capped(by_id[setter], _QUESTION_TOKENS)
        add(setter, base[Role.QUESTION], question)
        answers = {i: _capped(by_id[i], _ANSWER_TOKENS) for i in answerers_of(league, index)}
        for answerer, tokens in answers.items():
            # About half of what a setter writes is the reference.
            add(answerer, base[Role.ANSWER] + question // 2, tokens)
        for judge in league.judge_ids:
            judged = judged_by(league, index, judge)
            seen = question + sum(answers[i] for i in judged)
            wanted = _JUDGMENT_TOKENS_A_LABEL * len(judged)
            add(judge, base[Role.JUDGMENT] + seen, _capped(by_id[judge], wanted))
    for entry in found.values():
        _times(entry, league.rounds_per_participant, prices.get(entry.participant))
    return Estimate(
        calls=planned_steps(league),
        marks=planned_marks(league),
        participants=tuple(found.values()),
    )


def _times(entry: ParticipantEstimate, cycles: int, prices: ModelSettings | None) -> None:
    entry.calls *= cycles
    entry.prompt_tokens *= cycles
    entry.completion_tokens *= cycles
    usage = Usage(prompt_tokens=entry.prompt_tokens, completion_tokens=entry.completion_tokens)
    entry.cost_usd = cost(usage, prices)


def _capped(participant: Participant, tokens: int) -> int:
    limit = participant.max_output_tokens
    return tokens if limit is None else min(tokens, limit)
