"""A Docker daemon of a test's own, which may be stopped, killed and started again."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Generator
from pathlib import Path

from docker.errors import APIError, DockerException

from sandbox.images.context import LABEL, expected_label
from tests.support.sandboxes import client

IMAGE = "small-sandbox:latest"
_BOUND_S = 180.0
# Of the image only what Python programs need: the daemon has to be given a copy.
_PACK = """
cd /
libraries=$(ldd /usr/bin/python3 | grep -o '/[^ ]*' | while read -r file; do
    echo "$(readlink -f "$(dirname "$file")")/$(basename "$file")"; readlink -f "$file"
done | sort -u)
exec tar -cf - lib lib64 tmp build work opt/sandbox usr/bin/python3 \
    "$(readlink -f /usr/bin/python3)" /usr/lib/python3.* $libraries
"""

_CONTAINERD = """
version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{folder}/containerd.sock"
"""


class Daemon:
    """A daemon with folders of its own, beside the machine's.

    Args:
        folder: Where all that it has lies.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.host = f"unix://{folder}/docker.sock"
        (folder / "daemon.json").write_text("{}")
        (folder / "containerd.toml").write_text(_CONTAINERD.format(folder=folder))
        # Apart, as an init system has it: it lives on when the daemon is killed.
        self._containerd = self._run("containerd", f"--config={folder}/containerd.toml")

    def _run(self, *command: str) -> "subprocess.Popen[bytes]":
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def start(self) -> None:
        """Starts it and waits until it answers."""
        folder = self._folder
        self._process = self._run(
            # A daemon without a bridge removes docker0, the machine's own daemon's.
            "unshare",
            "--net",
            "dockerd",
            f"--config-file={folder}/daemon.json",
            f"--data-root={folder}/data",
            f"--exec-root={folder}/exec",
            f"--pidfile={folder}/pid",
            f"--host={self.host}",
            f"--containerd={folder}/containerd.sock",
            "--bridge=none",
            "--iptables=false",
        )
        end = time.monotonic() + _BOUND_S
        while not self._answers():
            said = (folder / "log").read_text()[-2000:]
            assert self._process.poll() is None, said
            assert time.monotonic() < end, said
            time.sleep(0.1)

    def end(self, how: signal.Signals) -> None:
        """Sends it a signal that ends it, and waits until it has gone."""
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(_BOUND_S)
        self._process = None
        # One that was killed leaves it, and the next would not start.
        (self._folder / "pid").unlink(missing_ok=True)

    def load(self, image: str) -> None:
        """Gives it a small copy of the machine's image."""
        with client() as source, client(self.host) as target:
            packing = source.containers.create(image, ["sh", "-c", _PACK], network_disabled=True)
            try:
                stream = packing.attach(stdout=True, stderr=False, stream=True)
                packing.start()
                archive = b"".join(stream)
            finally:
                packing.remove(force=True)
            repository, _, tag = IMAGE.partition(":")
            target.api.import_image_from_data(
                archive,
                repository=repository,
                tag=tag,
                changes=[f"LABEL {LABEL}={expected_label()}"],
            )

    def close(self) -> None:
        """Removes its containers and ends it."""
        if self._process is None:
            # What it ran when it was killed is its own to end.
            self.start()
        with client(self.host) as daemon:
            for each in daemon.api.containers(all=True):
                with contextlib.suppress(APIError):
                    daemon.api.remove_container(each["Id"], force=True)
        self.end(signal.SIGTERM)
        self._containerd.terminate()
        self._containerd.wait(_BOUND_S)
        # A daemon that was killed leaves its folder mounted over itself.
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for mount in reversed(mounts):
            if Path(mount).is_relative_to(self._folder):
                subprocess.run(["umount", mount], check=True)

    def _answers(self) -> bool:
        if not os.path.exists(self.host.removeprefix("unix://")):  # noqa: PTH110
            return False
        try:
            with client(self.host) as daemon:
                return bool(daemon.ping())
        except (DockerException, OSError):
            return False


@contextlib.contextmanager
def own_daemon(folder: Path, image: str) -> Generator[Daemon, None, None]:
    """Gives a daemon that has the image, and leaves nothing of it."""
    daemon = Daemon(folder)
    daemon.start()
    try:
        daemon.load(image)
        yield daemon
    finally:
        daemon.close()
