"""Compares what a program printed with what it should have: pure, and linear in both.

White space is that of ASCII. Words are bytes, so that no encoding is guessed. A number
is a finite one in decimal notation; everything else is a word like any other.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from itertools import islice

from sandbox.model import CheckerFailure, Exact, ExitFacts, Floats, Limits, Tokens, Verdict
from sandbox.verdict import verdict_of

# With which a checker program says what it found. No runtime ends with these by itself, as
# all do with 0, Python, Java and Node with 1 after an exception, and Go with 2.
CHECKER_RIGHT, CHECKER_WRONG = 42, 43

_SHOWN_CHARACTERS = 40
_DETAIL_CHARACTERS = 200
# Words are cut from a block of the text at a time: a word costs many times its bytes.
_BLOCK_BYTES = 1 << 16
_BLOCK_WORDS = 4096

_SPACE = re.compile(rb"\s")
_WORD = re.compile(rb"\S+")
# Possessive, so that a long run of digits is read once whatever follows it.
_NUMBER = re.compile(rb"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]{1,18})?")
_ARITHMETIC = Context(
    prec=60, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[InvalidOperation]
)


@dataclass(frozen=True)
class Difference:
    """Where an output first differs.

    Attributes:
        detail: One sentence, of bounded length and without control characters.
    """

    detail: str

    def __str__(self) -> str:
        return self.detail


def compare(checker: Exact | Tokens | Floats, output: bytes, expected: bytes) -> Difference | None:
    """Returns where an output first differs from the expected one; `None` if it is right."""
    if output == expected:
        return None
    match checker:
        case Exact():
            return _difference_of_bytes(output, expected)
        case Tokens():
            return _difference_of_words(output, expected, None)
        case Floats():
            return _difference_of_words(output, expected, _Tolerance(checker))


def verdict_of_checker(facts: ExitFacts, limits: Limits) -> tuple[Verdict, str, CheckerFailure]:
    """Returns what a checker program says of an output, why in a sentence, and how it failed.

    Args:
        facts: How the checker ended.
        limits: What it might use.
    """
    ended = verdict_of(facts, limits)
    # Any status but 0 is a runtime error of other programs.
    if ended in (Verdict.ACCEPTED, Verdict.RUNTIME_ERROR):
        if facts.exit_status == CHECKER_RIGHT:
            return Verdict.ACCEPTED, "", CheckerFailure.NOT
        if facts.exit_status == CHECKER_WRONG:
            said = _first_line(facts) or "the checker says that it is wrong"
            return Verdict.WRONG_ANSWER, said, CheckerFailure.NOT
    # Its own failure says nothing of the program.
    why = {
        Verdict.TIME_LIMIT: "reached its time limit",
        Verdict.MEMORY_LIMIT: "reached its memory limit",
        Verdict.OUTPUT_LIMIT: "printed more than it may",
        Verdict.SECURITY_VIOLATION: "made a forbidden system call",
        Verdict.SANDBOX_ERROR: f"could not be started: {safe(facts.failure)}",
    }.get(ended) or (
        f"was ended by signal {facts.signal}"
        if facts.signal is not None
        else f"ended with status {facts.exit_status}, "
        f"which means neither right ({CHECKER_RIGHT}) nor wrong ({CHECKER_WRONG})"
    )
    said = _ends(facts.stderr)
    failure = CheckerFailure.NOT if ended is Verdict.SANDBOX_ERROR else CheckerFailure.RUN
    return Verdict.SANDBOX_ERROR, f"the checker {why}" + (f": {said}" if said else ""), failure


def safe(text: str, most: int = _DETAIL_CHARACTERS) -> str:
    """Returns text that a terminal can show: control characters escaped, cut to so many."""
    shown = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text[: most + 1]
    )
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def _first_line(facts: ExitFacts) -> str:
    """Returns the first line that is not blank, of standard error or else of the output."""
    for stream in (facts.stderr, facts.stdout):
        head = stream[: 8 * _DETAIL_CHARACTERS].decode(errors="replace").strip()
        if head:
            return safe(head.splitlines()[0].rstrip())
    return ""


def _ends(stream: bytes) -> str:
    """Returns the first and the last line that are not blank: one of them names an exception."""
    head, tail = stream[: 8 * _DETAIL_CHARACTERS], stream[-8 * _DETAIL_CHARACTERS :]
    first, last = (
        part.decode(errors="replace").strip().splitlines() or [""] for part in (head, tail)
    )
    half = _DETAIL_CHARACTERS // 2
    ends = dict.fromkeys((safe(first[0].rstrip(), half), safe(last[-1].strip(), half)))
    return " … ".join(ends)


class _Tolerance:
    """Says whether two words are numbers that are equal within a tolerance.

    Decimal arithmetic, so that what was printed is compared and not the nearest
    doubles: 1.1 is within 0.1 of 1, and integers of any length keep all their digits.
    """

    def __init__(self, checker: Floats) -> None:
        # The shortest form of a tolerance is the one that was written.
        self._absolute = Decimal(repr(checker.absolute))
        self._relative = Decimal(repr(checker.relative))

    def allows(self, printed: bytes, expected: bytes) -> bool:
        """Says whether a word may stand for the expected one, which it is not."""
        if (a := _number(printed)) is None or (b := _number(expected)) is None:
            return False
        difference = _ARITHMETIC.abs(_ARITHMETIC.subtract(a, b))
        if difference <= self._absolute:
            return True
        # Rounded before the product, which would take the time of all its digits.
        size = _ARITHMETIC.plus(_ARITHMETIC.abs(b))
        return difference <= _ARITHMETIC.multiply(self._relative, size)


def _number(word: bytes) -> Decimal | None:
    if not _NUMBER.fullmatch(word):
        return None
    try:
        return Decimal(word.decode("ascii"), _ARITHMETIC)
    except InvalidOperation:
        # An exponent beyond all measure.
        return None


def _words(text: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(text):
        space = _SPACE.search(text, start + _BLOCK_BYTES)
        end = space.start() if space else len(text)
        yield from text[start:end].split()
        start = end


def _difference_of_words(
    output: bytes, expected: bytes, tolerance: _Tolerance | None
) -> Difference | None:
    printed_words, expected_words = _words(output), _words(expected)
    before = 0
    while True:
        block = list(islice(printed_words, _BLOCK_WORDS))
        against = list(islice(expected_words, _BLOCK_WORDS))
        if block != against:
            for index, (word, other) in enumerate(zip(block, against, strict=False), before):
                if word != other and not (tolerance and tolerance.allows(word, other)):
                    line, number = _place(output, index)
                    return Difference(f"line {line}, word {number}: {_pair(word, other)}")
        before += len(block)
        if len(block) != len(against) or not block:
            break
    surplus = len(block) + _count(printed_words) - len(against) - _count(expected_words)
    if surplus == 0:
        return None
    words = f"{abs(surplus):,} word{'s' if abs(surplus) > 1 else ''}"
    if surplus > 0:
        first = block[len(against)]
        return Difference(f"printed {words} more than expected; the first is {_quoted(first)}")
    first = against[len(block)]
    return Difference(f"printed {words} fewer than expected; the first missing is {_quoted(first)}")


def _count(words: Iterator[bytes]) -> int:
    return sum(1 for _ in words)


def _place(text: bytes, index: int) -> tuple[int, int]:
    """Returns the line of a word and its number in that line, both from 1."""
    start = next(islice(_WORD.finditer(text), index, None)).start()
    line_start = text.rfind(b"\n", 0, start) + 1
    return text.count(b"\n", 0, start) + 1, _count(_words(text[line_start:start])) + 1


def _difference_of_bytes(output: bytes, expected: bytes) -> Difference:
    same = _common_prefix(output, expected)
    line_start = output.rfind(b"\n", 0, same) + 1
    line, column = output.count(b"\n", 0, same) + 1, same - line_start + 1
    shown = f"line {line}, byte {column}: "
    if same == len(output):
        return Difference(f"{shown}the output ends, expected {_quoted(expected[same:])}")
    if same == len(expected):
        return Difference(f"{shown}printed {_quoted(output[same:])}, expected the end")
    return Difference(shown + _pair(output[line_start:], expected[line_start:]))


def _common_prefix(a: bytes, b: bytes) -> int:
    """Returns how many bytes two texts begin with alike, by comparing ever smaller halves."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _pair(printed: bytes, expected: bytes) -> str:
    """Names both words, from shortly before where long ones begin to differ."""
    same = _common_prefix(printed, expected)
    start = 0 if same < _SHOWN_CHARACTERS // 2 else same - _SHOWN_CHARACTERS // 4
    while start and printed[start] & 0xC0 == 0x80 and same - start < _SHOWN_CHARACTERS:  # noqa: PLR2004
        start -= 1  # Into no character of several bytes.
    mark = "…" if start else ""
    return f"printed {_quoted(printed[start:], mark)}, expected {_quoted(expected[start:], mark)}"


def _quoted(text: bytes, mark: str = "") -> str:
    # No character takes more than four bytes.
    head = text[: 4 * _SHOWN_CHARACTERS + 4].decode(errors="backslashreplace")
    return f'"{mark}{safe(head, _SHOWN_CHARACTERS)}"'
