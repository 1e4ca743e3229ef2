"""One HTTP exchange with an endpoint: a request out, a response in, and the time it took."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import openai

from server.models.endings import (
    NETWORK_ERRORS,
    Ending,
    of_exception,
    of_status,
    read_error,
    retry_after,
    unavailable,
)
from server.models.reply import ReplyReader, clean


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

    def __init__(self, client: openai.AsyncOpenAI, *, timeout_s: float, stall_s: float) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._stall_s = stall_s
        self._begun = 0.0
        self.reader = ReplyReader()
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

    async def run(self, body: dict[str, Any], headers: Mapping[str, str]) -> Ending:
        """Sends the request and returns how it ended.

        Raises:
            asyncio.CancelledError: The task was cancelled; what had arrived by
                then is kept.
        """
        streamed = bool(body.get("stream"))
        self.started_at = _now()
        self._begun = time.perf_counter()
        try:
            # Without a stream nothing arrives before the reply is ready, so a
            # stall cannot be told from thinking.
            stall_s = self._stall_s if streamed else None
            async with asyncio.timeout(self._timeout_s) as total, asyncio.timeout(stall_s) as stall:
                await self._receive(body, headers, stall if streamed else None)
            self.reader.close()
            return self.reader.ending()
        except TimeoutError:
            if total.expired():
                return unavailable("timeout", f"no full reply within {self._timeout_s:g} s")
            return unavailable("stalled", f"nothing arrived for {self._stall_s:g} s")
        except openai.APIStatusError as error:
            return self._refused(error)
        except NETWORK_ERRORS as error:
            return of_exception(error, answered=self.status is not None)
        finally:
            self.latency_s = time.perf_counter() - self._begun

    async def _receive(
        self, body: dict[str, Any], headers: Mapping[str, str], stall: asyncio.Timeout | None
    ) -> None:
        completions = self._client.chat.completions.with_streaming_response
        # As extra body it is sent as it is; the SDK's own arguments are walked
        # type by type, which takes longer than all the rest of a call.
        call = completions.create(
            model=body["model"], messages=[], extra_body=body, extra_headers=headers
        )
        loop = asyncio.get_running_loop()
        async with call as response:
            self.status = response.status_code
            async for chunk in response.iter_bytes():
                if stall is not None:
                    stall.reschedule(loop.time() + self._stall_s)
                if self.reader.feed(chunk) and stall is not None and self.first_token_s is None:
                    self.first_token_s = time.perf_counter() - self._begun
                if self.reader.done:
                    break

    def _refused(self, error: openai.APIStatusError) -> Ending:
        self.status = error.status_code
        self.error_body = clean(error.response.text)
        self.error_param = read_error(self.error_body).param
        self.retry_after_s = retry_after(error.response.headers)
        return of_status(error.status_code, self.error_body)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
