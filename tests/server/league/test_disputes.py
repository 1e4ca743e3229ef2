"""Disputed cases: what most answers agree on, against the reference."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.checker import compare
from sandbox.model import Checker, Exact, Floats, Tokens, Verdict
from server.league.disputes import digest, disputed
from server.store.execution_records import ExecutionRecord
from tests.support.ran import case_run, checked_case, execution

SPACE = b" \t\n\r\v\f"


def _printing(output: bytes, **values: Any) -> ExecutionRecord:
    """Returns an answer that prints this, judged against 42 word by word."""
    right = compare(Tokens(), output, b"42\n") is None
    verdict = Verdict.ACCEPTED if right else Verdict.WRONG_ANSWER
    return execution(case_run(stdout=output, **({"verdict": verdict} | values)))


def _not_compiling() -> ExecutionRecord:
    return execution(compile_verdict=Verdict.COMPILE_ERROR)


@pytest.mark.parametrize(
    ("outputs", "is_disputed"),
    [
        ([b"41", b"41"], True),
        ([b"41\n", b" 41", b"7"], True),
        ([b"41", b"41", b"42"], True),
        ([b"41", b"41", b"42", b"42"], False),
        ([b"41", b"41", b"41", b"41", b"42", b"42"], True),
        ([b"41", b"41", b"41", b"42", b"42"], False),
        ([b"41"] * 5 + [b"42"] * 2, True),
        ([b"41"] * 4 + [b"42"] * 3, False),
        ([b"41"], False),
        ([b"41", b"40", b"39"], False),
        ([b"42", b"42", b"42"], False),
        ([b"42"], False),
        ([], False),
    ],
)
def test_two_thirds_and_at_least_two_dispute(outputs: list[bytes], is_disputed: bool) -> None:
    executions = [_printing(output) for output in outputs]
    assert disputed([checked_case()], executions) == ({1} if is_disputed else frozenset())


def test_only_answers_that_compile_are_counted() -> None:
    agreeing = [_printing(b"41"), _printing(b"41")]
    assert disputed([checked_case()], [*agreeing, *[_not_compiling()] * 5]) == {1}
    # An answer that compiles and fails counts, though it prints nothing to agree with.
    crashed = _printing(b"41", verdict=Verdict.RUNTIME_ERROR, exit_status=1)
    assert disputed([checked_case()], [*agreeing, crashed]) == {1}
    assert disputed([checked_case()], [*agreeing, crashed, crashed]) == frozenset()


@pytest.mark.parametrize(
    "values",
    [
        {"verdict": Verdict.RUNTIME_ERROR, "exit_status": 1},
        {"verdict": Verdict.RUNTIME_ERROR, "exit_status": None, "signal": 11},
        {"verdict": Verdict.TIME_LIMIT},
        {"verdict": Verdict.MEMORY_LIMIT},
        {"verdict": Verdict.OUTPUT_LIMIT, "output_cut": True},
        {"verdict": Verdict.SECURITY_VIOLATION},
        {"verdict": Verdict.SANDBOX_ERROR},
        {"output_cut": True},
    ],
)
def test_what_did_not_run_to_its_end_agrees_with_nothing(values: dict[str, Any]) -> None:
    assert disputed([checked_case()], [_printing(b"41", **values)] * 3) == frozenset()


def test_an_output_that_the_checker_took_is_no_dispute() -> None:
    near = _printing(b"42.0000001", verdict=Verdict.ACCEPTED)
    assert disputed([checked_case()], [near, near, near]) == frozenset()


def test_where_every_byte_counts_the_same_white_space_is_agreed_on() -> None:
    def judged(output: bytes) -> ExecutionRecord:
        verdict = Verdict.ACCEPTED if output == b"42 \n" else Verdict.WRONG_ANSWER
        return _printing(output, verdict=verdict, digest=digest(output, Exact()))

    case = checked_case(expected=b"42 \n")
    plain, right = judged(b"42\n"), judged(b"42 \n")
    assert disputed([case], [plain, plain, right], Exact()) == {1}
    assert disputed([case], [plain, judged(b" 42\n"), judged(b"42")], Exact()) == frozenset()
    assert disputed([case], [right, right, right], Exact()) == frozenset()
    # Word by word, it is the reference's own output.
    spaced = _printing(b"42\n", verdict=Verdict.WRONG_ANSWER)
    assert disputed([case], [spaced, spaced, spaced], Tokens()) == frozenset()


@pytest.mark.parametrize("checker", [Exact(), Tokens(), Floats(absolute=1e-9)])
@pytest.mark.parametrize("blank", [b"", b"\n", b" \t\r\n\v\f" * 100])
def test_programs_that_print_nothing_agree_on_nothing(checker: Checker, blank: bytes) -> None:
    right = _printing(b"42\n", digest=digest(b"42\n", checker))
    silent = _printing(blank, verdict=Verdict.WRONG_ANSWER, digest=digest(blank, checker))
    assert disputed([checked_case()], [right, silent, silent], checker) == frozenset()
    # Nor do they keep others from it.
    wrong = _printing(b"41", digest=digest(b"41", checker))
    assert disputed([checked_case()], [wrong, wrong, silent], checker) == {1}


@given(*[st.binary(max_size=6).map(lambda b: bytes(b"ab \n"[x % 4] for x in b))] * 2)
def test_a_digest_of_all_bytes_tells_what_the_exact_checker_tells(one: bytes, other: bytes) -> None:
    same = compare(Exact(), one, other) is None or not (one.split() or other.split())
    assert (digest(one, Exact()) == digest(other, Exact())) is same


@pytest.mark.parametrize(
    ("outputs", "is_disputed"),
    [
        ([b"0.3", b"0.30\n"], True),
        ([b"0.3", b"0.30", b"3e-1"], True),
        ([b"0.3", b"0.3000000001", b"7"], True),
        ([b"0.3", b"0.30", b"7", b"8"], False),
        # Each is near the next, and two thirds are near the one between.
        ([b"1.000000000", b"1.000000001", b"1.000000002", b"5"], True),
        ([b"1", b"2"], False),
    ],
)
def test_numbers_that_the_checker_takes_for_each_other_agree(
    outputs: list[bytes], is_disputed: bool
) -> None:
    floats = Floats(absolute=1e-9)
    answers = [_printing(output, verdict=Verdict.WRONG_ANSWER) for output in outputs]
    found = disputed([checked_case()], answers, floats)
    assert found == ({1} if is_disputed else frozenset())
    assert disputed([checked_case()], answers, Tokens()) == frozenset()


def test_of_numbers_that_are_not_kept_whole_only_equal_words_agree() -> None:
    values: dict[str, Any] = {"verdict": Verdict.WRONG_ANSWER, "output_bytes": 99}
    answers = [_printing(output, **values) for output in (b"0.3", b"0.30")]
    assert disputed([checked_case()], answers, Floats()) == frozenset()
    assert disputed([checked_case()], [answers[0]] * 2, Floats()) == {1}


def test_each_case_is_looked_at_for_itself_and_dropped_ones_never_are() -> None:
    answers = [
        execution(
            *(case_run(n, stdout=b"41", verdict=Verdict.WRONG_ANSWER) for n in (1, 3, 4)),
            case_run(2),
        )
    ] * 2
    cases = [checked_case(1), checked_case(2), checked_case(3, dropped="crashed"), checked_case(4)]
    assert disputed(cases, answers) == {1, 4}


@given(st.lists(st.sampled_from([b"41", b"42", b"40", None]), max_size=9))
def test_the_rule_holds_for_any_outputs(outputs: list[bytes | None]) -> None:
    executions = [_not_compiling() if o is None else _printing(o) for o in outputs]
    compiling = [o for o in outputs if o is not None]
    most = max((compiling.count(o) for o in (b"41", b"40")), default=0)
    expected = most >= 2 and most / len(compiling) >= 2 / 3 - 1e-9
    assert (disputed([checked_case()], executions) == {1}) is expected


@given(st.lists(st.binary(min_size=1).filter(lambda word: word.split() == [word])), st.data())
def test_equal_words_have_equal_digests(words: list[bytes], data: st.DataObject) -> None:
    gaps = st.binary(min_size=1, max_size=70).map(lambda drawn: bytes(SPACE[b % 6] for b in drawn))
    spread = b"".join(part for word in words for part in (data.draw(gaps), word))
    assert digest(spread + data.draw(gaps)) == digest(b" ".join(words))


@given(*[st.binary(max_size=12).map(lambda b: bytes(b"ab \n\t"[x % 5] for x in b))] * 2)
def test_a_digest_tells_what_the_checker_of_words_tells(one: bytes, other: bytes) -> None:
    same = compare(Tokens(), one, other) is None
    assert (digest(one) == digest(other)) is same


def test_every_two_bytes_between_words_are_as_the_checker_has_them() -> None:
    for first, second in product(range(256), SPACE):
        output = b"1" + bytes([first, second]) + b"2"
        same = compare(Tokens(), output, b"1 2") is None
        assert (digest(output) == digest(b"1 2")) is same
