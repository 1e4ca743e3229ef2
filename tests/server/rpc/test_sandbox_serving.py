"""The sandbox as a part of its server: health, languages, tokens, and the server's end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from llm_crowdsourced.v1 import execution_pb2 as ex
from llm_crowdsourced.v1 import sandbox_service_pb2 as pb
from llm_crowdsourced.v1 import sandbox_service_pb2_grpc
from pydantic import ValidationError

from sandbox.languages import LANGUAGES
from server import settings as server_settings
from server.app import serving
from server.rpc import sandbox_health
from server.rpc.errors import ErrorInterceptor
from server.rpc.sandbox_service import SandboxServicer
from server.sandboxing import most_of
from server.settings import AuthSettings, SandboxSettings, ServerSettings, Settings
from tests.support.league_server import LeagueServer, league_server
from tests.support.scripted_league import eventually
from tests.support.scripted_runner import LARGE, WAITS, ScriptedRunner
from tests.support.wire import Refusal, refusal_of, refused

SERVICE = "llm_crowdsourced.v1.SandboxService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
TOKENS = "SANDBOX_TEST_TOKENS"


def _settings(folder: Path, *, grace_s: float = 5, **values: Any) -> Settings:
    address = ServerSettings(
        address="127.0.0.1:0", database=folder / "league.duckdb", grace_s=grace_s
    )
    return Settings(server=address, **values)


def _asked(source: str = "echoes", cases: int = 1) -> pb.ExecuteRequest:
    program = ex.Program(language="python", source=source)
    return pb.ExecuteRequest(program=program, cases=[ex.Case()] * cases)


async def _health(server: LeagueServer, service: str = SERVICE) -> int:
    stub: Any = health_pb2_grpc.HealthStub(server.channel)  # type: ignore[no-untyped-call,unused-ignore]
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    return int(answer.status)


async def _until_health(server: LeagueServer, status: int) -> None:
    async with asyncio.timeout(120):
        while await _health(server) != status:  # noqa: ASYNC110 - asked over the wire
            await asyncio.sleep(0.01)


async def test_without_docker_the_server_serves_and_says_so(tmp_path: Path) -> None:
    runner = ScriptedRunner()
    runner.trouble = "Docker does not answer: start it"
    async with league_server(_settings(tmp_path), runner=runner) as server:
        await _until_health(server, NOT_SERVING)
        assert await _health(server, "") == SERVING
        assert await _health(server, "llm_crowdsourced.v1.RunService") == SERVING
        listed = await server.sandbox.ListLanguages(pb.ListLanguagesRequest())
        assert listed.problem == runner.trouble
        assert [each.name for each in listed.languages] == list(LANGUAGES)
        found = await refused(server.sandbox.Execute(_asked()).read())
        assert (found.reason, found.message) == ("SANDBOX_UNAVAILABLE", runner.trouble)


async def test_health_follows_the_sandbox(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sandbox_health, "_LOOK_S", 0.01)
    runner = ScriptedRunner()
    caplog.set_level("INFO", logger=sandbox_health.__name__)
    async with league_server(_settings(tmp_path), runner=runner) as server:
        await _until_health(server, SERVING)
        runner.trouble = "Docker went away: start it"
        await _until_health(server, NOT_SERVING)
        runner.trouble = ""
        await _until_health(server, SERVING)
    assert runner.is_closed
    # Once for each change, however often it looks.
    said = [
        (record.levelname, record.getMessage(), getattr(record, "why", ""))
        for record in caplog.records
    ]
    can = ("INFO", "programs can be run", "")
    assert said == [
        can,
        ("WARNING", "programs cannot be run", "Docker went away: start it"),
        can,
    ]


class _Hangs(ScriptedRunner):
    """A sandbox that is asked and does not answer, until it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()

    async def problem(self) -> str:
        await self.answers.wait()
        return self.trouble


class _Breaks(ScriptedRunner):
    """A sandbox with a fault of its own."""

    async def problem(self) -> str:
        raise RuntimeError(self.trouble or "a fault")


