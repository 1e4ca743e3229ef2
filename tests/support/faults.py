"""What endpoints and judges do wrong, and what has to come of it: one table for tests and bench."""

import email.utils
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.support.scripted_endpoint import ScriptedReply, failure

RETRIES = 2
"""Retries of the providers that the table is written for."""

REASKS = 1
"""Re-asks of the leagues that the table is written for."""

STALL_S = 2.0
"""Seconds after which their providers give up a stalled stream; good replies take less anywhere."""

_RETRIED = 1 + RETRIES
_REASKED = 1 + REASKS
_LONG_S = 4 * STALL_S


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong at a step, and how the step has to end.

    Attributes:
        name: What goes wrong, for people.
        make: Makes the faulty response of the one that would have come.
        outcome: Outcome of the step if it goes wrong each time.
        cause: Its cause; empty where the outcome is OK.
        status: HTTP status of the calls that went wrong; 0 if no response came.
        attempts: Calls of each asking, if it goes wrong each time.
        askings: Askings, if it goes wrong each time.
        passes: If it goes wrong once only, the step ends well.
        repaired: The reply was read after a repair.
        alters: The reply is good, but says something else than it would have.
        fatal: The participant is given up.
        judge: A judge's fault, for judgments alone.
    """

    name: str
    make: Callable[[ScriptedReply], ScriptedReply]
    outcome: str
    cause: str = ""
    status: int = 200
    attempts: int = 1
    askings: int = 1
    passes: bool = True
    repaired: bool = False
    alters: bool = False
    fatal: bool = False
    judge: bool = False

    @property
    def stalls(self) -> bool:
        """Nothing arrives for a while: the provider has to be an impatient one."""
        return self.cause == "stalled"

    @property
    def call_outcome(self) -> str:
        """Outcome of each call: one that brought a reply is OK, whether it can be read or not."""
        return "OK" if self.outcome in ("OK", "UNPARSABLE") else self.outcome


def _always(reply: ScriptedReply) -> Callable[[ScriptedReply], ScriptedReply]:
    return lambda _: reply


def _lost(name: str, reply: ScriptedReply, cause: str, status: int, **more: Any) -> Fault:
    """A response that brings no reply and is retried."""
    values = {"outcome": "UNAVAILABLE", "attempts": _RETRIED, **more}
    return Fault(name=name, make=_always(reply), cause=cause, status=status, **values)


def _bent(name: str, cause: str = "", status: int = 200, **fields: Any) -> Fault:
    """The good reply, but sent in a way that loses it."""
    return Fault(
        name=name, make=lambda good: replace(good, **fields), outcome="UNAVAILABLE", cause=cause,
        status=status, attempts=_RETRIED,
    )  # fmt: skip


def _text(name: str, change: Callable[[str], str], cause: str = "", **more: Any) -> Fault:
    """Another text in place of the good one; read if there is no cause, re-asked if there is."""
    reading = {"outcome": "UNPARSABLE", "askings": _REASKED} if cause else {"outcome": "OK"}
    return Fault(
        name=name,
        make=lambda good: replace(good, text=change(good.text or "")),
        cause=cause,
        **(reading | more),
    )


def _retry_after(_: ScriptedReply) -> ScriptedReply:
    moment = email.utils.formatdate(time.time() + 1, usegmt=True)
    return failure(429, "slow down", headers={"Retry-After": moment})


def _keys(change: Callable[[str], str]) -> Callable[[str], str]:
    def renamed(text: str) -> str:
        return json.dumps({change(key): value for key, value in json.loads(text).items()})

    return renamed


_CHINESE = {"reasons": "理由", "ranks": "排名", "solution": "解答", "answer": "答案"}


def _first_text(raw: str) -> Callable[[str], str]:
    """Puts raw characters, which JSON may not allow there, before the first text of a reply."""

    def changed(text: str) -> str:
        value = json.loads(text)
        texts = value.get("reasons", value)
        key = next(iter(texts))
        texts[key] = f"@@{texts[key]}"
        return json.dumps(value).replace("@@", raw)

    return changed


def _decoy(text: str) -> str:
    value = json.loads(text)
    if "ranks" in value:
        value["reasons"] = {}
    else:
        value["answer"] = "17, or so I thought at first"
    return f"{json.dumps(value)}\nOn second thoughts:\n{text}"


ENDPOINT_FAULTS = (
    _lost("401", failure(401, "Incorrect API key provided"), "unauthorized", 401, fatal=True),
    _lost("403", failure(403, "No access to this model"), "forbidden", 403, fatal=True),
    _lost("404, unknown model", failure(404, "The model `m` does not exist", "model_not_found"),
          "unknown_model", 404, fatal=True),
    _lost("400, too long a prompt", failure(400, "maximum context length is 4096 tokens"),
          "bad_request", 400, attempts=1, passes=False),
    _lost("400, a value out of range", failure(400, "temperature cannot be above 0.1"),
          "bad_request", 400, attempts=1, passes=False),
    _lost("408", failure(408), "server_error", 408),
    _lost("409", failure(409), "server_error", 409),
    _lost("429, Retry-After in seconds", failure(429, headers={"Retry-After": "0.2"}),
          "rate_limited", 429),
    Fault(name="429, Retry-After as a date", make=_retry_after, outcome="UNAVAILABLE",
          cause="rate_limited", status=429, attempts=_RETRIED),
    _lost("429", failure(429), "rate_limited", 429),
    _lost("500", failure(500, "boom"), "server_error", 500),
    _lost("502, HTML", ScriptedReply(status=502, body="<html><h1>Bad Gateway</h1></html>",
          content_type="text/html"), "server_error", 502),
    _lost("503", failure(503, "overloaded"), "server_error", 503),
    _lost("429, Retry-After beyond all years", failure(429, headers={"Retry-After":
          "Wed, 21 Oct 99999999999 07:28:00 GMT"}), "rate_limited", 429),
    _lost("502, a reason that is not UTF-8", ScriptedReply(raw=b"HTTP/1.1 502 Passerelle d\xe9"
          b"faillante\r\nContent-Length: 2\r\n\r\nno"), "unforeseen", 0),
    _lost("302, to a page to log in at", ScriptedReply(status=302, body="", headers={"Location":
          "/login?next=/"}), "redirected", 302, attempts=1, passes=False),
    _lost("307, to itself", ScriptedReply(status=307, body="", headers={"Location":
          "/v1/chat/completions"}), "redirected", 307, attempts=1, passes=False),
    _lost("302, to a host that is none", ScriptedReply(status=302, body="", headers={"Location":
          "http://..../"}), "redirected", 302, attempts=1, passes=False),
    _bent("stall before the first byte", "stalled", 0, delay_s=_LONG_S),
    _bent("stall in the middle", "stalled", stall_s=_LONG_S),
    _bent("stream cut in the middle", "connection_lost", cut=True),
    _lost("200, HTML", ScriptedReply(body="<html>Sign in to the Wi-Fi</html>",
          content_type="text/html"), "bad_body", 200),
    _lost("200, a plain string", ScriptedReply(body="Too busy, come back later",
          content_type="text/plain"), "bad_body", 200),
    _lost("200, a JSON string", ScriptedReply(body='"ok"'), "bad_body", 200),
    _lost("200, an error inside", ScriptedReply(body={"error": {"message": "no", "code": 503}}),
          "server_error", 200),
    _lost("200, a body of 12 MB", ScriptedReply(body="<html>" + "x" * 12_000_000,
          content_type="text/html"), "body_too_large", 200),
    _bent("empty content", "empty_reply", text=""),
    _bent("null content", "empty_reply", text=None),
    Fault(name="usage missing", make=lambda good: replace(good, usage=None), outcome="OK"),
    Fault(name="usage beyond all measure", outcome="OK", make=lambda good: replace(
          good, usage={"prompt_tokens": 2**53 - 1, "completion_tokens": 2**53 - 1})),
    Fault(name="finish by length", outcome="TRUNCATED", cause="length", askings=_REASKED,
          make=lambda good: replace(good, text=(good.text or "")[:-9], finish_reason="length")),
    Fault(name="finish by length, MAX_TOKENS", outcome="TRUNCATED", cause="length",
          askings=_REASKED, make=lambda good: replace(good, finish_reason="MAX_TOKENS")),
    Fault(name="finish by length, JSON whole", outcome="TRUNCATED", cause="length",
          askings=_REASKED, make=lambda good: replace(good, finish_reason="length")),
    Fault(name="finish by content filter", outcome="REFUSED", cause="content_filter", passes=False,
          make=lambda good: replace(good, finish_reason="content_filter")),
    Fault(name="refusal", outcome="REFUSED", cause="refusal", passes=False,
          make=lambda good: replace(good, text=None, refusal="I would rather not.")),
)  # fmt: skip
"""Over HTTP: what the endpoint or the network does."""

TEXT_FAULTS = (
    _text("prose alone", lambda _: "I cannot say which is best.", "no_json"),
    _text("truncated JSON", lambda text: text[: len(text) // 2], "json_cut"),
    _text("JSON that no library mends", lambda _: '{m:A"\\"```json{```}', "no_json"),
    _text("prose around JSON", lambda text: f"Gladly!\n```json\n{text}\n```\nAnything else?"),
    _text("two JSON objects", _decoy),
    _text("unescaped quotes", _first_text('he said "so" and '), repaired=True, alters=True),
    _text("LaTeX backslashes", _first_text(r"\frac{1}{2} \alpha \to 0 "), repaired=True, alters=True),
    _text("lone surrogates, escaped", _first_text(r"\ud83d "), alters=True),
    _text("lone surrogates, raw", _first_text("\udc00 "), alters=True),
    _text("control characters", _first_text("\x01\x1b[2J\n"), alters=True),
    _text("keys in another case", _keys(str.upper)),
    _text("keys in another language", _keys(lambda key: _CHINESE[key]), "key_missing"),
    _text("5 MB", lambda text: "x" * 5_000_000 + text, "too_long"),
)  # fmt: skip
"""A response that is well formed, with a text that is not."""


def _ranks(change: Callable[[dict[str, Any]], object]) -> Callable[[str], str]:
    """Changes the ranks of a judgment of two answers; the text may be no valid JSON after it."""

    def changed(text: str) -> str:
        value = json.loads(text)
        made = change(dict(value["ranks"]))
        value["ranks"] = "@@"
        raw = made if isinstance(made, str) else json.dumps(made)
        return json.dumps(value).replace('"@@"', raw)

    return changed


def _each(change: Callable[[Any], object]) -> Callable[[str], str]:
    return _ranks(lambda ranks: {label: change(rank) for label, rank in ranks.items()})


def _second_thoughts(text: str) -> str:
    value = json.loads(text)
    return f'{{"ranks": {json.dumps(dict.fromkeys(value["ranks"], 2))}}}\nRather:\n{text}'


def _reasons(text: str) -> str:
    value = json.loads(text)
    return json.dumps({**value, "reasons": list(value["reasons"].values())})


def _judge(name: str, change: Callable[[str], str], cause: str = "", **more: Any) -> Fault:
    return _text(name, change, cause, judge=True, **more)


JUDGE_FAULTS = (
    _judge("names itself", _ranks(lambda ranks: {**ranks, "p3": 3}), "label_unknown"),
    _judge("names itself alone", _ranks(lambda _: {"p3": 1}), "label_unknown"),
    _judge("leaves a label out", _ranks(lambda _: {"A": 1}), "label_missing"),
    _judge("ranks nobody", _ranks(lambda _: {}), "label_missing"),
    _judge("invents a label", _ranks(lambda ranks: {**ranks, "C": 2}), "label_unknown"),
    _judge("repeats a label", _ranks(lambda _: '{"A": 1, "B": 2, "A": 2}'), "label_repeated"),
    _judge("repeats a label in a list", _ranks(lambda _: ["A", "B", "A"]), "label_repeated"),
    _judge("ties", _ranks(lambda ranks: dict.fromkeys(ranks, 1)), alters=True),
    _judge("two judgments that differ", _second_thoughts, "ambiguous"),
    _judge("objects for numbers", _each(lambda rank: {"rank": rank}), "value_invalid"),
    _judge("numbers as strings", _each(str)),
    _judge('"85/100"', _each(lambda _: "85/100"), "value_invalid"),
    _judge("NaN", _each(lambda _: float("nan")), "value_invalid"),
    _judge("Infinity", _each(lambda _: float("inf")), "value_invalid"),
    _judge("950", _each(lambda _: 950), "value_invalid"),
    _judge("0", _each(lambda _: 0), "value_invalid"),
    _judge("null", _each(lambda _: None), "value_invalid"),
    _judge("true", _each(lambda _: True), "value_invalid"),
    _judge("a number for the ranks", _ranks(lambda _: 1), "shape_wrong"),
    _judge("a list for the reasons", _reasons),
    _judge("no reasons", lambda text: json.dumps({"ranks": json.loads(text)["ranks"]})),
)  # fmt: skip
"""A judgment that says what it may not, or in a form that it should not have."""


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """Something that an endpoint does not take for a model, ever.

    Attributes:
        name: What it does not take, for people.
        refuses: Says whether a request holds it.
        response: How such a request is refused.
        refusals: Refusals of a model until it is known what to leave out.
        response_format: How replies are asked for once that is known.
    """

    name: str
    refuses: Callable[[Mapping[str, Any]], bool]
    response: ScriptedReply
    refusals: int = 1
    response_format: str = "json_schema"


def _format(body: Mapping[str, Any]) -> str:
    return str(body.get("response_format", {}).get("type", ""))


DIALECTS = (
    Dialect(
        name="400, JSON schema not supported",
        refuses=lambda body: _format(body) == "json_schema",
        response=failure(400, "response_format json_schema is not supported by this model"),
        response_format="json_object",
    ),
    Dialect(
        name="400, response_format not supported",
        refuses=lambda body: "response_format" in body,
        response=failure(400, "Unknown parameter: 'response_format'."),
        refusals=2,
        response_format="text",
    ),
    Dialect(
        name="400, parameter not supported",
        refuses=lambda body: "temperature" in body,
        response=failure(400, "temperature is not supported by this model", param="temperature"),
    ),
)
"""What is left out from then on, so that nothing is lost."""

FAULTS: Mapping[str, Fault] = {
    fault.name: fault for fault in (*ENDPOINT_FAULTS, *TEXT_FAULTS, *JUDGE_FAULTS)
}
