"""Checks of requests before anything is done: the contract's own rules, and page tokens."""

import base64
import hashlib
import json

import protovalidate
from google.protobuf.message import Message

from server.errors import InvalidRequestError, InvalidTokenError

_MOST = 2**63 - 1


def check(request: Message) -> None:
    """Holds a request against the rules that stand in the contract.

    Raises:
        InvalidRequestError: It breaks some; each is named with its field.
    """
    try:
        protovalidate.validate(request)
    except protovalidate.ValidationError as error:
        violations: dict[str, str] = {}
        for violation in error.violations:
            field = _path(violation.proto.field) or "request"
            before = violations.get(field)
            message = violation.proto.message
            violations[field] = f"{before}, {message}" if before else message
        raise InvalidRequestError(violations) from None


def _path(field: object) -> str:
    """Returns a field's path, such as `league.participants[1].id`."""
    path = ""
    for element in getattr(field, "elements", ()):
        path += f"{'.' if path else ''}{element.field_name}"
        subscript = getattr(element, "subscript", None)
        index = getattr(subscript, "value", None)
        if isinstance(index, int) and not isinstance(index, bool):
            path += f"[{index}]"
    return path


def page_token(purpose: str, position: int) -> str:
    """Returns an opaque token that stands for a position of one listing.

    Args:
        purpose: What is listed and how, such as `rounds of runs/x`: the token
            is good for nothing else.
        position: Where the next page starts.
    """
    text = json.dumps([_mark(purpose), position])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def page_position(purpose: str, token: str, *, least: int = 1) -> int:
    """Reads a token that `page_token` made for the same purpose.

    Args:
        purpose: What is listed and how.
        token: The token.
        least: The smallest position that the listing gives tokens for.

    Raises:
        InvalidTokenError: It is none, or belongs to another listing.
    """
    try:
        padded = token + "=" * (-len(token) % 4)
        mark, position = json.loads(base64.urlsafe_b64decode(padded))
        # A token is made by whoever likes to; the database takes no larger number.
        valid = mark == _mark(purpose) and type(position) is int and least <= position <= _MOST
    except (ValueError, TypeError, RecursionError):
        valid = False
    if not valid:
        raise InvalidTokenError("the token is not one of this request; start without a token")
    return int(position)


def _mark(purpose: str) -> str:
    return hashlib.sha256(purpose.encode()).hexdigest()[:12]


def run_id_of(name: str) -> str:
    """Returns the id in `runs/{run_id}`, whose form the contract has checked."""
    return name.split("/")[1]
