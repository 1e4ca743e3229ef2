"""Reads the replies of a programming league: a question or a program, or why it is none.

As in mathematics nothing here raises for what a model wrote. Prose is read as there;
programs, inputs and outputs are kept as they are, character by character.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from server.league.code_reading import (
    CODE_KEYS,
    LANGUAGE_KEYS,
    exact_text,
    first_of,
    read_code,
    read_fenced,
)
from server.league.programs import (
    CheckerChoice,
    CheckerKind,
    Code,
    CodeAnswer,
    GivenCase,
    ProgrammingQuestion,
)
from server.league.reading import JsonObject, Unreadable, conflict, find_first_object
from server.league.replies import too_long
from server.league.texts import as_text

MAX_CASES = 1000
# Where a setter chooses "floats" and gives no tolerance.
DEFAULT_TOLERANCE = 1e-6
# With a relative one of 1, "0" would be right whatever is expected.
MOST_TOLERANCE = 0.01

_INPUT_KEYS = ("input", "stdin", "in")
_OUTPUT_KEYS = ("output", "expected", "expected_output", "stdout", "out")
_CHECKERS: dict[str, CheckerKind] = {
    **dict.fromkeys(("exact", "bytes"), "exact"),
    **dict.fromkeys(("", "none", "token", "tokens", "words", "default", "standard"), "tokens"),
    **dict.fromkeys(("float", "floats", "floating", "numeric", "tolerance"), "floats"),
    **dict.fromkeys(("program", "custom", "special", "code"), "program"),
}
_WORD = re.compile("[a-z]*")


@dataclass(frozen=True)
class _Reply:
    """What a reply holds, and what it was read out of if that was broken JSON."""

    value: JsonObject
    broken: str | None

    def code(self, value: Any, named: Any, key: str) -> Code | Unreadable:
        return read_code(value, named, key=key, broken=self.broken)


class _UnreadableError(Exception):
    """A part of a question cannot be used; does not leave this module."""

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(detail)
        self.why = Unreadable(cause, detail)


def read_program(reply: str) -> CodeAnswer | Unreadable:
    """Reads an answer: a program with its language, and what its author says of it.

    A reply that is no JSON and has a program in its only fence counts too.
    """
    read = _program_of_json(reply)
    if isinstance(read, Unreadable) and read.cause not in ("too_long", "language_unknown"):
        code = read_fenced(reply)
        if code is not None:
            return CodeAnswer(code=code, repaired=True)
    return read


def _program_of_json(reply: str) -> CodeAnswer | Unreadable:
    found = _found(reply, CODE_KEYS)
    if isinstance(found, Unreadable):
        return found
    value = found.value
    if problem := conflict(value, *CODE_KEYS, *LANGUAGE_KEYS):
        return problem
    code = found.code(first_of(value, *CODE_KEYS), first_of(value, *LANGUAGE_KEYS), "code")
    if isinstance(code, Unreadable):
        return code
    text = as_text(first_of(value, "approach", "explanation", "text"))
    long = too_long(approach=text)
    return long or CodeAnswer(code=code, text=text, repaired=found.broken is not None)


def _found(reply: str, keys: tuple[str, ...]) -> _Reply | Unreadable:
    """Finds the object that has one of the keys; the first that some object has decides."""
    found = find_first_object(reply, keys)
    if isinstance(found, Unreadable):
        return found
    return _Reply(found.value, found.written if found.repaired else None)


def read_programming_question(reply: str) -> ProgrammingQuestion | Unreadable:
    """Reads a question.

    A case is an object with an input and perhaps an output, a pair of these, or an input
    alone. A number stands for its digits, a list for lines. There may be no case at all,
    and a blank output is one that the setter does not tell.
    """
    found = _found(reply, ("problem",))
    if isinstance(found, Unreadable):
        return found
    try:
        return _question(found)
    except _UnreadableError as error:
        return error.why


def _question(found: _Reply) -> ProgrammingQuestion:
    value = found.value
    _once(value)
    text = as_text(value.of("problem"))
    if not text:
        raise _UnreadableError("text_empty", '"problem" was empty')
    scheme, principle = as_text(value.of("marking_scheme")), as_text(value.of("principle"))
    if problem := too_long(problem=text, marking_scheme=scheme, principle=principle):
        raise _UnreadableError(problem.cause, problem.detail)
    reference = first_of(value, "solution", "code", "reference", "reference_solution", "program")
    language = first_of(value, *LANGUAGE_KEYS, "solution_language")
    generator, generated = _generator(found)
    cases = (*_cases(first_of(value, "cases", "test_cases", "tests")), *generated)
    if len(cases) > MAX_CASES:
        raise _UnreadableError(
            "too_long", f"{len(cases):,} cases were given, more than {MAX_CASES:,}"
        )
    return ProgrammingQuestion(
        text=text,
        reference=_usable(found.code(reference, language, "solution")),
        cases=cases,
        generator=generator,
        checker=_checker(found),
        marking_scheme=scheme,
        principle=principle,
        repaired=found.broken is not None,
    )


def _once(value: JsonObject) -> None:
    """Demands that no key came with different values: any of a question's parts decides."""
    if problem := conflict(value):
        raise _UnreadableError(problem.cause, problem.detail)


