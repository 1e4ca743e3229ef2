"""Attacks on the kernel: system calls that only an attack makes, and what lies behind them."""

import asyncio

import pytest

from sandbox.docker_runner import DockerRunner
from sandbox.engine import OWNER, owner
from sandbox.model import Verdict
from tests.support.attacks import attack, run
from tests.support.sandboxes import client, inside, until

pytestmark = pytest.mark.docker

_NUMBERS = """
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
static void attack(const char *name, long number, long a, long b, long c, long d) {
  int to[2]; pipe(to);
  pid_t child = fork();
  if (child == 0) {
    errno = 0;
    long got = syscall(number, a, b, c, d, 0L, 0L);
    int why = got < 0 ? errno : 0;
    write(to[1], &why, sizeof why);
    _exit(0);
  }
  close(to[1]);
  int why = -1, status;
  read(to[0], &why, sizeof why);
  close(to[0]);
  waitpid(child, &status, 0);
  printf("%s %s\\n", name, WIFSIGNALED(status) ? strsignal(WTERMSIG(status))
         : why ? strerrorname_np(why) : "done");
  fflush(stdout);
}
#define ATTACK(name, ...) attack(#name, SYS_##name, __VA_ARGS__)
"""
# With arguments that would do no harm if the wall fell.
_FATAL = """
    acct/0,0,0,0 add_key/(long)"user",(long)"x",(long)"y",1 bpf/0,0,0,0 delete_module/(long)"x",0,0,0
    finit_module/-1,(long)"",0,0 fsopen/(long)"tmpfs",0,0,0 fspick/-100,(long)"/scratch",0,0
    init_module/0,0,(long)"",0 ioperm/0,1,1,0 iopl/3,0,0,0 kcmp/1,getpid(),0,0
    kexec_load/0,0,0,0 keyctl/0,-3,0,0 mount/(long)"x",(long)"/scratch",(long)"tmpfs",0
    move_mount/-1,(long)"",-1,(long)"" open_by_handle_at/-100,0,0,0 open_tree/-100,(long)"/",1,0
    name_to_handle_at/-100,(long)"/",0,0 perf_event_open/0,0,-1,-1 pidfd_getfd/-1,0,0,0
    pivot_root/(long)".",(long)".",0,0 process_vm_readv/1,0,0,0 process_vm_writev/1,0,0,0
    process_madvise/-1,0,0,0 ptrace/16,1,0,0 quotactl/0,0,0,0 reboot/0,0,0,0
    request_key/(long)"user",(long)"x",0,-3 setns/-1,0,0,0 swapon/(long)"/scratch/x",0,0,0
    swapoff/(long)"/scratch/x",0,0,0 umount2/(long)"/scratch",0,0,0 unshare/0x10000000,0,0,0
    userfaultfd/0,0,0,0 vhangup/0,0,0,0
"""
_REFUSED = """
    mknod/(long)"/scratch/x",0020600,0x103,0 mknodat/-100,(long)"/scratch/x",0060600,0x800
    chroot/(long)"/scratch",0,0,0 sethostname/(long)"x",1,0,0 setdomainname/(long)"x",1,0,0
    settimeofday/0,0,0,0 clock_settime/0,0,0,0 adjtimex/0,0,0,0 clock_adjtime/0,0,0,0
    syslog/2,0,0,0 personality/0x0040000,0,0,0 modify_ldt/0,0,0,0 seccomp/0,0,0,0
    memfd_secret/0,0,0,0 mbind/0,0,0,0 set_mempolicy/0,0,0,0 migrate_pages/1,0,0,0
    fanotify_init/0,0,0,0 setxattr/(long)"/scratch",(long)"user.x",0,0 sync/0,0,0,0
    shmget/0,4096,01666,0 shmat/0,0,0,0 semget/0,1,01666,0 msgget/0,01666,0,0
    mq_open/(long)"x",0102,0666,0 mq_unlink/(long)"x",0,0,0 io_setup/1,0,0,0
    clone/0x10000011,0,0,0 clone/0x40000011,0,0,0 clone/0x00020011,0,0,0
    clone/0x04000011,0,0,0 clone/0x08000011,0,0,0 clone/0x20000011,0,0,0 clone/0x02000011,0,0,0
    process_mrelease/-1,0,0,0 sched_setattr/0,0,0,0 ioprio_set/1,0,0,0
"""
_UNKNOWN = """
    clone3/0,0,0,0 io_uring_setup/1,0,0,0 io_uring_enter/-1,0,0,0 io_uring_register/-1,0,0,0
"""


def _program(calls: str) -> str:
    lines = []
    for call in calls.replace(", ", ",").split():
        name, _, arguments = call.partition("/")
        lines.append(f"  ATTACK({name}, {arguments});")
    return f"#define _GNU_SOURCE\n{_NUMBERS}\nint main(void) {{\n" + "\n".join(lines) + "\n}\n"


