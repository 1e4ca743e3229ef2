"""Where a server listens and to whom: loopback, TLS, tokens, health, a port in use."""

import subprocess
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from llm_crowdsourced.v1 import model_service_pb2, run_service_pb2, run_service_pb2_grpc

from server.app import AddressError, serving
from server.settings import (
    AuthSettings,
    ServerSettings,
    Settings,
    SettingsError,
    TlsSettings,
    is_loopback,
)
from server.store.database import holder_file
from tests.support.league_server import LeagueServer
from tests.support.wire import refused

TOKENS = "LLM_CROWDSOURCED_TEST_TOKENS"
LIST = run_service_pb2.ListRunsRequest()


def _settings(tmp_path: Path, address: str = "127.0.0.1:0", **more: object) -> Settings:
    server = ServerSettings(address=address, database=tmp_path / "league.duckdb", grace_s=0)
    return Settings(server=server).model_copy(update=more)


def _health(channel: grpc.aio.Channel) -> Any:
    # The published types know no method of this stub.
    return health_pb2_grpc.HealthStub(channel)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> TlsSettings:
    """A certificate that this machine signs for itself."""
    folder = tmp_path_factory.mktemp("tls")
    made = TlsSettings(certificate=folder / "server.pem", key=folder / "server.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(made.key), "-out",
         str(made.certificate)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return made


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1:50051", True),
        ("127.9.9.9:1", True),
        ("localhost:1", True),
        ("[::1]:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("192.168.1.5:1", False),
        ("example.org:1", False),
        (":1", False),
    ],
)
def test_what_is_loopback(address: str, loopback: bool) -> None:
    assert is_loopback(address) is loopback


@pytest.mark.parametrize("given", [(), ("tls",), ("auth",)])
async def test_other_machines_need_encryption_and_tokens(
    tmp_path: Path, tls: TlsSettings, given: tuple[str, ...]
) -> None:
    parts = {"tls": tls, "auth": AuthSettings(tokens_env=TOKENS)}
    settings = _settings(tmp_path, "0.0.0.0:0", **{name: parts[name] for name in given})
    with pytest.raises(SettingsError) as raised:
        async with serving(settings, playing=True):
            pass
    for name in parts:
        assert (f"[{name}]" in str(raised.value)) is (name not in given)
    # Refused before anything was opened.
    assert not settings.server.database.exists()


async def test_tokens_that_are_not_set_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in ("", " , "):
        monkeypatch.setenv(TOKENS, value)
        settings = _settings(tmp_path, auth=AuthSettings(tokens_env=TOKENS))
        with pytest.raises(SettingsError, match=f"export {TOKENS}="):
            async with serving(settings, playing=True):
                pass


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_call_needs_a_token_where_tokens_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tls: TlsSettings, encrypted: bool
) -> None:
    monkeypatch.setenv(TOKENS, "first, second")
    settings = _settings(tmp_path, auth=AuthSettings(tokens_env=TOKENS))
    if encrypted:
        settings = settings.model_copy(update={"tls": tls})
    credentials = grpc.ssl_channel_credentials(tls.certificate.read_bytes())
    async with serving(settings, playing=True) as server:
        channel = (
            grpc.aio.secure_channel(server.address, credentials)
            if encrypted
            else grpc.aio.insecure_channel(server.address)
        )
        async with channel:
            runs = run_service_pb2_grpc.RunServiceStub(channel)
            for header in ("", "first", "Bearer", "Bearer ", "Bearer firs", "Basic first",
                           "Bearer first,second", "Bearer first second"):  # fmt: skip
                metadata = [("authorization", header)] if header else []
                found = await refused(runs.ListRuns(LIST, metadata=metadata))
                assert found.code is grpc.StatusCode.UNAUTHENTICATED
                assert found.reason == "UNAUTHENTICATED"
                assert "first" not in found.message
            watch = run_service_pb2.WatchRunRequest(name="runs/math-1")
            found = await refused(runs.WatchRun(watch).read())
            assert found.code is grpc.StatusCode.UNAUTHENTICATED
            for header in ("Bearer first", "bearer second"):
                await runs.ListRuns(LIST, metadata=[("authorization", header)])
            # Probes carry no token.
            health = _health(channel)
            answer = await health.Check(health_pb2.HealthCheckRequest())
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_certificate_that_is_not_there_is_said(tmp_path: Path) -> None:
    missing = TlsSettings(certificate=tmp_path / "no.pem", key=tmp_path / "no.key")
    with pytest.raises(SettingsError, match=r"\[tls\] cannot be read"):
        async with serving(_settings(tmp_path, tls=missing), playing=True):
            pass


async def test_a_port_in_use_is_said_and_nothing_is_left_open(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    async with serving(_settings(one), playing=True) as server:
        taken = _settings(other, server.address)
        with pytest.raises(AddressError, match=f"cannot listen on {server.address}"):
            async with serving(taken, playing=True):
                pass
    # The refused server has let go of its database.
    async with serving(_settings(other), playing=True):
        assert holder_file(other / "league.duckdb").exists()
    assert not holder_file(other / "league.duckdb").exists()


@pytest.mark.parametrize(
    "service",
    ["", *(f"llm_crowdsourced.v1.{n}Service" for n in ("Run", "Result", "Model"))],
)
async def test_each_service_tells_its_health(server: LeagueServer, service: str) -> None:
    health = _health(server.channel)
    answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_health_can_be_watched(server: LeagueServer) -> None:
    watch = _health(server.channel).Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()


async def test_a_service_that_is_not_there_has_no_health(server: LeagueServer) -> None:
    health = _health(server.channel)
    found = await refused(health.Check(health_pb2.HealthCheckRequest(service="no.Such")))
    assert found.code is grpc.StatusCode.NOT_FOUND


async def test_models_are_listed_with_their_providers(server: LeagueServer) -> None:
    listed = await server.models.ListModels(model_service_pb2.ListModelsRequest())
    (provider,) = listed.providers
    assert (provider.name, provider.reachable, provider.problem) == ("scripted", True, "")
    assert [model.name for model in provider.models] == [f"model-{n}" for n in range(1, 13)]
    unknown = model_service_pb2.ListModelsRequest(provider="nobody")
    found = await refused(server.models.ListModels(unknown))
    assert (found.code, found.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
