"""One real model, end to end: fetched, served, asked. What it says is never asserted."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from openai import AsyncOpenAI
from pydantic import BaseModel, ConfigDict, Field

from server.models.local.errors import LocalModelError
from server.models.local.league import LocalLeague
from server.settings import load_settings

pytestmark = pytest.mark.local_model

_MODEL = "smollm2-135m"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Ranks(_Record):
    A: int = Field(ge=1, le=2)
    B: int = Field(ge=1, le=2)


class _Judgment(_Record):
    reason: str = Field(max_length=60)
    ranks: _Ranks


_ASKED: dict[str, Any] = {
    "model": _MODEL,
    "messages": [{"role": "user", "content": "Rank A: 2+2=4 and B: 2+2=5. Answer in JSON."}],
    "max_tokens": 160,
    "temperature": 0,
    "frequency_penalty": 0.3,
    "response_format": {
        "type": "json_schema",
        "json_schema": {
            "name": "judgment",
            "strict": True,
            "schema": _Judgment.model_json_schema(),
        },
    },
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def client() -> AsyncIterator[AsyncOpenAI]:
    """A client of the smallest model, which is fetched once into the usual cache."""
    league = LocalLeague(load_settings().local)
    try:
        urls = await league.ensure([_MODEL], lambda _: None)
    except LocalModelError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    try:
        async with AsyncOpenAI(base_url=urls[_MODEL], api_key="local", timeout=120) as client:
            yield client
    finally:
        await league.close()


async def test_a_reply_fits_the_schema_and_its_tokens_are_counted(client: AsyncOpenAI) -> None:
    reply = await client.chat.completions.create(**_ASKED)

    assert reply.choices[0].finish_reason == "stop"
    _Judgment.model_validate_json(reply.choices[0].message.content or "")
    assert reply.usage is not None
    assert reply.usage.prompt_tokens > 0
    assert 0 < reply.usage.completion_tokens <= 160


async def test_a_streamed_reply_fits_the_schema_too(client: AsyncOpenAI) -> None:
    text, usage, finish = "", None, None
    stream = await client.chat.completions.create(
        **_ASKED, stream=True, stream_options={"include_usage": True}
    )
    async for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish

    assert finish == "stop"
    _Judgment.model_validate_json(text)
    assert usage is not None
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


async def test_a_reply_that_is_cut_says_so(client: AsyncOpenAI) -> None:
    reply = await client.chat.completions.create(**{**_ASKED, "max_tokens": 5})

    assert reply.choices[0].finish_reason == "length"


async def test_more_at_once_than_slots_are_all_answered(client: AsyncOpenAI) -> None:
    replies = await asyncio.gather(*(client.chat.completions.create(**_ASKED) for _ in range(3)))

    assert all(reply.choices[0].finish_reason == "stop" for reply in replies)
