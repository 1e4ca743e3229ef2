"""Every fault of the table, forced over real HTTP at one step of a whole league.

None becomes an answer, a mark or a crash: the step ends with its cause, the run
goes on to its end, and nothing else in the tables differs.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from llm_crowdsourced.v1 import run_pb2

from tests.support.fault_league import (
    ANSWER,
    JUDGMENT,
    UNDISTURBED,
    WITHOUT,
    Play,
    Played,
    outcome_name,
    play_all,
    play_unreachable,
    plays,
)
from tests.support.faults import RETRIES

STEPS = 18
MARKS = 12


@pytest_asyncio.fixture(scope="module")
async def league(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Played]:
    return await play_all(tmp_path_factory.mktemp("faults"))


def cases(step: str, *, always: bool) -> Sequence[object]:
    """Returns the leagues of a step as parameters, named by their fault."""
    return [
        pytest.param(play, id=play.fault.name)
        for play in plays()
        if play.fault is not None and (play.step, play.always) == (step, always)
    ]


def attempts(played: Played) -> list[tuple[int, int]]:
    """Returns the numbers of the step's calls: asking and attempt."""
    return [(call.ask, call.attempt) for call in played.calls]


def without(played: Played, step: str) -> list[tuple[object, ...]]:
    """Returns the marks but those of one judgment."""
    index, _, judge = step.split("/")
    return [mark for mark in played.marks if mark[:2] != (int(index), judge)]


def test_the_undisturbed_league_is_whole(league: Mapping[str, Played]) -> None:
    played = league[UNDISTURBED]
    assert played.run.progress.ok_steps == played.run.progress.calls == STEPS
    assert (len(played.answers), len(played.marks), played.standings.marks) == (6, MARKS, MARKS)


@pytest.mark.parametrize("play", cases(JUDGMENT, always=True))
def test_a_judgment_that_goes_wrong_each_time(league: Mapping[str, Played], play: Play) -> None:
    played, whole, fault = league[play.run_id], league[UNDISTURBED], play.fault
    assert fault is not None
    assert played.run.state == run_pb2.Run.STATE_SUCCEEDED, played.run.state_reason
    assert (played.outcome, played.result.cause) == (fault.outcome, fault.cause)
    assert bool(played.result.detail) is (fault.outcome != "OK")
    assert played.result.repaired is fault.repaired
    _assert_calls(played)
    assert played.answers == whole.answers
    if fault.outcome != "OK":
        assert played.marks == without(whole, JUDGMENT)
        assert played.standings.marks == played.run.progress.marks == MARKS - 2
        assert played.standings.planned_marks == MARKS
        assert dict(played.run.progress.failures) == {fault.cause: 1}
    elif fault.alters:
        assert without(played, JUDGMENT) == without(whole, JUDGMENT)
        assert played.standings.marks == MARKS
    else:
        assert played.marks == whole.marks
        assert played.standings == whole.standings


def _assert_calls(played: Played) -> None:
    """Asserts that every call of a step that went wrong each time is on record as what it was."""
    fault = played.play.fault
    assert fault is not None
    expected = [(ask, at) for ask in range(fault.askings) for at in range(fault.attempts)]
    assert attempts(played) == expected
    assert played.result.calls == len(expected)
    assert played.result.reasks == fault.askings - 1
    for call in played.calls:
        assert call.http_status == fault.status
        assert call.HasField("http_status") is (fault.status != 0)
        assert outcome_name(call.outcome) == fault.call_outcome
        assert call.cause == (fault.cause if fault.call_outcome != "OK" else "")


@pytest.mark.parametrize("play", cases(JUDGMENT, always=False))
def test_a_judgment_that_goes_wrong_once(league: Mapping[str, Played], play: Play) -> None:
    played, whole, fault = league[play.run_id], league[UNDISTURBED], play.fault
    assert fault is not None
    assert played.run.state == run_pb2.Run.STATE_SUCCEEDED, played.run.state_reason
    assert played.answers == whole.answers
    if not fault.passes:
        assert (played.outcome, played.result.cause) == (fault.outcome, fault.cause)
        assert played.marks == without(whole, JUDGMENT)
        return
    assert (played.outcome, played.result.cause) == ("OK", "")
    if fault.outcome == "OK":
        assert attempts(played) == [(0, 0)]
    else:
        again = (0, 1) if fault.attempts > 1 else (1, 0)
        assert attempts(played) == [(0, 0), again]
        assert not played.result.repaired
    if not fault.alters or fault.outcome != "OK":
        assert played.marks == whole.marks
        assert played.standings == whole.standings
        assert not played.run.progress.failures


