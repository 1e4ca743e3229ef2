"""What a participant fails at is data: recorded with its cause, and the league goes on."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from llm_crowdsourced.v1 import round_pb2, run_pb2, run_service_pb2

from tests.support.league_server import league_server, math_league, settings_for
from tests.support.rounds import calls, create, is_in_state, marks, outcomes, rounds, run
from tests.support.scripted_endpoint import ScriptedReply, failure
from tests.support.scripted_league import Asked, Bend, LeagueScript

REFUSAL = ScriptedReply(text=None, refusal="I would rather not.")
CUT = ScriptedReply(text='{"solution": "and so', finish_reason="length")
UNREADABLE = ScriptedReply(text="I have no opinion.")

ROLE_NAMES = {
    round_pb2.ROLE_QUESTION: "question",
    round_pb2.ROLE_ANSWER: "answer",
    round_pb2.ROLE_JUDGMENT: "judgment",
}


class Played:
    """A league of four in which some steps were bent."""

    def __init__(
        self,
        script: LeagueScript,
        ended: run_pb2.Run,
        played: list[round_pb2.Round],
        made: list[Any],
    ) -> None:
        self.script, self.run, self.rounds, self.calls = script, ended, played, made

    def result(self, step: str) -> round_pb2.StepResult:
        """Returns how a step ended."""
        index, role, participant = step.split("/")
        found = self.rounds[int(index) - 1]
        if role == "question":
            return found.result
        if role == "answer":
            return next(a.result for a in found.answers if a.answerer == participant)
        return next(j.result for j in found.judgments if j.judge == participant)


async def play(tmp_path: Path, bend: Bend, **league: Any) -> Played:
    """Plays a league of four with a provider that is never tried again."""
    script = LeagueScript(bend)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings) as server:
            await server.play(create(math_league(4, **league)))
            return Played(script, await run(server), await rounds(server), await calls(server))


def only(step: str, reply: ScriptedReply) -> Bend:
    """Bends one step, each time it is asked for."""
    return lambda asked: reply if asked.step == step else None


async def test_a_void_question_skips_the_rest_of_its_round(tmp_path: Path) -> None:
    played = await play(tmp_path, only("2/question/p2", UNREADABLE))
    assert played.run.state == run_pb2.Run.STATE_SUCCEEDED
    assert played.script.times()["2/question/p2"] == 3
    assert outcomes(played.rounds) == {
        "question OK": 3,
        "question UNPARSABLE no_json": 1,
        "answer OK": 9,
        "answer SKIPPED question_void": 3,
        "judgment OK": 12,
        "judgment SKIPPED question_void": 4,
    }
    assert not played.rounds[1].HasField("question")
    assert {a.role for a in played.script.asked if a.round == 2} == {"question"}
    assert played.run.progress.done_steps == 32
    assert dict(played.run.progress.failures) == {"no_json": 1, "question_void": 7}


async def test_a_missing_answer_is_shown_to_nobody(tmp_path: Path) -> None:
    played = await play(tmp_path, only("1/answer/p2", REFUSAL))
    result = played.result("1/answer/p2")
    assert (result.outcome, result.calls) == (round_pb2.OUTCOME_REFUSED, 1)
    found = [(judge, m) for index, judge, m in marks(played.rounds) if index == 1]
    assert sorted((judge, m.answerer) for judge, m in found) == [
        ("p1", "p3"), ("p1", "p4"), ("p2", "p3"), ("p2", "p4"), ("p3", "p4"), ("p4", "p3"),
    ]  # fmt: skip
    # The published points of a rank stay; a list of one says nothing of shares.
    alone = next(m for judge, m in found if judge == "p3")
    assert (alone.rank, alone.points) == (1.0, 2.0)
    assert not alone.HasField("share")
    judgments = [a for a in played.script.of("judgment") if a.round == 1]
    assert not any("rather not" in a.request.prompt for a in judgments)
    assert list(played.rounds[0].judgments[0].answerers) == ["p3", "p4"]


async def test_with_no_answer_there_is_nothing_to_judge(tmp_path: Path) -> None:
    played = await play(
        tmp_path, lambda asked: REFUSAL if asked.round == 1 and asked.role == "answer" else None
    )
    assert played.run.state == run_pb2.Run.STATE_SUCCEEDED
    assert outcomes(played.rounds)["judgment SKIPPED nothing_to_judge"] == 4
    assert not [a for a in played.script.of("judgment") if a.round == 1]


async def test_an_unreadable_judgment_is_asked_again_with_the_reason(tmp_path: Path) -> None:
    def bend(asked: Asked) -> ScriptedReply | None:
        if asked.step != "1/judgment/p1" or asked.time > 1:
            return None
        ranks = {"A": 1, "B": 2} if asked.time == 0 else {"A": 1, "B": 2, "C": 3, "p1": 1}
        return ScriptedReply(text=json.dumps({"ranks": ranks}))

    played = await play(tmp_path, bend)
    first, second, third = (a for a in played.script.asked if a.step == "1/judgment/p1")
    assert '"ranks" left out C' in second.request.prompt
    assert "'p1', which was not shown" in third.request.prompt
    assert second.request.prompt.startswith(first.request.prompt.rstrip())
    result = played.result("1/judgment/p1")
    assert (result.outcome, result.reasks, result.calls) == (round_pb2.OUTCOME_OK, 2, 3)
    assert len(marks(played.rounds)) == 36


@pytest.mark.parametrize("max_reasks", [0, 1, 2])
async def test_a_judgment_that_stays_unreadable_gives_no_marks(
    tmp_path: Path, max_reasks: int
) -> None:
    played = await play(tmp_path, only("1/judgment/p1", UNREADABLE), max_reasks=max_reasks)
    assert played.script.times()["1/judgment/p1"] == 1 + max_reasks
    result = played.result("1/judgment/p1")
    assert result.outcome == round_pb2.OUTCOME_UNPARSABLE
    assert (result.cause, result.reasks, result.calls) == ("no_json", max_reasks, 1 + max_reasks)
    assert len(marks(played.rounds)) == played.run.progress.marks == 36 - 3
    kept = [c for c in played.calls if (c.round, c.participant, c.role) == (1, "p1", 3)]
    assert [c.ask for c in kept] == list(range(1 + max_reasks))
    # Each reply is on record as it came, and the call itself went well.
    assert all(c.raw_reply == UNREADABLE.text for c in kept)
    assert all(c.outcome == round_pb2.OUTCOME_OK for c in kept)


async def test_a_broken_reply_that_could_be_mended_says_so(tmp_path: Path) -> None:
    broken = ScriptedReply(text='{"solution": "he said "so", and", "answer": "4",}')
    played = await play(tmp_path, only("1/answer/p2", broken))
    result = played.result("1/answer/p2")
    assert (result.outcome, result.repaired, result.reasks) == (round_pb2.OUTCOME_OK, True, 0)
    assert not played.result("1/answer/p3").repaired


async def test_a_reply_that_is_cut_is_asked_for_again_then_truncated(tmp_path: Path) -> None:
    played = await play(tmp_path, only("1/answer/p2", CUT))
    result = played.result("1/answer/p2")
    assert (result.outcome, result.calls) == (round_pb2.OUTCOME_TRUNCATED, 3)
    assert result.detail
    again = [a for a in played.script.asked if a.step == "1/answer/p2"][1]
    assert "shorter than before" in again.request.prompt
    assert not [m for index, _, m in marks(played.rounds) if (index, m.answerer) == (1, "p2")]


async def test_a_wrong_key_ends_its_participant_alone(tmp_path: Path) -> None:
    """From round 2 on p2's key is refused: it is asked once more, and never again."""

    def bend(asked: Asked) -> ScriptedReply | None:
        if asked.participant == "p2" and asked.round >= 2:
            return failure(401, "Incorrect API key provided.", "invalid_api_key")
        return None

    # One call at a time, so that none is under way when the refusal comes.
    played = await play(tmp_path, bend, max_concurrent_calls=1)
    assert played.run.state == run_pb2.Run.STATE_SUCCEEDED
    refused = [a for a in played.script.asked if a.participant == "p2" and a.round >= 2]
    assert len(refused) == 1
    assert outcomes(played.rounds)["question UNAVAILABLE unauthorized"] == 1
    for step in ("3/answer/p2", "4/answer/p2", "3/judgment/p2", "4/judgment/p2"):
        result = played.result(step)
        assert result.outcome == round_pb2.OUTCOME_UNAVAILABLE
        assert (result.cause, result.calls) == ("unauthorized", 0)
        assert result.detail
    for participant in ("p1", "p3", "p4"):
        assert played.result(f"4/judgment/{participant}").outcome == round_pb2.OUTCOME_OK


