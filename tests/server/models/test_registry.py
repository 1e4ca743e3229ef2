"""Who cannot play and why, where models are, and what providers have."""

import asyncio
import socket
from collections.abc import Mapping, Sequence

import pytest

from server.league.league import Participant
from server.models.chat import Preparation, Report
from server.models.endpoints import LocalModelInfo
from server.models.registry import Models
from server.settings import ModelSettings, ProviderSettings, Settings
from tests.support.scripted_chat import RecordingGate, request
from tests.support.scripted_endpoint import ScriptedEndpoint, ScriptedReply, failure

KEY = "sk-very-secret-key"


class FakeLocal:
    """Local models that are served by one scripted endpoint."""

    def __init__(self, base_url: str = "") -> None:
        self.base_url = base_url
        self.ensured: list[str] = []
        self.closed = False

    def problem(self, model: str) -> str:
        return "" if model == "tiny" else f"no local model is named {model}"

    def catalogue(self) -> Sequence[LocalModelInfo]:
        return [LocalModelInfo(name="tiny", license="MIT", size_bytes=1, ready=False)]

    async def ensure(self, models: Sequence[str], report: Report) -> Mapping[str, str]:
        self.ensured += models
        report(Preparation(activity="starting", done=1, total=1, unit="models"))
        return dict.fromkeys(models, self.base_url)

    async def close(self) -> None:
        self.closed = True


def good(_: object = None) -> ScriptedReply:
    return ScriptedReply(text='{"answer": "4"}')


def player(provider: str, model: str = "scripted", name: str = "a") -> Participant:
    return Participant(id=name, provider=provider, model=model)


async def problems(
    settings: Mapping[str, ProviderSettings], *participants: Participant
) -> dict[str, str]:
    models = Models(Settings(providers=dict(settings)), FakeLocal())
    try:
        return await models.check(participants)
    finally:
        await models.close()


async def test_those_who_can_play_have_no_problem() -> None:
    async with ScriptedEndpoint(good) as endpoint:
        own = ProviderSettings(base_url=endpoint.base_url)
        local = ProviderSettings(kind="local")
        who = [player("own", name=f"p{n}") for n in range(4)]
        found = await problems({"own": own, "local": local}, *who, player("local", "tiny"))
    assert found == {}
    assert endpoint.listings == 1
    assert endpoint.requests == []


async def test_an_unknown_provider_is_told_with_those_there_are() -> None:
    own = ProviderSettings(base_url="http://127.0.0.1:9/v1")
    found = await problems({"own": own, "other": own}, player("nope"))
    assert found == {"a": 'no provider is named "nope"; the settings have: other, own'}