@pytest.mark.parametrize(
    ("calls", "ends"),
    [(_FATAL, {"Bad system call"}), (_REFUSED, {"EPERM"}), (_UNKNOWN, {"ENOSYS"})],
    ids=["fatal", "refused", "unknown"],
)
async def test_a_call_that_only_an_attack_makes_does_nothing(
    runner: DockerRunner, calls: str, ends: set[str]
) -> None:
    outcome = await run(runner, "c", _program(calls))
    assert outcome.verdict is Verdict.ACCEPTED, outcome
    lines = outcome.only.facts.stdout.decode().splitlines()
    assert len(lines) == len(calls.split())
    assert [line for line in lines if line.split(" ", 1)[1] not in ends] == []


@pytest.mark.parametrize(
    "call",
    [
        "syscall(SYS_ptrace, 16, 1, 0, 0)",
        "syscall(SYS_unshare, 0x10000000)",
        'syscall(SYS_mount, "x", "/scratch", "tmpfs", 0, 0)',
        "syscall(SYS_bpf, 0, 0, 0)",
        "syscall(SYS_keyctl, 0, -3, 0)",
        "syscall(0x40000000 | SYS_getpid)",
        '__asm__ volatile("int $0x80" : : "a"(20) : "memory")',
    ],
    ids=["ptrace", "unshare", "mount", "bpf", "keyctl", "x32", "i386"],
)
async def test_it_is_told_as_an_attack(runner: DockerRunner, call: str) -> None:
    source = f"""
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {{ puts("before"); fflush(stdout); {call}; puts("after"); }}
"""
    outcome = await run(runner, "c", source, b"", b"")
    for case in outcome.cases:
        assert case.verdict is Verdict.SECURITY_VIOLATION, case
        assert case.facts.stdout == b"before\n"


async def test_settings_of_the_kernel_and_of_groups_cannot_be_written(
    runner: DockerRunner,
) -> None:
    outcome = await attack(
        runner,
        """
def write(name, what):
    with open(name, "w") as file:
        file.write(what)
found = {}
for name in ("kernel/core_pattern", "kernel/modprobe", "vm/drop_caches", "kernel/ns_last_pid",
             "kernel/hostname", "net/ipv4/ping_group_range", "fs/mqueue/queues_max"):
    found[name] = attempt(write, "/proc/sys/" + name, "1")
for name in ("/proc/sysrq-trigger", "/proc/self/loginuid", "/proc/self/uid_map", "/proc/1/comm",
             "/proc/self/setgroups", "/proc/self/oom_score_adj", "/proc/1/oom_score_adj",
             "/proc/self/coredump_filter", "/proc/self/timerslack_ns", "/proc/1/mem",
             "/proc/1/environ", "/proc/kcore", "/proc/self/attr/current", "/proc/mtrr"):
    found[name] = attempt(write, name, "1")
for path, names, files in os.walk("/sys/fs/cgroup"):
    for name in files:
        if name in ("release_agent", "notify_on_release", "cgroup.procs", "tasks", "cgroup.kill") \
                or name.startswith(("memory.", "pids.", "devices.", "cpu.", "cgroup.")):
            found[os.path.join(path, name)] = attempt(write, os.path.join(path, name), "1")
    found[path + "/new"] = attempt(os.mkdir, path + "/new")
for name in ("/sys/kernel/uevent_helper", "/sys/power/state", "/sys/kernel/debug", "/sys/fs/bpf"):
    found[name] = attempt(write, name, "1")
say([name for name, how in found.items()
     if how not in ("EROFS", "EACCES", "EPERM", "ENOENT", "EISDIR", "EINVAL")])
""",
    )
    # An empty value is refused by some of these before anything else: nothing is done.
    assert outcome.said() == []


async def test_each_container_has_the_same_share_of_the_cores(runner: DockerRunner) -> None:
    await attack(runner, "say('here')")
    mine = f"{OWNER}={owner()}"
    names = ("cpu/cpu.shares", "cpu,cpuacct/cpu.shares", "cpu.weight")
    with client() as daemon:
        await until(lambda: daemon.api.containers(filters={"label": mine}))
        # What 1024 comes to in groups of version 2 differs between releases of engines.
        told = [
            set(each.values()) for each in await asyncio.to_thread(inside, mine, *names) if each
        ]
        assert told
        assert all(each in ({1024}, {39}, {100}) for each in told)
        # Not because a daemon gives as much to those that ask for none.
        shares = [
            each.attrs["HostConfig"]["CpuShares"]
            for each in daemon.containers.list(filters={"label": mine}, ignore_removed=True)
        ]
    assert set(shares) == {1024}


async def test_there_is_no_device_and_no_dump(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
nodes = sorted(
    os.path.join(path, name)
    for path, _, files in os.walk("/dev") for name in files
    if not os.path.islink(os.path.join(path, name))
)
pid = os.fork()
if pid == 0:
    os.chdir("/scratch")
    os.abort()
_, status = os.waitpid(pid, 0)
say([nodes, os.WTERMSIG(status), os.WCOREDUMP(status), os.listdir("/scratch")])
""",
    )
    nodes, number, dumped, left = outcome.said()
    plain = {"null", "zero", "full", "random", "urandom", "tty", "pts/ptmx"}
    assert set(nodes) <= {f"/dev/{name}" for name in plain}
    assert (number, dumped, left) == (6, False, [])
