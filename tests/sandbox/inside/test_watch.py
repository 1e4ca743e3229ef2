"""What the watcher keeps of an output, and which limit it finds reached."""

import os
import threading
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest

from sandbox.inside import together
from sandbox.inside.cgroup import Counters
from sandbox.inside.delay import LOOK_S, Delay
from sandbox.inside.output import CHUNK, Buffer, Output
from sandbox.inside.spawn import Process
from sandbox.inside.together import Own, Together
from sandbox.inside.watch import _Run

MIB = 1 << 20
PROCESS = Process(
    argv=["/bin/true"],
    environment={},
    folder="/",
    user=1,
    cpu_s=1000.0,
    wall_s=1000.0,
    output_bytes=1000,
    error_bytes=100,
    processes=1,
    file_bytes=64 * MIB,
)


@pytest.mark.parametrize(
    ("printed", "most", "kept", "cut"),
    [
        (b"", 10, b"", False),
        (b"x" * 9, 10, b"x" * 9, False),
        (b"x" * 10, 10, b"x" * 10, False),
        (b"x" * 11, 10, b"x" * 10, True),
        (b"x", 0, b"", True),
        (bytes(range(256)) * 4000, MIB, bytes(range(256)) * 4000, False),
        (bytes(range(256)) * 5000, MIB, (bytes(range(256)) * 5000)[:MIB], True),
    ],
)
def test_an_output_is_kept_up_to_its_bound(
    printed: bytes, most: int, kept: bytes, *, cut: bool
) -> None:
    output = Output(Buffer(most))

    def write() -> None:
        left = memoryview(printed)
        try:
            while left:
                left = left[os.write(output.write_end, left) :]
        except BrokenPipeError:
            pass
        os.close(output.write_end)

    writer = threading.Thread(target=write)
    writer.start()
    while output.open and not output.cut:
        output.take()
    assert bytes(output.rest()) == kept
    assert output.cut == cut
    output.close()
    writer.join()


def test_nothing_to_take_is_not_the_end() -> None:
    output = Output(Buffer(10))
    output.take()
    assert output.open
    os.write(output.write_end, b"late")
    os.close(output.write_end)
    assert bytes(output.rest()) == b"late"
    assert not output.open
    output.close()


@dataclass
class Group:
    """A control group whose counters a test sets."""

    cpu_ns: int = 0
    kills: int = 0
    memory: int = 10 * MIB
    peak: int = 20 * MIB
    anonymous: int = 0

    def counters(self) -> Counters:
        def reads(name: str) -> Callable[[], int]:
            return lambda: int(getattr(self, name))

        return Counters(
            version=2,
            # The runner is in the group as well.
            cpu_ns=lambda: self.cpu_ns + time.process_time_ns(),
            out_of_memory_kills=reads("kills"),
            memory=reads("memory"),
            peak_memory=reads("peak"),
            memory_limit=reads("memory"),
            anonymous_memory=reads("anonymous"),
            kept_memory=reads("anonymous"),
        )


def started(process: Process, group: Group, processes: str = "/nowhere") -> _Run:
    """Returns a process on its way that was never started, over a `/proc`."""
    buffers = Buffer(process.output_bytes), Buffer(process.error_bytes)
    counters = group.counters()
    run = _Run(process, counters, Delay(processes), Together(counters, Own()), buffers)
    for output in (run.out, run.err):
        os.close(output.write_end)
    return run


def test_no_wait_is_longer_than_the_limits_allow() -> None:
    group = Group()
    run = started(replace(PROCESS, cpu_s=10.0, wall_s=7.0), group)
    # Whatever is left: by then it has to be looked at what kept it waiting.
    assert 0 < run.wait_s(1) <= LOOK_S
    group.cpu_ns += 9_000_000_000
    # All cores together cannot use it up sooner.
    assert 0 < run.wait_s(4) <= 1.1 / 4
    assert not run.over
    group.cpu_ns += 2_000_000_000
    assert run.wait_s(2) == 0.0
    assert run.over


@pytest.mark.parametrize("limits", [{"cpu_s": 0.0}, {"wall_s": 0.0}])
def test_a_limit_that_is_reached_ends_it(limits: dict[str, float]) -> None:
    changed = replace(PROCESS, cpu_s=limits.get("cpu_s", 9.0), wall_s=limits.get("wall_s", 9.0))
    run = started(changed, Group())
    assert run.wait_s(1) == 0.0
    assert run.over


def test_it_is_over_when_it_has_ended_and_not_when_another_has() -> None:
    run = started(PROCESS, Group())
    run.ended(12345, 0, 1)
    assert not run.over
    run._pid = 54321
    run.ended(54321, 9, 1)
    assert run.over


def test_an_output_in_tiny_pieces_takes_no_more_memory_than_its_bytes() -> None:
    output = Output(Buffer(MIB))
    taken = 0
    tracemalloc.start()
    try:
        for _ in range(1000):
            os.write(output.write_end, b"ab")
            assert output.take()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    os.close(output.write_end)
    assert bytes(output.rest()) == b"ab" * 1000
    assert taken < 1000
    output.close()


def test_a_large_piece_is_not_little() -> None:
    output = Output(Buffer(MIB))
    os.write(output.write_end, b"x" * CHUNK)
    assert not output.take()
    os.close(output.write_end)
    output.close()


def test_a_buffer_serves_one_output_after_another() -> None:
    buffer = Buffer(10)
    for printed in (b"0123456789", b"abc", b""):
        output = Output(buffer)
        os.write(output.write_end, printed)
        os.close(output.write_end)
        assert bytes(output.rest()) == printed
        output.close()


@pytest.mark.parametrize(
    ("peak", "reported"),
    [
        # It did not rise: the largest process is all that is known.
        (20 * MIB, 30 * MIB),
        (25 * MIB, 30 * MIB),
        # Together, less what was there before, whatever the limit is.
        (310 * MIB, 300 * MIB),
    ],
)
def test_the_peak_is_reported_as_it_was(peak: int, reported: int) -> None:
    group = Group()
    run = started(PROCESS, group)
    run._pid = 54321
    run.ended(54321, 0, 30 * 1024)
    group.peak = peak
    run._failed = os.open(os.devnull, os.O_RDONLY)
    facts, _, _ = run.facts()
    assert facts["peak_memory_bytes"] == reported
    assert facts["largest_process_bytes"] == 30 * MIB
    assert facts["together_bytes"] == 0


def test_what_processes_have_together_is_seen_from_time_to_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is the most that was seen, without the runner's own, and told by the least it can be."""
    now = [1000.0]
    monkeypatch.setattr(together, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(Own, "anonymous", lambda _: 50 * MIB)
    group = Group(anonymous=900 * MIB)
    run = started(PROCESS, group)
    # A program that ends at once is not looked at.
    run.wait_s(1)
    assert run._together.most == 0
    for anonymous in (300, 700, 100):
        now[0] += LOOK_S
        group.anonymous = anonymous * MIB
        run.wait_s(1)
    run._pid = 54321
    run.ended(54321, 0, 30 * 1024)
    run._failed = os.open(os.devnull, os.O_RDONLY)
    facts, _, _ = run.facts()
    assert 600 * MIB < facts["together_bytes"] < 650 * MIB
    assert facts["peak_memory_bytes"] == facts["together_bytes"]


def test_the_runners_own_memory_is_what_it_has_of_no_file() -> None:
    own = Own()
    before = own.anonymous()
    more = bytearray(b"x") * (64 * MIB)
    assert 60 * MIB < own.anonymous() - before < 80 * MIB
    assert len(more) == 64 * MIB
