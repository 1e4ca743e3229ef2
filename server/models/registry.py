"""The models that can be asked: which there are, why one cannot play, and the port to each."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx2

from server.league.league import Participant
from server.models.chat import ChatModel, Report
from server.models.concessions import Concessions
from server.models.connection import Connection, provider_key
from server.models.endpoints import LocalEndpoints
from server.models.listing import Listing, list_models, unknown_model
from server.models.openai_chat import Endpoint, OpenAIChat
from server.models.pacing import Hold, Pacer
from server.models.redaction import Redaction
from server.models.run_room import RunRoom
from server.settings import ModelSettings, Settings

_FREE = ModelSettings(prompt_usd_per_million=0.0, completion_usd_per_million=0.0)


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """A model of a provider; `license` is known for local models."""

    name: str
    prices: ModelSettings | None = None
    license: str = ""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast a provider may be called, and how it stands now.

    Attributes:
        max_concurrent_calls: Calls under way at once, at most.
        requests_per_minute: Calls in any minute, at most; `None` is no limit.
        tokens_per_minute: Tokens in any minute, at most; `None` is no limit.
        under_way: Calls under way now.
        concurrent_now: Calls that may be under way as things stand: fewer than
            the limit after the provider said that it has too many.
        hold: Until when it is sent nothing, and why; `None` if it is called.
    """

    max_concurrent_calls: int
    requests_per_minute: int | None
    tokens_per_minute: int | None
    under_way: int
    concurrent_now: int
    hold: Hold | None = None


@dataclass(frozen=True, kw_only=True)
class ProviderInfo:
    """A provider as it stands now; `problem` says why it is not reachable."""

    name: str
    reachable: bool
    problem: str
    models: tuple[ModelInfo, ...]
    pace: Pace


