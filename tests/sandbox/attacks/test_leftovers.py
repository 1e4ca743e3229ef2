"""Attacks with what outlives a killed program, and with memory that nobody is asked about."""

from dataclasses import replace

import pytest

from sandbox.docker_runner import DockerRunner
from sandbox.model import MIB, Verdict
from tests.support.attacks import SMALL, attack, run

pytestmark = pytest.mark.docker

_C = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static char piece[4096];
static int asked(void) { char text[16] = {0}; read(0, text, 15); return atoi(text); }
"""
# Fills its output, then every place where something stays when its writer is killed, by
# children that take ever less memory themselves, so that the last page goes to files.
_FILL = (
    _C
    + r"""
%(functions)s
static void fill(const char *path) {
  int file = open(path, O_RDWR | O_CREAT | O_APPEND, 0600);
  while (file >= 0 && write(file, piece, sizeof piece) > 0);
}
int main(void) {
  int number = asked();
  %(uses)s
  if (number == 1) return puts("ok") < 0;
  signal(SIGXFSZ, SIG_IGN);
  for (int at = 0; at + 4096 < %(output)d; at += 4096) write(1, piece, sizeof piece);
  for (int left = 30; left > 0; left--) {
    int child = fork();
    if (child == 0) {
      memset(malloc(left << 15), 1, left << 15);
      fill("/proc/self/fd/0"); fill("/scratch/file"); fill("/dev/shm/file");
      _exit(0);
    }
    waitpid(child, 0, 0);
  }
}
"""
)
_UNWAITED = (
    _C
    + r"""
int main(void) {
  long bytes = (long)asked() << 20, sum = 0; int ends[2];
  signal(SIGCHLD, SIG_IGN);
  if (pipe(ends)) return 8;
  int child = fork();
  if (child == 0) {
    char *taken = malloc(bytes);
    memset(taken, 1, bytes);
    usleep(200000);
    for (long at = 0; at < bytes; at += 4096) sum += taken[at];
    write(ends[1], &sum, sizeof sum);
    _exit(0);
  }
  close(ends[1]);
  if (read(ends[0], &sum, sizeof sum) != sizeof sum) return 9;
  while (kill(child, 0) == 0) usleep(1000);
  printf("%ld\n", sum / 256);
}
"""
)
_PACKETS = (
    _C
    + r"""
int main(void) {
  int number = asked();
  fcntl(1, F_SETFL, O_DIRECT);
  for (int each = 0; each < number; each++) write(1, "ab", 2);
}
"""
)


def _filling(output: int, functions: int = 0) -> str:
    """Returns a program that fills all there is; each function takes 32 MiB of its file."""
    made = "".join(
        f'__attribute__((noinline,section(".text.x{number}"),aligned(32<<20)))'
        f"int g{number}(int x) {{ return x * {number + 3} + 1; }}\n"
        for number in range(functions)
    )
    uses = "".join(f"if (number == 77) number = g{number}(number);" for number in range(functions))
    return _FILL % {"functions": made, "uses": uses, "output": output}


@pytest.mark.parametrize("memory_mib", [1, 8, 16, 32, 64, 128])
async def test_files_that_outlive_their_writers_leave_the_runner_its_memory(
    runner: DockerRunner, memory_mib: int
) -> None:
    limits = replace(SMALL, memory_bytes=memory_mib * MIB, output_bytes=4 * MIB)
    outcome = await run(runner, "c", _filling(4 * MIB), *[b"1", b"2"] * 3, limits=limits)
    small, full = outcome.cases[::2], outcome.cases[1::2]
    for case in full:
        assert case.verdict is not Verdict.SANDBOX_ERROR, case
        assert len(case.facts.stdout) > 3 * MIB
    if memory_mib <= 32:
        assert [case.verdict for case in full] == [Verdict.MEMORY_LIMIT] * 3
    if memory_mib > 1:
        assert [case.facts.stdout for case in small] == [b"ok\n"] * 3


async def test_so_does_a_program_that_is_itself_a_large_file(runner: DockerRunner) -> None:
    limits = replace(SMALL, memory_bytes=256 * MIB, output_bytes=MIB)
    outcome = await run(runner, "c", _filling(MIB, 5), b"1", b"2", b"1", b"2", limits=limits)
    assert [case.facts.stdout for case in outcome.cases[::2]] == [b"ok\n"] * 2, outcome
    for case in outcome.cases[1::2]:
        assert case.verdict is not Verdict.SANDBOX_ERROR, case


async def test_one_that_takes_more_than_a_case_may_have_is_not_run(runner: DockerRunner) -> None:
    limits = replace(SMALL, memory_bytes=64 * MIB)
    outcome = await run(runner, "c", _filling(1, 3), b"1", limits=limits)
    assert outcome.compiled.verdict is Verdict.MEMORY_LIMIT
    assert "alone takes more memory" in outcome.compiled.message
    assert outcome.cases == ()


async def test_input_is_no_memory_to_write_to(runner: DockerRunner) -> None:
    outcome = await attack(
        runner,
        """
