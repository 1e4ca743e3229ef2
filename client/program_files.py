"""Reads a program and its cases from files, into a request."""

import argparse
import re
import sys
from collections import Counter
from pathlib import Path
from typing import BinaryIO

from google.protobuf.duration_pb2 import Duration
from llm_crowdsourced.v1 import execution_pb2, sandbox_service_pb2

from client.exit_status import ExitStatus
from client.failures import CommandError
from client.plain import decodable, size

_LANGUAGES = {
    ".py": "python",
    ".c": "c",
    ".cc": "cpp",
    ".cpp": "cpp",
    ".cxx": "cpp",
    ".java": "java",
    ".js": "javascript",
    ".mjs": "javascript",
    ".cjs": "javascript",
    ".go": "go",
    ".rs": "rust",
}
_MAX_REQUEST_BYTES = 64 << 20
_MAX_NAME = 100
_DIGITS = re.compile(r"(\d+)")


def read_request(arguments: argparse.Namespace) -> sandbox_service_pb2.ExecuteRequest:
    """Reads what the command line names.

    Raises:
        CommandError: A file cannot be read, or they are too large together.
    """
    cases = [_case(text) for text in arguments.case]
    _tell_apart(cases, arguments.case)
    if arguments.cases is not None:
        cases += _folder(arguments.cases)
    request = sandbox_service_pb2.ExecuteRequest(
        program=_program(arguments.source, arguments.language),
        cases=cases or [execution_pb2.Case(name="no input")],
        checker=_checker(arguments.checker),
        limits=_limits(arguments),
    )
    if request.ByteSize() > _MAX_REQUEST_BYTES:
        raise CommandError(
            f"Program and cases are {size(request.ByteSize())} together; a request has room for "
            f"{size(_MAX_REQUEST_BYTES)}. Run the cases in several commands.",
            ExitStatus.USAGE,
        )
    return request


def _program(name: str, language: str = "", option: str = "") -> execution_pb2.Program:
    """Reads a program; `option` is what named its file, if any had to."""
    data = _read_input() if name == "-" and not option else _read(name, option)
    shown = "Standard input" if name == "-" and not option else _shown(name, option)
    try:
        source = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{shown} is not UTF-8 text: byte {error.start} cannot be read.", ExitStatus.USAGE
        ) from error
    if not source.strip():
        raise CommandError(f"{shown} is empty.", ExitStatus.USAGE)
    told = language or _LANGUAGES.get(Path(name).suffix.lower(), "")
    return execution_pb2.Program(language=decodable(told), source=source)


def _shown(name: str, option: str) -> str:
    return decodable(f"{option}: {name}" if option else name)


def _read_input() -> bytes:
    if sys.stdin is None:
        raise CommandError("Standard input is closed.", ExitStatus.USAGE)
    return _bounded(sys.stdin.buffer, "Standard input")


def _read(name: str, option: str = "", hint: str = "") -> bytes:
    shown = _shown(name, option)
    try:
        with Path(name).open("rb") as file:
            return _bounded(file, shown)
    except OSError as error:
        raise CommandError(
            f"{shown} cannot be read: {error.strerror}{hint}.", ExitStatus.USAGE
        ) from error


def _bounded(file: BinaryIO, shown: str) -> bytes:
    """Reads to the end, unless that is further than any request goes: a device may have none."""
    data = file.read(_MAX_REQUEST_BYTES + 1)
    if len(data) > _MAX_REQUEST_BYTES:
        raise CommandError(
            f"{shown} is longer than {size(_MAX_REQUEST_BYTES)}, for which no request has room.",
            ExitStatus.USAGE,
        )
    return data


def _exists(name: str) -> bool:
    try:
        return Path(name).exists()
    except OSError:
        # Such as a name that is too long for any file.
        return False


def _case(text: str) -> execution_pb2.Case:
    """Reads `IN[:OUT]`; a file whose name has a colon is an input as it is."""
    before, colon, after = text.rpartition(":")
    if not colon or _exists(text):
        hint = "; it takes IN or IN:OUT, such as in.txt:out.txt"
        return execution_pb2.Case(name=_name(text), input=_read(text, "--case", hint))
    if not before or not after:
        raise CommandError(
            f'--case takes IN or IN:OUT, such as in.txt:out.txt, not "{decodable(text)}".',
            ExitStatus.USAGE,
        )
    return execution_pb2.Case(
        name=_name(before),
        input=_read(before, "--case"),
        expected_output=_read(after, "--case"),
    )


def _name(path: str) -> str:
    return decodable(Path(path).name)[-_MAX_NAME:]


def _tell_apart(cases: list[execution_pb2.Case], typed: list[str]) -> None:
    """Gives files of one name in several folders the names that were typed."""
    names = Counter(case.name for case in cases)
    for case, text in zip(cases, typed, strict=True):
        if names[case.name] > 1:
            case.name = decodable(text)[-_MAX_NAME:]


def _folder(folder: Path) -> list[execution_pb2.Case]:
    try:
        files = {path.name: path for path in folder.iterdir()}
    except OSError as error:
        raise CommandError(
            f"--cases {decodable(str(folder))} cannot be read: {error.strerror}.", ExitStatus.USAGE
        ) from error
    names = sorted((name[:-3] for name in files if name.endswith(".in")), key=_natural)
    if not names:
        raise CommandError(
            f"--cases {decodable(str(folder))} has no file NAME.in.", ExitStatus.USAGE
        )
    cases = []
    for name in names:
        given = _read(str(files[f"{name}.in"]), "--cases")
        case = execution_pb2.Case(name=_name(name), input=given)
        expected = files.get(f"{name}.out") or files.get(f"{name}.ans")
        if expected is not None:
            case.expected_output = _read(str(expected), "--cases")
        cases.append(case)
    return cases


def _natural(name: str) -> list[tuple[int, str]]:
    """Returns what sorts 2 before 10."""
    parts = _DIGITS.split(name)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def _checker(text: str) -> execution_pb2.Checker:
    if text == "exact":
        return execution_pb2.Checker(exact=execution_pb2.ExactChecker())
    if text == "tokens":
        return execution_pb2.Checker(tokens=execution_pb2.TokensChecker())
    kind, colon, tolerance = text.partition(":")
    if kind == "floats" and not _exists(text):
        try:
            value = float(tolerance) if colon else -1.0
        except ValueError:
            value = -1.0
        if not 0 <= value < float("inf"):
            raise CommandError(
                f'--checker floats takes a tolerance, such as floats:1e-6, not "{decodable(text)}".',
                ExitStatus.USAGE,
            )
        floats = execution_pb2.FloatsChecker(absolute=value, relative=value)
        return execution_pb2.Checker(floats=floats)
    if not _exists(text):
        raise CommandError(
            f'--checker takes exact, tokens, floats:1e-6 or a file, and there is no "{decodable(text)}".',
            ExitStatus.USAGE,
        )
    return execution_pb2.Checker(program=_program(text, option="--checker"))


def _limits(arguments: argparse.Namespace) -> execution_pb2.Limits:
    limits = execution_pb2.Limits(
        memory_bytes=arguments.memory,
        output_bytes=arguments.output,
        processes=arguments.processes,
    )
    for field, value in (("cpu_time", arguments.time), ("wall_time", arguments.wall)):
        if value is not None:
            duration: Duration = getattr(limits, field)
            duration.FromNanoseconds(round(value * 1e9))
    return limits