async def test_a_missing_key_is_told_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_API_KEY", raising=False)
    cloud = ProviderSettings(base_url="http://127.0.0.1:9/v1", api_key_env="SOME_API_KEY")
    found = await problems({"cloud": cloud}, player("cloud"))
    assert found["a"].endswith("export SOME_API_KEY=...")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key_is_told_without_the_key(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", KEY)
    listing = failure(status, f"Incorrect API key provided: {KEY}")
    async with ScriptedEndpoint(good, listing=listing) as endpoint:
        cloud = ProviderSettings(base_url=endpoint.base_url, api_key_env="SOME_API_KEY")
        found = await problems({"cloud": cloud}, player("cloud"))
    assert f"refused the key (HTTP {status}: Incorrect API key provided: [key])" in found["a"]
    assert "export SOME_API_KEY=" in found["a"]
    assert KEY not in found["a"]


async def test_a_list_that_is_elsewhere_is_not_fetched_there() -> None:
    async with ScriptedEndpoint(good, models=["m"]) as other:
        to = f"{other.base_url}/models"
        moved = ScriptedReply(status=302, body="", headers={"Location": f"{to}?token=1"})
        async with ScriptedEndpoint(good, listing=moved) as endpoint:
            own = ProviderSettings(base_url=endpoint.base_url)
            found = await problems({"own": own}, player("own", "m"))
    assert (endpoint.listings, other.listings) == (1, 0)
    assert f"elsewhere (HTTP 302, to {to}), which is not followed" in found["a"]
    assert "correct providers.own.base_url" in found["a"]


async def test_a_list_that_the_transport_cannot_read_is_told() -> None:
    odd = ScriptedReply(raw="HTTP/1.1 200 Trés bien\r\n\r\n{}".encode("latin-1"))
    async with ScriptedEndpoint(good, listing=odd) as endpoint:
        own = ProviderSettings(base_url=endpoint.base_url)
        found = await problems({"own": own}, player("own", "m"))
    assert "cannot be reached: " in found["a"]
    assert "UnicodeEncodeError" in found["a"]


async def test_an_unknown_model_is_told_with_those_that_are_near() -> None:
    known = ["gpt-4.1", "gpt-4.1-mini", "whisper", "gpt-4o"]
    async with ScriptedEndpoint(good, models=known) as endpoint:
        own = ProviderSettings(base_url=endpoint.base_url)
        found = await problems({"own": own}, player("own", "gpt-4.1-mni"))
    assert 'no model "gpt-4.1-mni"' in found["a"]
    assert "among 4: gpt-4.1-mini, gpt-4.1" in found["a"]


@pytest.mark.parametrize("listed", ["models/m", "m:latest", "m"])
async def test_a_model_may_be_listed_under_a_longer_name(listed: str) -> None:
    async with ScriptedEndpoint(good, models=[listed]) as endpoint:
        own = ProviderSettings(base_url=endpoint.base_url)
        assert await problems({"own": own}, player("own", "m")) == {}


@pytest.mark.parametrize(
    "listing",
    [
        failure(404),
        failure(405),
        ScriptedReply(body="<html>", content_type="text/html"),
        ScriptedReply(body={"data": "none"}),
        ScriptedReply(body={"data": []}),
    ],
)
async def test_where_models_are_not_listed_they_are_taken_on_trust(listing: ScriptedReply) -> None:
    async with ScriptedEndpoint(good, listing=listing) as endpoint:
        own = ProviderSettings(base_url=endpoint.base_url)
        assert await problems({"own": own}, player("own", "whatever")) == {}


async def test_an_endpoint_that_is_not_there_is_told_with_its_address() -> None:
    # Taken, so that nobody else has it meanwhile, and not listened to.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        found = await problems({"own": ProviderSettings(base_url=url)}, player("own"))
    assert url in found["a"]
    assert "no connection could be made" in found["a"]
    assert "providers.own.base_url" in found["a"]


async def test_an_endpoint_that_fails_or_is_silent_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedEndpoint(good, listing=failure(503, "busy")) as endpoint:
        own = ProviderSettings(base_url=endpoint.base_url)
        assert "HTTP 503: busy" in (await problems({"own": own}, player("own")))["a"]

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr("server.models.listing._TIMEOUT_S", 0.1)
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    found = await problems({"own": ProviderSettings(base_url=url)}, player("own"))
    server.close()
    await server.wait_closed()
    assert "did not answer within 0.1 s" in found["a"]


async def test_a_local_model_is_prepared_and_asked_like_any_other() -> None:
    async with ScriptedEndpoint(good) as endpoint:
        local = FakeLocal(endpoint.base_url)
        settings = ProviderSettings(kind="local", bounded_schemas=True)
        models = Models(Settings(providers={"local": settings}), local)
        tiny, other = player("local", "tiny"), player("local", "big", "b")
        assert await models.check([tiny, other]) == {"b": "no local model is named big"}
        with pytest.raises(LookupError):
            models.chat_model(tiny)
        heard: list[Preparation] = []
        await models.prepare([tiny, tiny], heard.append)
        gate = RecordingGate()
        attempt = await models.chat_model(tiny).ask(request(), gate)
        await models.close()
    assert attempt.text == '{"answer": "4"}'
    assert local.ensured == ["tiny"]
    assert len(heard) == 1
    assert local.closed
    assert "authorization" not in endpoint.requests[0].headers


async def test_a_key_goes_to_its_provider_and_foreign_headers_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOME_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-another-provider")
    monkeypatch.setenv("OPENAI_ORG_ID", "org")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project")
    async with ScriptedEndpoint(good) as endpoint:
        cloud = ProviderSettings(base_url=endpoint.base_url, api_key_env="SOME_API_KEY")
        own = ProviderSettings(base_url=endpoint.base_url)
        models = Models(Settings(providers={"cloud": cloud, "own": own}), FakeLocal())
        for name in ("cloud", "own"):
            await models.chat_model(player(name)).ask(request(), RecordingGate())
        await models.close()
    keyed, keyless = (received.headers for received in endpoint.requests)
    assert keyed["authorization"] == f"Bearer {KEY}"
    assert "authorization" not in keyless
    assert not any(name.startswith("openai-") for name in {*keyed, *keyless})


async def test_what_an_endpoint_refuses_is_shared_by_all_who_play_with_it() -> None:
    def reply(received: object) -> ScriptedReply:
        formats.append(getattr(received, "response_format", ""))
        return failure(400, "no json_schema here") if formats[-1] == "json_schema" else good()

    formats: list[str] = []
    async with ScriptedEndpoint(reply) as endpoint:
        own = ProviderSettings(base_url=endpoint.base_url)
        models = Models(Settings(providers={"own": own}), FakeLocal())
        for name in ("a", "b"):
            await models.chat_model(player("own", name=name)).ask(request(), RecordingGate())
        await models.close()
    assert formats == ["json_schema", "json_object", "json_object"]


async def test_providers_are_listed_with_their_models_prices_and_licences() -> None:
    prices = ModelSettings(prompt_usd_per_million=1)
    async with ScriptedEndpoint(good, models=["m"]) as endpoint:
        own = ProviderSettings(base_url=endpoint.base_url, models={"m": prices, "n": prices})
        gone = ProviderSettings(base_url="http://127.0.0.1:9/v1", api_key_env="NO_SUCH_KEY")
        everyone = {"own": own, "gone": gone, "local": ProviderSettings(kind="local")}
        models = Models(Settings(providers=everyone), FakeLocal())
        found = {info.name: info for info in await models.providers()}
        only = await models.providers("own")
        await models.close()
    assert [info.name for info in only] == ["own"]
    assert found["own"].reachable
    assert [(model.name, model.prices) for model in found["own"].models] == [
        ("m", prices),
        ("n", prices),
    ]
    assert not found["gone"].reachable
    assert "NO_SUCH_KEY" in found["gone"].problem
    assert found["local"].reachable
    assert [(model.name, model.license) for model in found["local"].models] == [("tiny", "MIT")]
    free = found["local"].models[0].prices
    assert free is not None
    assert (free.prompt_usd_per_million, free.completion_usd_per_million) == (0, 0)
    assert models.price("own", "m") == prices
    assert models.price("own", "unknown") is None
    assert models.price("unknown", "m") is None


@pytest.mark.parametrize(
    "address",
    [
        "http://host:port/v1",
        "http://localhost..:8/v1",
        f"http://{'a' * 64}.invalid/v1",
        f"http://{'a.' * 130}invalid/v1",
        "http://xn--/v1",
        "http:///v1",
        "http://127.0.0.1:0/v1",
        "http://127.0.0.1:99999/v1",
        "http://[::1/v1",
    ],
)
async def test_an_address_that_is_none_is_told(address: str) -> None:
    own = ProviderSettings(base_url=address)
    found = await problems({"own": own}, player("own"))
    assert address in found["a"]
    assert "correct providers.own.base_url" in found["a"]


async def test_a_key_that_no_header_can_carry_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "ключ")
    cloud = ProviderSettings(base_url="http://127.0.0.1:9/v1", api_key_env="SOME_API_KEY")
    found = await problems({"cloud": cloud}, player("cloud"))
    assert "SOME_API_KEY holds characters" in found["a"]
    assert "ключ" not in found["a"]
