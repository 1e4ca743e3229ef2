"""A verdict follows from counters and from nothing that a program can feign."""

import signal
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.model import MIB, ExitFacts, Limits, Stopped, Verdict
from sandbox.verdict import verdict_of

LIMITS = Limits(cpu_s=1, wall_s=2, memory_bytes=64 * MIB, output_bytes=1000, processes=8)
STATUS = st.none() | st.integers(0, 255)
FACTS = st.builds(
    ExitFacts,
    exit_status=STATUS,
    signal=st.none() | st.integers(1, 64),
    stopped=st.sampled_from(Stopped),
    cpu_s=st.floats(0, 3),
    wall_s=st.floats(0, 5),
    peak_memory_bytes=st.integers(0, 128 * MIB),
    largest_process_bytes=st.integers(0, 128 * MIB),
    together_bytes=st.integers(0, 128 * MIB),
    out_of_memory_kills=st.integers(0, 2),
    stdout=st.binary(max_size=10),
    stderr=st.binary(max_size=10),
    stdout_cut=st.booleans(),
    failure=st.sampled_from(("", "no such file")),
)
MARKS: list[tuple[dict[str, Any], Verdict]] = [
    ({"failure": "no such file"}, Verdict.SANDBOX_ERROR),
    ({"stopped": Stopped.OUTPUT}, Verdict.OUTPUT_LIMIT),
    ({"out_of_memory_kills": 1}, Verdict.MEMORY_LIMIT),
    ({"cpu_s": 1.01}, Verdict.TIME_LIMIT),
    ({"signal": signal.SIGSYS}, Verdict.SECURITY_VIOLATION),
    ({"exit_status": 1}, Verdict.RUNTIME_ERROR),
]


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        (ExitFacts(exit_status=0), Verdict.ACCEPTED),
        # At a limit is within it.
        (ExitFacts(exit_status=0, cpu_s=1, largest_process_bytes=64 * MIB), Verdict.ACCEPTED),
        (ExitFacts(exit_status=0, together_bytes=64 * MIB), Verdict.ACCEPTED),
        # The container holds what the kernel would give up first.
        (ExitFacts(exit_status=0, peak_memory_bytes=64 * MIB + 1), Verdict.ACCEPTED),
        (ExitFacts(exit_status=0, wall_s=99), Verdict.ACCEPTED),
        (ExitFacts(exit_status=0, stderr_cut=True), Verdict.ACCEPTED),
        (ExitFacts(exit_status=0, cpu_s=1.001), Verdict.TIME_LIMIT),
        (ExitFacts(signal=9, stopped=Stopped.CPU), Verdict.TIME_LIMIT),
        (ExitFacts(signal=9, stopped=Stopped.WALL), Verdict.TIME_LIMIT),
        (ExitFacts(exit_status=0, largest_process_bytes=64 * MIB + 1), Verdict.MEMORY_LIMIT),
        (ExitFacts(exit_status=0, together_bytes=64 * MIB + 1), Verdict.MEMORY_LIMIT),
        # A child was killed; its parent may end as it likes.
        (ExitFacts(exit_status=0, out_of_memory_kills=1), Verdict.MEMORY_LIMIT),
        (ExitFacts(signal=9, stopped=Stopped.OUTPUT, stdout_cut=True), Verdict.OUTPUT_LIMIT),
        (ExitFacts(signal=31), Verdict.SECURITY_VIOLATION),
        (ExitFacts(failure="exec failed"), Verdict.SANDBOX_ERROR),
        (ExitFacts(signal=11), Verdict.RUNTIME_ERROR),
    ],
)
def test_each_verdict(facts: ExitFacts, verdict: Verdict) -> None:
    assert verdict_of(facts, LIMITS) is verdict


@pytest.mark.parametrize(
    "facts",
    [
        ExitFacts(exit_status=137),
        ExitFacts(exit_status=124),
        ExitFacts(exit_status=159),
        ExitFacts(signal=signal.SIGKILL),
        ExitFacts(signal=signal.SIGXCPU),
        ExitFacts(signal=signal.SIGXFSZ),
        ExitFacts(exit_status=1, stderr=b"MemoryError\n"),
    ],
)
def test_a_program_cannot_feign_a_limit(facts: ExitFacts) -> None:
    assert verdict_of(facts, LIMITS) is Verdict.RUNTIME_ERROR


@pytest.mark.parametrize("first", range(len(MARKS)))
def test_of_several_causes_the_first_in_order_counts(first: int) -> None:
    values: dict[str, Any] = {}
    for cause, _ in reversed(MARKS[first:]):
        values |= cause
    assert verdict_of(ExitFacts(**values), LIMITS) is MARKS[first][1]


@given(FACTS, st.binary(max_size=10), st.binary(max_size=10), st.floats(0, 1e6))
def test_what_it_printed_and_how_long_it_slept_change_nothing(
    facts: ExitFacts, stdout: bytes, stderr: bytes, wall_s: float
) -> None:
    other = replace(facts, stdout=stdout, stderr=stderr, wall_s=wall_s)
    assert verdict_of(other, LIMITS) is verdict_of(facts, LIMITS)


@given(FACTS)
def test_only_a_quiet_end_within_all_limits_is_accepted(facts: ExitFacts) -> None:
    quiet = (
        not facts.failure
        and facts.signal is None
        and not facts.exit_status
        and facts.stopped is Stopped.NOT
        and not facts.out_of_memory_kills
        and facts.cpu_s <= LIMITS.cpu_s
        and facts.largest_process_bytes <= LIMITS.memory_bytes
        and facts.together_bytes <= LIMITS.memory_bytes
    )
    assert (verdict_of(facts, LIMITS) is Verdict.ACCEPTED) is quiet
