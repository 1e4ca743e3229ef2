"""Bounds the streams that are open at once: each takes memory for as long as it is open."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import grpc
from grpc_status import rpc_status

from server.errors import TooManyStreamsError
from server.rpc.errors import status_of


class StreamInterceptor(grpc.aio.ServerInterceptor):
    """Refuses a stream where as many of its method are open already.

    Each method has its own bound, so that no streams of one, such as the watches of health
    that anybody may open, take the place of another's. Unary calls end soon, and are not
    counted.

    Handlers of streams have to be generators: it stands outside the interceptor that makes
    them so.

    Args:
        most: Streams of one method that may be open.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    async def intercept_service(
        self,
        continuation: Callable[
            [grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]
        ],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Wraps the handler of a stream."""
        handler = await continuation(handler_call_details)
        if handler is None or not handler.response_streaming:
            return handler
        method = handler_call_details.method
        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(
                self._counted(handler.unary_stream, method),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return grpc.stream_stream_rpc_method_handler(
            self._counted(handler.stream_stream, method),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def _counted(self, inner: Any, method: str) -> Any:
        async def call(
            request: Any, context: grpc.aio.ServicerContext[Any, Any]
        ) -> AsyncIterator[Any]:
            if self._open[method] >= self._most:
                await context.abort_with_status(rpc_status.to_status(status_of(self._refusal())))
            self._open[method] += 1
            try:
                async with aclosing(inner(request, context)) as responses:
                    async for response in responses:
                        yield response
            finally:
                self._open[method] -= 1

        return call

    def _refusal(self) -> TooManyStreamsError:
        return TooManyStreamsError(
            f"{self._most} streams of this method are open, which is the most that this server "
            "holds; end some, or raise max_open_streams in its settings"
        )
