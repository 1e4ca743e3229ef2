"""Attacks with files: where they can be written, how many, and what they point to."""

import asyncio
from dataclasses import replace

import docker
import pytest

from sandbox.docker_runner import DockerRunner
from sandbox.engine import OWNER, owner
from sandbox.model import Verdict
from tests.support.attacks import SMALL, attack

pytestmark = pytest.mark.docker

_ROOMY = replace(SMALL, memory_bytes=128 << 20, cpu_s=10.0, wall_s=60.0)


async def test_only_its_own_folders_can_be_written(runner: DockerRunner) -> None:
    """The attack finds by itself every folder and every file that lets it write."""
    outcome = await attack(
        runner,
        """
folders, files, devices = [], [], []
for path, names, plain in os.walk("/"):
    if path == "/proc":
        names[:] = [name for name in names if not name.isdigit() or name in ("1", str(os.getpid()))]
    if path.startswith(f"/proc/{os.getpid()}/task/"):
        names[:] = []
    try:
        os.close(os.open(path + "/made", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.unlink(path + "/made")
        folders.append(path)
    except OSError:
        pass
    for name in plain:
        each = os.path.join(path, name)
        try:
            if not os.path.islink(each):
                os.close(os.open(each, os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY))
                seen = os.lstat(each)
                if seen.st_mode & 0o170000 == 0o020000:
                    devices.append([os.major(seen.st_rdev), os.minor(seen.st_rdev)])
                else:
                    files.append(each.replace(str(os.getpid()), "PID"))
        except OSError:
            pass
say({"folders": folders, "files": files, "devices": devices,
     "mqueue": attempt(open, "/dev/mqueue/x", "w")})
""",
        limits=_ROOMY,
    )
    said = outcome.said()
    assert sorted(said["folders"]) == ["/dev/shm", "/scratch"]  # noqa: S108
    assert said["mqueue"] == "EROFS"
    # Of its own process, which ends with it; writing most of them is refused as well.
    assert [name for name in said["files"] if not name.startswith("/proc/PID/")] == []
    # What swallows all that is written: null, zero and full.
    assert {tuple(each) for each in said["devices"]} <= {(1, 3), (1, 5), (1, 7)}


async def test_a_program_makes_no_terminal(runner: DockerRunner) -> None:
    """A host has only so many for everybody."""
    outcome = await attack(
        runner,
        """
say([attempt(os.open, name, how) for name in ("/dev/ptmx", "/dev/pts/ptmx", "/dev/tty")
     for how in (os.O_RDWR, os.O_RDONLY, os.O_WRONLY)] + [attempt(os.openpty)])
""",
    )
    assert set(outcome.said()) <= {"EACCES", "ENXIO"}


@pytest.mark.parametrize(("folder", "most"), [("/scratch", 16384), ("/dev/shm", 1024)])  # noqa: S108
async def test_its_folders_and_the_count_of_files_are_bounded(
    runner: DockerRunner, folder: str, most: int
) -> None:
    source = """
written = 0
try:
    with open("/scratch/one", "wb", buffering=0) as one, open("/scratch/two", "wb", buffering=0) as two:
        while written < 300 << 20:
            written += one.write(bytes(1 << 20)) + two.write(bytes(1 << 20))
except OSError as error:
    why = errno.errorcode[error.errno]
os.unlink("/scratch/one")
os.unlink("/scratch/two")
number = 0
try:
    while number < 1000000:
        os.close(os.open(f"/scratch/{number}", os.O_CREAT | os.O_WRONLY))
        number += 1
except OSError as error:
    say([written, why, number, errno.errorcode[error.errno], len(os.listdir("/scratch"))])
"""
    outcome = await attack(runner, source.replace("/scratch", folder), b"", b"", limits=_ROOMY)
    for number in range(2):
        written, why, files, then, there = outcome.said(number)
        assert written == 64 << 20
        assert files == there < most
        assert why == then == "ENOSPC"


