"""What a call costs, and how long a provider asks to wait."""

from datetime import UTC, datetime

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.models.chat import Usage
from server.models.endings import read_error, retry_after
from server.models.pricing import UNBOUNDED_COMPLETION, cost, worst_case
from server.models.reply import ReplyReader
from server.settings import ModelSettings

PRICES = ModelSettings(prompt_usd_per_million=2, completion_usd_per_million=8)


def test_cached_tokens_have_their_own_price_only_where_one_is_given() -> None:
    usage = Usage(prompt_tokens=1000, cached_tokens=600, completion_tokens=100)
    assert cost(usage, PRICES) == pytest.approx((1000 * 2 + 100 * 8) / 1e6)
    cheaper = PRICES.model_copy(update={"cached_usd_per_million": 0.5})
    assert cost(usage, cheaper) == pytest.approx((400 * 2 + 600 * 0.5 + 100 * 8) / 1e6)


@pytest.mark.parametrize(
    ("usage", "prices"),
    [
        (Usage(prompt_tokens=1, completion_tokens=1), None),
        (Usage(prompt_tokens=1, completion_tokens=1), ModelSettings(prompt_usd_per_million=1)),
        (Usage(prompt_tokens=1), PRICES),
        (Usage(), PRICES),
    ],
)
def test_a_cost_that_is_not_known_is_none(usage: Usage, prices: ModelSettings | None) -> None:
    assert cost(usage, prices) is None


def test_without_a_limit_a_completion_is_still_counted_on() -> None:
    worst = worst_case(b"x" * 1000, 1, None, PRICES)
    assert worst.completion_tokens == UNBOUNDED_COMPLETION
    assert worst.prompt_tokens >= 500
    assert worst.tokens == worst.prompt_tokens + worst.completion_tokens


NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("-4", 0.0),
        ("nan", 0.0),
        ("inf", 300.0),
        ("86400", 300.0),
        ("Thu, 01 Jan 2026 12:00:20 GMT", 20.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_bounded(value: str, seconds: float | None) -> None:
    assert retry_after(httpx2.Headers({"Retry-After": value}), NOW) == seconds


@pytest.mark.parametrize(
    ("text", "message", "code"),
    [
        ('{"error": {"message": "no", "code": "x"}}', "no", "x"),
        ('{"error": "no"}', "no", ""),
        ('{"message": "no", "type": "y"}', "no", "y"),
        ('[{"error": {"message": "no", "code": 400}}]', "no", "400"),
        ("no\nway", "no way", ""),
        ("[]", "[]", ""),
    ],
)
def test_errors_are_read_in_any_shape(text: str, message: str, code: str) -> None:
    error = read_error(text)
    assert (error.message, error.code) == (message, code)


@given(body=st.binary(max_size=300), prefix=st.sampled_from([b"", b"data:", b'data: {"choices":[']))
def test_no_body_whatever_raises(body: bytes, prefix: bytes) -> None:
    reader = ReplyReader()
    for at in range(0, len(prefix + body), 7):
        reader.feed((prefix + body)[at : at + 7])
    reader.close()
    reader.text.encode("utf-8")
    assert reader.ending().outcome


@given(sizes=st.lists(st.integers(1, 9), min_size=1))
def test_a_stream_reads_the_same_however_it_is_cut(sizes: list[int]) -> None:
    data = (
        ": keep-alive\r\n\r\n"
        'data: {"choices": [{"delta": {"content": "é"}}]}\r\n\r\n'
        'data:{"choices": [{"delta": {"content": [{"type": "thinking"}, '
        '{"type": "text", "text": "b"}]}, "finish_reason": "stop"}]}\n\ndata: [DONE]'
    ).encode()
    reader = ReplyReader()
    at = 0
    for size in [*sizes, len(data)]:
        reader.feed(data[at : at + size])
        at += size
    reader.close()
    assert (reader.text, reader.ending().cause) == ("éb", "")
