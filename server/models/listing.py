"""Asks an endpoint which models it has, and says clearly why it cannot be used."""

import asyncio
import difflib
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import httpx2
import openai

from server.models.endings import NETWORK_ERRORS, excerpt, of_exception, read_error
from server.settings import ProviderSettings

_TIMEOUT_S = 10.0
_NEAR_MATCHES = 5


@dataclass(frozen=True)
class Listing:
    """What an endpoint says of its models.

    Attributes:
        models: Names; `None` if it does not list them, so that any may be had.
        problem: Why it cannot be used, with the cure; empty if it can.
    """

    models: tuple[str, ...] | None = None
    problem: str = ""


async def list_models(name: str, settings: ProviderSettings, client: openai.AsyncOpenAI) -> Listing:
    """Asks for the list of models; costs nothing and never raises.

    Args:
        name: Name of the provider, for people.
        settings: Its settings.
        client: Client with its address and key.
    """
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            response = await client.models.with_raw_response.list()
        return Listing(models=_names(response.http_response.text))
    except TimeoutError:
        why = f"did not answer within {_TIMEOUT_S:g} s"
    except openai.APIStatusError as error:
        return _refused(name, settings, error)
    except NETWORK_ERRORS as error:
        why = f"cannot be reached: {of_exception(error, answered=False).detail}"
    return Listing(
        problem=f'provider "{name}" at {settings.base_url} {why}; '
        f"start that server or correct providers.{name}.base_url in the settings"
    )


def _refused(name: str, settings: ProviderSettings, error: openai.APIStatusError) -> Listing:
    status = error.status_code
    said = _without(error.request.headers.get("authorization", ""), error.response.text)
    where = f'provider "{name}" at {settings.base_url}'
    if status in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
        key = settings.api_key_env
        cure = (
            f"put a valid key into {key}: export {key}=..."
            if key
            else f"name the variable that holds its key in providers.{name}.api_key_env"
        )
        return Listing(problem=f"{where} refused the key (HTTP {status}: {said}); {cure}")
    if status >= httpx2.codes.INTERNAL_SERVER_ERROR and status != httpx2.codes.NOT_IMPLEMENTED:
        return Listing(problem=f"{where} fails (HTTP {status}: {said}); try again later")
    # Not every endpoint lists its models; whether ours is there shows when it
    # is asked.
    return Listing()


def _without(authorization: str, text: str) -> str:
    key = authorization.removeprefix("Bearer ")
    return read_error(text.replace(key, "[key]") if key else text).message


def _names(text: str) -> tuple[str, ...] | None:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    data = value.get("data") if isinstance(value, dict) else value
    if not isinstance(data, list):
        return None
    names = [item.get("id") for item in data if isinstance(item, dict)]
    return tuple(name for name in names if isinstance(name, str)) or None


def unknown_model(name: str, model: str, known: Collection[str]) -> str:
    """Says that the provider has no such model; empty if it has.

    Some endpoints list a model under a longer name than they take.
    """
    for listed in known:
        if model in (listed, listed.removeprefix("models/"), listed.removesuffix(":latest")):
            return ""
    near = difflib.get_close_matches(model, known, n=_NEAR_MATCHES, cutoff=0.4)
    near = near or sorted(known)[:_NEAR_MATCHES]
    return (
        f'provider "{name}" has no model "{excerpt(model)}"; '
        f"it has, among {len(known)}: {', '.join(near)}"
    )
