"""The sandbox's own failures on a program: tried once more, and then no participant's matter."""

from collections.abc import Awaitable, Callable

from sandbox.model import CaseResult, CheckerFailure, Verdict
from sandbox.runner import SandboxError
from server.play.executing import Executed


class SandboxFailedError(SandboxError):
    """The sandbox failed on a program, and failed again."""


async def execute_surely(
    execute: Callable[[], Awaitable[Executed]], failure: Callable[[Executed], str]
) -> Executed:
    """Returns what a program did; it is executed once more where the sandbox failed on it.

    Args:
        execute: Executes the program.
        failure: Says how the sandbox failed; empty if it did not, as far as that counts.

    Raises:
        SandboxFailedError: It failed again.
    """
    executed = await execute()
    if failure(executed):
        executed = await execute()
    if why := failure(executed):
        raise SandboxFailedError(f"the sandbox failed twice on a program: {why}")
    return executed


def failure_on_compiler(executed: Executed) -> str:
    """Returns how the sandbox failed on the compiler; empty if it did not."""
    failed = executed.compiled.verdict is Verdict.SANDBOX_ERROR
    return (executed.compiled.message or "it does not say how") if failed else ""


def failure_anywhere(executed: Executed) -> str:
    """Returns how the sandbox failed on the compiler or on a case; empty if it did not."""
    lost = next(filter(_is_lost, executed.cases), None)
    on_case = "" if lost is None else lost.detail or "it does not say how"
    return failure_on_compiler(executed) or on_case


def _is_lost(result: CaseResult) -> bool:
    # A checker that fails by itself is for its setter to mend.
    return result.verdict is Verdict.SANDBOX_ERROR and result.checker is CheckerFailure.NOT
