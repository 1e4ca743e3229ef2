"""A provider's outage and an empty account pause a run; a participant's failure does not."""

from collections.abc import Awaitable
from pathlib import Path

import pytest
from llm_crowdsourced.v1 import round_pb2, run_pb2, run_service_pb2

from server.league.league import Participant
from server.league.outcome import Outcome
from server.play.outage import STREAK, Outages
from tests.support.league_server import league_server, math_league, settings_for
from tests.support.rounds import calls, create, is_in_state, outcomes, rounds
from tests.support.scripted_endpoint import ScriptedReply, failure
from tests.support.scripted_league import Asked, Held, LeagueScript, eventually

NAME = "runs/math-1"
PAUSED = run_pb2.Run.STATE_PAUSED
SUCCEEDED = run_pb2.Run.STATE_SUCCEEDED
RESUME = run_service_pb2.ResumeRunRequest(name=NAME)
RETRY = run_service_pb2.RetryRunRequest(name=NAME)


def _player(number: int, provider: str = "gateway") -> Participant:
    return Participant(id=f"p{number}", provider=provider, model=f"model-{number}")


PLAYERS = [_player(1), _player(2), _player(3, "other"), _player(4, "other")]


def _fail(outages: Outages, player: Participant, cause: str = "server_error") -> str:
    return outages.ended(player, Outcome.UNAVAILABLE, cause, "HTTP 503: overloaded")


def _serve(outages: Outages, player: Participant, outcome: Outcome = Outcome.OK) -> None:
    assert outages.ended(player, outcome, "", "") == ""


def test_steps_in_a_row_over_two_models_are_an_outage() -> None:
    outages = Outages(PLAYERS)
    for number in range(STREAK - 1):
        assert _fail(outages, PLAYERS[number % 2]) == ""
        # What another provider does says nothing of this one.
        _serve(outages, PLAYERS[2])
    reason = _fail(outages, PLAYERS[1], "stalled")
    assert reason.startswith(
        'provider "gateway" has failed 4 steps in a row (stalled: HTTP 503: overloaded)'
    )


@pytest.mark.parametrize("outcome", [o for o in Outcome if o is not Outcome.UNAVAILABLE])
def test_any_reply_ends_the_streak(outcome: Outcome) -> None:
    outages = Outages(PLAYERS)
    for _ in range(3):
        for number in range(STREAK - 1):
            assert _fail(outages, PLAYERS[number % 2]) == ""
        _serve(outages, PLAYERS[0], outcome)


def test_one_model_that_fails_is_that_participants_own_failure() -> None:
    outages = Outages(PLAYERS)
    assert not any(_fail(outages, PLAYERS[0]) for _ in range(STREAK * 3))
    # Of a provider with one model in the run, it is all there is.
    outages = Outages([_player(1), _player(2, "other")])
    assert [bool(_fail(outages, _player(1))) for _ in range(STREAK)] == [False] * 3 + [True]


def test_a_participant_that_was_given_up_is_no_witness_that_a_provider_serves() -> None:
    outages = Outages(PLAYERS)
    outages.drop(PLAYERS[1])
    assert [bool(_fail(outages, PLAYERS[0])) for _ in range(STREAK)] == [False] * 3 + [True]


async def test_an_outage_of_the_only_judge_pauses_the_run(tmp_path: Path) -> None:
    """Who set and answered in the source is asked nothing, so one model is all there is."""
    script = LeagueScript()
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings) as server:
            await server.play(create(math_league(4, rounds_per_participant=2)))
            script.bend = lambda _: failure(503, "down")
            await server.runs.RejudgeRun(
                run_service_pb2.RejudgeRunRequest(name=NAME, run_id="again-1", judges=["p1"])
            )
            paused = await is_in_state(server, PAUSED, "runs/again-1")
    # What to type is in the reason, in the order in which it is typed.
    _, _, cure = paused.state_reason.partition("runs.py resume again-1")
    assert "runs.py retry again-1" in cure
    assert paused.progress.failures["server_error"] < 8


