"""The sandbox's own failures on a program: tried again, and told from what the program does."""

from collections.abc import Awaitable, Callable

from sandbox.model import Case, CaseResult, CheckerFailure, Verdict
from sandbox.runner import SandboxError
from server.league.programs import Code
from server.play.executing import Executed, Executing

_HARMLESS = Code(language="python", source="print(1)\n")
_SILENT = "it does not say how"


class SandboxFailedError(SandboxError):
    """The sandbox fails on programs, whatever they are."""


async def execute_surely(
    executing: Executing, execute: Callable[[], Awaitable[Executed]]
) -> Executed:
    """Returns what a program did; it is executed again where the sandbox failed on it.

    Twice may be the sandbox's fault, and then the run has to wait. But where it runs another
    program meanwhile, the failure is this one's doing: it is left in the result as it is, for
    a run that waited would wait for ever.

    Args:
        executing: Executes the other program.
        execute: Executes the program.

    Raises:
        SandboxFailedError: It failed again, and on the other program too.
    """
    executed = await execute()
    if _failure(executed):
        executed = await execute()
    if why := _failure(executed):
        if _failure(await executing.execute(_HARMLESS, [Case(b"")])):
            raise SandboxFailedError(f"the sandbox fails on every program: {why}")
        executed = await execute()
    return executed


def _failure(executed: Executed) -> str:
    """Returns how the sandbox failed on the compiler or on a case; empty if it did not."""
    if executed.compiled.verdict is Verdict.SANDBOX_ERROR:
        return executed.compiled.message or _SILENT
    lost = next(filter(_is_lost, executed.cases), None)
    return "" if lost is None else lost.detail or _SILENT


def _is_lost(result: CaseResult) -> bool:
    # A checker that fails by itself is for its setter to mend.
    return result.verdict is Verdict.SANDBOX_ERROR and result.checker is CheckerFailure.NOT
