"""What a server refuses of a program, in the words of the command line that was typed."""

import argparse
import re

from llm_crowdsourced.v1 import sandbox_service_pb2

from client.exit_status import ExitStatus
from client.failures import CallError, CommandError
from client.plain import decodable, one_line

_OPTIONS = {
    "limits.cpu_time": "--time",
    "limits.wall_time": "--wall",
    "limits.memory_bytes": "--memory",
    "limits.output_bytes": "--output",
    "limits.processes": "--processes",
    "cases": "--case and --cases",
}
_CASE = re.compile(r"cases\[(\d+)\]\.(\w+)")
_SHOWN = 200


def in_options(
    refusal: CallError,
    arguments: argparse.Namespace,
    request: sandbox_service_pb2.ExecuteRequest,
) -> CommandError:
    """Returns a refusal that names options and files where the server named fields.

    Args:
        refusal: What the server said.
        arguments: What was typed.
        request: What was made of it.
    """
    if not refusal.violations:
        return refusal
    sentences = [
        f"{one_line(decodable(_typed(field, arguments, request)), _SHOWN)}: {cause}"
        for field, cause in refusal.violations.items()
    ]
    return CommandError("\n".join(sentences), ExitStatus.REFUSED)


def _typed(
    field: str, arguments: argparse.Namespace, request: sandbox_service_pb2.ExecuteRequest
) -> str:
    """Returns what was typed that a field was made of; the field where nothing was."""
    if field == "program.language":
        return f"--language {request.program.language}".rstrip()
    if field == "program.source":
        return "standard input" if arguments.source == "-" else str(arguments.source)
    if field == "checker" or field.startswith("checker."):
        part = ", its language" if field.endswith(".language") else ""
        return f"--checker {arguments.checker}{part}"
    case = _CASE.fullmatch(field)
    if case and int(case[1]) < len(request.cases):
        return f"{_case(int(case[1]), arguments, request)}, its {case[2].replace('_', ' ')}"
    return _OPTIONS.get(field, field)


def _case(
    position: int, arguments: argparse.Namespace, request: sandbox_service_pb2.ExecuteRequest
) -> str:
    if position < len(arguments.case):
        return f"--case {arguments.case[position]}"
    return f"--cases {arguments.cases}, case {request.cases[position].name}"
