"""Who makes a call, for what callers take turns at."""

import hashlib
from typing import Any

import grpc


def caller_of(context: grpc.aio.ServicerContext[Any, Any], *, by_token: bool) -> str:
    """Returns who makes a call.

    Args:
        context: The call.
        by_token: Whether the server asks for tokens. Then all who hold one token are
            one caller, however many connections they open; else each connection is.
    """
    if by_token:
        metadata = dict(context.invocation_metadata() or ())
        token = str(metadata.get("authorization", "")).partition(" ")[2].strip()
        # The token itself must not get into anything that is shown or logged.
        return f"token {hashlib.sha256(token.encode()).hexdigest()[:16]}"
    return str(context.peer())
