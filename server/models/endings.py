"""How a call ended, told from a status, an exception or what was read. Pure.

Endpoints agree on little beyond the status, and the transport folds different
mishaps into one exception, so both are looked at more closely: what a cause is
called decides whether the call is tried again, the participant is given up, or
the provider is paced.
"""

import email.utils
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import httpx2

from server.league.outcome import Outcome

MAX_RETRY_AFTER_S = 300.0

_NETWORK_ERRORS = (httpx2.HTTPError, httpx2.StreamError, aiohttp.ClientError, OSError)
"""What the client raises; the transport lets some of its own errors through."""

RETRIED = frozenset(
    {
        "rate_limited",
        "server_error",
        "unreachable",
        "connection_lost",
        "timeout",
        "stalled",
        "bad_body",
        "body_too_large",
        "empty_reply",
        "unforeseen",
    }
)
"""Causes that another attempt may mend."""

BLIPS = frozenset({"unauthorized", "forbidden", "unknown_model"})
"""Causes that end a participant, unless the endpoint has served the model before."""

# A gateway gives up waiting, while what is behind it may go on.
_WORK_MAY_BE_DONE = frozenset({408, 504})
_MAX_EXCERPT = 300
# Of a text of which an excerpt is made: it may begin with much space.
_MAX_READ = 10 * _MAX_EXCERPT
_NO_MODEL = re.compile(
    r"model_not_found|model not found|model ['\"`]?[\w./:@-]+['\"`]? (?:was )?not found"
    r"|model .{0,100}?does not exist|no such model|unknown model|invalid model (?:name|id)\b"
)
_QUOTA = ("insufficient_quota", "billing_hard_limit", "insufficient balance", "insufficient_credit")


@dataclass(frozen=True)
class Ending:
    """How a call ended; see `Attempt` for the fields."""

    outcome: Outcome
    cause: str = ""
    detail: str = ""
    fatal: bool = False


def unavailable(cause: str, detail: str, *, fatal: bool = False) -> Ending:
    """Returns the ending of a call that brought no reply."""
    return Ending(Outcome.UNAVAILABLE, cause, detail, fatal)


def did_no_work(cause: str, status: int | None) -> bool:
    """Says whether a provider did no work for a call: never reached, or refused at once."""
    if cause == "unreachable":
        return True
    refused = status is not None and status >= httpx2.codes.MULTIPLE_CHOICES
    return refused and status not in _WORK_MAY_BE_DONE


def came_whole(outcome: Outcome, cause: str) -> bool:
    """Says whether a reply came to its end, so that the usage that it told is all of it.

    Some endpoints tell the usage so far with every piece of a stream.
    """
    return outcome is not Outcome.UNAVAILABLE or cause == "empty_reply"


@dataclass(frozen=True)
class ErrorBody:
    """What the body of an error says."""

    message: str
    code: str = ""
    param: str = ""


def read_error(text: str) -> ErrorBody:
    """Reads the body of an error, in whichever shape it comes."""
    try:
        return _error_of(json.loads(text), text)
    except (ValueError, RecursionError):
        return ErrorBody(excerpt(text))


def _error_of(value: Any, text: str) -> ErrorBody:
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, dict):
        return ErrorBody(excerpt(text))
    inner = value.get("error", value)
    if not isinstance(inner, dict):
        return ErrorBody(excerpt(str(inner)))
    message = inner.get("message") or inner.get("detail") or text
    code = inner.get("code") or inner.get("type") or ""
    return ErrorBody(excerpt(str(message)), str(code), str(inner.get("param") or ""))


def names_missing_model(text: str) -> bool:
    """Says whether the body of an error speaks of a model that is not there."""
    return _NO_MODEL.search(text.lower()) is not None


def redirected(status: int, target: str) -> Ending:
    """Returns the ending of a call that was sent elsewhere, which is not followed.

    A prompt goes where the settings say, and each call is one that was counted.

    Args:
        status: Status of the response.
        target: Where it points, as the response gives it; empty if nowhere.
    """
    return unavailable(
        "redirected",
        f"the endpoint sends its callers elsewhere (HTTP {status}, {shown_target(target)}), which "
        "is not followed; correct base_url of this provider in the settings",
    )


def shown_target(target: str) -> str:
    """Returns where a redirect points, for people: no query, which may hold a secret."""
    bare = re.sub(r"[?#;].*", "", target, flags=re.DOTALL)
    bare = re.sub(r"//[^/]*@", "//", bare)
    return f"to {excerpt(bare)}" if bare.strip() else "to no address"