class Models:
    """All providers of the settings, with one client and one pacer each."""

    def __init__(self, settings: Settings, local: LocalEndpoints) -> None:
        """Creates the registry; connects to nothing.

        Args:
            settings: The server's settings.
            local: Serves the models of the providers of kind `local`.
        """
        self._providers = settings.providers
        self._local = local
        self._connections: dict[str, Connection] = {}
        self._pacers: dict[str, Pacer] = {}
        self._concessions: dict[tuple[str, str], Concessions] = {}
        self._addresses: dict[str, str] = {}

    async def check(self, participants: Sequence[Participant]) -> dict[str, str]:
        """Says who cannot play and why, without asking a model anything.

        Returns:
            One sentence with cause and cure by participant id; those who can
            play are not in it.
        """
        used = {p.provider for p in participants if self._is_remote(p.provider)}
        names = sorted(name for name in used if not self._key_problem(name))
        listings = await asyncio.gather(*map(self._list, names))
        known = dict(zip(names, listings, strict=True))
        problems = {p.id: self._problem(p, known) for p in participants}
        return {participant: problem for participant, problem in problems.items() if problem}

    def to_prepare(self, participants: Sequence[Participant]) -> list[str]:
        """Returns the local models among the participants', each once."""
        wanted = (p.model for p in participants if self._providers[p.provider].kind == "local")
        return list(dict.fromkeys(wanted))

    async def prepare(self, participants: Sequence[Participant], report: Report) -> None:
        """Fetches and starts the local models among the participants'."""
        if models := self.to_prepare(participants):
            self._addresses.update(await self._local.ensure(models, report))

    def chat_model(self, participant: Participant, room: RunRoom | None = None) -> ChatModel:
        """Returns the port to a participant's model, in the room of its run if there is one.

        Raises:
            LookupError: The provider is not in the settings, or the model is
                local and was not prepared.
        """
        name, model = participant.provider, participant.model
        settings = self._providers[name]
        connection = self._connection(name)
        if settings.kind == "local":
            connection = connection.at(self._addresses[model])
        endpoint = Endpoint(
            connection=connection,
            pacer=self._pacer(name),
            settings=settings,
            prices=self.price(name, model),
            redaction=Redaction(provider_key(settings)),
            concessions=self._concessions.setdefault((name, model), Concessions()),
        )
        return OpenAIChat(participant, endpoint, room)

    async def providers(self, name: str = "") -> tuple[ProviderInfo, ...]:
        """Returns the providers as they stand now, or only the one of that name."""
        names = [known for known in self._providers if name in ("", known)]
        return tuple(await asyncio.gather(*map(self._info, names)))

    def price(self, provider: str, model: str) -> ModelSettings | None:
        """Returns what the settings say of a model, `None` if nothing.

        What this machine serves costs nothing, unless the settings say otherwise.
        """
        settings = self._providers.get(provider)
        if settings is None:
            return None
        return settings.models.get(model, _FREE if settings.kind == "local" else None)

    def set_limits(
        self,
        provider: str,
        *,
        max_concurrent_calls: int | None,
        requests_per_minute: int | None,
        tokens_per_minute: int | None,
    ) -> Pace:
        """Changes how fast a provider is called, at once and for all runs, while the server runs.

        Args:
            provider: Its name.
            max_concurrent_calls: Calls under way at once; as before if `None`.
            requests_per_minute: Calls in any minute; no limit if `None`.
            tokens_per_minute: Tokens in any minute; no limit if `None`.

        Raises:
            LookupError: The provider is not in the settings.
        """
        pacer = self._pacer(provider)
        pacer.set_rates(
            requests_per_minute=requests_per_minute, tokens_per_minute=tokens_per_minute
        )
        if max_concurrent_calls is not None:
            pacer.set_limits(max_concurrent=max_concurrent_calls)
        return self._pace(provider)

    def holds(self) -> dict[str, Hold]:
        """Returns the providers that are sent nothing for now, with until when and why."""
        held = {name: pacer.held for name, pacer in self._pacers.items()}
        return {name: hold for name, hold in held.items() if hold is not None}

    async def close(self) -> None:
        """Closes the connections and stops the local models."""
        connections = list(self._connections.values())
        self._connections.clear()
        for connection in connections:
            await connection.close()
        await self._local.close()

    def _is_remote(self, name: str) -> bool:
        return name in self._providers and self._providers[name].kind != "local"

    def _problem(self, participant: Participant, listings: Mapping[str, Listing]) -> str:
        name, model = participant.provider, participant.model
        if name not in self._providers:
            known = ", ".join(sorted(self._providers)) or "none"
            return f'no provider is named "{name}"; the settings have: {known}'
        if self._providers[name].kind == "local":
            return self._local.problem(model)
        listing = listings.get(name)
        if listing is None:
            return self._key_problem(name)
        if listing.problem or listing.models is None or not listing.whole:
            return listing.problem
        return unknown_model(name, model, listing.models)

    def _key_problem(self, name: str) -> str:
        settings = self._providers[name]
        key = provider_key(settings)
        variable = settings.api_key_env
        if not variable or (key.isascii() and key.isprintable() and key):
            return ""
        if key:
            return f'provider "{name}": {variable} holds characters that no key has; set it anew'
        return f'provider "{name}" needs a key, and {variable} is not set: export {variable}=...'

    async def _list(self, name: str) -> Listing:
        settings = self._providers[name]
        try:
            connection = self._connection(name)
        except httpx2.InvalidURL as error:
            return Listing(
                problem=f'provider "{name}" has an address that is none, {settings.base_url} '
                f"({error}); correct providers.{name}.base_url in the settings"
            )
        return await list_models(name, settings, connection)

    async def _info(self, name: str) -> ProviderInfo:
        settings = self._providers[name]
        if settings.kind == "local":
            models = tuple(
                ModelInfo(name=m.name, prices=self.price(name, m.name), license=m.license)
                for m in self._local.catalogue()
            )
            problems = [self._local.problem(model.name) for model in models]
            problem = problems[0] if problems and all(problems) else ""
            return ProviderInfo(
                name=name,
                reachable=not problem,
                problem=problem,
                models=models,
                pace=self._pace(name),
            )
        problem = self._key_problem(name)
        listing = Listing(problem=problem) if problem else await self._list(name)
        names = dict.fromkeys([*(listing.models or ()), *settings.models])
        return ProviderInfo(
            name=name,
            reachable=not listing.problem,
            problem=listing.problem,
            models=tuple(ModelInfo(name=m, prices=settings.models.get(m)) for m in names),
            pace=self._pace(name),
        )

    def _connection(self, name: str) -> Connection:
        if name not in self._connections:
            self._connections[name] = Connection.open(self._providers[name])
        return self._connections[name]

    def _pace(self, name: str) -> Pace:
        pacer = self._pacer(name)
        requests, tokens = pacer.rates
        return Pace(
            max_concurrent_calls=pacer.max_concurrent,
            requests_per_minute=requests,
            tokens_per_minute=tokens,
            under_way=pacer.in_flight,
            concurrent_now=pacer.limit,
            hold=pacer.held,
        )

    def _pacer(self, name: str) -> Pacer:
        if name not in self._pacers:
            settings = self._providers[name]
            self._pacers[name] = Pacer(
                max_concurrent=settings.max_concurrent_calls,
                requests_per_minute=settings.requests_per_minute,
                tokens_per_minute=settings.tokens_per_minute,
            )
        return self._pacers[name]
