"""Attacks with memory, in every place where a program could have it."""

import asyncio
from dataclasses import replace

import pytest

from sandbox.docker_runner import DockerRunner
from sandbox.engine import OWNER, owner
from sandbox.model import MIB, Verdict
from tests.support.attacks import SMALL, attack, run
from tests.support.sandboxes import inside

pytestmark = pytest.mark.docker

_HEADERS = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
"""
_MIB = "(1 << 20)"
# Each would take all there is; none may get more than a few hundred MiB if a wall falls.
_MOST = "for (int number = 0; number < 300; number++)"
_BOMBS = {
    "malloc": f"{_MOST} memset(malloc({_MIB}), 1, {_MIB});",
    "mmap": f"""{_MOST} {{
        char *at = mmap(0, {_MIB}, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (int page = 0; page < {_MIB}; page += 4096) at[page] = 1;
    }}""",
    "shared": f"""{_MOST} {{
        char *at = mmap(0, {_MIB}, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        memset(at, 1, {_MIB});
    }}""",
    "memfd": f"""char *piece = malloc({_MIB}); int file = 0;
        {_MOST} {{
            if (number % 50 == 0) file = memfd_create("x", 0);
            write(file, piece, {_MIB});
        }}""",
    "children": f"""for (int number = 0; number < 8; number++) if (fork() == 0) {{
        memset(malloc(40 * {_MIB}), 1, 40 * {_MIB}); pause(); }}
        int status; while (wait(&status) > 0) if (status) return 1;""",
    "stack": """volatile char piece[200 << 20];
        for (long at = sizeof piece; at > 0; at -= 4096) piece[at - 1] = 1;""",
    "shared files and more": f"""char *piece = malloc({_MIB});
        int file = open("/dev/shm/x", O_CREAT | O_WRONLY, 0600);
        for (int number = 0; number < 63; number++) write(file, piece, {_MIB});
        {_MOST} memset(malloc({_MIB}), 1, {_MIB});""",
    "files and more": f"""char *piece = malloc({_MIB}); int file = open("x", O_CREAT | O_WRONLY, 0600);
        for (int number = 0; number < 63; number++) write(file, piece, {_MIB});
        {_MOST} memset(malloc({_MIB}), 1, {_MIB});""",
}
# As the last to go when memory runs out, if it may.
_UNMARKED = """
static void unmark(void) {
  for (int score = -1000; score < 1000; score += 100) {
    char text[8]; int length = sprintf(text, "%d", score);
    int file = open("/proc/self/oom_score_adj", O_WRONLY);
    int wrote = write(file, text, length); close(file);
    if (wrote > 0) return;
  }
}
"""


@pytest.mark.parametrize("name", _BOMBS)
@pytest.mark.parametrize("unmarked", [False, True])
async def test_a_bomb_ends_at_the_limit(runner: DockerRunner, name: str, unmarked: bool) -> None:
    source = f"""{_HEADERS} {_UNMARKED}
        int main(void) {{ if ({int(unmarked)}) unmark(); {_BOMBS[name]} puts("all of it"); }}"""
    # The second shows that it is the program that went, and not its runner.
    outcome = await run(runner, "c", source, b"", b"")
    for case in outcome.cases:
        assert case.verdict is Verdict.MEMORY_LIMIT, case
        assert case.facts.out_of_memory_kills
        assert not case.facts.stdout


@pytest.mark.parametrize("limit", [1, 8 * MIB, 32 * MIB])
async def test_the_runner_outlives_whatever_fills_a_small_limit(
    runner: DockerRunner, limit: int
) -> None:
    """What is in files stays when its writer is killed, and takes the runner's room."""
    outcome = await attack(
        runner,
        """
number = 0
while attempt(os.mkdir, f"/scratch/{number:0200}") == "done":
    number += 1
    if attempt(os.symlink, "x" * 4000, f"/scratch/{number:0200}/link") == "done" and number % 8:
        continue
    with open(f"/scratch/{number:0200}/file", "wb", buffering=0) as file:
        attempt(file.write, bytes(64 << 10))
""",
        b"",
        b"",
        limits=replace(SMALL, memory_bytes=limit, cpu_s=5.0),
    )
    for case in outcome.cases:
        assert case.verdict is not Verdict.SANDBOX_ERROR, case


@pytest.mark.parametrize(("each_mib", "verdict"), [(20, "accepted"), (36, "memory_limit")])
async def test_two_processes_share_one_limit(
    runner: DockerRunner, each_mib: int, verdict: str
) -> None:
    outcome = await attack(
        runner,
        f"""
child = os.fork()
taken = bytearray({each_mib} << 20)
time.sleep(0.5)
if child:
    say(os.waitpid(child, 0)[1])
""",
        b"",
        limits=replace(SMALL, memory_bytes=64 * MIB),
    )
    facts = outcome.only.facts
    assert outcome.only.verdict == verdict
    assert facts.stdout == b"0\n"
    assert 2 * each_mib * MIB < facts.peak_memory_bytes < 128 * MIB
    assert each_mib * MIB < facts.largest_process_bytes < 64 * MIB


async def test_there_is_no_swap(runner: DockerRunner) -> None:
    running = asyncio.create_task(
        attack(runner, 'say(in_child(call, 167, b"/scratch/swap", 0))\ntime.sleep(3)')
    )
    # Version 1 counts both together, version 2 swap alone. A kernel without swap tells of none.
    memory = {"memory/memory.limit_in_bytes", "memory.max"}
    names = (*memory, "memory/memory.memsw.limit_in_bytes", "memory.swap.max")
    limits: list[dict[str, int]] = []
    while not running.done():
        found = await asyncio.to_thread(inside, f"{OWNER}={owner()}", *names)
        limits += [
            each for each in found if any(each.get(name, 1 << 30) < 200 * MIB for name in memory)
        ]
    assert (await running).said() == "SIGSYS"
    assert limits
    for each in limits:
        (most,) = (each[name] for name in memory if name in each)
        assert each.get("memory/memory.memsw.limit_in_bytes", most) == most
        assert each.get("memory.swap.max", 0) == 0


async def test_memory_is_not_locked_and_the_mark_stays(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
libc = ctypes.CDLL(None, use_errno=True)
found = {}
for score in ("999", "0", "-1", "-1000"):
    found[score] = attempt(lambda: open("/proc/self/oom_score_adj", "w", buffering=1).write(score))
found["oom_adj"] = attempt(lambda: open("/proc/self/oom_adj", "w", buffering=1).write("-17"))
found["locked"] = libc.mlock(ctypes.create_string_buffer(4096), 4096)
found["all locked"] = libc.mlockall(1 | 2)
found["score"] = open("/proc/self/oom_score_adj").read().strip()
say(found)
""",
    )
    found = outcome.said()
    assert found.pop("score") == "1000"
    assert found.pop("locked") == found.pop("all locked") == -1
    assert set(found.values()) == {"EACCES"}


async def test_what_the_kernel_keeps_for_it_counts(runner: DockerRunner) -> None:
    """Pipes, sockets and timers have memory that is not the program's own."""
    outcome = await attack(
        runner,
        """
import socket
if os.fork():
    os.wait()
    os._exit(3)
made = {"pipes": 0, "sockets": 0, "timers": 0}
try:
    while made["pipes"] < 200:
        _, write = os.pipe()
        made["pipes"] += 1
        os.set_blocking(write, False)
        while True:
            try:
                os.write(write, bytes(65536))
            except BlockingIOError:
                break
except OSError:
    pass
try:
    while made["sockets"] < 200:
        one, _ = socket.socketpair()
        one.setblocking(False)
        made["sockets"] += 1
        try:
            while True:
                one.send(bytes(65536))
        except BlockingIOError:
            pass
except OSError:
    pass
timer = ctypes.c_int()
while made["timers"] < 20000 and call(222, 1, None, ctypes.byref(timer)) == 0:
    made["timers"] += 1
say(made)
time.sleep(0.1)
""",
        b"",
        b"",
    )
    for case in outcome.cases:
        # Either all of it fits, or the kernel counted it and the program went.
        assert case.verdict in (Verdict.RUNTIME_ERROR, Verdict.MEMORY_LIMIT), case
        assert case.facts.exit_status == 3 or case.facts.out_of_memory_kills