@pytest.mark.parametrize("play", cases(ANSWER, always=True))
def test_an_answer_that_goes_wrong_each_time(league: Mapping[str, Played], play: Play) -> None:
    played, fault = league[play.run_id], play.fault
    assert fault is not None
    assert played.run.state == run_pb2.Run.STATE_SUCCEEDED, played.run.state_reason
    assert (played.outcome, played.result.cause) == (fault.outcome, fault.cause)
    _assert_calls(played)
    if fault.alters:
        others = [answer for answer in played.answers if answer[:2] != (3, "p1")]
        assert others == league[WITHOUT].answers
        assert len(played.marks) == MARKS
        return
    expected = league[UNDISTURBED if fault.outcome == "OK" else WITHOUT]
    assert played.answers == expected.answers
    assert played.marks == expected.marks
    assert played.standings == expected.standings


@pytest.mark.parametrize(
    "play", [pytest.param(p, id=p.dialect.name) for p in plays() if p.dialect is not None]
)
def test_what_an_endpoint_does_not_take_is_left_out_and_remembered(
    league: Mapping[str, Played], play: Play
) -> None:
    played, whole, dialect = league[play.run_id], league[UNDISTURBED], play.dialect
    assert dialect is not None
    assert played.run.progress.ok_steps == STEPS
    assert (played.answers, played.marks) == (whole.answers, whole.marks)
    refused = [call for call in played.calls if call.cause]
    # Each of the three models is refused once a step down, and never again.
    assert len(refused) == 3 * dialect.refusals == len(played.calls) - STEPS
    for call in refused:
        assert (call.cause, call.http_status) == ("bad_request", 400)
        assert "asked again" in call.detail
    went = [call for call in played.calls if not call.cause]
    assert {call.response_format for call in went} == {dialect.response_format}
    # A setting that a call went without stands with each such call.
    note = "asked without temperature, which the endpoint does not take"
    assert {call.detail for call in went} == {note if "parameter" in dialect.name else ""}


async def test_a_connection_that_is_refused_each_time(
    league: Mapping[str, Played], tmp_path: Path
) -> None:
    played, whole = await play_unreachable(tmp_path, always=True), league[UNDISTURBED]
    assert played.run.state == run_pb2.Run.STATE_SUCCEEDED
    assert (played.outcome, played.result.cause) == ("UNAVAILABLE", "unreachable")
    _assert_calls(played)
    assert played.answers == whole.answers
    assert played.marks == without(whole, JUDGMENT)


async def test_a_connection_that_is_refused_until_the_endpoint_is_back(
    league: Mapping[str, Played], tmp_path: Path
) -> None:
    played, whole = await play_unreachable(tmp_path, always=False), league[UNDISTURBED]
    assert (played.outcome, played.result.reasks) == ("OK", 0)
    assert {call.cause for call in played.calls[:-1]} == {"unreachable"}
    assert (played.answers, played.marks) == (whole.answers, whole.marks)
    assert played.standings == whole.standings


def test_a_league_without_an_answer_lacks_what_was_said_of_it(
    league: Mapping[str, Played],
) -> None:
    """The setter judges one answer in place of two; who would have judged it alone judges none."""
    played, whole = league[WITHOUT], league[UNDISTURBED]
    assert len(played.answers) == 5
    assert [mark[:3] for mark in played.marks] == [
        mark[:3] for mark in whole.marks if (mark[0], mark[2]) != (3, "p1")
    ]


def test_tied_answers_share_their_mean_rank(league: Mapping[str, Played]) -> None:
    for played in league.values():
        if played.play.fault is not None and played.play.fault.name == "ties":
            ranks = [mark[5] for mark in played.marks if mark[:2] == (3, "p3")]
            assert ranks == [1.5, 1.5]


@pytest.mark.parametrize("name", ["usage missing", "usage beyond all measure"])
def test_missing_usage_is_unknown_and_charged_at_its_worst(
    league: Mapping[str, Played], name: str
) -> None:
    for played in league.values():
        if played.play.fault is not None and played.play.fault.name == name:
            (call,) = [c for c in played.calls if not c.usage.HasField("completion_tokens")]
            assert call.charged_tokens > call.usage.completion_tokens


def test_retries_are_bounded(league: Mapping[str, Played]) -> None:
    assert max(call.attempt for played in league.values() for call in played.calls) == RETRIES