async def test_no_file_gets_longer_than_its_folder(runner: DockerRunner) -> None:
    """Those that are in no folder are bounded by this alone."""
    outcome = await attack(
        runner,
        """
import resource
def longer(file):
    try:
        os.ftruncate(file, (64 << 20) + 1)
    except OSError as error:
        return errno.errorcode[error.errno]
    finally:
        os.ftruncate(file, 64 << 20)
        os.close(file)
say([longer(os.memfd_create("one")), longer(os.open("/scratch/two", os.O_CREAT | os.O_RDWR)),
     resource.getrlimit(resource.RLIMIT_FSIZE)])
""",
        limits=_ROOMY,
    )
    assert outcome.said() == ["EFBIG", "EFBIG", [64 << 20, 64 << 20]]


async def test_nothing_is_left_to_the_next_case_whatever_its_mode_and_name(
    runner: DockerRunner,
) -> None:
    outcome = await attack(
        runner,
        """
import socket
found = [os.fsencode(name).hex() for name in os.listdir("/scratch")]
os.chdir("/scratch")
for name in (b"two\\nlines", b"\\xff\\xfe", b" ", b"-rf", b"*", b"\\x1b[2J", b"x" * 255, b"..."):
    open(name, "w").close()
    os.chmod(name, 0)
os.makedirs("a/b/c")
for folder in ("a/b/c", "a/b", "a"):
    open(folder + "/file", "w").close()
    os.chmod(folder + "/file", 0)
    os.chmod(folder, 0)
os.mkdir("sticky")
os.chmod("sticky", 0o1000)
for target in ("/", "/scratch", "/opt/sandbox", "/proc/1/root", "nowhere", "loop", "/build"):
    os.symlink(target, "to" + target.replace("/", "_"))
os.symlink("loop", "loop")
listens = socket.socket(socket.AF_UNIX)
listens.bind("socket")
held = open("held", "w")
os.link("held", "linked")
made = {
    "fifo": attempt(os.mkfifo, "fifo"),
    "device": attempt(os.mknod, "device", 0o600 | 0o020000, os.makedev(1, 3)),
    "disk": attempt(os.mknod, "disk", 0o600 | 0o060000, os.makedev(8, 0)),
    "attribute": attempt(os.setxattr, "held", "user.x", b"x"),
    "owner": attempt(os.chown, "held", 0, 0),
    "setuid": attempt(os.chmod, "held", 0o6777),
    "linked out": attempt(os.link, "/build/main.py", "main.py"),
    "linked runner": attempt(os.link, "/opt/sandbox/runner.py", "runner.py"),
    "away": attempt(os.rename, "/scratch", "/elsewhere"),
    "gone": attempt(os.rmdir, "/scratch"),
    "moded": attempt(os.chmod, "/scratch", 0o777),
}
# Append-only and immutable.
import fcntl, struct
made["immutable"] = attempt(fcntl.ioctl, held, 0x40086602, struct.pack("l", 0x10 | 0x20))
say([found, made])
""",
        b"",
        b"",
        b"",
    )
    for number in range(3):
        found, made = outcome.said(number)
        assert found == []
        assert made.pop("setuid") == "done"
        # Refused by the list of calls, by the owner, or by the place.
        assert set(made.values()) <= {"EPERM", "EACCES", "EXDEV", "EBUSY", "EROFS"}, made


