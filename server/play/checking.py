"""Checks a programming question before anyone answers it: runs what its setter gave.

What the runs mean is decided by `server.league.gate`, which knows no sandbox.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from sandbox.model import MIB, Case, CaseResult, ProgramChecker
from server.league.gate import ENDED, Decision, Ran, decide, to_run, together, with_inputs
from server.league.programs import Code, ProgrammingQuestion
from server.play.executing import Executed, Executing
from server.play.sandbox_failures import execute_surely
from server.store.execution_records import ExecutionRecord, Purpose

# An input is printed by a program as an output is, and may be larger than most.
_GENERATED_BYTES = 16 * MIB


@dataclass(frozen=True)
class Checked:
    """What came of checking one version of a question.

    Attributes:
        decision: What follows from it.
        executions: What was executed.
    """

    decision: Decision
    executions: tuple[ExecutionRecord, ...]


async def check(
    executing: Executing,
    question: ProgrammingQuestion,
    *,
    round_index: int,
    setter: str,
    attempt: int,
) -> Checked:
    """Runs a question's generator twice, and its reference twice on every case.

    Of the generator, the first run is kept. Where the question's own program compares
    outputs, the second run of the reference is held against what the first printed, as
    answers will be: such a program may accept what its setter wrote down and nothing else.

    Args:
        executing: Executes programs.
        question: The question.
        round_index: Its round.
        setter: Who set it.
        attempt: Which version of the question it is, from 0.

    Raises:
        sandbox.runner.SandboxError: The sandbox cannot run programs.
    """
    records: list[ExecutionRecord] = []

    def keep(executed: Executed, purpose: Purpose, code: Code, numbers: Sequence[int]) -> None:
        records.append(
            executed.record(
                round_index=round_index,
                participant=setter,
                purpose=purpose,
                code=code,
                numbers=numbers,
                attempt=attempt,
            )
        )

    generated: Ran | None = None
    wanted = {n: case for n, case in enumerate(question.cases, 1) if case.generated}
    if question.generator is not None and wanted:
        generator = question.generator
        # An input that changes is another one after a restart, when the check is made again.
        made, again = await _twice(
            executing,
            lambda: executing.execute(
                generator,
                [Case(case.input.encode("utf-8", "replace")) for case in wanted.values()],
                of_setter=True,
                output_bytes=_GENERATED_BYTES,
            ),
        )
        keep(made, Purpose.GENERATOR, generator, list(wanted))
        generated = await asyncio.to_thread(together, _ran(made), _ran(again))
    inputs, _ = with_inputs(question, generated)
    numbers = [case.number for case in inputs if not case.dropped]
    cases = to_run(question, inputs)
    first, second = await _reference_runs(executing, question, cases)
    keep(first, Purpose.REFERENCE, question.reference, numbers)
    keep(second, Purpose.REFERENCE_AGAIN, question.reference, numbers)
    # Outputs of megabytes are compared word by word.
    decision = await asyncio.to_thread(decide, question, generated, _ran(first), _ran(second))
    return Checked(decision, tuple(records))


def _ran(executed: Executed) -> Ran:
    return Ran(compiled=executed.compiled, cases=executed.cases)


async def _reference_runs(
    executing: Executing, question: ProgrammingQuestion, cases: Sequence[Case]
) -> tuple[Executed, Executed]:
    """Runs a reference twice on its cases; what changes between the two cannot be expected."""
    checker = question.checker.checker

    def run(held_against: Sequence[Case]) -> Awaitable[Executed]:
        return executing.execute(question.reference, held_against, checker, of_setter=True)

    if not isinstance(checker, ProgramChecker):
        return await _twice(executing, lambda: run(cases))
    first = await execute_surely(executing, lambda: run(cases))
    printed = [_printed(result) for result in first.cases]
    # Without a result of the first run, a case is dropped whatever the second says.
    printed += [None] * (len(cases) - len(printed))
    again = [
        replace(case, expected=expected) for case, expected in zip(cases, printed, strict=True)
    ]
    return first, await execute_surely(executing, lambda: run(again))


def _printed(result: CaseResult) -> bytes | None:
    """Returns what a program printed on a case; `None` if it did not end well."""
    return result.facts.stdout if result.verdict in ENDED else None


async def _twice(
    executing: Executing, execute: Callable[[], Awaitable[Executed]]
) -> tuple[Executed, Executed]:
    """Executes a program twice at once; where one run fails, the other does not go on alone."""
    try:
        async with asyncio.TaskGroup() as group:
            one, other = (group.create_task(execute_surely(executing, execute)) for _ in range(2))
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return one.result(), other.result()