async def test_a_sandbox_that_hangs_keeps_no_server_from_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_health, "_LOOK_S", 0.01)
    runner = _Hangs()
    async with league_server(_settings(tmp_path), runner=runner) as server:
        assert await _health(server) == NOT_SERVING
        assert await _health(server, "") == SERVING
        runner.answers.set()
        await _until_health(server, SERVING)
        # A daemon that hangs later leaves no old answer standing.
        monkeypatch.setattr(sandbox_health, "_ANSWERS_WITHIN_S", 0.01)
        runner.answers.clear()
        await _until_health(server, NOT_SERVING)


async def test_a_fault_of_the_sandbox_is_no_end_of_telling(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with league_server(_settings(tmp_path), runner=_Breaks()) as server:
        await eventually(lambda: "programs cannot be run" in caplog.text)
        assert await _health(server) == NOT_SERVING
        found = await refused(server.sandbox.ListLanguages(pb.ListLanguagesRequest()))
        assert found.code is grpc.StatusCode.INTERNAL
        assert "a fault" not in found.message


async def test_languages_come_with_versions_and_limits(tmp_path: Path) -> None:
    async with league_server(_settings(tmp_path), runner=ScriptedRunner()) as server:
        listed = await server.sandbox.ListLanguages(pb.ListLanguagesRequest())
    assert listed.problem == ""
    assert {each.toolchain for each in listed.languages} == {"Scripted 1"}
    java = next(each for each in listed.languages if each.name == "java")
    assert java.title == "Java 17"
    assert java.default_limits.cpu_time.ToTimedelta().total_seconds() == 4
    assert java.default_limits.memory_bytes == 512 << 20
    assert listed.max_limits.cpu_time.ToTimedelta().total_seconds() == 60
    assert listed.max_limits.memory_bytes == 2048 << 20


async def test_a_sandbox_that_is_switched_off_says_how_to_switch_it_on(tmp_path: Path) -> None:
    off = SandboxSettings(enabled=False)
    async with league_server(_settings(tmp_path, sandbox=off)) as server:
        listed = await server.sandbox.ListLanguages(pb.ListLanguagesRequest())
        found = await refused(server.sandbox.Execute(_asked()).read())
    assert "enabled = true in [sandbox]" in listed.problem
    assert (found.reason, found.message) == ("SANDBOX_UNAVAILABLE", listed.problem)


async def test_a_daemon_out_of_reach_is_said(tmp_path: Path) -> None:
    """The real runner, with nobody at the daemon's address."""
    nowhere = SandboxSettings(docker_host="tcp://127.0.0.1:9")
    async with league_server(_settings(tmp_path, sandbox=nowhere)) as server:
        await _until_health(server, NOT_SERVING)
        listed = await server.sandbox.ListLanguages(pb.ListLanguagesRequest())
        found = await refused(server.sandbox.Execute(_asked()).read())
    assert listed.problem
    assert (found.code, found.reason) == (grpc.StatusCode.UNAVAILABLE, "SANDBOX_UNAVAILABLE")
    assert found.message == listed.problem


async def test_holders_of_one_token_are_one_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKENS, "first,second")
    runner = ScriptedRunner()
    auth = AuthSettings(tokens_env=TOKENS)
    async with serving(_settings(tmp_path, auth=auth), playing=True, runner=runner) as server:
        for token in ("first", "first", "second"):
            async with _stub_at(server.address) as stub:
                await _all_of(
                    stub.Execute(_asked(), metadata=[("authorization", f"Bearer {token}")])
                )
        async with _stub_at(server.address) as stub:
            found = await refused(stub.Execute(_asked()).read())
    assert found.code is grpc.StatusCode.UNAUTHENTICATED
    one, again, other = [job.caller for job in runner.jobs]
    assert one == again != other
    assert not any(token in one + other for token in ("first", "second"))


@asynccontextmanager
async def _stub_at(address: str) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(address) as channel:
        yield sandbox_service_pb2_grpc.SandboxServiceStub(channel)  # type: ignore[no-untyped-call,unused-ignore]


