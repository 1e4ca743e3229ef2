"""Runs a program in the sandbox, on cases of yours, and says what it did on each."""

import importlib
import importlib.util
import sys
from typing import Any

if importlib.util.find_spec("llm_crowdsourced") is None:
    # Typed with another Python than the project's.
    importlib.import_module("venv_python").switch()

from llm_crowdsourced.v1 import execution_pb2, sandbox_service_pb2

from client import command_line, execute_arguments
from client.connection import Connection, connect
from client.execute_refusals import in_options
from client.execution_view import ExecutionView, languages
from client.exit_status import ExitStatus
from client.failures import CallError
from client.interrupts import InterruptedByUserError, Interrupts
from client.program_files import read_request
from client.screen import results, say


async def _execute(
    connection: Connection, request: sandbox_service_pb2.ExecuteRequest, view: ExecutionView | None
) -> int:
    """Runs the program; without a view the results are one JSON document."""
    document: dict[str, Any] = {"compile": None, "cases": [], "summary": None}
    verdict = execution_pb2.VERDICT_UNSPECIFIED
    async for response in connection.stream(connection.sandbox.Execute, request):
        kind = response.WhichOneof("kind")
        if kind == "summary":
            verdict = response.summary.verdict
        if view is not None:
            view.show(response)
        elif kind == "case":
            document["cases"].append(command_line.plain_json(response.case))
        elif kind is not None:
            document[kind] = command_line.plain_json(getattr(response, kind))
    if view is None:
        command_line.print_json(document)
    return ExitStatus.OK if verdict == execution_pb2.VERDICT_ACCEPTED else ExitStatus.ERROR


async def _list(connection: Connection, *, as_json: bool) -> int:
    request = sandbox_service_pb2.ListLanguagesRequest()
    answer = await connection.ask(connection.sandbox.ListLanguages, request)
    if as_json:
        command_line.print_json(command_line.plain_json(answer))
    else:
        results().print(languages(answer))
    if answer.problem:
        say(f"Programs cannot be run now: {answer.problem}", "yellow")
        return ExitStatus.REFUSED
    return ExitStatus.OK


def main(argv: list[str]) -> int:
    """Runs a program and returns the exit status."""
    arguments = execute_arguments.parse(__doc__ or "", argv)

    async def command(interrupts: Interrupts) -> int:
        target = command_line.target(arguments)
        if arguments.list:
            async with connect(target, joins=True) as connection:
                return await _list(connection, as_json=arguments.json)
        request = read_request(arguments)
        async with connect(target, joins=True) as connection:
            try:
                if arguments.json:
                    return await interrupts.guard(_execute(connection, request, None))
                view = ExecutionView(results(), list(request.cases), whole=arguments.show)
                with view.waiting():
                    return await interrupts.guard(_execute(connection, request, view))
            except CallError as error:
                raise in_options(error, arguments, request) from error
            except InterruptedByUserError:
                say("Stopped, and the program with it.", "yellow")
                raise

    return command_line.run(command)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
