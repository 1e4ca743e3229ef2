"""What a call costs, and what it may cost at worst."""

from dataclasses import dataclass

from server.models.chat import Usage
from server.settings import ModelSettings

UNBOUNDED_COMPLETION = 8192
"""Completion tokens that are counted on where no limit was asked for."""

# A token of a current tokenizer holds three bytes or more of English, and two
# or more of formulas, code and most scripts. Only random bytes hold fewer, so
# this is above what a prompt takes in practice, not a proof.
_BYTES_PER_TOKEN = 2
_TOKENS_PER_MESSAGE = 16
_TOKENS_PER_REQUEST = 64

_MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True)
class WorstCase:
    """What one call may take; the cost is `None` where the price is not known."""

    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None

    @property
    def tokens(self) -> int:
        """Tokens of prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


def cost(usage: Usage, prices: ModelSettings | None) -> float | None:
    """Returns the cost of a call in US dollars, `None` where it is not known.

    Tokens read from the provider's cache are counted at their own price where
    the settings give one, and as any other prompt token where they do not.
    """
    if (
        prices is None
        or prices.prompt_usd_per_million is None
        or prices.completion_usd_per_million is None
        or usage.prompt_tokens is None
        or usage.completion_tokens is None
    ):
        return None
    cached = min(usage.cached_tokens or 0, usage.prompt_tokens)
    cached_price = prices.cached_usd_per_million
    if cached_price is None:
        cached_price = prices.prompt_usd_per_million
    return (
        (usage.prompt_tokens - cached) * prices.prompt_usd_per_million
        + cached * cached_price
        + usage.completion_tokens * prices.completion_usd_per_million
    ) / _MILLION


def worst_case(
    request: bytes,
    messages: int,
    max_output_tokens: int | None,
    prices: ModelSettings | None,
) -> WorstCase:
    """Bounds what a call may take, before it is sent.

    The prompt is estimated from above by the bytes of the whole request, the
    schema among them because providers count it. Where no limit of the completion
    was asked for, `UNBOUNDED_COMPLETION` stands in: such a call can take more.

    Args:
        request: The request's body.
        messages: Number of messages in it.
        max_output_tokens: Limit of the completion; `None` if there is none.
        prices: What is known of the model's prices.
    """
    prompt = len(request) // _BYTES_PER_TOKEN + _TOKENS_PER_MESSAGE * messages + _TOKENS_PER_REQUEST
    completion = UNBOUNDED_COMPLETION if max_output_tokens is None else max_output_tokens
    usage = Usage(prompt_tokens=prompt, completion_tokens=completion)
    return WorstCase(
        prompt_tokens=prompt, completion_tokens=completion, cost_usd=cost(usage, prices)
    )
