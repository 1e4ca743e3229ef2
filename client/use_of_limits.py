"""What a run has used of its limits, as a table: calls, tokens, cost."""

from dataclasses import dataclass

from llm_crowdsourced.v1 import league_pb2, result_service_pb2, run_pb2
from rich.table import Table

from client import plain

_NO_LIMIT = "no limit"
_UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Use:
    """What the budget counts.

    Attributes:
        calls: Calls that ended.
        tokens: Tokens charged.
        cost_usd: US dollars charged.
        reserved_calls: Calls under way.
        reserved_tokens: Tokens that they may take at worst.
        reserved_cost_usd: US dollars that they may cost at worst.
        unpriced_calls: Calls whose price or usage is not known.
    """

    calls: int
    tokens: int
    cost_usd: float
    reserved_calls: int = 0
    reserved_tokens: int = 0
    reserved_cost_usd: float = 0.0
    unpriced_calls: int = 0

    @property
    def cost(self) -> str:
        """The cost; nothing charged for calls of unknown price is unknown, and not $0."""
        return (
            _UNKNOWN if self.unpriced_calls and not self.cost_usd else plain.dollars(self.cost_usd)
        )


def of_ledger(answer: result_service_pb2.GetLedgerResponse) -> Use:
    """Returns what a ledger says, calls under way included."""
    return Use(
        calls=answer.total.calls,
        tokens=answer.total.charged_tokens,
        cost_usd=answer.total.charged_cost_usd,
        reserved_calls=answer.calls_under_way,
        reserved_tokens=answer.reserved_tokens,
        reserved_cost_usd=answer.reserved_cost_usd,
        unpriced_calls=answer.total.unpriced_calls,
    )


def of_progress(progress: run_pb2.Progress) -> Use:
    """Returns what the progress of a run says."""
    return Use(
        calls=progress.calls,
        tokens=progress.charged_tokens,
        cost_usd=progress.charged_cost_usd,
        unpriced_calls=progress.unpriced_calls,
    )


def table(budget: league_pb2.Budget, use: Use) -> Table:
    """Returns what is used, what the calls under way may still take, and the limits."""
    found = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    found.add_column("")
    for heading in ("Counted", "Under way", "At most", "Used"):
        found.add_column(heading, justify="right", no_wrap=True)
    calls = budget.max_calls if budget.HasField("max_calls") else None
    tokens = budget.max_tokens if budget.HasField("max_tokens") else None
    cost = budget.max_cost_usd if budget.HasField("max_cost_usd") else None
    under_way = "up to " if use.reserved_calls else ""
    found.add_row(
        "calls",
        f"{use.calls:,}",
        f"{use.reserved_calls:,}",
        _NO_LIMIT if calls is None else f"{calls:,}",
        _share(use.calls, calls),
    )
    found.add_row(
        "tokens",
        f"{use.tokens:,}",
        f"{under_way}{use.reserved_tokens:,}",
        _NO_LIMIT if tokens is None else f"{tokens:,}",
        _share(use.tokens, tokens),
    )
    found.add_row(
        "cost",
        use.cost,
        f"{under_way}{plain.dollars(use.reserved_cost_usd)}",
        _NO_LIMIT if cost is None else plain.dollars(cost),
        _share(use.cost_usd, cost),
    )
    return found


def unpriced(use: Use) -> str:
    """Returns that the cost leaves out calls; empty if it does not."""
    if not use.unpriced_calls:
        return ""
    missing = plain.count(use.unpriced_calls, "call")
    return f"The cost leaves out {missing} of unknown price or usage."


def sentence(budget: league_pb2.Budget, use: Use) -> str:
    """Returns what is used of the limits that there are; empty without any."""
    parts = []
    if budget.HasField("max_calls"):
        parts.append(f"{use.calls:,} of {plain.count(budget.max_calls, 'call')}")
    if budget.HasField("max_tokens"):
        parts.append(f"{use.tokens:,} of {plain.count(budget.max_tokens, 'token')}")
    if budget.HasField("max_cost_usd"):
        parts.append(f"{plain.dollars(use.cost_usd)} of {plain.dollars(budget.max_cost_usd)}")
    return ", ".join(parts)


def limits(budget: league_pb2.Budget) -> list[str]:
    """Returns the limits that there are, such as `200 calls`."""
    every = [
        (budget.HasField("max_calls"), plain.count(budget.max_calls, "call")),
        (budget.HasField("max_tokens"), plain.count(budget.max_tokens, "token")),
        (budget.HasField("max_cost_usd"), plain.dollars(budget.max_cost_usd)),
    ]
    return [told for is_set, told in every if is_set]


def reached(budget: league_pb2.Budget, use: Use) -> str:
    """Returns which limits leave nothing, such as `52 of 40 calls are used`; empty if none does."""
    left = league_pb2.Budget()
    if budget.HasField("max_calls") and use.calls >= budget.max_calls:
        left.max_calls = budget.max_calls
    if budget.HasField("max_tokens") and use.tokens >= budget.max_tokens:
        left.max_tokens = budget.max_tokens
    if budget.HasField("max_cost_usd") and use.cost_usd >= budget.max_cost_usd:
        left.max_cost_usd = budget.max_cost_usd
    told = sentence(left, use)
    return f"{told} are used" if told else ""


def _share(used: float, limit: float | None) -> str:
    return "" if limit is None else f"{100 * used / limit:.0f} %"
