"""What the calls to the models came to, by participant and role."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass

from analysis.dataset import Call, Dataset

ROLES = ("question", "answer", "judgment")


@dataclass(frozen=True, kw_only=True)
class CallSummary:
    """The calls of one participant in one role.

    Attributes:
        participant: The participant.
        role: `question`, `answer` or `judgment`.
        calls: Calls made.
        failed: Calls that did not end well.
        prompt_tokens: Sum of what providers reported; `None` if none did.
        completion_tokens: Likewise.
        cost_usd: Likewise, in US dollars.
        priced: Calls whose cost is known.
        median_latency_s: Median time of a call, in seconds.
    """

    participant: str
    role: str
    calls: int
    failed: int
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    priced: int
    median_latency_s: float | None


def call_summaries(dataset: Dataset) -> tuple[CallSummary, ...]:
    """Sums up the calls, in league order and in the order of the roles."""
    groups: dict[tuple[str, str], list[Call]] = {}
    for run in dataset.runs:
        for call in run.calls:
            groups.setdefault((call.participant, call.role), []).append(call)
    league = {name: place for place, name in enumerate(dataset.participants)}
    roles = {role: place for place, role in enumerate(ROLES)}
    ordered = sorted(
        groups, key=lambda key: (league.get(key[0], len(league)), roles.get(key[1], len(roles)))
    )
    return tuple(_summary(*key, groups[key]) for key in ordered)


def _summary(participant: str, role: str, calls: list[Call]) -> CallSummary:
    """Sums up one group of calls."""
    costs = [c.cost_usd for c in calls if c.cost_usd is not None and math.isfinite(c.cost_usd)]
    return CallSummary(
        participant=participant,
        role=role,
        calls=len(calls),
        failed=sum(call.outcome != "ok" for call in calls),
        prompt_tokens=_sum(call.prompt_tokens for call in calls),
        completion_tokens=_sum(call.completion_tokens for call in calls),
        cost_usd=math.fsum(costs) if costs else None,
        priced=len(costs),
        median_latency_s=statistics.median(call.latency_s for call in calls),
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    """Returns the sum of what is known; `None` if nothing is."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None
