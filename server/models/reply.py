"""Reads the body of a chat completion, whole or streamed, as it arrives.

Nothing that an endpoint sends raises here: endpoints answer HTML with status
200, ignore that a stream was asked for, or break off in the middle of a line.
"""

import json
from typing import Any

from server.league.outcome import Outcome
from server.models.chat import Usage
from server.models.endings import Ending, excerpt, of_status, unavailable
from server.models.events import DONE, LONG, LONGEST_FIELD, EventReader, is_stream, parsed
from server.models.redaction import Redaction

MAX_TEXT = 8 * 1024 * 1024
"""Bytes of a reply that are kept."""

# A reply as long as is kept, and what is around it; an event of a stream.
_MAX_BODY = 10 * 1024 * 1024
# A model's words arrive in events of a few hundred bytes each.
_MAX_STREAM = 512 * 1024 * 1024
# Of a response that is no reply: enough to see what it is.
_MAX_HEAD = 64 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Words for one thing: that a reply met its limit on tokens.
_TRUNCATED = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})


class ReplyReader:
    """Takes a response's bytes and tells what the model replied.

    Attributes:
        finish_reason: As the provider gave it.
        served_model: Model as the response names it.
        usage: Tokens, as far as the provider told them.
        done: The stream said that it is at its end.
    """

    def __init__(self, redaction: Redaction | None = None) -> None:
        """Creates a reader of one response.

        Args:
            redaction: Hides the key where an error is told of.
        """
        self._redaction = redaction or Redaction()
        self.finish_reason = ""
        self.served_model = ""
        self.usage = Usage()
        self.done = False
        self._streamed: bool | None = None
        self._buffer = bytearray()
        self._events = EventReader()
        self._received = 0
        self._parts: list[str] = []
        self._refusal: list[str] = []
        self._size = 0
        self._choices = False
        self._error: dict[str, Any] | None = None
        self._malformed = ""
        self._too_large = ""

    @property
    def is_long(self) -> bool:
        """So much waits to be read that reading it takes a while."""
        return self._events.waiting > LONG or len(self._buffer) > LONG

    def feed(self, data: bytes) -> bool:
        """Takes the next bytes; says whether they brought a piece of the reply."""
        before = self._size
        self._received += len(data)
        if self._streamed:
            self._read_events(self._events.feed(data))
        else:
            self._begin(data)
        self._bound()
        return self._size > before

    def _begin(self, data: bytes) -> None:
        """Takes the bytes of a body of which it may not be known yet what it is."""
        self._buffer += data[: _MAX_BODY + 1]
        if self._streamed is None:
            # Some endpoints send blank lines to keep the connection.
            self._buffer = self._buffer.lstrip().removeprefix(_BYTE_ORDER_MARK).lstrip()
            if len(self._buffer) >= LONGEST_FIELD:
                self._streamed = is_stream(self._buffer)
                if self._streamed:
                    begun, self._buffer = bytes(self._buffer), bytearray()
                    self._read_events(self._events.feed(begun))

    def _bound(self) -> None:
        """Reads no further where there is more than any reply takes."""
        if max(len(self._buffer), self._events.waiting) > _MAX_BODY:
            what = "an event" if self._streamed else "a body"
            self._too_large = f"the response had {what} of more than {_MAX_BODY} bytes"
        elif self._streamed and self._received > _MAX_STREAM:
            self._too_large = f"the stream had more than {_MAX_STREAM} bytes"
        if self._too_large and not self.done:
            self.done = True
            if not self._parts:
                head = bytes(self._buffer[: _MAX_HEAD + 1]) or self._events.head(_MAX_HEAD + 1)
                self._keep_head(head.decode("utf-8", "replace"))
            self._buffer.clear()

    def close(self) -> None:
        """Hears that the response is at its end."""
        if self._streamed:
            if not self.done:
                self._read_events(self._events.close())
            return
        if self._too_large:
            return
        raw, self._buffer = bytes(self._buffer), bytearray()
        text = raw.decode("utf-8", "replace")
        value = parsed(text)
        if isinstance(value, dict):
            self._read(value, "message")
        else:
            self._malformed = f"the response was not a chat completion: {self._said(text)}"
        if not self._choices:
            self._keep_head(text)

    @property
    def text(self) -> str:
        """The reply so far; the beginning of a response that is none."""
        text = "".join(self._parts) or "".join(self._refusal)
        if not text and not self._streamed:
            text = self._buffer.decode("utf-8", "replace")
        return clean(text)

    def ending(self) -> Ending:
        """Returns how the call ended, once the response is at its end."""
        return self._failure() or self._reply()

    def _failure(self) -> Ending | None:
        if self._error is not None:
            code = self._error.get("code")
            status = code if isinstance(code, int) and 400 <= code < 600 else 500  # noqa: PLR2004
            told = json.dumps({"error": self._error}, ensure_ascii=False)
            return of_status(status, self._redaction(told))
        if self._too_large:
            return unavailable("body_too_large", self._too_large)
        if self._malformed:
            return unavailable("bad_body", self._malformed)
        if self._streamed and not self.done and not self.finish_reason:
            return unavailable("connection_lost", "the stream ended before the reply did")
        if not self._choices:
            return unavailable("bad_body", "the response held no choices")
        return None

    def _reply(self) -> Ending:
        if self._refusal or self.finish_reason == "content_filter":
            filtered = "the provider filtered the reply"
            said = f"the model refused: {excerpt(''.join(self._refusal))}"
            cause = "refusal" if self._refusal else "content_filter"
            return Ending(Outcome.REFUSED, cause, said if self._refusal else filtered)
        if self.finish_reason.lower() in _TRUNCATED:
            return Ending(Outcome.TRUNCATED, "length", "the reply met its limit on tokens")
        if not self.text.strip():
            reason = self.finish_reason or "no reason"
            return unavailable("empty_reply", f"the reply was empty ({reason})")
        if self._size > MAX_TEXT:
            return Ending(Outcome.OK, detail=f"the reply was cut at {MAX_TEXT} bytes")
        return Ending(Outcome.OK)

    def _read_events(self, events: list[str]) -> None:
        for data in events:
            if self.done:
                return
            if data == DONE:
                self.done = True
                continue
            value = parsed(data)
            if isinstance(value, dict):
                self._read(value, "delta")
            elif data.strip():
                self._malformed = f"the stream held a broken piece: {self._said(data)}"

    def _read(self, value: dict[str, Any], key: str) -> None:
        error = value.get("error")
        if error:
            self._error = error if isinstance(error, dict) else {"message": str(error)}
        self.served_model = _word(value.get("model")) or self.served_model
        if isinstance(value.get("usage"), dict):
            self.usage = _usage(value["usage"])
        choice = _first(value.get("choices"), alone=key == "message")
        if choice is None:
            return
        self._choices = True
        self.finish_reason = _word(choice.get("finish_reason")) or self.finish_reason
        message = choice.get(key)
        # Some endpoints answer a stream with one whole message.
        message = message if isinstance(message, dict) else choice.get("message")
        if isinstance(message, dict):
            self._keep(self._parts, _content(message.get("content")))
            self._keep(self._refusal, _text(message.get("refusal")))

    def _said(self, text: str) -> str:
        """Returns the beginning of what was said, without the key."""
        return excerpt(self._redaction(text))

    def _keep_head(self, text: str) -> None:
        """Keeps the beginning of a response that is no reply."""
        whole = len(text) <= _MAX_HEAD
        self._keep(self._parts, self._redaction.beginning(text[:_MAX_HEAD], whole=whole))

    def _keep(self, parts: list[str], text: str) -> None:
        if text and self._size <= MAX_TEXT:
            parts.append(text)
        self._size += len(text)