async def test_an_answer_that_names_its_maker_is_flagged(tmp_path: Path) -> None:
    named = ScriptedReply(text='{"solution": "As ChatGPT I say 4.", "answer": "4"}')
    script = LeagueScript(only("1/answer/p2", named))
    league = math_league(4)
    league.participants[1].family = "chatgpt"
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.play(create(league))
        played = await rounds(server)
    flagged = [(r.index, a.answerer) for r in played for a in r.answers if a.names_maker]
    assert flagged == [(1, "p2")]


@pytest.mark.parametrize("where", ["reading", "writing"])
async def test_a_reply_is_kept_even_if_we_fail_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a defect of ours")

    if where == "reading":
        monkeypatch.setattr("server.play.mathematics.names_maker", fail)
    else:
        monkeypatch.setattr("server.store.codec.mark_row", fail)
    script = LeagueScript()
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb")
        async with league_server(settings) as server:
            await server.play(create(math_league(4)))
            ended, made = await run(server), await calls(server)
            sent = Counter(
                request.headers["x-llm-crowdsourced-step"] for request in endpoint.requests
            )
            monkeypatch.undo()
            request = run_service_pb2.ResumeRunRequest(name="runs/math-1")
            resumed = (await server.runs.ResumeRun(request)).run
            # The event of the failure is no end any more.
            await is_in_state(server, run_pb2.Run.STATE_SUCCEEDED)
            again, whole = await run(server), await calls(server)
    assert ended.state == run_pb2.Run.STATE_FAILED
    assert "runs.py resume math-1" in ended.state_reason
    assert resumed.state == run_pb2.Run.STATE_RUNNING
    assert not again.HasField("failure")
    assert again.progress.ok_steps == again.progress.total_steps
    # What had been read or could be is not asked again.
    stored = {(c.round, c.role, c.participant) for c in made if c.outcome == round_pb2.OUTCOME_OK}
    twice = Counter((c.round, c.role, c.participant) for c in whole)
    assert all(twice[step] == 1 for step in stored)
    # Calls that the failure cut are on record as such, even those that never left.
    kept = Counter(f"{c.round}/{ROLE_NAMES[c.role]}/{c.participant}" for c in made)
    assert not sent - kept
    assert any(call.role == round_pb2.ROLE_ANSWER for call in made)
