"""Errors of the server as a client gets them, with their details."""

from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status


@dataclass(frozen=True)
class Refusal:
    """An error with its details."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    domain: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    preconditions: dict[str, str] = field(default_factory=dict)
    retry_s: int = 0


def refusal_of(error: grpc.aio.AioRpcError) -> Refusal:
    """Reads an error's details."""
    found: dict[str, Any] = {}
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    for packed in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        request = error_details_pb2.BadRequest()
        precondition = error_details_pb2.PreconditionFailure()
        retry = error_details_pb2.RetryInfo()
        if packed.Unpack(info):
            found |= {
                "reason": info.reason,
                "domain": info.domain,
                "metadata": dict(info.metadata),
            }
        elif packed.Unpack(request):
            found["fields"] = {v.field: v.description for v in request.field_violations}
        elif packed.Unpack(precondition):
            found["preconditions"] = {v.subject: v.description for v in precondition.violations}
        elif packed.Unpack(retry):
            found["retry_s"] = retry.retry_delay.seconds
    return Refusal(code=error.code(), message=error.details() or "", **found)


async def refused(call: Awaitable[Any]) -> Refusal:
    """Returns how a call was refused; fails if it was not."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return refusal_of(caught.value)
