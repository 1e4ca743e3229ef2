"""What a host has that a container could leave there."""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import docker

# The users of the containers, two each.
_USERS = range(200_000, 600_000)
_SHARED = ("shm", "sem", "msg")


@dataclass(frozen=True)
class Host:
    """The host at one moment.

    Attributes:
        processes: Of the containers' users, each with the container that it says it is in.
        mounts: Lines of mounts that name a container or its layer.
        living: Ids of containers, and of their layers, that are there.
        shared: System V memory, semaphores and queues of the containers' users.
        queues: POSIX message queues of theirs.
    """

    processes: tuple[str, ...]
    mounts: frozenset[str]
    living: frozenset[str]
    shared: tuple[str, ...]
    queues: tuple[str, ...]

    @classmethod
    def now(cls) -> Self:
        """Looks at this machine, where the daemon runs too."""
        processes, mounts = _processes(), _mounts()
        # Last: what has begun since is not there yet, and is not missed.
        return cls(
            processes=processes,
            mounts=mounts,
            living=_living(),
            shared=tuple(line for name in _SHARED for line in _of_theirs(name)),
            queues=tuple(each.name for each in files_of_theirs("/dev/mqueue")),
        )

    def strays(self, before: "Host") -> list[str]:
        """Returns the processes and mounts that are new and belong to no living container."""
        found = [*self.processes, *(self.mounts - before.mounts)]
        return [each for each in found if not any(name in each for name in self.living)]


def _processes() -> tuple[str, ...]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and folder.stat().st_uid in _USERS:
                groups = (folder / "cgroup").read_text().replace("\n", " ")
                found.append(f"process {folder.name} in {groups}")
        except OSError:
            # It has ended since.
            continue
    return tuple(found)


def _mounts() -> frozenset[str]:
    lines = Path("/proc/mounts").read_text().splitlines()
    return frozenset(line for line in lines if "docker/" in line)


def _living() -> frozenset[str]:
    client = docker.from_env()
    try:
        found = set()
        for each in client.api.containers(all=True):
            found.add(each["Id"])
            try:
                container = client.api.inspect_container(each["Id"])
            except docker.errors.NotFound:
                continue
            # The folder of its own layer, and its network, by whose names its mounts go.
            layer = (container["GraphDriver"]["Data"] or {}).get("MergedDir", "")
            places = (layer.removesuffix("/merged"), container["NetworkSettings"]["SandboxKey"])
            found |= {Path(place).name for place in places if place}
        return frozenset(found)
    finally:
        client.close()


def _of_theirs(name: str) -> list[str]:
    """Returns the lines of a table of System V objects whose owner or maker is one of theirs."""
    heading, *lines = Path(f"/proc/sysvipc/{name}").read_text().splitlines()
    columns = [heading.split().index(column) for column in ("uid", "cuid")]
    return [line for line in lines if any(int(line.split()[at]) in _USERS for at in columns)]


def files_of_theirs(folder: str) -> list[Path]:
    """Returns what a container's user owns in a folder of this machine."""
    found = []
    for each in Path(folder).iterdir() if Path(folder).is_dir() else ():
        # Others come and go there.
        with contextlib.suppress(FileNotFoundError):
            if each.lstat().st_uid in _USERS:
                found.append(each)
    return found
