"""Asks an endpoint which models it has, and says clearly why it cannot be used."""

import asyncio
import functools
import heapq
import json
from collections.abc import Collection
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeGuard

import httpx2

from server.models.connection import Connection, provider_key, target
from server.models.endings import excerpt, of_exception, read_error, shown_target
from server.models.redaction import Redaction
from server.settings import ProviderSettings

_TIMEOUT_S = 10.0
_NEAR_MATCHES = 5
# Of those that are compared letter by letter, which takes long.
_COMPARED = 50
_GRAM = 3
# A longer list is cut: people choose from it, and it has to fit into one message.
_MAX_NAMES = 2000
# As long as a league may name a model.
_MAX_NAME = 200
_MAX_BODY = 10 * 1024 * 1024
# What is longer is read beside the event loop.
_LONG = 256 * 1024


@dataclass(frozen=True)
class Listing:
    """What an endpoint says of its models.

    Attributes:
        models: Names; `None` if it does not list them, so that any may be had.
        problem: Why it cannot be used, with the cure; empty if it can.
        whole: These are all of its models; others may be had otherwise.
    """

    models: tuple[str, ...] | None = None
    problem: str = ""
    whole: bool = True


async def list_models(name: str, settings: ProviderSettings, connection: Connection) -> Listing:
    """Asks for the list of models; costs nothing and never raises.

    Args:
        name: Name of the provider, for people.
        settings: Its settings.
        connection: The way to it.
    """
    hide = Redaction(provider_key(settings))
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            response = await connection.list()
            try:
                data = await _read(response)
            finally:
                await response.aclose()
        if response.status_code >= httpx2.codes.MULTIPLE_CHOICES:
            return _refused(name, settings, response, hide(data.decode("utf-8", "replace")))
        return await _listed(data)
    except TimeoutError:
        why = f"did not answer within {_TIMEOUT_S:g} s"
    except Exception as error:  # noqa: BLE001 - of one endpoint, whose faults are no other's
        why = f"cannot be reached: {hide(of_exception(error, answered=False).detail)}"
    return Listing(
        problem=f'provider "{name}" at {settings.base_url} {why}; '
        f"start that server or correct providers.{name}.base_url in the settings"
    )


async def _read(response: httpx2.Response) -> bytes:
    """Returns the body, or as much of it as is wanted."""
    data = bytearray()
    async for chunk in response.aiter_bytes():
        data += chunk[:_MAX_BODY]
        if len(data) > _MAX_BODY:
            break
    return bytes(data)


def _refused(
    name: str, settings: ProviderSettings, response: httpx2.Response, text: str
) -> Listing:
    status, said = response.status_code, read_error(text).message
    where = f'provider "{name}" at {settings.base_url}'
    if status < httpx2.codes.BAD_REQUEST:
        to = shown_target(target(response))
        return Listing(
            problem=f"{where} sends its callers elsewhere (HTTP {status}, {to}), which is not "
            f"followed; correct providers.{name}.base_url in the settings"
        )
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


async def _listed(data: bytes) -> Listing:
    if len(data) > _MAX_BODY:
        return Listing()
    return await asyncio.to_thread(_names, data) if len(data) > _LONG else _names(data)


def _names(data: bytes) -> Listing:
    try:
        value: Any = json.loads(data.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        return Listing()
    listed = value.get("data") if isinstance(value, dict) else value
    if not isinstance(listed, list):
        return Listing()
    names = {
        name: None for item in listed if isinstance(item, dict) and _is_name(name := item.get("id"))
    }
    kept = tuple(names)[:_MAX_NAMES]
    return Listing(models=kept or None, whole=len(kept) == len(names))


def _is_name(value: Any) -> TypeGuard[str]:
    """Says whether a league could name a model so: one line that can be shown and sent."""
    return isinstance(value, str) and 0 < len(value) <= _MAX_NAME and value.isprintable()


def unknown_model(name: str, model: str, known: Collection[str]) -> str:
    """Says that the provider has no such model; empty if it has.

    Some endpoints list a model under a longer name than they take.
    """
    for listed in known:
        if model in (listed, listed.removeprefix("models/"), listed.removesuffix(":latest")):
            return ""
    wanted = _grams(model)
    alike = heapq.nlargest(_COMPARED, known, key=lambda listed: len(wanted & _grams(listed)))
    near = get_close_matches(model, alike, n=_NEAR_MATCHES, cutoff=0.4)
    near = near or sorted(known)[:_NEAR_MATCHES]
    return (
        f'provider "{name}" has no model "{excerpt(model)}"; '
        f"it has, among {len(known)}: {', '.join(near)}"
    )


@functools.lru_cache(maxsize=4 * _MAX_NAMES)
def _grams(name: str) -> frozenset[str]:
    """Returns the groups of letters in a name, by which likely ones are found soon."""
    return frozenset(name[at : at + _GRAM] for at in range(len(name) - _GRAM + 1))
