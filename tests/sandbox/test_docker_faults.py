"""Docker that is not there, refuses, or has not what it should have."""

import asyncio
import io
import os
import secrets
import socket
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import docker_runner
from sandbox.docker_runner import DockerRunner
from sandbox.engine import Engine
from sandbox.images.context import LABEL
from sandbox.languages import LANGUAGES
from sandbox.model import MIB, Case, Verdict
from sandbox.runner import UnavailableError
from tests.support.sandboxes import LIMITS, client, executed, job, options, own_name, running

NOWHERE = "unix:///nonexistent.sock"
HELLO = job("python", "print(1)", Case(b"", b"1\n"))


@pytest.fixture(autouse=True)
def _waiting_is_endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes whoever would wait for a daemon to come back wait for longer than any test does."""
    monkeypatch.setattr(docker_runner, "_BACK_WITHIN_S", 3600.0)


async def _assert_unavailable(runner: DockerRunner, why: str) -> None:
    """Asserts that it says so everywhere, and waits for nothing."""
    async with asyncio.timeout(120):
        problem = await runner.problem()
        assert why in problem
        with pytest.raises(UnavailableError) as raised:
            await executed(runner, HELLO)
        assert str(raised.value) == problem
        languages = await runner.languages()
        assert [language.id for language in languages] == list(LANGUAGES)
        assert {language.toolchain for language in languages} == {""}


async def test_no_docker_at_all() -> None:
    async with running("any", docker_host=NOWHERE) as runner:
        await _assert_unavailable(
            runner, "Docker is not running here, or not installed: install Docker Engine"
        )
        # Whoever asks next is told at once as well, and nobody's place is kept.
        for _ in range(5):
            await _assert_unavailable(runner, "start docker")


async def test_many_programs_without_docker_are_all_told() -> None:
    async with running("any", docker_host=NOWHERE, max_waiting=100) as runner:
        async with asyncio.timeout(180):
            got = await asyncio.gather(
                *(executed(runner, HELLO) for _ in range(50)), return_exceptions=True
            )
        assert {type(each) for each in got} == {UnavailableError}


async def test_something_else_that_listens_there(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        writer.close()

    path = str(tmp_path / "other.sock")
    server = await asyncio.start_unix_server(answer, path)
    async with server, running("any", docker_host=f"unix://{path}") as runner:
        await _assert_unavailable(runner, "Docker does not answer")


@pytest.fixture
def forbidden(tmp_path: Path) -> Generator[str, None, None]:
    """Gives a socket that this user may not use."""
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        path.chmod(0)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            yield f"unix://{path}"
        finally:
            if root:
                os.seteuid(0)


def test_a_user_who_may_not_use_docker(forbidden: str) -> None:
    engine = Engine(options("any", docker_host=forbidden))
    problem = engine.problem()
    assert problem.startswith("this user may not use Docker: join its group")
    with pytest.raises(UnavailableError, match="may not use Docker"):
        engine.create()
    with pytest.raises(UnavailableError, match="may not use Docker"):
        engine.sweep()
    engine.close()


@pytest.mark.docker
async def test_no_image(docker_ready: None) -> None:  # noqa: ARG001 - a daemon is needed
    name = f"no-such-image-{secrets.token_hex(4)}"
    async with running(name) as runner:
        await _assert_unavailable(runner, f"the image {name} is not there: run make sandbox-image")


@pytest.mark.docker
async def test_an_image_of_another_version(sandbox_image: str) -> None:
    with own_name(sandbox_image) as name:
        with client() as daemon:
            recipe = io.BytesIO(f"FROM {sandbox_image}\nLABEL {LABEL}=another\n".encode())
            daemon.images.build(fileobj=recipe, tag=name, rm=True)
        async with running(name) as runner:
            problem = await runner.problem()
            assert problem.startswith(f"the image {name} is of another version than this program")
            await _assert_unavailable(runner, "run make sandbox-image")


@pytest.mark.docker
async def test_a_runtime_that_docker_has_not(sandbox_image: str) -> None:
    with own_name(sandbox_image) as name:
        async with running(name, runtime="no-such-runtime") as runner:
            async with asyncio.timeout(180):
                with pytest.raises(UnavailableError, match="no-such-runtime"):
                    await executed(runner, HELLO)
        with client() as daemon:
            assert name not in [each["Image"] for each in daemon.api.containers(all=True)]


@pytest.mark.docker
async def test_what_was_compiled_takes_more_than_a_case_may_have(sandbox_image: str) -> None:
    """It lies in memory, so that the limit of a case cannot be set."""
    source = "char big[60 << 20] = {1};\nint main(void) { return big[5]; }"
    limits = replace(LIMITS, memory_bytes=16 * MIB)
    async with running(sandbox_image) as runner:
        got = await executed(runner, job("c", source, limits=limits))
        assert got.compiled.verdict is Verdict.MEMORY_LIMIT
        assert "memory" in got.compiled.message
        assert got.cases == ()
        assert (await executed(runner, HELLO)).verdicts == [Verdict.ACCEPTED]
