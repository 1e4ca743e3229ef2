"""Attacks with processes: too many, ones that stay, and ones that belong to others."""

from dataclasses import replace

import pytest

from sandbox.docker_runner import DockerRunner
from sandbox.model import Limits, Stopped, Verdict
from server.settings import SandboxSettings
from tests.support.attacks import SMALL, attack, run

pytestmark = pytest.mark.docker

_QUICK = replace(SMALL, cpu_s=0.3)
_BOMB = "#include <unistd.h>\nint main(void) { for (;;) fork(); }"

_SURVIVORS = """
import socket
# What started this may not be gone yet; what stays is another's.
for _ in range(200):
    mine = [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) not in (1, os.getpid())]
    if not mine:
        break
    time.sleep(0.01)
listens = socket.socket(socket.AF_UNIX)
found = {"processes": mine, "files": os.listdir("/scratch"), "name": attempt(listens.bind, "\\0left")}
say(found)
"""


async def test_a_fork_bomb_ends_at_its_limit_of_processes(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
held = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(60)
        held += 1
except OSError as error:
    say([held, errno.errorcode[error.errno]])
""",
    )
    held, why = outcome.said()
    assert why == "EAGAIN"
    assert 0 < held < SMALL.processes


async def test_as_many_processes_as_can_be_asked_for_are_given(runner: DockerRunner) -> None:
    most = SandboxSettings.model_fields["max_processes"].default
    outcome = await attack(
        runner,
        """
children = 0
try:
    while os.fork():
        children += 1
    time.sleep(60)
except OSError as error:
    say([children, errno.errorcode[error.errno]])
""",
        b"",
        b"",
        limits=replace(SMALL, processes=most, cpu_s=10.0, memory_bytes=512 << 20),
    )
    # With the first one.
    assert [outcome.said(0), outcome.said(1)] == [[most - 1, "EAGAIN"]] * 2


async def test_a_fork_bomb_that_goes_on_ends_at_its_time(runner: DockerRunner) -> None:
    outcome = await run(runner, "c", _BOMB, b"", b"", limits=_QUICK)
    # The second shows that the runner is there, and that nothing of the first is.
    for case in outcome.cases:
        assert case.verdict is Verdict.TIME_LIMIT, case
        assert case.facts.stopped is Stopped.CPU


async def test_orphans_made_without_end_count_and_end_at_the_time(runner: DockerRunner) -> None:
    outcome = await run(
        runner,
        "c",
        """
#include <unistd.h>
int main(void) {
  for (;;) if (vfork() == 0) _exit(0); else if (fork() == 0) { fork(); _exit(0); }
}
""",
        limits=_QUICK,
    )
    # The kernel frees what they were a while after they are gone, and counts it until then.
    assert outcome.verdict in (Verdict.TIME_LIMIT, Verdict.MEMORY_LIMIT), outcome


async def test_a_thread_bomb_ends_at_its_limit(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
import threading
held = 0
try:
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        held += 1
except RuntimeError:
    say(held)
    os._exit(0)
""",
    )
    assert 0 < outcome.said() < SMALL.processes


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)", "time.sleep(60)"])
async def test_what_detaches_itself_does_not_meet_the_next_case(
    runner: DockerRunner, end: str
) -> None:
    """Forked twice, in a session of its own, deaf to signals, with a name and open files."""
    source = """
if sys.stdin.read():
    import socket
    if os.fork() == 0:
        os.setsid()
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        if os.fork() == 0:
            listens = socket.socket(socket.AF_UNIX)
            listens.bind("\\0left")
            ctypes.CDLL(None).prctl(36, 1)
            while True:
                with open("/scratch/alive", "a") as file:
                    file.write("x")
                time.sleep(0.01)
        os._exit(0)
    while not os.path.exists("/scratch/alive"):
        time.sleep(0.01)
    END
"""
    outcome = await attack(
        runner,
        source.replace("END", end) + _SURVIVORS,
        b"leave",
        b"",
        limits=_with_wall(4.0),
    )
    assert outcome.said(1) == {"processes": [], "files": [], "name": "done"}


async def test_nobody_else_can_be_signalled_or_looked_into(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
found = {}
for pid in filter(str.isdigit, os.listdir("/proc")):
    if int(pid) != os.getpid():
        found[pid] = [attempt(os.kill, int(pid), number) for number in (9, 15, 19, 17, 2, 10)]
        for name in ("environ", "mem", "maps", "auxv", "stack", "syscall", "io", "pagemap"):
            found[pid].append(attempt(lambda: open(f"/proc/{pid}/{name}", "rb").read(1)))
        for name in ("fd", "ns", "map_files", "cwd", "root", "exe"):
            found[pid].append(attempt(os.listdir, f"/proc/{pid}/{name}"))
say(found)
""",
    )
    found = outcome.said()
    assert set(found.pop("1")) <= {"EPERM", "EACCES"}
    # At most what started it, which is root's and about to be gone.
    assert len(found) <= 1
    ended = {"EPERM", "EACCES", "ESRCH", "ENOENT"}
    assert {how for each in found.values() for how in each} <= ended


async def test_signals_to_all_reach_nobody_else(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
if sys.stdin.read():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say([attempt(os.kill, -1, number) for number in (15, 19, 9)])
say("alive")
""",
        b"all",
        b"",
    )
    # `kill(-1)` spares its caller on Linux, and there is nobody else to signal.
    assert outcome.cases[0].verdict is Verdict.ACCEPTED
    assert set(outcome.said(1)) == set("alive")


async def test_stopping_everything_ends_at_the_clock(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
children = [os.fork() for _ in range(3)]
if 0 in children:
    time.sleep(60)
for target in (-1, *children, os.getpid()):
    os.kill(target, signal.SIGSTOP)
""",
        b"",
        b"",
        limits=_with_wall(1.0),
    )
    for case in outcome.cases:
        assert case.verdict is Verdict.TIME_LIMIT
        assert case.facts.stopped is Stopped.WALL


async def test_priorities_and_limits_cannot_be_raised(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
import resource
found = {"nice": attempt(os.setpriority, os.PRIO_PROCESS, 0, -5)}
for policy in (os.SCHED_FIFO, os.SCHED_RR):
    found[f"policy {policy}"] = attempt(os.sched_setscheduler, 0, policy, os.sched_param(1))
for name in ("NPROC", "CPU", "NOFILE", "CORE", "MEMLOCK", "MSGQUEUE"):
    number = getattr(resource, "RLIMIT_" + name, 12)
    _, hard = resource.getrlimit(number)
    try:
        resource.setrlimit(number, (hard + 1, hard + 1))
        found[name] = "done"
    except (ValueError, OSError):
        found[name] = "refused"
    for pid in (1, os.getppid()):
        found[f"{name} of {pid}"] = attempt(resource.prlimit, pid, number, (0, 0))
found["runner's nice"] = attempt(os.setpriority, os.PRIO_PROCESS, 1, 19)
found["lock"] = ctypes.CDLL(None, use_errno=True).mlockall(3)
say(found)
""",
    )
    found = outcome.said()
    assert found.pop("lock") == -1
    assert set(found.values()) <= {"EPERM", "EACCES", "refused"}, found


def _with_wall(wall_s: float) -> Limits:
    return replace(SMALL, wall_s=wall_s)