async def test_nothing_that_was_shared_is_left_and_nothing_of_it_can_be_executed(
    runner: DockerRunner,
) -> None:
    outcome = await attack(
        runner,
        """
import mmap, shutil
found = os.listdir("/dev/shm")
os.chdir("/dev/shm")
shutil.copy("/usr/bin/id", "id")
os.chmod("id", 0o6755)
with open("id", "rb") as file:
    try:
        mapped = str(mmap.mmap(file.fileno(), 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC))
    except OSError as error:
        mapped = errno.errorcode[error.errno]
executed = in_child(attempt, os.execv, "/dev/shm/id", ["id"])
os.makedirs("a/b/c")
open("a/b/c/file", "w").close()
for folder in ("a/b/c", "a/b", "a"):
    os.chmod(folder, 0)
os.symlink("/scratch", "link")
held = os.open("held", os.O_CREAT | os.O_RDWR)
os.ftruncate(held, 1 << 20)
say([found, mapped, executed, attempt(os.chmod, "/dev/shm", 0), attempt(os.rmdir, "/dev/shm"),
     attempt(os.mknod, "device", 0o600 | 0o020000, os.makedev(1, 3))])
""",
        b"",
        b"",
    )
    for number in range(2):
        found, mapped, executed, *others = outcome.said(number)
        assert found == []
        assert (mapped, executed) == ("EPERM", "EACCES")
        assert set(others) <= {"EPERM", "EACCES", "EBUSY"}, others


async def test_deep_folders_are_removed(runner: DockerRunner) -> None:
    """So deep that no path reaches the bottom, and no recursion or table of files does."""
    outcome = await attack(
        runner,
        """
found = os.listdir("/scratch")
os.chdir("/scratch")
depth = 0
try:
    while depth < 1500:
        os.mkdir("d" * 200)
        os.chdir("d" * 200)
        open("f", "w").close()
        os.chmod("f", 0)
        depth += 1
        if depth % 2 == 0:
            os.chmod("..", 0)
except OSError as error:
    pass
say([found, depth])
""",
        b"",
        b"",
        limits=_ROOMY,
    )
    for number in range(2):
        found, depth = outcome.said(number)
        assert found == []
        assert depth == 1500


async def test_setuid_gives_nothing(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
import shutil
found = []
for path, names, plain in os.walk("/"):
    if path == "/":
        names[:] = [name for name in names if name not in ("proc", "sys")]
    for name in plain:
        try:
            if os.lstat(os.path.join(path, name)).st_mode & 0o6000:
                found.append(os.path.join(path, name))
        except OSError:
            pass
shutil.copy("/usr/bin/id", "/scratch/id")
os.chmod("/scratch/id", 0o6755)
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines())
become = {name: attempt(getattr(os, name), 0) for name in ("setuid", "setgid", "seteuid")}
say({"found": found, "user": os.getresuid(), "group": os.getresgid(), "groups": os.getgroups(),
     "become": become, "status": status})
""",
    )
    said = outcome.said()
    assert said["found"] == []
    assert set(said["become"].values()) == {"EPERM"}
    assert said["groups"] == []
    assert min(said["user"]) == max(said["user"]) >= 200_000
    assert said["user"] == said["group"]
    sets = {said["status"][name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}
    assert sets == {"0" * 16}
    assert (said["status"]["NoNewPrivs"], said["status"]["Seccomp"]) == ("1", "2")


async def test_nothing_reaches_the_layer_on_the_host(runner: DockerRunner) -> None:
    """A container's own layer stays empty, whatever is written while it lives."""
    attacking = asyncio.create_task(
        attack(
            runner,
            """
for folder in ("/", "/etc", "/usr", "/var", "/run", "/opt", "/home", "/root", "/build", "/dev"):
    attempt(lambda: open(folder + "/left", "wb").write(bytes(1 << 20)))
open("/scratch/left", "wb").write(bytes(1 << 20))
time.sleep(60)
""",
            limits=replace(SMALL, wall_s=3.0),
        )
    )
    client = docker.from_env()
    try:
        sizes = []
        while not attacking.done():
            found = await asyncio.to_thread(
                client.api.containers, size=True, filters={"label": f"{OWNER}={owner()}"}
            )
            sizes += [each.get("SizeRw", 0) for each in found]
            await asyncio.sleep(0.2)
    finally:
        client.close()
    assert (await attacking).verdict is Verdict.TIME_LIMIT
    assert sizes
    assert set(sizes) == {0}