def _usable(code: Code | Unreadable) -> Code:
    if isinstance(code, Unreadable):
        raise _UnreadableError(code.cause, code.detail)
    return code


def _cases(value: Any) -> Iterator[GivenCase]:
    for number, item in enumerate(_listed(value, "cases"), 1):
        if isinstance(item, JsonObject):
            _once(item)
            given, expected = first_of(item, *_INPUT_KEYS), first_of(item, *_OUTPUT_KEYS)
            # No input is one of its own, if the case says so.
            if given is None and any(key.strip().casefold() in _INPUT_KEYS for key in item):
                given = ""
        elif isinstance(item, list) and len(item) == 2:  # noqa: PLR2004
            given, expected = item
        else:
            given, expected = item, None
        text = _data(given)
        if text is None:
            raise _UnreadableError("case_invalid", f'case {number} had no "input" that is a text')
        output = _data(expected)
        if output is None and expected is not None:
            raise _UnreadableError("case_invalid", f'"output" of case {number} was no text')
        yield GivenCase(input=text, expected=output if output and output.strip() else None)


def _listed(value: Any, key: str) -> list[Any]:
    if value is None or value == "":
        return []
    if isinstance(value, JsonObject):
        _once(value)
        return list(value.values())
    if not isinstance(value, list):
        raise _UnreadableError("shape_wrong", f'"{key}" was not a list')
    return value


def _data(value: Any) -> str | None:
    """Returns what a program reads or prints: a text, a number's digits, or a list's lines."""
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list):
        if any(isinstance(line, list | dict) or line is None for line in value):
            return None
        value = [line if isinstance(line, str) else json.dumps(line) for line in value]
        return exact_text(value) or ""
    return exact_text(value)


def _generator(found: _Reply) -> tuple[Code | None, tuple[GivenCase, ...]]:
    """Returns the generator and its cases: one without parameters if there is none with."""
    value: Any = found.value.of("generator")
    named = found.value.of("generator_language")
    inputs = found.value.of("generator_inputs")
    if isinstance(value, JsonObject):
        _once(value)
        inputs = first_of(value, "inputs", "parameters", "cases") or inputs
        named = first_of(value, *LANGUAGE_KEYS) or named
        value = first_of(value, *CODE_KEYS)
    given = tuple(
        GivenCase(input=case.input, expected=case.expected, generated=True)
        for case in _cases(_listed(inputs, "inputs"))
    )
    if value is None or not (exact_text(value) or "").strip():
        if given:
            raise _UnreadableError("code_empty", '"generator" has inputs and no program')
        return None, ()
    code = _usable(found.code(value, named, "generator"))
    return code, given or (GivenCase(input="", generated=True),)


def _checker(found: _Reply) -> CheckerChoice:
    value: Any = found.value.of("checker")
    tolerance = found.value.of("tolerance")
    source = found.value.of("checker_code")
    named = found.value.of("checker_language")
    absolute = relative = None
    if isinstance(value, JsonObject):
        _once(value)
        tolerance = first_of(value, "tolerance", "epsilon") or tolerance
        absolute, relative = value.of("absolute"), value.of("relative")
        named = first_of(value, *LANGUAGE_KEYS) or named
        source = first_of(value, *CODE_KEYS) or source
        value = first_of(value, "kind", "type", "name") or ("program" if source else "")
    kind = _kind(value)
    if kind == "program":
        return CheckerChoice(kind=kind, code=_usable(found.code(source, named, "checker")))
    if kind != "floats":
        return CheckerChoice(kind=kind)
    # With one of the two told, the other is none.
    both = _bound(tolerance, DEFAULT_TOLERANCE if absolute is relative is None else 0.0)
    return CheckerChoice(
        kind=kind, absolute=_bound(absolute, both), relative=_bound(relative, both)
    )


def _kind(value: Any) -> CheckerKind:
    if value is None:
        return "tokens"
    name = value.strip().casefold() if isinstance(value, str) else "?"
    word = _WORD.match(name)
    if word is not None and (not name or word[0]) and (kind := _CHECKERS.get(word[0])):
        return kind
    raise _UnreadableError(
        "checker_unknown", '"checker" was none of "tokens", "exact", "floats" and "program"'
    )


def _bound(value: Any, default: float) -> float:
    if value is None:
        return default
    try:
        number = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not 0 <= number <= MOST_TOLERANCE:
        raise _UnreadableError(
            "checker_unknown", f'the tolerance of "checker" was not within 0 and {MOST_TOLERANCE}'
        )
    return number
