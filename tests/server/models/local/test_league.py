"""The endpoints of this machine, over children that only say where they would answer."""

import asyncio
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from server.models.chat import Preparation
from server.models.endpoints import LocalEndpoints
from server.models.local.catalogue import LocalModel
from server.models.local.child import Engine
from server.models.local.errors import LocalModelError
from server.models.local.fetch import weights_path
from server.models.local.league import LocalLeague
from server.settings import LocalSettings
from tests.support.scripted_chat import Clock
from tests.support.scripted_league import eventually

Maker = Callable[..., LocalModel]


@asynccontextmanager
async def _league(
    tmp_path: Path,
    engine: Engine,
    *models: LocalModel,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncIterator[LocalLeague]:
    """Serves models whose weights are in the cache, so that pip is not waited for."""
    cache = tmp_path / "cache"
    if not cache.exists():
        shutil.copytree(tmp_path / "wholes", cache / "models")
    settings = LocalSettings(cache=cache, hub="")
    catalogue = {model.name: model for model in models}
    league = LocalLeague(settings, models=catalogue, engine=engine, clock=clock)
    try:
        yield league
    finally:
        await league.close()


def _pid(league: LocalLeague, name: str) -> int:
    return league._children[name].pid


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def _environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def test_models_are_fetched_and_served(
    make_model: Maker, engine: Engine, tmp_path: Path, heard: list[Preparation]
) -> None:
    one, two = make_model(name="one"), make_model(name="two")
    (tmp_path / "cache").mkdir()
    async with _league(tmp_path, engine, one, two) as league:
        port: LocalEndpoints = league
        assert [info.ready for info in port.catalogue()] == [False, False]

        urls = await port.ensure(["one", "two", "one"], heard.append)

        assert urls == {"one": "http://127.0.0.1:7/one/v1", "two": "http://127.0.0.1:7/two/v1"}
        assert [info.ready for info in port.catalogue()] == [True, True]
        assert heard[-1] == Preparation(
            activity="local models are ready", done=2, total=2, unit="models"
        )


async def test_ensure_again_starts_only_what_is_missing(
    make_model: Maker, engine: Engine, tmp_path: Path, heard: list[Preparation]
) -> None:
    one, two = make_model(name="one"), make_model(name="two")
    async with _league(tmp_path, engine, one, two) as league:
        await league.ensure(["one"], lambda _: None)
        pid = _pid(league, "one")

        await league.ensure(["one"], heard.append)
        assert heard == []
        await league.ensure(["one", "two"], heard.append)

        assert _pid(league, "one") == pid


async def test_two_at_once_start_each_model_once(
    make_model: Maker, engine: Engine, tmp_path: Path, heard: list[Preparation]
) -> None:
    one, two = make_model(name="one"), make_model(name="two")
    async with _league(tmp_path, engine, one, two) as league:
        first, second = await asyncio.gather(
            league.ensure(["one", "two"], lambda _: None), league.ensure(["one"], heard.append)
        )

        assert first["one"] == second["one"]
        assert heard[0].activity == "waiting for the models of another run"


async def test_a_child_that_died_is_started_again(
    make_model: Maker, engine: Engine, tmp_path: Path
) -> None:
    async with _league(tmp_path, engine, make_model()) as league:
        await league.ensure(["tiny"], lambda _: None)
        pid = _pid(league, "tiny")
        os.kill(pid, signal.SIGKILL)
        await league._children["tiny"].ended()

        await league.ensure(["tiny"], lambda _: None)

        assert _pid(league, "tiny") != pid


async def test_a_child_that_dies_in_a_run_comes_back_at_its_address(
    make_model: Maker, engine: Engine, tmp_path: Path
) -> None:
    async with _league(tmp_path, engine, make_model()) as league:
        before = await league.ensure(["tiny"], lambda _: None)
        pid = _pid(league, "tiny")
        os.kill(pid, signal.SIGKILL)
        await league._children["tiny"].ended()

        async with asyncio.timeout(60):
            while not league._runs("tiny"):  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)

        assert _pid(league, "tiny") != pid
        assert await league.ensure(["tiny"], lambda _: None) == before


