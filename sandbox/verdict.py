"""The verdict on how a process ended: a pure function of exit facts."""

import signal

from sandbox.model import ExitFacts, Limits, Stopped, Verdict


def verdict_of(facts: ExitFacts, limits: Limits) -> Verdict:
    """Returns how a program ended; `ACCEPTED` means that its output is to be compared.

    A limit is told from counters alone: exit status 137, or a signal, can come from
    the program itself and proves nothing.
    """
    by_precedence = (
        (Verdict.SANDBOX_ERROR, facts.failure),
        (Verdict.OUTPUT_LIMIT, facts.stopped is Stopped.OUTPUT),
        (
            Verdict.MEMORY_LIMIT,
            facts.out_of_memory_kills
            or max(facts.largest_process_bytes, facts.together_bytes) > limits.memory_bytes,
        ),
        (
            Verdict.TIME_LIMIT,
            facts.stopped is not Stopped.NOT or facts.cpu_s > limits.cpu_s,
        ),
        # What the kernel sends for a system call that the sandbox forbids.
        (Verdict.SECURITY_VIOLATION, facts.signal == signal.SIGSYS),
        (Verdict.RUNTIME_ERROR, facts.signal is not None or facts.exit_status or facts.unfit),
    )
    return next((verdict for verdict, holds in by_precedence if holds), Verdict.ACCEPTED)
