"""One HTTP exchange with an endpoint: a request out, a response in, and the time it took."""

import asyncio
import logging
import time
import traceback
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx2

from server.carrying import carry_through
from server.models.connection import Connection, target
from server.models.endings import (
    Ending,
    of_exception,
    of_status,
    read_error,
    redirected,
    retry_after,
    unavailable,
    unforeseen,
)
from server.models.events import LONG
from server.models.redaction import Redaction
from server.models.reply import ReplyReader, clean

MAX_ERROR = 64 * 1024
"""Bytes of an error's body that are read."""

_log = logging.getLogger(__name__)


class Exchange:
    """Sends one request and keeps what arrives, so that nothing is lost if it is cut short.

    Attributes:
        reader: What has arrived of the reply.
        status: HTTP status; `None` until the response begins.
        error_body: Body of an error.
        error_param: Parameter that the error names in a field of its own.
        retry_after_s: Seconds that the response asks to wait.
        started_at: When the request was sent, UTC without time zone.
        latency_s: Seconds from sending to the end, however it ended.
        first_token_s: Seconds to the first piece of a streamed reply.
    """

    def __init__(
        self, connection: Connection, redaction: Redaction, *, timeout_s: float, stall_s: float
    ) -> None:
        self._connection = connection
        self._redaction = redaction
        self._timeout_s = timeout_s
        self._stall_s = stall_s
        self._begun = 0.0
        self._target: str | None = None
        self.reader = ReplyReader(redaction)
        self.status: int | None = None
        self.error_body: str | None = None
        self.error_param = ""
        self.retry_after_s: float | None = None
        self.started_at = _now()
        self.latency_s = 0.0
        self.first_token_s: float | None = None

    @property
    def text(self) -> str:
        """The reply, or the body of an error."""
        return self.reader.text if self.error_body is None else self.error_body

    async def run(self, body: bytes, headers: Mapping[str, str], *, streamed: bool) -> Ending:
        """Sends the request and returns how it ended.

        Args:
            body: The request, as JSON.
            headers: Headers of this call alone.
            streamed: The request asks for a stream.

        Raises:
            asyncio.CancelledError: The task was cancelled; what had arrived by
                then is kept.
        """
        self.started_at = _now()
        self._begun = time.perf_counter()
        broken: Ending | None = None
        end = asyncio.get_running_loop().time() + self._timeout_s
        try:
            async with asyncio.timeout_at(end) as timer:
                # Without a stream nothing arrives before the reply is ready, so a
                # stall cannot be told from thinking.
                stall = _Stall(timer, end, self._stall_s) if streamed else None
                if stall is not None:
                    stall.put_off()
                await self._receive(body, headers, stall)
        except Exception as error:  # noqa: BLE001 - paid for: whatever it was, it is recorded
            broken = self._broken(error, timer, end)
        finally:
            self.latency_s = time.perf_counter() - self._begun
        try:
            return await self._ending(broken)
        except Exception as error:  # noqa: BLE001 - as above
            return _told(unforeseen(error), error)

    def _broken(self, error: Exception, timer: asyncio.Timeout, end: float) -> Ending:
        """Returns the ending of a call that an exception cut short."""
        if isinstance(error, TimeoutError) and timer.expired():
            if timer.when() == end:
                return unavailable("timeout", f"no full reply within {self._timeout_s:g} s")
            return unavailable("stalled", f"nothing arrived for {self._stall_s:g} s")
        return _told(of_exception(error, answered=self.status is not None), error)

    async def _ending(self, broken: Ending | None) -> Ending:
        if self._target is not None and self.status is not None:
            return redirected(self.status, self._redaction(self._target))
        if self.error_body is not None and self.status is not None:
            # An error is what its status says, even where its body breaks off.
            return of_status(self.status, self.error_body)
        if broken is not None:
            return broken
        if not self.reader.is_long:
            return self._read_to_end()
        return await carry_through(asyncio.to_thread(self._read_to_end))

    def _read_to_end(self) -> Ending:
        self.reader.close()
        return self.reader.ending()

    async def _receive(
        self, body: bytes, headers: Mapping[str, str], stall: "_Stall | None"
    ) -> None:
        response = await self._connection.post(body, headers)
        try:
            self.status = response.status_code
            if response.is_redirect:
                self._target = target(response)
            if response.is_error or response.is_redirect:
                await self._receive_error(response)
            else:
                await self._receive_reply(response, stall)
        finally:
            await response.aclose()

    async def _receive_error(self, response: httpx2.Response) -> None:
        self.retry_after_s = retry_after(response.headers)
        data, whole = b"", False
        try:
            async for chunk in response.aiter_bytes():
                data += chunk
                if len(data) >= MAX_ERROR:
                    break
            else:
                whole = True
        finally:
            # Before anything is made of it: an excerpt may end within the key.
            self.error_body = self._redaction.beginning(
                clean(data[:MAX_ERROR].decode("utf-8", "replace")), whole=whole
            )
            self.error_param = read_error(self.error_body).param

    async def _receive_reply(self, response: httpx2.Response, stall: "_Stall | None") -> None:
        async for chunk in _body(response):
            if stall is not None:
                stall.put_off()
            if await self._feed(chunk) and stall is not None and self.first_token_s is None:
                self.first_token_s = time.perf_counter() - self._begun
            if self.reader.done:
                break

    async def _feed(self, chunk: bytes) -> bool:
        """Gives the next bytes to the reader; says whether they brought a piece of the reply."""
        if len(chunk) <= LONG and not self.reader.is_long:
            return self.reader.feed(chunk)
        # Unpacked, a piece may have any length: the reader stops where it is too much.
        brought = False
        for at in range(0, len(chunk), LONG):
            piece = chunk[at : at + LONG]
            # To its end even if the call is given up: nobody else may read meanwhile.
            brought |= await carry_through(asyncio.to_thread(self.reader.feed, piece))
            if self.reader.done:
                break
        return brought


@dataclass(frozen=True)
class _Stall:
    """Ends a stream from which nothing arrives, by the timer that ends the whole call.

    Attributes:
        timer: The timer.
        end: When the call has to end, in the loop's time.
        after_s: Seconds without news that make a stall.
    """

    timer: asyncio.Timeout
    end: float
    after_s: float

    def put_off(self) -> None:
        """Hears of news: from now on the stream may be still for so long again."""
        now = asyncio.get_running_loop().time()
        self.timer.reschedule(min(self.end, now + self.after_s))


def _body(response: httpx2.Response) -> AsyncIterator[bytes]:
    """Returns the body as it arrives, unpacked."""
    stream = response.stream
    if "content-encoding" in response.headers or not isinstance(stream, httpx2.AsyncByteStream):
        return response.aiter_bytes()
    # Straight from the transport: the response's own ways only count the bytes.
    return aiter(stream)


def _told(ending: Ending, error: Exception) -> Ending:
    """Tells the log where the unforeseen came from; not its text, which may hold a key."""
    if ending.cause == "unforeseen":
        frames = traceback.extract_tb(error.__traceback__)
        where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        kind = type(error).__name__
        _log.warning("an exchange failed unforeseen", extra={"kind": kind, "where": where})
    return ending


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
