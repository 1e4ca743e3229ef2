"""The way to one endpoint: the OpenAI client, and its own transport for chat completions.

A chat completion is posted through the client's transport, with the client's
address, key and headers, as the bytes that were hashed. The client's method for
it would walk the arguments type by type and build a response object, which takes
three times as long as the exchange itself and reads an error's body without
bound.
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import httpx2
import openai

from server.models.turnstile import Turnstile
from server.settings import ProviderSettings, is_loopback

# As many as the contract allows at once, and some for lists of models and for
# connections about to close. The pacer alone is the limit, as it may be raised
# later: whoever waited in the pool would wait with its clock running.
_MAX_CONNECTIONS = 2000 + 48
_CONNECT_TIMEOUT_S = 30.0
# A call's whole time and its stalls are timed around the call.
_TIMEOUT = httpx2.Timeout(None, connect=_CONNECT_TIMEOUT_S)
_EXTENSIONS = {"timeout": _TIMEOUT.as_dict()}
_TARGET = "redirect_target"
# What the domain name system allows.
_MAX_HOST = 253
_MAX_LABEL = 63
# The SDK fills these from variables of its own, which belong to one provider,
# and wants a key even where none is to be sent.
_FOREIGN_HEADERS = ("OpenAI-Organization", "OpenAI-Project")


@dataclass(frozen=True)
class Connection:
    """Clients of one endpoint, over one pool of connections.

    Attributes:
        http: The SDK's HTTP client.
        url: Where chat completions are posted.
        models_url: Where the list of models is.
        headers: Headers of every call, the key among them.
        turnstile: Lets calls leave one at a time.
    """

    http: httpx2.AsyncClient = field(repr=False)
    url: httpx2.URL
    models_url: httpx2.URL
    headers: Mapping[str, str] = field(repr=False)
    turnstile: Turnstile = field(default_factory=Turnstile, repr=False)

    @classmethod
    def open(cls, settings: ProviderSettings) -> Self:
        """Returns a connection to the provider; its key is read from the environment now.

        Raises:
            httpx2.InvalidURL: The settings' address is none.
        """
        # The SDK asks for an address; that of a local model is known when it runs.
        address = settings.base_url or "http://127.0.0.1/v1"
        url, models_url = _under(address, "chat/completions"), _under(address, "models")
        http = _http_client(settings, url)
        client = openai.AsyncOpenAI(
            api_key=provider_key(settings) or "none",
            base_url=address,
            timeout=_TIMEOUT,
            max_retries=0,
            http_client=http,
        )
        return cls(http, url, models_url, _headers(client, settings))

    def at(self, address: str) -> "Connection":
        """Returns a connection to another address, over the same pool."""
        url, models_url = _under(address, "chat/completions"), _under(address, "models")
        return replace(self, url=url, models_url=models_url)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> httpx2.Response:
        """Posts a chat completion and returns the response once it begins; to be closed.

        Raises:
            httpx2.HTTPError: No response arrived.
            aiohttp.ClientError: The same, let through by the transport.
        """
        request = httpx2.Request(
            "POST",
            self.url,
            headers={**self.headers, **headers},
            content=body,
            extensions=_EXTENSIONS,
        )
        return await self.http.send(request, stream=True)

    async def list(self) -> httpx2.Response:
        """Asks for the list of models and returns the response once it begins; to be closed.

        Raises:
            httpx2.HTTPError: No response arrived.
            aiohttp.ClientError: The same, let through by the transport.
        """
        request = httpx2.Request(
            "GET", self.models_url, headers=self.headers, extensions=_EXTENSIONS
        )
        return await self.http.send(request, stream=True)

    async def close(self) -> None:
        """Closes the pool."""
        await self.http.aclose()


def target(response: httpx2.Response) -> str:
    """Returns where a redirect points, as the response gives it; empty if it names nothing."""
    return str(response.extensions.get(_TARGET, ""))


def provider_key(settings: ProviderSettings) -> str:
    """Returns the provider's key from the environment; empty without one."""
    return os.environ.get(settings.api_key_env, "").strip() if settings.api_key_env else ""


def _under(address: str, path: str) -> httpx2.URL:
    """Returns the address of a part of the API.

    Raises:
        httpx2.InvalidURL: The address is none, or its host can be nobody's name.
    """
    try:
        url = httpx2.URL(f"{address.rstrip('/')}/{path}")
    except ValueError as error:
        # The codec of host names has errors of its own.
        raise httpx2.InvalidURL(str(error)) from error
    host = url.raw_host.decode("ascii", "replace")
    labels = host.removesuffix(".").split(".")
    # Looked up, such a name raises what no caller of a transport expects.
    if len(host) > _MAX_HOST or not all(0 < len(label) <= _MAX_LABEL for label in labels):
        raise httpx2.InvalidURL("its host name is none")
    if url.port == 0:
        raise httpx2.InvalidURL("its port is none")
    return url


def _http_client(settings: ProviderSettings, url: httpx2.URL) -> httpx2.AsyncClient:
    own = url.scheme == "http" and is_loopback(f"{url.host}:0")
    client = openai.DefaultAioHttpClient(
        limits=httpx2.Limits(
            max_connections=_MAX_CONNECTIONS, max_keepalive_connections=_MAX_CONNECTIONS
        ),
        timeout=_TIMEOUT,
        # A proxy of the environment cannot reach this machine's own servers, and
        # reading the system's certificates takes a tenth of a second; without
        # them an unexpected https:// is refused, not trusted.
        trust_env=not own,
        # A prompt goes where the settings say and nowhere else, once for each
        # call that the budget knows of.
        follow_redirects=False,
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if own else True,
    )
    left_out = _left_out(settings)

    async def strip(request: httpx2.Request) -> None:
        for name in left_out:
            request.headers.pop(name, None)

    client.event_hooks = {"request": [strip], "response": [_set_target_aside]}
    return client


async def _set_target_aside(response: httpx2.Response) -> None:
    """Takes the target of a redirect out of the client's sight, which would read it and may fail."""
    if "location" in response.headers:
        response.extensions[_TARGET] = response.headers["location"]
        del response.headers["location"]


def _left_out(settings: ProviderSettings) -> tuple[str, ...]:
    if provider_key(settings):
        return _FOREIGN_HEADERS
    return (*_FOREIGN_HEADERS, "Authorization")


def _headers(client: openai.AsyncOpenAI, settings: ProviderSettings) -> dict[str, str]:
    """Returns the headers that the SDK would send, those that belong to nobody left out.

    So are those in which the SDK tells of the machine that it runs on.
    """
    left_out = _left_out(settings)
    told = {**client.default_headers, **client.auth_headers}
    return {
        name: value
        for name, value in told.items()
        if isinstance(value, str) and name not in left_out and not name.startswith("X-Stainless")
    }
