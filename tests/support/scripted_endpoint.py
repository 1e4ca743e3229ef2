"""A real HTTP endpoint on this machine whose replies are a function of the request."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

USAGE = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}


@dataclass(frozen=True, kw_only=True)
class ScriptedRequest:
    """A request as it came.

    Attributes:
        number: Number of the request at this endpoint, from 0.
        headers: Its headers; names in lower case.
        body: Its body.
        raw: The bytes of the body.
        at: When it came, by the monotonic clock.
    """

    number: int
    headers: Mapping[str, str]
    body: dict[str, Any]
    at: float
    raw: bytes = b""

    @property
    def prompt(self) -> str:
        """Texts of all messages."""
        return "\n".join(str(message["content"]) for message in self.body.get("messages", []))

    @property
    def response_format(self) -> str:
        """Kind of reply that is asked for; `text` where none is."""
        return str(self.body.get("response_format", {"type": "text"})["type"])


@dataclass(frozen=True, kw_only=True)
class ScriptedReply:
    """What the endpoint answers: a reply, or a fault.

    Attributes:
        text: Content of the message; `None` is JSON's null.
        refusal: Refusal of the message, as providers give it.
        reasoning: Thinking that some endpoints send beside the content.
        finish_reason: Why the reply ended; `None` leaves it out.
        usage: Tokens; `None` leaves them out.
        status: Status; anything else than 200 sends `body`.
        headers: Further headers of the response.
        body: Sent as it is in place of a completion: a text, or an object as JSON.
        content_type: Type of such a body.
        raw: Sent in place of a response, its status line included; then the
            connection is closed.
        delay_s: Wait before the first byte.
        stall_s: Wait in the middle of the reply.
        cut: Break the connection in the middle of the reply.
        pieces: Number of pieces of a streamed reply.
    """

    text: str | None = ""
    refusal: str | None = None
    reasoning: str = ""
    finish_reason: str | None = "stop"
    usage: Mapping[str, Any] | None = field(default_factory=lambda: USAGE)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | dict[str, Any] | None = None
    content_type: str = "application/json"
    raw: bytes | None = None
    delay_s: float = 0.0
    stall_s: float = 0.0
    cut: bool = False
    pieces: int = 3


def failure(status: int, message: str = "no", code: str = "", **more: Any) -> ScriptedReply:
    """Returns an error in the shape that the OpenAI API gives it.

    Args:
        status: Its status.
        message: Its message.
        code: Its code.
        **more: Further fields of `ScriptedReply`, and `param` of the error.
    """
    error = {"message": message, "type": "", "code": code, "param": more.pop("param", None)}
    return ScriptedReply(status=status, body={"error": error}, **more)


ReplyFunction = Callable[[ScriptedRequest], ScriptedReply | Awaitable[ScriptedReply]]


class ScriptedEndpoint:
    """An endpoint with the OpenAI chat API, running while its context is entered.

    Attributes:
        requests: Requests for completions, as they came.
        received: Set once a request for a completion has come.
        listings: How often the list of models was asked for.
        in_flight: Completions under way.
        max_in_flight: Most completions under way at once.
        durations: Seconds from the arrival of each request to the end of its reply.
    """

    def __init__(
        self,
        reply: ReplyFunction,
        models: Sequence[str] = ("scripted",),
        latency_s: float = 0.0,
        listing: ScriptedReply | None = None,
        port: int = 0,
    ) -> None:
        """Creates the endpoint.

        Args:
            reply: Answers a request.
            models: Models that it lists.
            latency_s: Wait before each reply.
            listing: Answer to the request for the list, in place of `models`.
            port: Where it listens; a free port if 0.
        """
        self._reply = reply
        self._models = models
        self._latency_s = latency_s
        self._listing = listing
        self._runner: web.ServerRunner | None = None
        self._port = port
        self.requests: list[ScriptedRequest] = []
        self.received = asyncio.Event()
        self.listings = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self.durations: list[float] = []

    async def __aenter__(self) -> Self:
        # A bare server without router, middleware and access log: the tests of
        # throughput share their core with it.
        self._runner = web.ServerRunner(
            web.Server(self._handle, access_log=None), shutdown_timeout=0.1
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=4096).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def refuse(self) -> None:
        """Takes no connection any more; calls under way are answered."""
        if self._runner is not None:
            for site in list(self._runner.sites):
                await site.stop()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def base_url(self) -> str:
        """Address of the API, with `/v1`."""
        return f"http://127.0.0.1:{self._port}/v1"

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/v1/models":
            return self._list(request)
        if request.path != "/v1/chat/completions":
            return web.Response(status=404, text="404: not found")
        raw = await request.read()
        received = ScriptedRequest(
            number=len(self.requests),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=json.loads(raw),
            raw=raw,
            at=time.monotonic(),
        )
        self.requests.append(received)
        self.received.set()
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            return await self._answer(request, received)
        except ConnectionError:
            # Who asked has gone, as it may.
            return web.Response()
        finally:
            self.in_flight -= 1
            self.durations.append(time.monotonic() - received.at)

    def _list(self, request: web.BaseRequest) -> web.Response:
        self.listings += 1
        if self._listing is not None:
            if self._listing.raw is not None:
                return _raw(request, self._listing.raw)
            return _verbatim(self._listing)
        data = [{"id": model, "object": "model"} for model in self._models]
        return web.json_response({"object": "list", "data": data})

    async def _answer(
        self, request: web.BaseRequest, received: ScriptedRequest
    ) -> web.StreamResponse:
        made = self._reply(received)
        reply = made if isinstance(made, ScriptedReply) else await made
        wait = self._latency_s + reply.delay_s
        if wait:
            await asyncio.sleep(wait)
        if reply.raw is not None:
            return _raw(request, reply.raw)
        if reply.body is not None or reply.status != 200:
            return _verbatim(reply)
        if received.body.get("stream"):
            return await _stream(request, received, reply)
        return await _whole(request, received, reply)


def _raw(request: web.BaseRequest, data: bytes) -> web.Response:
    """Sends the bytes and closes the connection; the response returned goes nowhere."""
    if request.transport is not None:
        request.transport.write(data)
        request.transport.close()
    return web.Response()


def _verbatim(reply: ScriptedReply) -> web.Response:
    text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
    return web.Response(
        status=reply.status, text=text, headers=reply.headers, content_type=reply.content_type
    )


def _completion(received: ScriptedRequest, **fields: Any) -> dict[str, Any]:
    model = received.body.get("model", "")
    return {"id": f"scripted-{received.number}", "model": model, "created": 0, **fields}


async def _whole(
    request: web.BaseRequest, received: ScriptedRequest, reply: ScriptedReply
) -> web.StreamResponse:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": reply.refusal}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    choice = {"index": 0, "message": message, "finish_reason": reply.finish_reason}
    value = _completion(received, object="chat.completion", choices=[choice])
    if reply.usage is not None:
        value["usage"] = dict(reply.usage)
    data = json.dumps(value).encode()
    if not (reply.stall_s or reply.cut):
        return web.Response(body=data, headers=reply.headers, content_type="application/json")
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    response.content_length = len(data)
    await response.prepare(request)
    half = len(data) // 2
    await response.write(data[:half])
    if not await _mishap(request, reply):
        await response.write(data[half:])
    return response


async def _stream(
    request: web.BaseRequest, received: ScriptedRequest, reply: ScriptedReply
) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={"Content-Type": "text/event-stream; charset=utf-8", **reply.headers}
    )
    await response.prepare(request)
    events = _events(received, reply)
    half = len(events) // 2
    if not (reply.stall_s or reply.cut):
        await response.write(b"".join(events))
        return response
    await response.write(b"".join(events[:half]))
    if not await _mishap(request, reply):
        await response.write(b"".join(events[half:]))
    return response


async def _mishap(request: web.BaseRequest, reply: ScriptedReply) -> bool:
    """Stalls or breaks the connection in the middle; says whether it is broken."""
    if reply.stall_s:
        await asyncio.sleep(reply.stall_s)
    if reply.cut and request.transport is not None:
        request.transport.abort()
    return reply.cut


def _events(received: ScriptedRequest, reply: ScriptedReply) -> list[bytes]:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": reply.text and ""}]
    if reply.reasoning:
        deltas.append({"reasoning_content": reply.reasoning})
    text = reply.text or ""
    size = max(1, -(-len(text) // reply.pieces))
    deltas += [{"content": text[at : at + size]} for at in range(0, len(text), size)]
    if reply.refusal is not None:
        deltas.append({"refusal": reply.refusal})
    choices: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
    ]
    if reply.finish_reason is not None:
        choices.append({"index": 0, "delta": {}, "finish_reason": reply.finish_reason})
    kind = "chat.completion.chunk"
    chunks = [_completion(received, object=kind, choices=[choice]) for choice in choices]
    options = received.body.get("stream_options") or {}
    if reply.usage is not None and options.get("include_usage"):
        chunks.append(_completion(received, object=kind, choices=[], usage=dict(reply.usage)))
    return [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks] + [b"data: [DONE]\n\n"]
