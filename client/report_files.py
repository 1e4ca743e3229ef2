"""Writing a report: fetched, built, and put in its place file by file."""

import asyncio
import contextlib
import errno
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from analysis.coverage import coverage
from client.connection import Connection
from client.dataset import fetch_dataset
from client.exit_status import ExitStatus
from client.failures import CommandError
from client.run_name import run_id

LOCAL_PROVIDER = "local"
WEAK_JUDGES = (
    "All participants are small models that run on this machine. They judge weakly: "
    "the league is real, but its ranking says little about the models."
)
_MAX_FOLDER = 120


@dataclass(frozen=True, kw_only=True)
class WrittenReport:
    """A report on disk.

    Attributes:
        paths: Its files, in the order in which the report names them.
        coverage_warning: One sentence when too little of the runs arrived; else empty.
    """

    paths: list[Path]
    coverage_warning: str


class _StoppedError(Exception):
    """Nobody waits for the report any more."""


async def write_report(
    connection: Connection,
    names: Sequence[str],
    out: Path | None = None,
    progress: Callable[[str], object] = str,
) -> WrittenReport:
    """Fetches runs and writes their report.

    Args:
        connection: The server.
        names: Such as `runs/math-1`.
        out: Folder to write into; `reports/RUN` below the current one if `None`.
        progress: Told what is being made.

    Raises:
        CommandError: A run is not known, the report cannot be made, or a file
            cannot be written.
    """
    try:
        dataset = await fetch_dataset(connection, names)
    except ValueError as error:
        raise CommandError(f"These runs do not go into one report: {error}.") from error
    try:
        # Charts and workbooks need packages that playing does not.
        from analysis.report import build_report  # noqa: PLC0415
    except ImportError as error:
        raise CommandError(
            f"Reports need the package {error.name}: run `make setup`, or install the "
            "project with its extra `analysis`."
        ) from error
    stop = threading.Event()

    def told(name: str, number: int, count: int) -> None:
        # Charts take seconds, and a thread can only be asked to stop.
        if stop.is_set():
            raise _StoppedError
        progress(f"Writing the report: {name} ({number} of {count})")

    providers = {p.provider for run in dataset.runs for p in run.participants}
    notes = (WEAK_JUDGES,) if providers == {LOCAL_PROVIDER} else ()
    try:
        files = await asyncio.to_thread(build_report, dataset, notes, progress=told)
    finally:
        stop.set()
    paths = save(files, out or default_folder(names))
    return WrittenReport(paths=paths, coverage_warning=coverage(dataset).warning)


def default_folder(names: Sequence[str]) -> Path:
    """Returns `reports/RUN`, or a folder named after all the runs."""
    joined = "+".join(map(run_id, names))
    if len(joined) > _MAX_FOLDER:
        short = hashlib.sha256(joined.encode()).hexdigest()[:8]
        joined = f"{run_id(names[0])}+{len(names) - 1}-more-{short}"
    return Path("reports") / joined


def save(files: Mapping[str, bytes], folder: Path) -> list[Path]:
    """Writes files into a folder; none is ever seen half written.

    Args:
        files: Content by path below the folder.
        folder: Made if it is not there.

    Raises:
        CommandError: A file cannot be written.
    """
    paths = []
    for name, content in files.items():
        inner = PurePosixPath(name)
        if inner.is_absolute() or ".." in inner.parts:
            raise CommandError(f"The report names a file outside its folder: {name}.")
        path = folder / inner
        try:
            with replacing(path) as file:
                file.write(content)
        except OSError as error:
            raise CommandError(cannot_write(path, error), ExitStatus.ERROR) from error
        paths.append(path)
    return paths


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Opens a file that takes the place of `path` when the context ends without an error.

    Raises:
        OSError: It cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        # mkstemp lets the owner alone read; a report is an ordinary file.
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def cannot_write(path: Path, error: OSError) -> str:
    """Returns why a file could not be written, and what to do."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"The disk is full: {path} could not be written. Name another place with --out DIR."
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"No permission to write {path}. Name another place with --out DIR."
    return f"{path} could not be written: {error.strerror}. Name another place with --out DIR."