def of_status(status: int, text: str) -> Ending:
    """Returns the ending of a call that was answered with an error."""
    error = read_error(text)
    said = f"HTTP {status}" + (f": {error.message}" if error.message else "")
    if status in (400, 404, 422) and names_missing_model(text):
        return unavailable("unknown_model", f"the endpoint has no such model ({said})", fatal=True)
    if status == httpx2.codes.PAYMENT_REQUIRED or (
        status == httpx2.codes.TOO_MANY_REQUESTS and any(word in text.lower() for word in _QUOTA)
    ):
        return unavailable(
            "quota_exhausted", f"the account's quota is used up ({said})", fatal=True
        )
    return _STATUSES.get(status, _other_status)(status, said)


def _other_status(status: int, said: str) -> Ending:
    if status >= httpx2.codes.INTERNAL_SERVER_ERROR:
        return unavailable("server_error", f"the endpoint failed ({said})")
    return unavailable("bad_request", f"the endpoint refused the request ({said})")


_STATUSES = {
    401: lambda _, said: unavailable(
        "unauthorized", f"the endpoint refused the key ({said})", fatal=True
    ),
    403: lambda _, said: unavailable(
        "forbidden", f"the key may not use this model ({said})", fatal=True
    ),
    404: lambda _, said: unavailable(
        "unknown_model", f"no such model, or no chat API at this address ({said})", fatal=True
    ),
    408: lambda _, said: unavailable("server_error", f"the endpoint gave up waiting ({said})"),
    409: lambda _, said: unavailable("server_error", f"the endpoint met a conflict ({said})"),
    429: lambda _, said: unavailable("rate_limited", f"too many requests ({said})"),
}


def of_exception(error: BaseException, *, answered: bool) -> Ending:
    """Returns the ending of a call that the network cut short.

    Args:
        error: What the client raised.
        answered: The response had begun.
    """
    chain = list(_chain(error))
    if not any(isinstance(link, _NETWORK_ERRORS) for link in chain):
        return unforeseen(error)
    said = excerpt(next((str(link) for link in reversed(chain) if str(link)), repr(error)))
    if any(isinstance(link, httpx2.DecodingError) for link in chain):
        return unavailable("bad_body", f"the response could not be decompressed: {said}")
    if any(isinstance(link, aiohttp.ClientResponseError) for link in chain):
        return unavailable("bad_body", f"the response was not HTTP: {said}")
    # The transport reports a cut connection as a failure to connect; only the
    # exception underneath tells the two apart.
    unreached = (
        aiohttp.ClientConnectorError,
        aiohttp.ConnectionTimeoutError,
        httpx2.UnsupportedProtocol,
        httpx2.ProxyError,
    )
    if not answered and any(isinstance(link, unreached) for link in chain):
        return unavailable("unreachable", f"no connection could be made: {said}")
    cut = (
        aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, httpx2.TransportError, OSError,
    )  # fmt: skip
    if answered or any(isinstance(link, cut) for link in chain):
        return unavailable("connection_lost", f"the connection was cut: {said}")
    return unavailable("unreachable", f"the request could not be sent: {said}")


def unforeseen(error: BaseException) -> Ending:
    """Returns the ending of a call of which nobody knows how far it came.

    The transport and its codecs fail in ways of their own over what an endpoint
    sends, such as a status line in another encoding.
    """
    kind, said = type(error).__name__, excerpt(str(error))
    why = f"{kind}: {said}" if said else kind
    return unavailable("unforeseen", f"the exchange failed in a way that nobody foresaw ({why})")


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Returns the seconds that a response asks to wait, at most five minutes.

    Args:
        headers: Headers of the response, found without regard to case.
        now: Current time, for a date in place of seconds.
    """
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = email.utils.parsedate_to_datetime(value)
            moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            seconds = (moment - (now or datetime.now(UTC))).total_seconds()
        except (ValueError, OverflowError, TypeError, IndexError):
            # Years and zones without bound, and whatever else is no date.
            return None
    # The comparison turns "nan" into 0.
    return min(seconds, MAX_RETRY_AFTER_S) if seconds > 0 else 0.0


def excerpt(text: str) -> str:
    """Returns the beginning of a text on one line, which can be encoded and shown."""
    text = text.lstrip()
    # JSON can carry half of a surrogate pair, which no file and no message can.
    begun = text[:_MAX_READ].encode("utf-8", "replace").decode("utf-8")
    line = " ".join("".join(c if c.isprintable() else " " for c in begun).split())
    short = len(line) <= _MAX_EXCERPT and len(text) <= _MAX_READ
    return line if short else line[:_MAX_EXCERPT] + "..."
