"""The composition root: builds the server from its settings, serves, and stops cleanly."""

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection
from llm_crowdsourced.v1 import (
    model_service_pb2,
    model_service_pb2_grpc,
    result_service_pb2,
    result_service_pb2_grpc,
    run_service_pb2,
    run_service_pb2_grpc,
    sandbox_service_pb2,
    sandbox_service_pb2_grpc,
)

from sandbox.runner import Runner
from server.models.local.league import LocalLeague
from server.models.registry import Models
from server.play.runs import Runs
from server.rpc.auth import AuthInterceptor
from server.rpc.errors import ErrorInterceptor
from server.rpc.model_service import ModelServicer
from server.rpc.result_service import ResultServicer
from server.rpc.run_service import RunServicer
from server.rpc.sandbox_health import tell_health
from server.rpc.sandbox_service import SandboxServicer
from server.rpc.streams import StreamInterceptor
from server.sandboxing import most_of, runner_for
from server.settings import Settings, SettingsError, check_address, resolve, tokens
from server.store.database import holder_file
from server.store.store import Store

_MESSAGE_BYTES = 64 << 20
_OPTIONS = [
    # A second server on the port fails at once instead of sharing it.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MESSAGE_BYTES),
    # Watches are idle for long: clients may ping every half minute.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
]
_SERVICES = tuple(
    file.services_by_name[name].full_name
    for file, name in (
        (run_service_pb2.DESCRIPTOR, "RunService"),
        (result_service_pb2.DESCRIPTOR, "ResultService"),
        (model_service_pb2.DESCRIPTOR, "ModelService"),
    )
)

# Its health is that of its sandbox.
_SANDBOX = sandbox_service_pb2.DESCRIPTOR.services_by_name["SandboxService"].full_name
_REFLECTION = reflection.SERVICE_NAME

# Removing containers takes seconds, whatever grace calls under way have.
_LEAST_CLOSING_S = 10.0

_log = logging.getLogger(__name__)


class AddressError(Exception):
    """The server cannot listen where it should; the message names the cure."""


@dataclass(frozen=True)
class Serving:
    """A server that serves: where, and over which file."""

    address: str
    database: Path


@dataclass(frozen=True)
class _Parts:
    """What the services are built from; `closing` is set when the server stops."""

    store: Store
    models: Models
    runs: Runs
    sandbox: SandboxServicer
    public_settings: dict[str, Any]
    closing: asyncio.Event


@asynccontextmanager
async def serving(
    settings: Settings, *, playing: bool, taking_up: bool = True, runner: Runner | None = None
) -> AsyncIterator[Serving]:
    """Serves for as long as the context is open, then stops with the settings' grace.

    Args:
        settings: How to serve.
        playing: Whether runs are played; without, they are only shown.
        taking_up: Whether runs that another server left are gone on with.
        runner: Runs programs; the one of the settings if `None`. It is closed at the end.

    Raises:
        SettingsError: The settings cannot be used.
        DatabaseUnusableError: The database cannot be opened.
        AddressError: The address cannot be listened on.
    """
    check_address(settings)
    known_tokens = tokens(settings)
    database = resolve(settings.server.database)
    async with contextlib.AsyncExitStack() as stack:
        store = stack.enter_context(Store(database))
        models = Models(settings, LocalLeague(settings.local))
        stack.push_async_callback(models.close)
        runner = runner_for(settings.sandbox) if runner is None else runner
        stack.push_async_callback(_close, runner, settings.server.grace_s)
        runs = Runs(
            store,
            models,
            runner,
            max_playing=settings.server.max_playing_runs,
            max_waiting=settings.server.max_waiting_runs,
            playing=playing,
        )
        sandbox = SandboxServicer(runner, most_of(settings.sandbox), by_token=bool(known_tokens))
        closing = asyncio.Event()
        interceptors: list[grpc.aio.ServerInterceptor] = [
            StreamInterceptor(settings.server.max_open_streams),
            ErrorInterceptor(),
        ]
        if known_tokens:
            interceptors.append(AuthInterceptor(known_tokens))
        server = grpc.aio.server(interceptors=interceptors, options=_OPTIONS)
        parts = _Parts(store, models, runs, sandbox, _public(settings), closing)
        health = await _add_services(server, parts)
        address = await _listen(server, settings)
        await server.start()
        stack.push_async_callback(server.stop, 1.0)
        # Without Docker, or with one that hangs, the server starts all the same.
        watching = asyncio.create_task(tell_health(runner, health, _SANDBOX))
        stack.callback(watching.cancel)
        holder = holder_file(database)
        holder.write_text(json.dumps({"address": address, "pid": os.getpid()}), "utf-8")
        stack.callback(holder.unlink, missing_ok=True)
        taken_up = await runs.take_up() if taking_up else 0
        told = {"address": address, "pid": os.getpid(), "database": str(database)}
        _log.info("serving", extra=told | {"runs_taken_up": taken_up})
        try:
            yield Serving(address, database)
        finally:
            _log.info("stopping", extra={"grace_s": settings.server.grace_s})
            await health.enter_graceful_shutdown()
            grace_s = settings.server.grace_s
            await asyncio.gather(runs.drain(grace_s), sandbox.drain(grace_s))
            # Watches end by themselves; the server's own stop would wait for them.
            closing.set()


