"""The second source of weights: the model hub that the settings name."""

import asyncio
import errno
from pathlib import Path

import aiohttp

from server.models.chat import Preparation, Report
from server.models.local.catalogue import LocalModel
from server.models.local.errors import SourceError
from server.models.local.threads import reporting
from server.models.local.verify import discard, sha256_of, size_of

_CHUNK = 1 << 20
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=20, sock_read=60)
_OK, _PARTIAL, _RANGE_NOT_SATISFIABLE = 200, 206, 416


async def fetch_from_hub(model: LocalModel, hub: str, partial: Path, report: Report) -> None:
    """Downloads the model's file and verifies it.

    A download that breaks off is continued, now and at the next call.

    Args:
        model: The model.
        hub: Address of the hub.
        partial: File to write; complete and verified when this returns.
        report: Hears how far it is.

    Raises:
        SourceError: The hub does not give the weights.
    """
    if not hub:
        raise SourceError("no hub is named in the settings")
    address = f"{hub.rstrip('/')}/{model.hub_repository}/resolve/main/{model.hub_file}"
    resumed = size_of(partial) > 0
    try:
        await _download(model, address, partial, report)
        wrong = await _is_wrong(model, partial, report)
        if wrong and resumed:
            # The beginning may be of another day's file: once more, from nothing.
            discard(partial)
            await _download(model, address, partial, report)
            wrong = await _is_wrong(model, partial, report)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        detail = str(error) or type(error).__name__
        raise SourceError(f"the download broke off: {detail}") from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else error.strerror or str(error)
        raise SourceError(f"the file cannot be written: {reason}") from error
    if wrong:
        discard(partial)
        raise SourceError(f"the file is not {model.name}: wrong hash, deleted")


async def _is_wrong(model: LocalModel, path: Path, report: Report) -> bool:
    return await sha256_of(model, path, report) != model.sha256


async def _download(model: LocalModel, address: str, partial: Path, report: Report) -> None:
    done = size_of(partial)
    if done >= model.size_bytes:
        return
    headers = {"Range": f"bytes={done}-"} if done else {}

    def where() -> Preparation:
        return Preparation(
            activity=f"fetching {model.name} from the model hub",
            done=done,
            total=model.size_bytes,
            unit="bytes",
        )

    async with (
        aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True) as session,
        session.get(address, headers=headers) as response,
        reporting(report, where),
    ):
        if response.status == _RANGE_NOT_SATISFIABLE:
            discard(partial)
            raise SourceError("the hub's file is shorter than the model")
        if response.status not in (_OK, _PARTIAL):
            raise SourceError(f"the hub answered with status {response.status}")
        append = response.status == _PARTIAL
        if not append:
            done = 0  # It sends everything, whatever was asked for.
        with partial.open("ab" if append else "wb") as file:
            async for chunk in response.content.iter_chunked(_CHUNK):
                done += len(chunk)
                if done > model.size_bytes:
                    raise SourceError("the hub's file is larger than the model")
                await asyncio.to_thread(file.write, chunk)
    if done < model.size_bytes:
        raise SourceError(f"the download ended after {done} of {model.size_bytes} bytes")
