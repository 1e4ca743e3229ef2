"""Asks a model until its reply can be read, within the league's number of re-asks.

What was on record before a restart is taken first: a reply that was stored is
read again, never asked for again.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from server.league.outcome import Outcome
from server.league.prompts import PromptSet, render
from server.league.reading import Unreadable
from server.models.chat import CallGate, ChatModel, ChatRequest, Message
from server.play.requests import as_kept
from server.store.records import CallRecord

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Asked(Generic[T]):
    """How asking ended; `value` is what was read, `None` unless the outcome is OK.

    `detail` is a sentence on why it failed; after asking again with success, on why the
    last reply before could not be used.
    `fatal` says that asking this participant again would only fail again.
    """

    outcome: Outcome
    value: T | None = None
    cause: str = ""
    detail: str = ""
    reasks: int = 0
    fatal: bool = False


@dataclass(frozen=True)
class _Reply:
    """What reading needs of a call, whether it was made now or before a restart."""

    outcome: Outcome
    text: str
    cause: str
    detail: str
    fatal: bool = False


async def ask_until_read(
    model: ChatModel,
    request: ChatRequest,
    read: Callable[[str], T | Unreadable],
    *,
    prompts: PromptSet,
    max_reasks: int,
    gate_for: Callable[[int, ChatRequest], CallGate],
    keep: Callable[[], Awaitable[None]],
    history: Sequence[CallRecord] = (),
    first_ask: int = 0,
) -> Asked[T]:
    """Asks, reads, and asks again with the reason while the reply cannot be read.

    Args:
        model: Whom to ask.
        request: What to ask first.
        read: Reads a reply, or says why it cannot.
        prompts: The set that holds the prompt for asking again.
        max_reasks: Times to ask again at most.
        gate_for: Gives the gate of an asking, by its number from 0 and its request.
        keep: Puts the last reply on disk, before another is asked for.
        history: Calls of this step that are on record already.
        first_ask: Number of the first asking, more than 0 where the step is
            asked once more: replies to earlier askings are not taken for it.

    Raises:
        CallRefused: The run stops asking.
    """
    last = Asked[T](outcome=Outcome.UNPARSABLE)
    asked = request
    for ask in range(max_reasks + 1):
        number = first_ask + ask
        past = [call for call in history if call.ask == number]
        reply = _reply_on_record(past, asked)
        if reply is None:
            asked = replace(asked, first_attempt=len(past))
            attempt = await model.ask(asked, gate_for(number, asked))
            reply = _Reply(
                attempt.outcome, attempt.text, attempt.cause, attempt.detail, attempt.fatal
            )
        if reply.outcome is Outcome.OK:
            value = read(reply.text)
            if not isinstance(value, Unreadable):
                return Asked(outcome=Outcome.OK, value=value, detail=last.detail, reasks=ask)
            await keep()
            last = Asked(
                outcome=Outcome.UNPARSABLE, cause=value.cause, detail=value.detail, reasks=ask
            )
        else:
            last = Asked(
                outcome=reply.outcome,
                cause=reply.cause,
                detail=reply.detail,
                reasks=ask,
                fatal=reply.fatal,
            )
            if reply.outcome is not Outcome.TRUNCATED:
                return last
        asked = asking_again(request, prompts, last.detail)
    return last


def _reply_on_record(past: Sequence[CallRecord], asked: ChatRequest) -> _Reply | None:
    """Returns the reply that an asking got before a restart.

    A failed call is no reply, and a reply to another prompt is not this one's: a
    judge may have been asked about an answer that could not be kept.
    """
    if not past or past[-1].outcome is Outcome.UNAVAILABLE:
        return None
    call = past[-1]
    if call.prompt != as_kept(asked):
        return None
    return _Reply(call.outcome, call.raw_reply, call.cause, call.detail)


def asking_again(request: ChatRequest, prompts: PromptSet, reason: str) -> ChatRequest:
    """Returns the request with the reason why the last reply could not be used.

    The broken reply itself is not sent back: it costs tokens, and small models
    repeat what they see.
    """
    again = render(prompts.texts["reask"], {"reason": reason.rstrip(".")})
    *before, last = request.messages
    messages = (*before, Message(role=last.role, content=last.content.rstrip() + again))
    return replace(request, messages=messages)