# Longer words are no finish reason or model.
_MAX_WORD = 200
# Tokens of one call: ten times the longest context that any model has. What is
# larger is no count, and the sums over all calls that a league can have stay
# within what a database and a client can hold.
_MAX_COUNT = 10**8


def clean(text: str) -> str:
    """Returns the text as it can be stored: valid Unicode, of bounded length."""
    return text.encode("utf-8", "replace")[:MAX_TEXT].decode("utf-8", "ignore")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _word(value: Any) -> str:
    """Returns a name or a word of the endpoint's own, as it can be stored."""
    return clean(_text(value)[:_MAX_WORD])


def _content(value: Any) -> str:
    """Returns the text of a content; parts that are not text, such as thinking, are left out."""
    if isinstance(value, list):
        parts = (part for part in value if isinstance(part, dict) and part.get("type") == "text")
        return "".join(_text(part.get("text")) for part in parts)
    return _text(value)


def _first(choices: Any, *, alone: bool) -> dict[str, Any] | None:
    """Returns the choice that was asked for, which is the first by its number.

    Args:
        choices: The choices, if they are any.
        alone: No others follow, so it may be numbered in whichever way.
    """
    if not isinstance(choices, list):
        return None
    found = [choice for choice in choices if isinstance(choice, dict)]
    first = (c for c in found if not isinstance(c.get("index"), int) or c["index"] == 0)
    return next(first, found[0] if alone and found else None)


def _count(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_COUNT
    return value if whole else None


def _usage(value: dict[str, Any]) -> Usage:
    prompt = value.get("prompt_tokens_details")
    completion = value.get("completion_tokens_details")
    return Usage(
        prompt_tokens=_count(value.get("prompt_tokens")),
        cached_tokens=_count(prompt.get("cached_tokens")) if isinstance(prompt, dict) else None,
        completion_tokens=_count(value.get("completion_tokens")),
        reasoning_tokens=_count(completion.get("reasoning_tokens"))
        if isinstance(completion, dict)
        else None,
    )