import fcntl
def grown(how):
    file = os.open("/proc/self/fd/0", how)
    os.write(file, bytes(4096))
say({
    "written": attempt(grown, os.O_RDWR),
    "appended": attempt(grown, os.O_WRONLY | os.O_APPEND),
    "cut": attempt(os.truncate, "/proc/self/fd/0", 0),
    "moded": attempt(os.fchmod, 0, 0o777),
    "unsealed": fcntl.fcntl(0, fcntl.F_GET_SEALS) & 15,
    "read": open("/dev/stdin").read(),
})
""",
        b"given",
    )
    said = outcome.said()
    assert (said.pop("read"), said.pop("unsealed")) == ("given", 15)
    assert set(said.values()) <= {"EACCES", "EPERM"}


@pytest.mark.parametrize(("memory_mib", "output_mib"), [(256, 1), (64, 16)])
async def test_a_child_that_nobody_waits_for_has_its_memory_counted(
    runner: DockerRunner, memory_mib: int, output_mib: int
) -> None:
    """The kernel keeps its peak for nobody."""
    limits = replace(SMALL, memory_bytes=memory_mib * MIB, output_bytes=output_mib * MIB)
    within, beyond = memory_mib - 8, memory_mib + 6
    outcome = await run(
        runner, "c", _UNWAITED, *(b"%d" % mib for mib in (within, beyond, within)), limits=limits
    )
    first, more, last = outcome.cases
    for case in (first, last):
        assert (case.verdict, case.facts.stdout) == (Verdict.ACCEPTED, b"%d\n" % within), case
        assert (within - 8) * MIB < case.facts.peak_memory_bytes
    assert more.verdict is Verdict.MEMORY_LIMIT, more
    assert memory_mib * MIB < more.facts.together_bytes <= more.facts.peak_memory_bytes
    assert more.facts.largest_process_bytes < 8 * MIB


async def test_output_in_packets_takes_the_runner_no_memory(runner: DockerRunner) -> None:
    """It ends by the clock at the latest: a packet takes longer than a piece of a stream."""
    limits = replace(SMALL, memory_bytes=8 * MIB, wall_s=5.0)
    outcome = await run(runner, "c", _PACKETS, b"300", b"1000000", b"300", limits=limits)
    first, flood, last = outcome.cases
    for case in (first, last):
        assert (case.verdict, case.facts.stdout) == (Verdict.ACCEPTED, b"ab" * 300)
    assert flood.verdict in (Verdict.TIME_LIMIT, Verdict.OUTPUT_LIMIT)
    assert flood.facts.stdout.startswith(b"abab")


async def test_no_case_reads_what_the_container_counted(runner: DockerRunner) -> None:
    """By its counters one case could tell the next what it was given."""
    outcome = await attack(
        runner,
        """
seen, tried = [], 0
for path, names, plain in os.walk("/sys/fs/cgroup"):
    for name in plain:
        tried += 1
        if attempt(lambda: open(os.path.join(path, name), "rb").read(1)) == "done":
            seen.append(os.path.join(path, name))
say({"seen": seen, "tried": tried, "cores": os.cpu_count()})
""",
    )
    said = outcome.said()
    # Their limit, which is the same for all.
    assert {name.rpartition("/")[2] for name in said["seen"]} <= {
        "memory.limit_in_bytes",
        "memory.max",
    }
    assert said["tried"] > 10
    assert said["cores"] >= 1
