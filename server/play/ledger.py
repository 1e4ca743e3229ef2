"""The ledger of a run: what it has used, what the calls under way may use at worst.

A call is sent only if its worst case fits into the budget beside the worst
cases of all calls under way. So no schedule of replies can overrun a limit, as
far as a provider keeps to the limit on tokens that it is sent.
"""

import asyncio
from dataclasses import dataclass

from server.league.league import Budget
from server.models.chat import Attempt, CallRefused
from server.models.endings import came_whole, did_no_work
from server.store.records import Progress


class BudgetReachedError(CallRefused):
    """The next call does not fit into the budget, even with none under way."""


@dataclass(frozen=True)
class Amount:
    """Calls, tokens and US dollars."""

    calls: int = 0
    tokens: int = 0
    cost_usd: float = 0.0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(
            self.calls + other.calls,
            self.tokens + other.tokens,
            self.cost_usd + other.cost_usd,
        )

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(
            self.calls - other.calls,
            self.tokens - other.tokens,
            self.cost_usd - other.cost_usd,
        )


def charged(worst: Amount, attempt: Attempt) -> Amount:
    """Returns what the budget counts of a call, given its worst case.

    Where the provider did not say, and may have worked, the worst case is
    counted: a hard limit must not rest on a number that never arrived.
    """
    usage = attempt.usage
    known = usage.prompt_tokens is not None and usage.completion_tokens is not None
    tokens = (usage.prompt_tokens or 0) + (usage.completion_tokens or 0)
    cost_usd = worst.cost_usd if attempt.cost_usd is None else attempt.cost_usd
    if did_no_work(attempt.cause, attempt.http_status) or (
        known and came_whole(attempt.outcome, attempt.cause)
    ):
        return Amount(1, tokens, cost_usd)
    # What a stream told before it broke off is the least that it took.
    return Amount(1, max(worst.tokens, tokens), max(worst.cost_usd, cost_usd))


class Ledger:
    """Reserves before each call and settles after it; for one event loop."""

    def __init__(self, budget: Budget, progress: Progress) -> None:
        """Creates a ledger in which no call is under way.

        Args:
            budget: The limits.
            progress: What the run has been charged with so far.
        """
        self._budget = budget
        self._used = Amount(progress.calls, progress.charged_tokens, progress.charged_cost_usd)
        self._reserved = Amount()
        self._changed = asyncio.Event()

    @property
    def used(self) -> Amount:
        """What the calls that have ended are charged with."""
        return self._used

    @property
    def reserved(self) -> Amount:
        """What the calls under way, and those that wait for a place, may take at worst."""
        return self._reserved

    async def reserve(self, worst: Amount) -> None:
        """Waits until a call of that worst case fits beside those under way.

        Raises:
            BudgetReachedError: It does not fit even alone.
        """
        while self._excess(self._used + self._reserved + worst):
            reason = self._excess(self._used + worst)
            if reason:
                raise BudgetReachedError(reason)
            await self._changed.wait()
        self._reserved += worst

    def settle(self, worst: Amount, took: Amount) -> None:
        """Gives back what a call had reserved, and counts what it is charged with."""
        self._used += took
        self.give_back(worst)

    def give_back(self, worst: Amount) -> None:
        """Gives back what was reserved for a call that was never sent."""
        left = self._reserved - worst
        # Sums of dollars are rounded; with no call under way there is nothing.
        self._reserved = left if left.calls else Amount()
        self._wake()

    def set_budget(self, budget: Budget) -> None:
        """Changes the limits: waiting calls that fit now go, the others hear of it.

        Calls under way stay; a lower limit holds from the next call on.
        """
        self._budget = budget
        self._wake()

    def _wake(self) -> None:
        # Wakes whoever waits now; who comes later waits for the next change.
        self._changed.set()
        self._changed.clear()

    def _excess(self, amount: Amount) -> str:
        """Returns which limit an amount would pass, in one sentence; empty if none."""
        limits = self._budget
        if limits.max_calls is not None and amount.calls > limits.max_calls:
            return (
                f"the budget of {limits.max_calls:,} calls is reached ({self._used.calls:,} used)"
            )
        if limits.max_tokens is not None and amount.tokens > limits.max_tokens:
            return (
                f"the budget of {limits.max_tokens:,} tokens is reached: {self._used.tokens:,} "
                "used, and the next call may take more than is left"
            )
        # A billionth of a dollar absorbs the rounding of sums.
        if limits.max_cost_usd is not None and amount.cost_usd > limits.max_cost_usd + 1e-9:
            return (
                f"the budget of ${limits.max_cost_usd:.2f} is reached: ${self._used.cost_usd:.4f} "
                "used, and the next call may cost more than is left"
            )
        return ""
