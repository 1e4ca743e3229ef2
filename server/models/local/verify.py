"""Whether a file of weights is the one that the catalogue names, without reading it twice."""

import hashlib
import json
import threading
from pathlib import Path

from server.models.chat import Preparation, Report
from server.models.local.catalogue import LocalModel
from server.models.local.threads import Progress, Stopped, in_thread, reporting

_CHUNK = 1 << 20


def is_verified(model: LocalModel, path: Path) -> bool:
    """Says whether the file was verified before and has not changed since.

    The mark beside the file holds its size and time: a second start must not
    read gigabytes to learn that nothing happened to them.
    """
    try:
        mark = json.loads(_mark(path).read_text("utf-8"))
        return bool(mark == _fingerprint(model, path))
    except (OSError, ValueError):
        return False


def size_of(path: Path) -> int:
    """Returns the size of a file; 0 if there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def discard(path: Path) -> None:
    """Deletes a file that may be missing."""
    path.unlink(missing_ok=True)


def mark_verified(model: LocalModel, path: Path) -> None:
    """Notes that the file's hash is the model's."""
    _mark(path).write_text(json.dumps(_fingerprint(model, path)), "utf-8")


async def sha256_of(model: LocalModel, path: Path, report: Report) -> str:
    """Returns the hash of a model's file, in hex, and reports how far it is."""
    done = 0

    def progress(read: int) -> None:
        nonlocal done
        done = read

    def where() -> Preparation:
        return Preparation(
            activity=f"checking {model.name}", done=done, total=model.size_bytes, unit="bytes"
        )

    async with reporting(report, where):
        return await in_thread(lambda stop: _sha256(path, stop, progress))


def _sha256(path: Path, stop: threading.Event, progress: Progress) -> str:
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if stop.is_set():
                raise Stopped
            digest.update(chunk)
            done += len(chunk)
            progress(done)
    return digest.hexdigest()


def _mark(path: Path) -> Path:
    return path.with_name(f"{path.name}.verified")


def _fingerprint(model: LocalModel, path: Path) -> dict[str, str | int]:
    status = path.stat()
    return {"sha256": model.sha256, "size": status.st_size, "mtime_ns": status.st_mtime_ns}
