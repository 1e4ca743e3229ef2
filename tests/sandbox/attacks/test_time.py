"""Attempts to run for longer than the limits."""

from dataclasses import replace

import pytest

from sandbox.docker_runner import DockerRunner
from sandbox.model import Limits, Stopped, Verdict
from tests.support.attacks import SMALL, attack, run

pytestmark = pytest.mark.docker

_CPU = replace(SMALL, cpu_s=0.4)
_WALL = replace(SMALL, wall_s=0.8)
_DEAF = """
for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
"""
_DODGES = {
    "loop": ("while True: pass", _CPU, Stopped.CPU),
    "deaf": (_DEAF + "while True: pass", _CPU, Stopped.CPU),
    "in a child": ("if os.fork(): os.wait()\nwhile True: pass", _CPU, Stopped.CPU),
    "in a detached child": (
        """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True: pass
    os._exit(0)
time.sleep(60)""",
        _CPU,
        Stopped.CPU,
    ),
    "in many short children": (
        """
while True:
    if os.fork() == 0:
        end = time.process_time() + 0.02
        while time.process_time() < end: pass
        os._exit(0)
    os.wait()""",
        _CPU,
        Stopped.CPU,
    ),
    "children that ignore their parent's end": (
        """
while True:
    if os.fork() == 0:
        if os.fork() == 0:
            end = time.process_time() + 0.05
            while time.process_time() < end: pass
        os._exit(0)
    os.wait()""",
        _CPU,
        Stopped.CPU,
    ),
    "in the kernel": (
        "zero = open('/dev/urandom', 'rb', buffering=0)\nwhile True: zero.read(1 << 20)",
        _CPU,
        Stopped.CPU,
    ),
    "again and again": (
        "os.execv('/usr/bin/python3', ['python3', '/build/main.py'])",
        _CPU,
        Stopped.CPU,
    ),
    "sleep": ("time.sleep(60)", _WALL, Stopped.WALL),
    "deaf sleep": (_DEAF + "while True: time.sleep(60)", _WALL, Stopped.WALL),
    "stopped": ("os.kill(os.getpid(), signal.SIGSTOP)", _WALL, Stopped.WALL),
    "waits for itself": ("one, _ = os.pipe()\nos.read(one, 1)", _WALL, Stopped.WALL),
    "streams closed": (
        "for number in range(3): os.close(number)\ntime.sleep(60)",
        _WALL,
        Stopped.WALL,
    ),
    "suspended by its child": (
        """
parent = os.getpid()
if os.fork() == 0:
    os.setsid()
    while True:
        os.kill(parent, signal.SIGSTOP)
        time.sleep(0.01)
while True: time.sleep(1)""",
        _WALL,
        Stopped.WALL,
    ),
    "vfork": (
        "ctypes.CDLL(None).vfork() or time.sleep(60)",
        _WALL,
        Stopped.WALL,
    ),
}


@pytest.mark.parametrize("name", _DODGES)
async def test_a_limit_of_time_holds(runner: DockerRunner, name: str) -> None:
    source, limits, stopped = _DODGES[name]
    outcome = await attack(runner, source, b"", b"", limits=limits)
    # The second shows that nothing of the first went on, or was counted to it.
    for case in outcome.cases:
        assert case.verdict is Verdict.TIME_LIMIT, case
        assert case.facts.stopped is stopped
        _within(case.facts.cpu_s, case.facts.wall_s, limits, stopped)


def _within(cpu_s: float, wall_s: float, limits: Limits, stopped: Stopped) -> None:
    if stopped is Stopped.CPU:
        # By the kernel's count, not by the clock of this machine.
        assert limits.cpu_s <= cpu_s < limits.cpu_s + 1.0
    else:
        assert cpu_s < limits.cpu_s
        assert wall_s >= limits.wall_s


async def test_a_flood_of_timers_and_signals_ends_with_it(runner: DockerRunner) -> None:
    outcome = await run(
        runner,
        "c",
        """
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
static volatile long heard;
static void hear(int number) { (void)number; heard++; }
int main(void) {
  signal(SIGUSR1, hear);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  struct itimerspec often = {{0, 1000}, {0, 1000}};
  for (int number = 0; number < 2000; number++) {
    timer_t timer;
    if (timer_create(CLOCK_MONOTONIC, &event, &timer)) break;
    timer_settime(timer, 0, &often, 0);
  }
  for (;;) pause();
}
""",
        b"",
        b"",
        limits=replace(_CPU, wall_s=10.0),
    )
    for case in outcome.cases:
        assert case.verdict is Verdict.TIME_LIMIT, case


async def test_cases_do_not_pay_for_each_other(runner: DockerRunner) -> None:
    """What one case used, or left running, is not the next one's."""
    outcome = await attack(
        runner,
        """
if sys.stdin.read() == "busy":
    if os.fork() == 0:
        os.setsid()
        while True: pass
    end = time.process_time() + 0.2
    while time.process_time() < end: pass
say("done")
""",
        *[b"busy", b"idle"] * 2,
    )
    busy = [outcome.cases[number].facts.cpu_s for number in (0, 2)]
    idle = [outcome.cases[number].facts.cpu_s for number in (1, 3)]
    assert [outcome.said(number) for number in range(4)] == ["done"] * 4
    assert min(busy) > 0.2
    assert max(idle) < 0.2