async def test_a_participant_given_up_is_not_asked_by_steps_that_waited(tmp_path: Path) -> None:
    """Sixty steps of it stood in the queue when its key was refused."""
    script = LeagueScript(lambda a: failure(401, "bad key") if a.participant == "p1" else None)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb")
        async with league_server(settings) as server:
            league = math_league(3, rounds_per_participant=20, max_concurrent_calls=4)
            await server.runs.CreateRun(create(league))
            done = await is_in_state(server, SUCCEEDED)
    assert sum(asked.participant == "p1" for asked in script.asked) <= 4
    # 20 questions, 40 answers, and the 40 judgments of the other rounds.
    assert done.progress.failures["unauthorized"] == 100


async def test_half_a_surrogate_pair_in_an_error_does_not_hide_the_reason(tmp_path: Path) -> None:
    no_credit = ScriptedReply(status=402, body='{"error":{"message":"no credit \\ud800"}}')
    script = LeagueScript(lambda asked: no_credit if asked.step == "1/answer/p2" else None)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings) as server:
            await server.runs.CreateRun(create(math_league(3)))
            paused = await is_in_state(server, PAUSED)
    assert "the account's quota is used up (HTTP 402: no credit ?)" in paused.state_reason


def test_one_model_that_cannot_be_reached_is_an_outage() -> None:
    """A model of this machine whose process is gone, while the others play on."""
    outages = Outages(PLAYERS)
    for _ in range(STREAK - 1):
        assert _fail(outages, PLAYERS[0], "unreachable") == ""
        _serve(outages, PLAYERS[1])
    assert _fail(outages, PLAYERS[0], "unreachable").startswith('model-1 of provider "gateway"')


@pytest.mark.parametrize("cause", ["bad_request", "unknown_model", "interrupted"])
def test_what_no_waiting_mends_is_no_outage(cause: str) -> None:
    outages = Outages(PLAYERS)
    assert not any(_fail(outages, PLAYERS[n % 2], cause) for n in range(STREAK * 3))


@pytest.mark.parametrize("cause", ["bad_body", "body_too_large", "empty_reply"])
def test_no_reply_from_any_model_of_a_provider_is_an_outage(cause: str) -> None:
    outages = Outages([*PLAYERS, _player(5)])
    # The third model has not been asked yet: it may well be served.
    assert not any(_fail(outages, PLAYERS[n % 2], cause) for n in range(STREAK * 3))
    assert _fail(outages, _player(5), cause).startswith('provider "gateway" has failed 13 steps')


@pytest.mark.parametrize("cause", ["bad_body", "empty_reply"])
def test_models_that_fail_by_themselves_beside_one_that_is_served_are_no_outage(cause: str) -> None:
    outages = Outages([*PLAYERS, _player(5)])
    for _ in range(STREAK * 3):
        assert not any(_fail(outages, PLAYERS[n], cause) for n in (0, 1, 0, 1))
        _serve(outages, _player(5))


def test_a_providers_only_model_may_be_weak_by_itself() -> None:
    outages = Outages([_player(1), _player(2, "other")])
    assert not any(_fail(outages, _player(1), "empty_reply") for _ in range(STREAK * 3))
    # A page in place of a reply is no model's doing.
    outages = Outages([_player(1), _player(2, "other")])
    found = [bool(_fail(outages, _player(1), "bad_body")) for _ in range(STREAK)]
    assert found == [False] * 3 + [True]
    # Nor is it weak where nothing else is asked: the whole run would be spent.
    outages = Outages([_player(1), _player(1)])
    found = [bool(_fail(outages, _player(1), "empty_reply")) for _ in range(STREAK)]
    assert found == [False] * 3 + [True]


def _refuse(outages: Outages, player: Participant, cause: str) -> str:
    """A participant whose key is refused is dropped before the end of its step is heard of."""
    outages.drop(player)
    return _fail(outages, player, cause)


@pytest.mark.parametrize("cause", ["unauthorized", "forbidden"])
def test_a_key_that_is_refused_for_all_models_pauses(cause: str) -> None:
    outages = Outages([*PLAYERS, _player(5)])
    assert _refuse(outages, PLAYERS[0], cause) == ""
    # Refused in the meantime, and dropped for another reason.
    assert _refuse(outages, _player(5), "unknown_model") == ""
    reason = _refuse(outages, PLAYERS[1], cause)
    assert reason.startswith(f'provider "gateway" has refused the key for each model ({cause}: ')
    assert "providers.gateway.api_key_env" in reason


