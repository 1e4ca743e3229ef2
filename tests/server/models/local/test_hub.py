"""The model hub, played by a server on this machine."""

import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from server.models.chat import Preparation
from server.models.local.catalogue import LocalModel
from server.models.local.errors import LocalModelError, SourceError
from server.models.local.fetch import fetch, is_ready
from server.models.local.hub import fetch_from_hub

Maker = Callable[..., LocalModel]
_WHOLE = b"0123456789" * 1000


@dataclasses.dataclass
class Hub:
    """What the hub serves, how, and what it was asked for.

    Attributes:
        content: The file.
        ranges: Whether it honours ranges.
        cut_after: Bytes after which the first response breaks off.
        asked: The ranges asked for so far.
    """

    content: bytes = _WHOLE
    ranges: bool = True
    cut_after: int | None = None
    status: int = 200
    asked: list[str] = dataclasses.field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        wanted = request.headers.get("Range", "")
        self.asked.append(wanted)
        if self.status != 200:
            return web.Response(status=self.status)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        body = self.content[start:]
        response = web.StreamResponse(status=206 if start else 200)
        response.content_length = len(body)
        await response.prepare(request)
        if self.cut_after is not None:
            await response.write(body[: self.cut_after])
            self.cut_after = None
            assert request.transport is not None
            request.transport.close()
            return response
        await response.write(body)
        return response


@asynccontextmanager
async def _serving(hub: Hub) -> AsyncIterator[Hub]:
    app = web.Application()
    app.router.add_get("/nobody/tiny-gguf/resolve/main/tiny.gguf", hub.answer)
    async with TestServer(app) as server:
        hub.url = str(server.make_url("/"))
        yield hub


@pytest.fixture
def model(make_model: Maker) -> LocalModel:
    return make_model([_WHOLE], published=False)


async def test_the_hub_is_asked_when_the_registry_has_nothing(
    model: LocalModel, tmp_path: Path, heard: list[Preparation]
) -> None:
    async with _serving(Hub()) as hub:
        path = await fetch(model, tmp_path / "cache", hub.url, heard.append)

    assert path.read_bytes() == _WHOLE
    assert is_ready(model, tmp_path / "cache")
    assert "fetching tiny from the model hub" in {state.activity for state in heard}


async def test_a_broken_download_goes_on_where_it_stopped(
    model: LocalModel, tmp_path: Path
) -> None:
    async with _serving(Hub(cut_after=4000)) as hub:
        with pytest.raises(LocalModelError, match="model hub: the download"):
            await fetch(model, tmp_path / "cache", hub.url, lambda _: None)
        path = await fetch(model, tmp_path / "cache", hub.url, lambda _: None)

    assert path.read_bytes() == _WHOLE
    assert hub.asked == ["", "bytes=4000-"]


async def test_a_hub_without_ranges_sends_everything_again(
    model: LocalModel, tmp_path: Path
) -> None:
    partial = tmp_path / "partial"
    partial.write_bytes(_WHOLE[:100])

    async with _serving(Hub(ranges=False)) as hub:
        await fetch_from_hub(model, hub.url, partial, lambda _: None)

    assert partial.read_bytes() == _WHOLE


async def test_a_beginning_of_another_file_is_thrown_away(
    model: LocalModel, tmp_path: Path
) -> None:
    partial = tmp_path / "partial"
    partial.write_bytes(b"x" * 100)

    async with _serving(Hub()) as hub:
        await fetch_from_hub(model, hub.url, partial, lambda _: None)

    assert partial.read_bytes() == _WHOLE
    assert hub.asked == ["bytes=100-", ""]


async def test_a_wrong_file_is_deleted_and_said(model: LocalModel, tmp_path: Path) -> None:
    partial = tmp_path / "partial"

    async with _serving(Hub(content=b"x" * len(_WHOLE))) as hub:
        with pytest.raises(SourceError, match="wrong hash, deleted"):
            await fetch_from_hub(model, hub.url, partial, lambda _: None)

    assert not partial.exists()


@pytest.mark.parametrize(
    ("hub", "reason"),
    [
        (Hub(content=_WHOLE * 2), "larger than the model"),
        (Hub(content=_WHOLE[:10]), "ended after 10 of 10000 bytes"),
        (Hub(status=404), "status 404"),
        (Hub(status=416), "shorter than the model"),
    ],
)
async def test_what_is_not_the_file_is_refused(
    model: LocalModel, tmp_path: Path, hub: Hub, reason: str
) -> None:
    async with _serving(hub):
        with pytest.raises(SourceError, match=reason):
            await fetch_from_hub(model, hub.url, tmp_path / "partial", lambda _: None)


@pytest.mark.parametrize("hub", ["", "not an address"])
async def test_without_a_hub_there_is_a_reason(model: LocalModel, tmp_path: Path, hub: str) -> None:
    with pytest.raises(SourceError):
        await fetch_from_hub(model, hub, tmp_path / "partial", lambda _: None)