@pytest.mark.parametrize(("minutes_between", "comes_back"), [(1, False), (4, True)])
async def test_how_often_a_child_comes_back_is_a_rate(
    make_model: Maker, engine: Engine, tmp_path: Path, minutes_between: int, comes_back: bool
) -> None:
    """Four deaths in ten minutes are too many; in a day they are not."""
    clock = Clock()
    async with _league(tmp_path, engine, make_model(), clock=clock) as league:
        await league.ensure(["tiny"], lambda _: None)
        keeper = league._keepers["tiny"]
        for death in range(4):
            clock.now += 60 * minutes_between
            pid = _pid(league, "tiny")
            os.kill(pid, signal.SIGKILL)
            await league._children["tiny"].ended()
            if death == 3 and not comes_back:
                await asyncio.wait_for(keeper, 60)
                break
            await eventually(lambda: league._runs("tiny"))
        assert league._runs("tiny") is comes_back


async def test_a_child_that_keeps_dying_is_given_up(
    make_model: Maker, engine: Engine, tmp_path: Path, heard: list[Preparation]
) -> None:
    model = make_model([b"hold"])
    async with _league(tmp_path, engine, model) as league:
        await league.ensure(["tiny"], lambda _: None)
        keeper = league._keepers["tiny"]
        weights_path(model, tmp_path / "cache").write_bytes(b"die")
        os.kill(_pid(league, "tiny"), signal.SIGKILL)

        async with asyncio.timeout(60):
            await keeper

        # The next one who asks gets sound weights and a child.
        await league.ensure(["tiny"], heard.append)
        assert "fetching tiny" in {state.activity for state in heard}


@pytest.mark.parametrize(
    ("way", "message"),
    [
        (b"die", "tiny: the engine ended with status 3 while it loaded: the roof is on fire"),
        (b"refuse", "tiny: it is not a model"),
    ],
)
async def test_a_model_that_does_not_load_is_an_error_with_its_cause(
    make_model: Maker, engine: Engine, tmp_path: Path, way: bytes, message: str
) -> None:
    async with _league(tmp_path, engine, make_model([way])) as league:
        with pytest.raises(LocalModelError, match=message):
            await league.ensure(["tiny"], lambda _: None)


async def test_an_unknown_model_is_an_error_that_names_the_known(
    make_model: Maker, engine: Engine, tmp_path: Path
) -> None:
    async with _league(tmp_path, engine, make_model()) as league:
        assert league.problem("tiny") == ""
        assert league.problem("huge") == "there is no local model 'huge'; there are tiny"
        with pytest.raises(LocalModelError, match=r"\[providers\.own\]"):
            await league.ensure(["huge"], lambda _: None)


@pytest.mark.parametrize("way", [b"hold", b"deaf"])
async def test_close_ends_the_children(
    make_model: Maker, engine: Engine, tmp_path: Path, way: bytes
) -> None:
    async with _league(tmp_path, engine, make_model([way])) as league:
        await league.ensure(["tiny"], lambda _: None)
        pid = _pid(league, "tiny")

        async with asyncio.timeout(60):
            await league.close()

        assert _is_gone(pid)
        with pytest.raises(LocalModelError, match="stopping"):
            await league.ensure(["tiny"], lambda _: None)


async def test_a_cancelled_start_leaves_no_child(
    make_model: Maker, engine: Engine, tmp_path: Path
) -> None:
    starting = asyncio.Event()

    def report(state: Preparation) -> None:
        if state.activity == "starting tiny":
            starting.set()

    async with _league(tmp_path, engine, make_model()) as league:
        task = asyncio.create_task(league.ensure(["tiny"], report))
        await starting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        # The lock is free again and nothing stands in the way.
        assert await league.ensure(["tiny"], lambda _: None)


async def test_a_child_sees_no_keys_of_providers(
    make_model: Maker, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    async with _league(tmp_path, engine, make_model()) as league:
        await league.ensure(["tiny"], lambda _: None)

        environment = _environment(_pid(league, "tiny"))

    assert b"secret" not in environment
    assert b"PATH=" in environment


def test_the_real_child_ends_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent, parent.stdout:
        child = os.pidfd_open(int(parent.stdout.readline()))
        try:
            os.kill(parent.pid, signal.SIGKILL)
            # Readable once the process, which is nobody's child now, has ended.
            assert select.select([child], [], [], 60)[0]
        finally:
            os.close(child)


_PARENT = """
import subprocess, sys, time
program = (
    "import threading, time\\n"
    "from server.models.local.serve import _end_with_stdin\\n"
    "threading.Thread(target=_end_with_stdin, daemon=True).start()\\n"
    "time.sleep(600)\\n"
)
child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE)
print(child.pid, flush=True)
time.sleep(600)
"""
