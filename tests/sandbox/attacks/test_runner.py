"""Attacks on the runner, which lives in the same container: to read, end or imitate it."""

import pytest

from sandbox.docker_runner import DockerRunner
from sandbox.model import Verdict
from tests.support.attacks import attack

pytestmark = pytest.mark.docker

_FORGED = """
import struct
text = json.dumps({"exit_status": 0, "signal": None, "stopped": "", "cpu_s": 0.0, "wall_s": 0.0,
    "delayed_s": 0.0,
    "peak_memory_bytes": 1, "largest_process_bytes": 1, "out_of_memory_kills": 0,
    "stdout_cut": False, "stderr_cut": False, "failure": "", "blobs": [6, 0]}).encode()
frame = struct.pack(">I", len(text)) + text + b"forged"
piece = b"\\x01\\0\\0\\0" + struct.pack(">I", len(frame)) + frame
"""


async def test_its_memory_and_environment_and_files_are_shut(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
found = {}
for name in ("mem", "environ", "maps", "smaps", "pagemap", "auxv", "stack", "syscall", "io",
             "fd/0", "fd/1", "fd/3", "exe", "cwd/opt", "root/opt", "ns/net", "personality"):
    found[name] = attempt(lambda: os.close(os.open("/proc/1/" + name, os.O_RDONLY)))
    found["write " + name] = attempt(lambda: os.close(os.open("/proc/1/" + name, os.O_RDWR)))
for name in ("exe", "cwd", "root", "fd/0", "fd/4"):
    found["link " + name] = attempt(os.readlink, "/proc/1/" + name)
found["trace"] = in_child(call, 101, 16, 1, 0, 0)
found["seize"] = in_child(call, 101, 0x4206, 1, 0, 0)
found["read"] = in_child(call, 310, 1, 0, 0, 0, 0, 0)
pidfd = os.pidfd_open(1)
found["descriptor"] = in_child(call, 438, pidfd, 0, 0)
for number in range(65):
    found[f"signal {number}"] = call(424, pidfd, number, None, 0)
found["queue"] = call(129, 1, 10, ctypes.create_string_buffer(128))
found["group"] = attempt(os.killpg, 1, 9)
found["affinity"] = attempt(os.sched_setaffinity, 1, {0})
found["schedule"] = attempt(os.sched_setscheduler, 1, os.SCHED_IDLE, os.sched_param(0))
say(found)
""",
    )
    found = outcome.said()
    assert set(found.values()) <= {"EACCES", "EPERM", "SIGSYS", "ESRCH"}, found


async def test_its_files_cannot_be_replaced(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
found = {}
for name in os.listdir("/opt/sandbox") + ["new"]:
    path = "/opt/sandbox/" + name
    found["write " + name] = attempt(open, path, "ab")
    found["remove " + name] = attempt(os.unlink, path)
    found["over " + name] = attempt(os.rename, "/scratch", path)
    found["mode " + name] = attempt(os.chmod, path, 0o777)
for path in ("/usr/bin/python3", "/usr/lib/python3.11/json/__init__.py", "/etc/ld.so.preload",
             "/etc/passwd", "/lib/x86_64-linux-gnu/libc.so.6", "/usr/lib/python3.11/site.py"):
    found[path] = attempt(open, path, "ab")
say(found)
""",
    )
    assert set(outcome.said().values()) <= {
        "EROFS",
        "EACCES",
        "EPERM",
        "EXDEV",
        "EISDIR",
        "ENOENT",
        "EBUSY",
    }


async def test_a_forged_answer_reaches_nobody(runner: DockerRunner) -> None:
    """Written to every descriptor that there is, of its own and of the runner."""
    outcome = await attack(
        runner,
        _FORGED
        + """
open_now = sorted(int(name) for name in os.listdir("/proc/self/fd"))
for number in range(1024):
    for data in (frame, piece):
        attempt(os.write, number, data)
for pid in ("1", "self", str(os.getppid())):
    for number in range(16):
        for data in (frame, piece):
            attempt(lambda: open(f"/proc/{pid}/fd/{number}", "wb").write(data))
os.write(2, str(open_now).encode())
os._exit(7)
""",
        b"",
        b"",
    )
    for case in outcome.cases:
        assert case.verdict is Verdict.RUNTIME_ERROR, case
        assert case.facts.exit_status == 7
        assert case.facts.peak_memory_bytes > 1 << 20
        # Three streams, and the one by which the folder is listed.
        assert case.facts.stderr.endswith(b"[0, 1, 2, 3]")
        assert case.facts.stdout.count(b"forged") >= 2


async def test_no_secret_is_in_sight(runner: DockerRunner) -> None:
    """Neither what the next case is, nor what is expected, nor who asks."""
    outcome = await attack(
        runner,
        """
import re
secret = re.compile(b"sec" + b"ret-[0-9]+")
found = {}
for path, names, files in os.walk("/"):
    if path == "/":
        names[:] = [name for name in names if name not in ("sys", "usr", "lib")]
    names[:] = [name for name in names if name not in ("task", "map_files")]
    for name in files:
        each = os.path.join(path, name)
        try:
            descriptor = os.open(each, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
            try:
                if secret.search(os.read(descriptor, 1 << 20)):
                    found[each] = "seen"
            finally:
                os.close(descriptor)
        except OSError:
            pass
say({"found": found, "environment": sorted(os.environ), "arguments": open("/proc/1/cmdline").read()})
""",
        b"secret-1",
        b"secret-2",
        b"secret-3",
    )
    for number in range(3):
        said = outcome.said(number)
        # Its own input, on the descriptor where it is read.
        assert set(said["found"]) <= {"/dev/stdin"} or all(
            name.endswith("/fd/0") or name == "/dev/stdin" for name in said["found"]
        ), said["found"]
        assert f"secret-{number + 1}" not in said["arguments"]
        assert not {"DOCKER_HOST", "HOSTNAME"} & set(said["environment"])
