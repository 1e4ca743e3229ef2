"""Outputs are compared by rule, in linear time, and a difference is named in one safe sentence."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.checker import compare, verdict_of_checker
from sandbox.model import (
    MIB,
    CheckerFailure,
    Exact,
    ExitFacts,
    Floats,
    Limits,
    Stopped,
    Tokens,
    Verdict,
)

LIMITS = Limits(cpu_s=1, wall_s=2, memory_bytes=64 * MIB, output_bytes=1000, processes=8)
CHECKERS = st.sampled_from(
    (Exact(), Tokens(), Floats(), Floats(absolute=1e-6), Floats(relative=1e-9), Floats(1.0, 1.0))
)
WORDS = st.lists(st.text("abc019.-e", min_size=1, max_size=5).map(str.encode), max_size=8)
SPACE = st.text(" \t\n\r\v\f", min_size=1, max_size=4).map(str.encode)
# Texts that are alike more often than chance has it.
TEXTS = st.binary(max_size=60) | WORDS.map(b" ".join)


def said(checker: Exact | Tokens | Floats, output: bytes, expected: bytes) -> str:
    difference = compare(checker, output, expected)
    return "" if difference is None else difference.detail


@pytest.mark.parametrize(
    ("output", "expected", "detail"),
    [
        (b"1\n2\n", b"1\n2\n", ""),
        (b"", b"", ""),
        (b"1\n2", b"1\n2\n", 'line 2, byte 2: the output ends, expected "\\n"'),
        (b"1\n2\n ", b"1\n2\n", 'line 3, byte 1: printed " ", expected the end'),
        (b"1\n2x", b"1\n2y", 'line 2, byte 2: printed "2x", expected "2y"'),
        (b"1\r\n", b"1\n", 'line 1, byte 2: printed "1\\r\\n", expected "1\\n"'),
    ],
)
def test_exact(output: bytes, expected: bytes, detail: str) -> None:
    assert said(Exact(), output, expected) == detail


@pytest.mark.parametrize(
    ("output", "expected", "detail"),
    [
        (b" 1\r\n2\t3\n\n", b"1 2 3", ""),
        (b"1 2\n3 4\n\n5 7 9", b"1 2 3 4 5 8 9", 'line 4, word 2: printed "7", expected "8"'),
        (b"1 2 3", b"1", 'printed 2 words more than expected; the first is "2"'),
        (b"1", b"1 2", 'printed 1 word fewer than expected; the first missing is "2"'),
        (b"", b"Yes", 'printed 1 word fewer than expected; the first missing is "Yes"'),
        (b"yes", b"Yes", 'line 1, word 1: printed "yes", expected "Yes"'),
        (b"1.0", b"1", 'line 1, word 1: printed "1.0", expected "1"'),
        # No white space of ASCII: a word.
        ("1\u00a02".encode(), b"1 2", 'line 1, word 1: printed "1\\xa02", expected "1"'),
    ],
)
def test_tokens(output: bytes, expected: bytes, detail: str) -> None:
    assert said(Tokens(), output, expected) == detail


@pytest.mark.parametrize(
    ("checker", "output", "expected", "equal"),
    [
        # At the edge, in decimals: 1.1 - 1 is more than 0.1 in doubles.
        (Floats(absolute=0.1), b"1.1", b"1", True),
        (Floats(absolute=0.1), b"1.1000000000000000001", b"1", False),
        (Floats(absolute=1e-6), b"0.000001", b"0", True),
        (Floats(absolute=1e-6), b"-0.0000010001", b"0", False),
        # Relative to what was expected, not to what was printed.
        (Floats(relative=0.1), b"110", b"100", True),
        (Floats(relative=0.1), b"110.0001", b"100", False),
        (Floats(relative=0.1), b"90", b"100", True),
        (Floats(relative=0.1), b"100", b"90", False),
        (Floats(relative=0.1), b"-110", b"-100", True),
        (Floats(relative=0.5), b"0.1", b"0", False),
        # The larger tolerance counts.
        (Floats(absolute=5, relative=1e-9), b"14", b"10", True),
        (Floats(absolute=1e-9, relative=0.5), b"14", b"10", True),
        # Notation.
        (Floats(), b"1e2", b"100.000", True),
        (Floats(), b"+.5", b"0.5", True),
        (Floats(), b"5.", b"5", True),
        (Floats(), b"-0", b"0", True),
        (Floats(), b"007", b"7", True),
        (Floats(absolute=9), b"1_000", b"1000", False),
        (Floats(absolute=9), b"0x10", b"16", False),
        (Floats(absolute=9), b"1.5f", b"1.5", False),
        (Floats(absolute=9), b".", b"0", False),
        (Floats(absolute=9), b"1e", b"1", False),
        (Floats(absolute=9), "\u0661".encode(), b"1", False),
        # What is not finite equals only itself.
        (Floats(absolute=9), b"nan", b"nan", True),
        (Floats(absolute=9), b"nan", b"NaN", False),
        (Floats(absolute=9), b"nan", b"0", False),
        (Floats(absolute=9), b"inf", b"inf", True),
        (Floats(absolute=9), b"infinity", b"inf", False),
        (Floats(absolute=9, relative=1), b"1e308", b"inf", False),
        (Floats(absolute=9), b"1e999999999999999999999", b"1", False),
        (Floats(absolute=9), b"1e999999999999999999", b"1e-999999999999999999", False),
        # Longer than a double is precise.
        (Floats(), b"9007199254740993", b"9007199254740992", False),
        (Floats(absolute=1), b"9007199254740993", b"9007199254740992", True),
        (Floats(), b"1e400", b"1e401", False),
        (Floats(relative=1e-6), b"1.0000001e400", b"1e400", True),
        # Words among numbers.
        (Floats(absolute=9), b"Case #1: 2.5", b"Case #1: 2.4", True),
        (Floats(absolute=9), b"Case #1: x", b"Case #1: y", False),
    ],
)
def test_floats(checker: Floats, output: bytes, expected: bytes, equal: bool) -> None:
    assert (compare(checker, output, expected) is None) is equal


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (b"9" * (16 * MIB), b"8" * (16 * MIB)),
        (b"9" * (16 * MIB) + b"x", b"9" * (16 * MIB)),
        (b"0." + b"1" * (16 * MIB), b"0." + b"2" * (16 * MIB)),
        (b"1" * (16 * MIB) + b"e99", b"1"),
        (b"1e" + b"9" * (16 * MIB), b"1"),
        (b"." * (16 * MIB), b"1"),
        (b" " * (16 * MIB), b"1"),
        (b"x\n" * (8 * MIB), b"x\n" * (8 * MIB) + b"y"),
    ],
    ids=range(8),
)
def test_no_input_takes_more_than_linear_time(output: bytes, expected: bytes) -> None:
    """Anything worse than linear would not end within the patience of whoever waits."""
    for checker in (Exact(), Tokens(), Floats(absolute=1e-9, relative=1e-9)):
        assert compare(checker, output, expected) is not None
        assert compare(checker, expected, output) is not None


@given(CHECKERS, TEXTS)
def test_everything_equals_itself(checker: Exact | Tokens | Floats, text: bytes) -> None:
    assert compare(checker, text, bytes(bytearray(text))) is None


@given(CHECKERS, TEXTS, TEXTS)
def test_bytes_of_any_kind_give_a_bounded_sentence(
    checker: Exact | Tokens | Floats, output: bytes, expected: bytes
) -> None:
    difference = compare(checker, output, expected)
    if difference is None:
        return
    assert output != expected
    assert 0 < len(difference.detail) <= 200
    assert difference.detail.isprintable()
    assert str(difference) == difference.detail


@given(TEXTS, TEXTS)
def test_words_are_equal_in_both_directions(a: bytes, b: bytes) -> None:
    equal = compare(Tokens(), a, b) is None
    assert equal is (a.split() == b.split())
    assert equal is (compare(Tokens(), b, a) is None)


@given(WORDS, st.data())
def test_white_space_between_words_does_not_count(words: list[bytes], data: st.DataObject) -> None:
    apart = b"".join(word + data.draw(SPACE) for word in words)
    assert compare(Tokens(), data.draw(SPACE | st.just(b"")) + apart, b" ".join(words)) is None


@given(WORDS.filter(bool), st.data())
def test_the_place_that_is_named_is_that_of_the_word(
    words: list[bytes], data: st.DataObject
) -> None:
    """Over the border of the blocks in which words are read, too."""
    before = data.draw(st.sampled_from((0, 1, 4095, 4096, 4097, 40_000)))
    index = data.draw(st.integers(0, len(words) - 1))
    wrong = [*words[:index], b"wrong", *words[index + 1 :]]
    lines = b"w\n" * before
    detail = said(Tokens(), lines + b"  ".join(wrong), lines + b" ".join(words))
    assert detail.startswith(f"line {before + 1}, word {index + 1}: printed")


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-1000, max_value=1000),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_a_number_may_be_off_by_the_tolerance_and_no_more(
    expected: Decimal, millionths: int, above: bool
) -> None:
    tolerance = Decimal(millionths).scaleb(-6)
    sign = 1 if above else -1
    checker = Floats(absolute=float(tolerance))
    just, over = (expected + sign * (tolerance + more) for more in (0, Decimal("1e-9")))
    assert compare(checker, f"{just:f}".encode(), f"{expected:f}".encode()) is None
    assert compare(checker, f"{over:f}".encode(), f"{expected:f}".encode()) is not None


def test_what_is_shown_of_an_output_cannot_steer_a_terminal() -> None:
    detail = said(Tokens(), b"\x1b[2J\x07\xff\x00" + "\u202e".encode(), b"ok")
    assert detail == 'line 1, word 1: printed "\\x1b[2J\\x07\\xff\\x00\\u202e", expected "ok"'


def test_long_words_are_shown_from_where_they_begin_to_differ() -> None:
    alike = "言葉".encode() * 1000
    detail = said(Tokens(), alike + b"1" + alike, alike + b"2" + alike)
    assert "言葉1言葉" in detail
    assert "言葉2言葉" in detail
    assert "\\x" not in detail
    assert len(detail) < 200


@pytest.mark.parametrize(
    ("facts", "verdict", "detail"),
    [
        (ExitFacts(exit_status=42), Verdict.ACCEPTED, ""),
        (ExitFacts(exit_status=42, stderr=b"fine"), Verdict.ACCEPTED, ""),
        (
            ExitFacts(exit_status=43, stderr=b"\n 2 is not prime\nmore"),
            Verdict.WRONG_ANSWER,
            "2 is",
        ),
        (ExitFacts(exit_status=43, stdout=b"\x1b[31mno"), Verdict.WRONG_ANSWER, "\\x1b[31mno"),
        (ExitFacts(exit_status=43), Verdict.WRONG_ANSWER, "the checker says"),
        # What runtimes end with by themselves.
        (ExitFacts(exit_status=0), Verdict.SANDBOX_ERROR, "status 0"),
        (ExitFacts(exit_status=1, stdout=b"no"), Verdict.SANDBOX_ERROR, "status 1"),
        (ExitFacts(exit_status=2, stderr=b"panic: x"), Verdict.SANDBOX_ERROR, "panic: x"),
        (ExitFacts(exit_status=3, stderr=b"bad test"), Verdict.SANDBOX_ERROR, "status 3"),
        (ExitFacts(signal=11), Verdict.SANDBOX_ERROR, "the checker was ended by signal 11"),
        (ExitFacts(signal=31), Verdict.SANDBOX_ERROR, "the checker made a forbidden"),
        (ExitFacts(exit_status=42, cpu_s=3), Verdict.SANDBOX_ERROR, "the checker reached its time"),
        (ExitFacts(exit_status=43, stopped=Stopped.WALL), Verdict.SANDBOX_ERROR, "its time limit"),
        (ExitFacts(exit_status=43, out_of_memory_kills=1), Verdict.SANDBOX_ERROR, "its memory"),
        (ExitFacts(signal=9, stopped=Stopped.OUTPUT), Verdict.SANDBOX_ERROR, "printed more"),
        (
            ExitFacts(exit_status=1, stderr=b"Traceback (most recent call last):\n x\nEOFError\n"),
            Verdict.SANDBOX_ERROR,
            ": Traceback (most recent call last): … EOFError",
        ),
        (ExitFacts(failure="no \x1bfile"), Verdict.SANDBOX_ERROR, "not be started: no \\x1bfile"),
    ],
)
def test_a_checker_judges_with_its_status_and_its_failure_is_not_the_programs(
    facts: ExitFacts, verdict: Verdict, detail: str
) -> None:
    found, why, failure = verdict_of_checker(facts, LIMITS)
    assert found is verdict
    # One that could not be started has not failed by itself.
    by_itself = verdict is Verdict.SANDBOX_ERROR and not facts.failure
    assert failure is (CheckerFailure.RUN if by_itself else CheckerFailure.NOT)
    assert detail in why
    assert bool(why) is bool(detail)


@given(st.binary(), st.binary(), st.integers(1, 255))
def test_whatever_a_checker_prints_is_cut_and_safe(
    stdout: bytes, stderr: bytes, status: int
) -> None:
    facts = ExitFacts(exit_status=status, stdout=20 * stdout, stderr=20 * stderr)
    _, why, _ = verdict_of_checker(facts, LIMITS)
    assert why.isprintable()
    assert 0 < len(why) < 400
