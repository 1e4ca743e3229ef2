"""The connection to a server: one that is named, or one for the time of the command."""

import ipaddress
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import grpc
import grpc.aio
from llm_crowdsourced.v1 import (
    model_service_pb2_grpc,
    result_service_pb2_grpc,
    run_service_pb2,
    run_service_pb2_grpc,
    sandbox_service_pb2_grpc,
)

from client.embedded_server import DatabaseHeldError, EmbeddedServer
from client.exit_status import ExitStatus
from client.failures import TOKEN_VARIABLE, CallError, CommandError, explain
from client.plain import one_line
from client.screen import working

_OPTIONS = (
    # Pages are near 2 MiB; one round of a large league may be more.
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # A watch may be silent for minutes: pings tell a dead link from a quiet one.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)
_CALL_TIMEOUT_S = 60.0
_PROBE_TIMEOUT_S = 10.0
_LAST_PORT = 65535


@dataclass(frozen=True, kw_only=True)
class Target:
    """Which server a command talks to.

    Attributes:
        server: `HOST:PORT`; empty for one of the command's own.
        ca: Certificates that the server's own is checked against.
        settings: Settings of the command's own server.
    """

    server: str = ""
    ca: Path | None = None
    settings: Path | None = None

    def options(self) -> list[str]:
        """Returns the options of a command that talks to the same server."""
        parts = ["--server", self.server] if self.server else []
        parts += ["--ca", str(self.ca)] if self.ca else []
        parts += ["--settings", str(self.settings)] if self.settings else []
        return parts


_Request = TypeVar("_Request")
_Response = TypeVar("_Response")
_UnaryMethod: TypeAlias = "grpc.aio.UnaryUnaryMultiCallable[_Request, _Response]"
_StreamMethod: TypeAlias = "grpc.aio.UnaryStreamMultiCallable[_Request, _Response]"


@dataclass(frozen=True, kw_only=True)
class Connection:
    """A server that can be asked.

    Attributes:
        address: Where it is.
        target: How it was named.
        runs: `RunService`.
        results: `ResultService`.
        models: `ModelService`.
        sandbox: `SandboxService`.
        metadata: Sent with every call.
        embedded: The command's own server; `None` where it talks to another.
        is_found: Whether the server was found by the database that it holds.
    """

    address: str
    target: Target
    runs: "run_service_pb2_grpc.RunServiceAsyncStub"
    results: "result_service_pb2_grpc.ResultServiceAsyncStub"
    models: "model_service_pb2_grpc.ModelServiceAsyncStub"
    sandbox: "sandbox_service_pb2_grpc.SandboxServiceAsyncStub"
    metadata: tuple[tuple[str, str], ...] = ()
    embedded: EmbeddedServer | None = None
    is_found: bool = False

    async def ask(
        self,
        method: "_UnaryMethod[_Request, _Response]",
        request: _Request,
        *,
        timeout_s: float = _CALL_TIMEOUT_S,
    ) -> _Response:
        """Returns the answer to one request.

        Raises:
            CallError: The server did not answer, or refused.
        """
        try:
            return await method(request, timeout=timeout_s, metadata=self.metadata)
        except grpc.aio.AioRpcError as error:
            raise self.failure(error) from error

    async def stream(
        self, method: "_StreamMethod[_Request, _Response]", request: _Request
    ) -> AsyncIterator[_Response]:
        """Yields the answers to one request.

        Raises:
            CallError: The stream broke, or the server refused.
        """
        call = method(request, metadata=self.metadata)
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise self.failure(error) from error
        finally:
            call.cancel()

    def failure(self, error: grpc.aio.AioRpcError) -> CallError:
        """Turns a failed call into sentences."""
        explained = explain(error, self.address, self.target.options())
        if explained.reason:
            # The server is there, and said so itself.
            return explained
        own = self.embedded
        if own is not None and error.code() is grpc.StatusCode.UNAVAILABLE:
            words = own.last_words() or "it left no word"
            return CallError(f"The server of this command has stopped: {words}", error)
        if self.is_found and error.code() is grpc.StatusCode.UNAVAILABLE:
            # It belonged to another command, and does not come back by itself.
            return CallError("The server that had the database open has stopped.", error)
        return explained


@asynccontextmanager
async def connect(
    target: Target, *, plays: bool = False, joins: bool = False
) -> AsyncIterator[Connection]:
    """Connects to the server that is named, or starts one and stops it at the end.

    Args:
        target: Which server.
        plays: Whether a server of the command's own may play runs.
        joins: Where another server of this machine has the database open, talk to
            that one instead of giving up.

    Raises:
        CommandError: The target makes no sense, or the server cannot start.
    """
    metadata = _metadata()
    if target.server:
        async with _channel(_checked(target.server), target.ca) as channel:
            yield _connection(target.server, target, channel, metadata=metadata)
        return
    try:
        with working("Starting a server for this command.", logged=False):
            embedded = await EmbeddedServer.start(plays=plays, settings=target.settings)
    except DatabaseHeldError as held:
        # Not from here: what the command fails of later has nothing to do with it.
        refused = held
    else:
        try:
            async with _channel(embedded.address, None) as channel:
                yield _connection(
                    embedded.address, target, channel, metadata=metadata, embedded=embedded
                )
        finally:
            with working("Stopping the server; calls under way may still arrive.", logged=False):
                await embedded.stop()
        return
    if not joins or not _is_loopback(refused.held_by):
        raise refused
    # A file beside the database said where: it does not get the token.
    async with _channel(refused.held_by, None) as channel:
        found = _connection(refused.held_by, target, channel, is_found=True)
        try:
            await found.ask(
                found.runs.ListRuns,
                run_service_pb2.ListRunsRequest(page_size=1),
                timeout_s=_PROBE_TIMEOUT_S,
            )
        except CallError:
            raise refused from None
        yield found


def _connection(
    address: str,
    target: Target,
    channel: grpc.aio.Channel,
    *,
    metadata: tuple[tuple[str, str], ...] = (),
    embedded: EmbeddedServer | None = None,
    is_found: bool = False,
) -> Connection:
    return Connection(
        address=address,
        target=target,
        runs=run_service_pb2_grpc.RunServiceStub(channel),
        results=result_service_pb2_grpc.ResultServiceStub(channel),
        models=model_service_pb2_grpc.ModelServiceStub(channel),
        sandbox=sandbox_service_pb2_grpc.SandboxServiceStub(channel),
        metadata=metadata,
        embedded=embedded,
        is_found=is_found,
    )


def _checked(address: str) -> str:
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) <= _LAST_PORT:
        raise CommandError(
            f'--server takes HOST:PORT, such as 127.0.0.1:50051, not "{one_line(address, 80)}".',
            ExitStatus.USAGE,
        )
    return address


def _channel(address: str, ca: Path | None) -> grpc.aio.Channel:
    if ca is None and _is_loopback(address):
        return grpc.aio.insecure_channel(address, options=_OPTIONS)
    roots = None
    if ca is not None:
        try:
            roots = ca.read_bytes()
        except OSError as error:
            raise CommandError(
                f"--ca {ca} cannot be read: {error.strerror}.", ExitStatus.USAGE
            ) from error
    # Without --ca the machine's usual authorities decide.
    return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(roots), options=_OPTIONS)


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _metadata() -> tuple[tuple[str, str], ...]:
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        return ()
    if not (token.isascii() and token.isprintable()):
        raise CommandError(
            f"{TOKEN_VARIABLE} holds characters that no token has.", ExitStatus.USAGE
        )
    return (("authorization", f"Bearer {token}"),)