async def _add_services(server: grpc.aio.Server, parts: _Parts) -> HealthServicer:
    run_servicer = RunServicer(
        parts.runs,
        parts.store,
        parts.models,
        version=version("llm-crowdsourced"),
        settings=parts.public_settings,
        closing=parts.closing,
    )
    run_service_pb2_grpc.add_RunServiceServicer_to_server(run_servicer, server)
    results = ResultServicer(parts.store, parts.runs)
    result_service_pb2_grpc.add_ResultServiceServicer_to_server(results, server)
    models = ModelServicer(parts.models)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(models, server)
    sandbox_service_pb2_grpc.add_SandboxServiceServicer_to_server(parts.sandbox, server)
    health = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    for name in ("", *_SERVICES):
        await health.set(name, health_pb2.HealthCheckResponse.SERVING)
    await health.set(_SANDBOX, health_pb2.HealthCheckResponse.NOT_SERVING)
    reflection.enable_server_reflection(
        (
            *_SERVICES,
            _SANDBOX,
            health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
            _REFLECTION,
        ),
        server,
    )
    return health


async def _close(runner: Runner, grace_s: float) -> None:
    """Stops the sandbox; a Docker that hangs does not keep the server from its end."""
    try:
        async with asyncio.timeout(max(grace_s, _LEAST_CLOSING_S)):
            await runner.close()
    except TimeoutError:
        _log.warning("the sandbox did not stop in time")


async def _listen(server: grpc.aio.Server, settings: Settings) -> str:
    address = settings.server.address
    host = address.rpartition(":")[0]
    try:
        if settings.tls is None:
            port = server.add_insecure_port(address)
        else:
            pair = (
                resolve(settings.tls.key).read_bytes(),
                resolve(settings.tls.certificate).read_bytes(),
            )
            port = server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    except RuntimeError as error:
        raise AddressError(
            f"cannot listen on {address}: the port is in use or the address is not this "
            "machine's; choose another with --address HOST:PORT (port 0 takes a free one)"
        ) from error
    except OSError as error:
        raise SettingsError(f"the files of [tls] cannot be read: {error}") from error
    if port == 0:
        raise AddressError(f"cannot listen on {address}")
    return f"{host}:{port}"


def _public(settings: Settings) -> dict[str, Any]:
    """Returns what is kept with a run: how calls are made, and no secrets or paths."""
    fields = {"kind", "base_url", "max_concurrent_calls", "stream", "timeout_s", "models"}
    providers = {
        name: provider.model_dump(mode="json", include=fields)
        for name, provider in settings.providers.items()
    }
    return {"providers": providers}