async def test_a_server_that_stops_lets_programs_come_to_their_end(tmp_path: Path) -> None:
    runner = ScriptedRunner()
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            serving(_settings(tmp_path, grace_s=30), playing=True, runner=runner)
        )
        async with _stub_at(server.address) as stub, _stub_at(server.address) as other:
            reading = asyncio.create_task(_all_of(stub.Execute(_asked(WAITS))))
            await runner.began.wait()
            stopping = asyncio.create_task(stack.aclose())
            found = await _until_refused(other)
            runner.gate.set()
            responses = await reading
            await stopping
    assert (found.code, found.reason) == (grpc.StatusCode.UNAVAILABLE, "SANDBOX_UNAVAILABLE")
    assert "the server stops" in found.message
    assert [each.WhichOneof("kind") for each in responses] == ["compile", "case", "summary"]
    assert runner.is_closed


async def test_a_server_out_of_grace_stops_programs(tmp_path: Path) -> None:
    runner = ScriptedRunner()
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            serving(_settings(tmp_path, grace_s=0), playing=True, runner=runner)
        )
        async with _stub_at(server.address) as stub:
            reading = asyncio.create_task(refused(_all_of(stub.Execute(_asked(WAITS)))))
            await runner.began.wait()
            await stack.aclose()
            found = await reading
    assert found.code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert (len(runner.stopped), runner.places.in_use, runner.is_closed) == (1, 0, True)


@asynccontextmanager
async def _patient_for(patience_s: float, runner: ScriptedRunner) -> AsyncIterator[str]:
    server = grpc.aio.server(interceptors=[ErrorInterceptor()])
    servicer = SandboxServicer(
        runner, most_of(SandboxSettings()), by_token=False, patience_s=patience_s
    )
    sandbox_service_pb2_grpc.add_SandboxServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def test_no_more_processes_can_be_promised_than_a_container_gives() -> None:
    assert most_of(SandboxSettings(max_processes=256)).processes == 256
    with pytest.raises(ValidationError, match="max_processes"):
        SandboxSettings(max_processes=257)


async def test_a_client_that_sets_nothing_gets_the_longest_output_of_the_defaults() -> None:
    """It takes messages of 4 MiB; its call would end at a longer one."""
    async with (
        _patient_for(60, ScriptedRunner()) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        stub = sandbox_service_pb2_grpc.SandboxServiceStub(channel)  # type: ignore[no-untyped-call,unused-ignore]
        for language in LANGUAGES:
            asked = _asked(LARGE, 2)
            asked.program.language = language
            results = await _all_of(stub.Execute(asked))
            assert [len(each.case.stdout) for each in results[1:-1]] == [1 << 20] * 2


async def test_who_reads_nothing_holds_no_place() -> None:
    runner = ScriptedRunner()
    limits = [("grpc.max_receive_message_length", 64 << 20)]
    async with (
        _patient_for(0.2, runner) as address,
        grpc.aio.insecure_channel(address, options=limits) as channel,
    ):
        stub = sandbox_service_pb2_grpc.SandboxServiceStub(channel)  # type: ignore[no-untyped-call,unused-ignore]
        stream = stub.Execute(_asked(LARGE, 100))
        await stream.read()
        await eventually(lambda: len(runner.stopped) == 1 and runner.places.in_use == 0)
        found = await refused(_read_on(stream))
    assert (found.code, found.reason) == (grpc.StatusCode.ABORTED, "RESULTS_NOT_READ")
    assert "not read for 0.2 s" in found.message


async def _read_on(stream: Any) -> None:
    while await stream.read() is not grpc.aio.EOF:
        pass


async def _all_of(stream: Any) -> list[pb.ExecuteResponse]:
    async with asyncio.timeout(120):
        return [each async for each in stream]


async def _until_refused(stub: Any) -> Refusal:
    """Asks until the server says that it stops."""
    async with asyncio.timeout(120):
        while True:
            try:
                await _all_of(stub.Execute(_asked()))
            except grpc.aio.AioRpcError as error:
                return refusal_of(error)


def test_settings_of_the_sandbox_are_as_documented() -> None:
    assert server_settings.load_settings().sandbox == SandboxSettings()