@pytest.mark.parametrize("cause", ["unauthorized", "forbidden"])
def test_a_key_that_is_refused_for_one_model_is_that_participants_own(cause: str) -> None:
    outages = Outages([*PLAYERS, _player(5)])
    assert _refuse(outages, PLAYERS[0], cause) == ""
    _serve(outages, PLAYERS[1])
    assert _refuse(outages, PLAYERS[1], cause) == ""
    _serve(outages, _player(5))
    # The last of a provider, long after the others.
    assert bool(_refuse(outages, _player(5), cause)) is (cause == "unauthorized")


def test_a_providers_only_model_may_be_forbidden_by_itself_and_no_key_is_wrong_for_it_alone() -> (
    None
):
    league = [_player(1), _player(2, "other")]
    assert _refuse(Outages(league), _player(1), "forbidden") == ""
    assert _refuse(Outages(league), _player(1), "unauthorized")


HTML = ScriptedReply(body="<html>Maintenance</html>", content_type="text/html")
LOGIN = ScriptedReply(status=302, body="", headers={"Location": "/login"})


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (HTML, "(bad_body: the response was not a chat completion: <html>Maintenance</html>)"),
        (ScriptedReply(text=None), "(empty_reply: the reply was empty (stop))"),
        (LOGIN, "(redirected: the endpoint sends its callers elsewhere (HTTP 302, to /login)"),
        (failure(401, "key revoked"), "refused the key for each model (unauthorized: "),
        (ScriptedReply(status=403, body="<html>WAF</html>"), "for each model (forbidden: "),
    ],
    ids=["HTML", "null", "redirect", "401", "403"],
)
async def test_a_provider_that_serves_nobody_pauses_the_run_and_nothing_is_lost(
    tmp_path: Path, reply: ScriptedReply, why: str
) -> None:
    """From the 20th call on, of 216 in all."""
    script = LeagueScript(lambda asked: reply if asked.request.number >= 20 else None)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings) as server:
            league = math_league(6, rounds_per_participant=3, max_concurrent_calls=4)
            await server.runs.CreateRun(create(league))
            paused = await is_in_state(server, PAUSED)
            asked = len(script.asked)
            script.bend = None
            await server.runs.ResumeRun(RESUME)
            await is_in_state(server, SUCCEEDED)
            await server.runs.RetryRun(RETRY)
            ended = await is_in_state(server, SUCCEEDED)
    assert paused.state_reason.startswith('provider "scripted" has ')
    assert why in paused.state_reason
    assert "runs.py resume math-1" in paused.state_reason
    # Each of the six models has failed, and some were under way or in the queue before others.
    assert asked <= 20 + 40
    assert ended.progress.ok_steps == ended.progress.total_steps == 216


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (failure(404, "no such model", "model_not_found"), "unknown_model"),
        (failure(403, "not for you"), "forbidden"),
        (failure(401, "not for you"), "unauthorized"),
        (failure(400, "temperature cannot be above 0.1"), "bad_request"),
        (HTML, "bad_body"),
        (ScriptedReply(text=None), "empty_reply"),
    ],
    ids=["404", "403", "401", "400", "HTML", "null"],
)
async def test_one_model_that_is_never_served_does_not_pause_the_run(
    tmp_path: Path, reply: ScriptedReply, cause: str
) -> None:
    script = LeagueScript(lambda asked: reply if asked.participant == "p2" else None)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings) as server:
            await server.play(create(math_league(3, rounds_per_participant=2)))
            ended = await is_in_state(server, SUCCEEDED)
    # Two questions, and what it answers and judges in the other rounds.
    assert ended.progress.failures[cause] >= 6
    assert ended.progress.ok_steps > 0


