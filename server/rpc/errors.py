"""Our errors on the wire: `google.rpc.Status` with details, made in one place.

Nothing else leaves the server: no traceback, no path, no key. What is not a
`LeagueError` is logged under an id, and the client learns the id.
"""

from __future__ import annotations

import inspect
import logging
import traceback
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from server.errors import (
    InvalidRequestError,
    InvalidTokenError,
    LeagueError,
    ModelUnavailableError,
    NotFoundError,
    NotPlayingError,
    RequestIdReusedError,
    ResultsNotReadError,
    RunExistsError,
    SandboxBusyError,
    SandboxUnavailableError,
    StoreError,
    StoreFullError,
    TooManyRunsError,
    TooManyStreamsError,
    UnauthenticatedError,
    WrongStateError,
)

DOMAIN = "llm-crowdsourced"
_RETRY_S = 5
# A status travels in metadata, of which gRPC takes 8 KiB without a word.
_MAX_MESSAGE = 1500
_MAX_PROBLEMS = 10
_MAX_NAME = 200
_MAX_WHY = 300

CODES: dict[type[LeagueError], Any] = {
    InvalidRequestError: code_pb2.INVALID_ARGUMENT,
    InvalidTokenError: code_pb2.INVALID_ARGUMENT,
    NotFoundError: code_pb2.NOT_FOUND,
    RunExistsError: code_pb2.ALREADY_EXISTS,
    RequestIdReusedError: code_pb2.ALREADY_EXISTS,
    WrongStateError: code_pb2.FAILED_PRECONDITION,
    TooManyRunsError: code_pb2.RESOURCE_EXHAUSTED,
    TooManyStreamsError: code_pb2.RESOURCE_EXHAUSTED,
    ModelUnavailableError: code_pb2.FAILED_PRECONDITION,
    SandboxUnavailableError: code_pb2.UNAVAILABLE,
    SandboxBusyError: code_pb2.RESOURCE_EXHAUSTED,
    ResultsNotReadError: code_pb2.ABORTED,
    NotPlayingError: code_pb2.FAILED_PRECONDITION,
    UnauthenticatedError: code_pb2.UNAUTHENTICATED,
    StoreError: code_pb2.INTERNAL,
    StoreFullError: code_pb2.UNAVAILABLE,
}

_log = logging.getLogger(__name__)


def code_of(error: LeagueError) -> int:
    """Returns the gRPC code of an error, that of its nearest class."""
    for kind in type(error).__mro__:
        if kind in CODES:
            return int(CODES[kind])
    return int(code_pb2.INTERNAL)


def status_of(error: LeagueError) -> status_pb2.Status:
    """Returns an error as the wire has it, with all its details."""
    status = status_pb2.Status(code=code_of(error), message=_sent(error.message, _MAX_MESSAGE))
    metadata = {name: _sent(value, _MAX_MESSAGE) for name, value in error.metadata.items()}
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=metadata)
    for detail in (info, *_details(error)):
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def _details(error: LeagueError) -> list[Any]:
    if isinstance(error, InvalidRequestError):
        violations = [
            error_details_pb2.BadRequest.FieldViolation(field=field, description=why)
            for field, why in _first(error.violations)
        ]
        return [error_details_pb2.BadRequest(field_violations=violations)]
    if isinstance(error, ModelUnavailableError):
        return [_precondition("MODEL", error.problems)]
    if isinstance(error, WrongStateError):
        return [_precondition("STATE", {error.metadata["name"]: error.message})]
    # A retry of what may still take effect would do it twice.
    if isinstance(error, TooManyRunsError | TooManyStreamsError | SandboxBusyError) or (
        isinstance(error, StoreFullError) and not error.pending
    ):
        return [error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=_RETRY_S))]
    return []


def _precondition(kind: str, problems: Any) -> error_details_pb2.PreconditionFailure:
    violations = [
        error_details_pb2.PreconditionFailure.Violation(type=kind, subject=subject, description=why)
        for subject, why in _first(problems)
    ]
    return error_details_pb2.PreconditionFailure(violations=violations)


def _first(problems: Mapping[str, str]) -> list[tuple[str, str]]:
    """Returns as many problems as fit into the metadata of a response, each cut to a bound."""
    first = list(problems.items())[:_MAX_PROBLEMS]
    return [(_sent(name, _MAX_NAME), _sent(why, _MAX_WHY)) for name, why in first]


def _sent(text: str, bound: int) -> str:
    """Returns the beginning of a text as a message can carry it.

    What others wrote, such as the name of a model, may hold half a surrogate pair.
    """
    return text[:bound].encode("utf-8", "replace").decode("utf-8")


class ErrorInterceptor(grpc.aio.ServerInterceptor):
    """Turns what handlers raise into statuses, for unary and streaming calls."""

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wraps the handler of a call."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        method = handler_call_details.method
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                _guarded(handler.unary_unary, method),
                handler.request_deserializer,
                handler.response_serializer,
            )
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                _guarded_stream(handler.unary_stream, method),
                _droppable(handler.request_deserializer),
                handler.response_serializer,
            )
        return handler


def _guarded(inner: Any, method: str) -> Any:
    async def call(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await inner(request, context)
        except Exception as error:  # noqa: BLE001 - the edge: nothing may leave unmapped
            await _abort(context, error, method)

    return call


def _droppable(read: Callable[[bytes], Any] | None) -> Callable[[bytes], list[Any]]:
    """Returns what reads a request into a list, out of which the handler takes it.

    gRPC holds what was read until the call is over; a large request need not be.
    """

    def call(data: bytes) -> list[Any]:
        return [data if read is None else read(data)]

    return call


def _guarded_stream(inner: Any, method: str) -> Any:
    async def call(
        held: list[Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        try:
            responses = inner(held.pop(), context)
            if inspect.isawaitable(responses):
                # Such as gRPC's own health service, which writes to the context itself.
                await responses
                return
            async for message in responses:
                yield message
        except Exception as error:  # noqa: BLE001 - as above
            await _abort(context, error, method)

    return call


def _forget_frames(error: BaseException | None) -> None:
    """Clears what an error remembers of where it was: gRPC keeps it, in a cycle."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


async def _abort(
    context: grpc.aio.ServicerContext[Any, Any], error: Exception, method: str
) -> None:
    if isinstance(error, grpc.aio.AbortError | grpc.aio.UsageError):
        raise error
    if isinstance(error, grpc.aio.BaseError):
        # The client has gone in the middle of a write: there is nobody to tell.
        return
    _forget_frames(error)
    if isinstance(error, LeagueError):
        if isinstance(error, StoreError):
            _log.error("store failed", extra={"rpc": method}, exc_info=error)
        try:
            status = rpc_status.to_status(status_of(error))
        except Exception as unforeseen:  # noqa: BLE001 - its text must not leave the server
            error = unforeseen
        else:
            await context.abort_with_status(status)
    incident = uuid.uuid4().hex[:12]
    _log.error("rpc failed", extra={"rpc": method, "incident": incident}, exc_info=error)
    await context.abort(
        grpc.StatusCode.INTERNAL, f"the server failed; its log says more under {incident}"
    )
