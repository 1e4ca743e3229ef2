"""A base image from debootstrap, where no registry answers."""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

from sandbox.images.answers import followed
from sandbox.images.apt import configured_mirror, configured_proxy
from sandbox.images.context import packages, unneeded
from sandbox.images.errors import ImageError
from sandbox.images.progress import Progress

SUITE = "bookworm"
# Large, and on many machines not in memory, as /tmp is.
_SCRATCH = Path("/var/tmp")  # noqa: S108 - a folder of its own is made in it
_NEEDED_BYTES = 4 * 10**9
_CHUNK = 1 << 20
# Of this machine, and no business of the image's.
_OF_THE_MACHINE = ("etc/apt/sources.list", "etc/hostname", "etc/resolv.conf")


def import_debian(
    client: docker.DockerClient, name: str, label: str, registry: str, progress: Progress
) -> None:
    """Makes a base image that has all packages, from this machine's mirror of Debian.

    Args:
        client: Where to.
        name: Name of the image.
        label: `NAME=VALUE` of its label.
        registry: Why there is none to take an image from; part of what is said.
        progress: Is told of each step.

    Raises:
        ImageError: Something is missing or fails.
    """
    tool = shutil.which("debootstrap")
    _demand(tool is not None, registry, "debootstrap: sudo apt-get install debootstrap")
    _demand(os.geteuid() == 0, registry, "root, this once: sudo make sandbox-image")
    _demand(
        shutil.disk_usage(_SCRATCH).free >= _NEEDED_BYTES,
        registry,
        f"{_NEEDED_BYTES / 1e9:.0f} GB free in {_SCRATCH}",
    )
    mirror = configured_mirror(SUITE)
    progress.say(f"{registry}: taking Debian's packages from {_without_password(mirror.url)}")
    with _scratch() as root:
        command = (
            str(tool), "--variant=minbase", f"--include={','.join(packages())}",
            "--force-check-gpg", f"--keyring={mirror.keyring}", SUITE, str(root), mirror.url,
        )  # fmt: skip
        with progress.step(f"installing {SUITE} with the compilers (a minute or two)"):
            _debootstrap(command, progress)
        _remove_unneeded(root)
        with progress.step("importing it"):
            _import(client, root, name, label, progress)


def _demand(there: bool, registry: str, what: str) -> None:
    if not there:
        raise ImageError(f"{registry}, and the way without one needs {what}")


def _without_password(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", url)


@contextmanager
def _scratch() -> Iterator[Path]:
    """Gives a folder, and removes it with all that is in it and mounted there."""
    folder = Path(tempfile.mkdtemp(prefix="llm-crowdsourced-", dir=_SCRATCH))
    try:
        # The root of a file system: others than its owner have to get in.
        root = folder / "root"
        root.mkdir(mode=0o755)
        yield root
    finally:
        for mounted in ("root/proc", "root/sys"):
            # Left behind by an interrupted debootstrap.
            if os.path.ismount(folder / mounted):
                subprocess.run(("/bin/umount", "-R", str(folder / mounted)), check=False)  # noqa: S603
        shutil.rmtree(folder, ignore_errors=True)


def _debootstrap(command: tuple[str, ...], progress: Progress) -> None:
    environment = dict(os.environ)
    if proxy := configured_proxy():
        environment.setdefault("http_proxy", proxy)
    last: deque[str] = deque(maxlen=3)
    with subprocess.Popen(  # noqa: S603
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            progress.detail(line.removeprefix("I: "))
            last.append(line.strip())
    if process.returncode:
        raise ImageError(f"debootstrap failed, saying: {' / '.join(last)}")


def _remove_unneeded(root: Path) -> None:
    for pattern in (*unneeded(), *_OF_THE_MACHINE):
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _import(
    client: docker.DockerClient, root: Path, name: str, label: str, progress: Progress
) -> None:
    command = (
        "tar", "-C", str(root), "--numeric-owner",
        "--exclude=./dev/*", "--exclude=./proc/*", "--exclude=./sys/*", "-c", ".",
    )  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE) as tar:  # noqa: S603
        answer = client.api.import_image_from_data(
            _chunks(tar, progress), repository=name, tag="latest", changes=[f"LABEL {label}"]
        )
    if tar.returncode:
        raise ImageError(f"tar failed to pack {root} (status {tar.returncode})")
    followed(map(json.loads, answer.splitlines()), progress)


def _chunks(tar: "subprocess.Popen[bytes]", progress: Progress) -> Iterator[bytes]:
    sent = 0
    while tar.stdout and (chunk := tar.stdout.read(_CHUNK)):
        sent += len(chunk)
        progress.detail(f"{sent / 1e6:.0f} MB")
        yield chunk
