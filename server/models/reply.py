"""Reads the body of a chat completion, whole or streamed, as it arrives.

Nothing that an endpoint sends raises here: endpoints answer HTML with status
200, ignore that a stream was asked for, or break off in the middle of a line.
"""

import json
from typing import Any

from server.league.outcome import Outcome
from server.models.chat import Usage
from server.models.endings import Ending, excerpt, of_status, unavailable
from server.models.redaction import Redaction

MAX_TEXT = 8 * 1024 * 1024
"""Bytes of a reply that are kept."""

_MAX_BODY = 8 * MAX_TEXT
_DONE = "[DONE]"


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
        self._parts: list[str] = []
        self._refusal: list[str] = []
        self._size = 0
        self._choices = False
        self._error: dict[str, Any] | None = None
        self._malformed = ""

    def feed(self, data: bytes) -> bool:
        """Takes the next bytes; says whether they brought a piece of the reply."""
        before = self._size
        self._buffer += data
        if self._streamed is None:
            # Some endpoints send blank lines to keep the connection.
            self._buffer = self._buffer.lstrip()
            if len(self._buffer) >= len("event:"):
                self._streamed = self._buffer.startswith((b"data:", b"event:", b"id:", b":"))
        if self._streamed and b"\n" in self._buffer:
            self._read_lines()
        if len(self._buffer) > _MAX_BODY:
            self._malformed = f"the response had a part of more than {_MAX_BODY} bytes"
            self._buffer.clear()
            self.done = True
        return self._size > before

    def close(self) -> None:
        """Hears that the response is at its end."""
        if self._streamed:
            self.feed(b"\n")
            return
        raw, self._buffer = bytes(self._buffer), bytearray()
        text = raw.decode("utf-8", "replace")
        value = _parsed(text)
        if isinstance(value, dict):
            self._read(value, "message")
        elif not self._malformed:
            self._malformed = f"the response was not a chat completion: {self._said(text)}"
        if not self._choices:
            self._keep(self._parts, text)

    @property
    def text(self) -> str:
        """The reply so far; a response that is none, as it came."""
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
        if self.finish_reason == "length":
            return Ending(Outcome.TRUNCATED, "length", "the reply met its limit on tokens")
        if not self.text.strip():
            reason = self.finish_reason or "no reason"
            return unavailable("empty_reply", f"the reply was empty ({reason})")
        if self._size > MAX_TEXT:
            return Ending(Outcome.OK, detail=f"the reply was cut at {MAX_TEXT} bytes")
        return Ending(Outcome.OK)

    def _read_lines(self) -> None:
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        for line in lines:
            field, _, data = line.decode("utf-8", "replace").partition(":")
            if field != "data" or self.done:
                continue
            if data.strip() == _DONE:
                self.done = True
                continue
            value = _parsed(data)
            if isinstance(value, dict):
                self._read(value, "delta")
            else:
                self._malformed = f"the stream held a broken piece: {self._said(data)}"

    def _read(self, value: dict[str, Any], key: str) -> None:
        error = value.get("error")
        if error:
            self._error = error if isinstance(error, dict) else {"message": str(error)}
        self.served_model = _word(value.get("model")) or self.served_model
        if isinstance(value.get("usage"), dict):
            self.usage = _usage(value["usage"])
        choices = value.get("choices")
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            return
        self._choices = True
        self.finish_reason = _word(choices[0].get("finish_reason")) or self.finish_reason
        message = choices[0].get(key)
        # Some endpoints answer a stream with one whole message.
        message = message if isinstance(message, dict) else choices[0].get("message")
        if isinstance(message, dict):
            self._keep(self._parts, _content(message.get("content")))
            self._keep(self._refusal, _text(message.get("refusal")))

    def _said(self, text: str) -> str:
        """Returns the beginning of what was said, without the key."""
        return excerpt(self._redaction(text))

    def _keep(self, parts: list[str], text: str) -> None:
        if text and self._size <= MAX_TEXT:
            parts.append(text)
        self._size += len(text)


# Longer words and larger numbers are no finish reason, model or count of tokens.
_MAX_WORD = 200
_MAX_COUNT = 2**53


def clean(text: str) -> str:
    """Returns the text as it can be stored: valid Unicode, of bounded length."""
    return text.encode("utf-8", "replace")[:MAX_TEXT].decode("utf-8", "ignore")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


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


def _count(value: Any) -> int | None:
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MAX_COUNT
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
