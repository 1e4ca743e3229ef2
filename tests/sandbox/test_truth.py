"""Time is CPU time of a program and of all that it starts, and says the same every time."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from sandbox.docker_runner import DockerRunner
from sandbox.model import Case, Limits, Stopped, Verdict
from tests.support.busy_cores import busy_cores
from tests.support.sandboxes import LIMITS, Executed, executed, job, running

pytestmark = pytest.mark.docker

LIMIT_S = 0.1
STRICT = replace(LIMITS, cpu_s=LIMIT_S, wall_s=120.0)
# Time that a machine's own host takes away is charged as well, and may come after a program has
# looked at its account for the last time: up to 5 ms were seen.
WITHIN, BEYOND = b"0.9", b"1.03"
# Works until it has used a part of the limit by its own account, and says what it used.
BORDERLINE = f"""
import os, time
end = float(input()) * {LIMIT_S}
while time.process_time() < end:
    pass
os.write(1, str(time.process_time()).encode())
os._exit(0)
"""


@pytest.fixture(scope="module")
async def runner(sandbox_image: str) -> AsyncGenerator[DockerRunner, None]:
    async with running(sandbox_image, pool_size=2) as made:
        yield made


def _assert_borderline(cases: tuple[Case, ...], got: Executed) -> None:
    expected = {WITHIN: Verdict.ACCEPTED, BEYOND: Verdict.TIME_LIMIT}
    assert got.verdicts == [expected[case.input] for case in cases], [
        case.facts for case in got.cases
    ]
    for case in got.cases:
        if case.verdict is Verdict.ACCEPTED:
            # All that it knows of is charged to it.
            assert float(case.facts.stdout) <= case.facts.cpu_s <= LIMIT_S
        else:
            assert case.facts.stopped in (Stopped.CPU, Stopped.NOT)
            assert case.facts.cpu_s > LIMIT_S


@pytest.mark.parametrize("busy", [False, True])
async def test_a_borderline_program_ends_the_same_200_times(
    runner: DockerRunner, *, busy: bool
) -> None:
    """Here 100 times within and 100 times beyond, on an idle machine and on a busy one."""
    cases = tuple(Case(part) for part in (WITHIN, BEYOND) * 50)
    with busy_cores() if busy else contextlib.nullcontext():
        both = await asyncio.gather(
            *(executed(runner, job("python", BORDERLINE, *cases, limits=STRICT)) for _ in range(2))
        )
    for got in both:
        _assert_borderline(cases, got)


async def test_the_same_in_containers_of_their_own(runner: DockerRunner) -> None:
    cases = (Case(WITHIN), Case(BEYOND))
    with busy_cores():
        for _ in range(6):
            wanted = job("python", BORDERLINE, *cases, limits=STRICT)
            _assert_borderline(cases, await executed(runner, wanted))


# Each says on its last line what was used in other processes and threads.
CHILD = """
import os, time
def work():
    while time.process_time() < 0.2:
        pass
read, write = os.pipe()
if os.fork() == 0:
    work()
    os.write(write, str(time.process_time()).encode())
    os._exit(0)
print(os.read(read, 100).decode())
"""
# It leaves its parent, its session and its group, and nobody ever waits for it.
DETACHED = """
import os, time
def work():
    while time.process_time() < 0.2:
        pass
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        work()
        os.write(write, str(time.process_time()).encode())
        time.sleep(1000)
    os._exit(0)
print(os.read(read, 100).decode())
"""
THREADS = """
#include <pthread.h>
#include <stdio.h>
#include <time.h>
static void *work(void *used) {
  struct timespec now;
  do clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now); while (now.tv_nsec < 100000000);
  *(double *)used = now.tv_nsec / 1e9;
  return 0;
}
int main(void) {
  pthread_t threads[2];
  double used[2];
  for (int n = 0; n < 2; n++) pthread_create(&threads[n], 0, work, &used[n]);
  for (int n = 0; n < 2; n++) pthread_join(threads[n], 0);
  printf("%f", used[0] + used[1] - 1e-6);
}
"""


@pytest.mark.parametrize(
    ("language", "source"),
    [("python", CHILD), ("python", DETACHED), ("c", THREADS)],
    ids=["child", "detached", "threads"],
)
async def test_all_that_a_program_starts_is_charged_to_it(
    runner: DockerRunner, language: str, source: str
) -> None:
    limits = replace(STRICT, cpu_s=2.0)
    with busy_cores():
        got = await executed(runner, job(language, source, Case(b""), Case(b""), limits=limits))
        strict = await executed(runner, job(language, source, limits=replace(STRICT, cpu_s=0.15)))
    assert got.verdicts == [Verdict.ACCEPTED, Verdict.ACCEPTED], got.cases
    for case in got.cases:
        assert 0.2 <= float(case.facts.stdout) + 1e-3 <= case.facts.cpu_s + 1e-3
    # None of it is charged to the next case.
    assert got.cases[1].facts.cpu_s < 2 * 0.2
    assert strict.verdicts == [Verdict.TIME_LIMIT]


async def test_what_a_program_left_behind_is_not_charged_to_the_next_case(
    runner: DockerRunner,
) -> None:
    source = """
import os
if input() == "leave":
    for _ in range(3):
        if os.fork() == 0:
            os.setsid()
            while True:
                pass
"""
    cases = (Case(b"leave"), Case(b"go")) * 5
    got = await executed(runner, job("python", source, *cases, limits=replace(STRICT, cpu_s=1.0)))
    assert set(got.verdicts) == {Verdict.ACCEPTED}
    assert all(case.facts.cpu_s < 0.5 for case in got.cases[1::2]), got.cases


async def test_waiting_costs_no_cpu_time(runner: DockerRunner) -> None:
    """While all cores are busy it waits by the clock for longer than its CPU limit."""
    source = "import time, json\ntime.sleep(1)\nprint(json.dumps(time.process_time()))"
    limits: Limits = replace(STRICT, cpu_s=0.5)
    with busy_cores():
        got = await executed(runner, job("python", source, limits=limits))
    assert got.verdicts == [Verdict.ACCEPTED]
    facts = got.cases[0].facts
    assert json.loads(facts.stdout) <= facts.cpu_s < 0.5
