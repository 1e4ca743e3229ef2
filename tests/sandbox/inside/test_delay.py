"""What is found to have kept a program waiting, and what that does to its limit."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.inside import delay, watch
from sandbox.inside.clock import most_wall_s
from sandbox.inside.delay import LOOK_S, Delay
from tests.sandbox.inside.test_watch import PROCESS, Group, started

_NS = 1_000_000_000
_SHORT = replace(PROCESS, wall_s=3.0)


class _Machine:
    """A clock and a `/proc` that a test sets.

    Args:
        processes: Where its `/proc` is.
    """

    def __init__(self, processes: Path) -> None:
        self.now = 1000.0
        self.processes = str(processes)

    def monotonic(self) -> float:
        return self.now

    def process_time_ns(self) -> int:
        return 0

    def task(
        self,
        process: int,
        waited_s: float,
        task: int | None = None,
        *,
        nice: int = 0,
        policy: int = 0,
    ) -> None:
        """Says how long a task has waited for a core; that of its number is the first."""
        fields = ["S"] + ["7"] * 49
        fields[16], fields[38] = str(nice), str(policy)
        number = process if task is None else task
        files = [f"{process}/task/{number}", *([str(process)] if number == process else [])]
        for name in files:
            folder = Path(self.processes, name)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "schedstat").write_text(f"123456 {round(waited_s * _NS)} 7\n")
            (folder / "stat").write_text(f"{number} (a) R ) {' '.join(fields)}\n")

    def end(self, process: int) -> None:
        """Ends a process: only what it waited itself can still be read."""
        for folder in Path(self.processes, f"{process}/task").iterdir():
            for file in folder.iterdir():
                file.unlink()
            folder.rmdir()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Machine:
    made = _Machine(tmp_path)
    for module in (delay, watch):
        monkeypatch.setattr(module, "time", made)
    return made


def test_of_tasks_that_wait_together_the_longest_counts(machine: _Machine) -> None:
    found = Delay(machine.processes)
    machine.task(7, 1.0)
    machine.task(7, 3.0, task=8)
    machine.task(9, 2.0)
    machine.now += 10
    found.look()
    assert found.total_s == 3.0
    found.look()
    assert found.total_s == 3.0


@pytest.mark.parametrize(("nice", "policy"), [(1, 0), (19, 0), (0, 5), (0, 3)])
def test_what_asked_to_wait_does_not_count(machine: _Machine, nice: int, policy: int) -> None:
    """Else it could wait without end on a busy machine, and use no core for that."""
    found = Delay(machine.processes)
    machine.task(7, 8.0, nice=nice, policy=policy)
    machine.task(8, 1.0)
    machine.now += 10
    found.ends(7)
    found.look()
    assert found.total_s == 1.0


def test_without_memory_to_look_with_it_is_looked_later(machine: _Machine) -> None:
    room = [False]
    found = Delay(machine.processes, lambda: room[0])
    machine.task(7, 3.0)
    machine.now += 10
    found.look()
    found.ends(7)
    found.wakes()
    assert found.total_s == 0.0
    assert found.is_due
    room[0] = True
    found.look()
    assert found.total_s == 3.0


def test_from_look_to_look_it_adds_up_whoever_waited(machine: _Machine) -> None:
    found = Delay(machine.processes)
    for process, waited_s in ((7, 1.0), (7, 1.5), (8, 2.0), (9, 0.25)):
        machine.now += 5
        machine.task(process, waited_s)
        found.look()
    assert found.total_s == 1.0 + 0.5 + 2.0 + 0.25


def test_a_number_that_another_process_has_got_begins_anew(machine: _Machine) -> None:
    found = Delay(machine.processes)
    for waited_s in (4.0, 1.0):
        machine.now += 5
        machine.task(7, waited_s)
        found.look()
    assert found.total_s == 5.0


def test_it_is_never_more_than_has_passed(machine: _Machine) -> None:
    found = Delay(machine.processes)
    machine.task(7, 50.0)
    machine.now += 2
    found.look()
    machine.now += 10
    assert found.total_s == 2.0


def test_of_what_has_ended_the_last_is_read_once(machine: _Machine) -> None:
    found = Delay(machine.processes)
    machine.now += 10
    machine.task(7, 1.0)
    found.look()
    machine.task(7, 1.75)
    machine.end(7)
    found.ends(7)
    found.ends(4711)
    assert found.total_s == 1.75


def test_its_own_process_does_not_count(machine: _Machine) -> None:
    found = Delay(machine.processes)
    machine.task(os.getpid(), 5.0)
    machine.now += 10
    found.look()
    assert found.total_s == 0.0


@pytest.mark.parametrize("said", [None, "", "0 0 0\n", "1 2", "words of no\n", "1\n"])
def test_a_kernel_that_does_not_count_says_nothing(machine: _Machine, said: str | None) -> None:
    found = Delay(machine.processes)
    folder = Path(machine.processes, "7/task/7")
    folder.mkdir(parents=True)
    if said is not None:
        (folder / "schedstat").write_text(said)
    machine.now += 10
    found.look()
    assert found.total_s < 1e-6


def test_to_be_woken_too_late_counts(machine: _Machine) -> None:
    found = Delay(machine.processes)
    for late_s in (0.0, 0.05, 21.0, 0.01):
        found.sleeps(0.2)
        machine.now += 0.2 + late_s
        found.wakes()
    assert found.total_s == pytest.approx(21.0)


def test_what_ends_as_all_goes_on_is_told_of_the_standstill(machine: _Machine) -> None:
    run = started(_SHORT, Group(), machine.processes)
    run._failed = os.open(os.devnull, os.O_RDONLY)
    machine.now += run.wait_s(1) + 21.0
    for pid in (7, run._pid):
        run.ends(pid)
        run.ended(pid, 0, 1)
    facts, _, _ = run.facts()
    assert facts["delayed_s"] == pytest.approx(21.0)


def test_but_not_where_it_waited_for_a_core_itself(machine: _Machine) -> None:
    """A program that sleeps meanwhile is not kept waiting."""
    machine.task(os.getpid(), 1.0)
    found = Delay(machine.processes)
    found.sleeps(0.2)
    machine.now += 3.2
    machine.task(os.getpid(), 4.0)
    found.wakes()
    assert found.total_s == pytest.approx(0.0)


def test_delay_puts_the_wall_limit_off_and_its_bound_holds(machine: _Machine) -> None:
    run = started(_SHORT, Group(), machine.processes)
    begun = machine.now
    while machine.now - begun < 20:
        # It works for a fourth of the time.
        machine.task(7, (machine.now - begun) * 0.75)
        wait_s = run.wait_s(1)
        if run.over:
            break
        assert wait_s <= LOOK_S
        machine.now += wait_s
    assert machine.now - begun == pytest.approx(12.0, abs=2 * LOOK_S)
    always = started(_SHORT, Group(), machine.processes)
    begun = machine.now
    while not always.over:
        machine.task(8, machine.now - begun)
        machine.now += always.wait_s(1)
    assert machine.now - begun == pytest.approx(most_wall_s(3.0), abs=0.01)
    assert most_wall_s(3.0) == pytest.approx(30.0)


def test_one_that_waits_has_its_limit_and_no_more(machine: _Machine) -> None:
    run = started(_SHORT, Group(), machine.processes)
    begun = machine.now
    machine.task(7, 0.0)
    while not run.over:
        machine.now += run.wait_s(1)
    assert machine.now - begun == pytest.approx(3.0, abs=0.01)


def test_the_bound_of_a_long_limit_is_not_ten_times_as_long() -> None:
    assert most_wall_s(20.0) == 200.0
    assert most_wall_s(300.0) == 900.0