async def test_an_outage_pauses_the_run_and_it_is_played_out_later(tmp_path: Path) -> None:
    """From the answers on the provider fails; few steps end so, and a retry asks them again."""

    def bend(asked: Asked) -> ScriptedReply | None:
        return None if asked.role == "question" else failure(503, "overloaded")

    script = LeagueScript(bend)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings) as server:
            await server.runs.CreateRun(create(math_league(6, max_concurrent_calls=4)))
            paused = await is_in_state(server, PAUSED)
            await eventually(lambda: endpoint.in_flight == 0)
            asked = len(script.asked)
            script.bend = None
            await server.runs.ResumeRun(RESUME)
            resumed = await is_in_state(server, SUCCEEDED)
            again = await server.runs.RetryRun(RETRY)
            ended = await is_in_state(server, SUCCEEDED)
            played = await rounds(server)
    assert paused.state_reason.startswith(
        'provider "scripted" has failed 4 steps in a row (server_error: the endpoint failed '
        "(HTTP 503: overloaded))"
    )
    assert "resume" in paused.state_reason
    # Six questions, and no more than were under way when it was told.
    assert asked <= 6 + STREAK + 3
    # The step that told it stays open, as do those that came back after it.
    assert paused.progress.failed_steps == STREAK - 1
    assert resumed.progress.failed_steps == again.reopened_steps
    assert ended.progress.failed_steps == 0
    assert outcomes(played) == {"question OK": 6, "answer OK": 30, "judgment OK": 36}


async def test_an_endpoint_that_is_gone_pauses_the_run(tmp_path: Path) -> None:
    held = Held(lambda asked: asked.role == "question")
    script = LeagueScript(held)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings) as server:
            await server.runs.CreateRun(create(math_league(6, max_concurrent_calls=1)))
            await eventually(lambda: held.waiting == 1)
            await endpoint.__aexit__(None, None, None)
            paused = await is_in_state(server, PAUSED)
    assert "has failed 4 steps in a row (unreachable: " in paused.state_reason


@pytest.mark.parametrize(
    "empty",
    [failure(402, "top up"), failure(429, "You exceeded your quota", "insufficient_quota")],
    ids=["402", "insufficient_quota"],
)
async def test_an_empty_account_pauses_the_run_with_the_step_open(
    tmp_path: Path, empty: ScriptedReply
) -> None:
    held = Held(lambda asked: asked.step == "1/question/p1")

    def bend(asked: Asked) -> ScriptedReply | Awaitable[ScriptedReply] | None:
        return empty if asked.role == "answer" else held(asked)

    script = LeagueScript(bend)
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=3)
        async with league_server(settings) as server:
            await server.runs.CreateRun(create(math_league(4)))
            await eventually(lambda: len(script.of("answer")) > 0 and endpoint.in_flight == 1)
            # The call under way arrives and is kept.
            held.let_go()
            paused = await is_in_state(server, PAUSED)
            refused = len(script.of("answer"))
            played = await rounds(server)
            script.bend = None
            await server.runs.ResumeRun(RESUME)
            ended = await is_in_state(server, SUCCEEDED)
            made = await calls(server)
    assert paused.state_reason.startswith('provider "scripted": the account\'s quota is used up')
    assert paused.state_reason.endswith("resume the run: runs.py resume math-1")
    assert outcomes(played)["question OK"] == 4
    assert paused.progress.failed_steps == paused.progress.done_steps - 4 == 0
    assert ended.progress.ok_steps == 32
    assert len(script.times()) == 32
    failed = [c for c in made if c.outcome == round_pb2.OUTCOME_UNAVAILABLE]
    assert len(failed) == refused == len(script.asked) - 32
    assert {c.cause for c in failed} == {"quota_exhausted"}


async def test_a_provider_out_for_all_does_not_end_the_run_at_once(tmp_path: Path) -> None:
    """Calls that fail together leave their steps open once the pause has come."""
    script = LeagueScript(lambda _: failure(500, "down"))
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_retries=0)
        async with league_server(settings) as server:
            await server.runs.CreateRun(create(math_league(12)))
            paused = await is_in_state(server, PAUSED)
    # All twelve were under way at once; from the fourth on they are open.
    assert paused.progress.failed_steps == STREAK - 1
    assert len(script.asked) <= 12
