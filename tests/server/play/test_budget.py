"""Budgets over the real server: never passed by any replies, remembered over a restart."""

import asyncio
import random
from collections.abc import Awaitable
from pathlib import Path

import pytest
from llm_crowdsourced.v1 import (
    league_pb2,
    result_service_pb2,
    round_pb2,
    run_pb2,
    run_service_pb2,
)

from server.settings import ModelSettings, Settings
from tests.support.league_replies import play_along
from tests.support.league_server import LeagueServer, league_server, math_league, settings_for
from tests.support.rounds import calls, create, is_in_state, run
from tests.support.scripted_endpoint import ScriptedEndpoint, ScriptedReply, failure
from tests.support.scripted_league import Asked, Held, LeagueScript, eventually

NAME = "runs/math-1"
RESUME = run_service_pb2.ResumeRunRequest(name=NAME)
PAUSED = run_pb2.Run.STATE_PAUSED
SUCCEEDED = run_pb2.Run.STATE_SUCCEEDED
LIMIT = 400


def _league(**values: object) -> league_pb2.League:
    league = math_league(5, **values)
    for participant in league.participants:
        participant.max_output_tokens = LIMIT
    return league


def _settings(endpoint: ScriptedEndpoint, database: Path) -> Settings:
    prices = ModelSettings(prompt_usd_per_million=1, completion_usd_per_million=1)
    models = {f"model-{number}": prices for number in range(1, 6)}
    return settings_for(endpoint, database, models=models, max_retries=0)


class _Lottery:
    """Replies that tell what they took, or not, or are none; `told` is what they told."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.told = 0

    def __call__(self, asked: Asked) -> ScriptedReply | None:
        lot = random.Random(f"{self._seed} {asked.step} {asked.time}")  # noqa: S311 - no secret
        kind = lot.choice(["told", "told", "told", "silent", "failed", "unread"])
        if kind == "failed" and asked.role != "question":
            # No outage, which would pause the run as well.
            return failure(400, "the prompt was rejected")
        if kind == "silent":
            return _with(play_along(asked.request), usage=None)
        if kind == "unread" and asked.time == 0:
            return self._told(ScriptedReply(text="I have no opinion."), lot)
        return self._told(play_along(asked.request), lot)

    def _told(self, reply: ScriptedReply, lot: random.Random) -> ScriptedReply:
        prompt, completion = lot.randint(0, 100), lot.randint(0, LIMIT)
        self.told += prompt + completion
        return _with(reply, usage={"prompt_tokens": prompt, "completion_tokens": completion})


def _with(reply: ScriptedReply, **fields: object) -> ScriptedReply:
    return ScriptedReply(**{**vars(reply), **fields})


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("limit", ["calls", "tokens", "cost"])
async def test_no_replies_overrun_a_budget(tmp_path: Path, limit: str, seed: int) -> None:
    """Paused, the run tells why; the next server remembers; with more it is played out."""
    most = random.Random(seed).randint(8_000, 20_000)  # noqa: S311 - no secret
    budget = {
        "calls": league_pb2.Budget(max_calls=most // 500),
        "tokens": league_pb2.Budget(max_tokens=most),
        # At a dollar for a million tokens both limits are the same.
        "cost": league_pb2.Budget(max_cost_usd=most / 1e6),
    }[limit]
    lottery = _Lottery(seed)
    script = LeagueScript(lottery)
    async with script.endpoint(latency_s=0.002) as endpoint:
        settings = _settings(endpoint, tmp_path / "a.duckdb")
        async with league_server(settings) as server:
            await server.runs.CreateRun(create(_league(budget=budget)))
            paused = await is_in_state(server, PAUSED)
            await eventually(lambda: endpoint.in_flight == 0)
            made = await calls(server)
        assert "is reached" in paused.state_reason
        sent, told = len(script.asked), lottery.told
        if limit == "calls":
            assert sent == budget.max_calls
        else:
            assert told <= most
            assert sum(call.charged_tokens for call in made) <= most
        silent = [c for c in made if not c.usage.HasField("prompt_tokens") and c.http_status == 200]
        assert all(call.charged_tokens >= LIMIT for call in silent)
        assert not [c for c in made if c.http_status == 400 and c.charged_tokens]
        # The next server knows what calls without usage were charged with.
        async with league_server(settings) as server:
            before = await run(server)
            assert before.progress.charged_tokens == sum(c.charged_tokens for c in made)
            assert before.progress.charged_cost_usd == pytest.approx(
                before.progress.charged_tokens / 1e6
            )
            request = run_service_pb2.ResumeRunRequest(name=NAME, budget=league_pb2.Budget())
            await server.runs.ResumeRun(request)
            await is_in_state(server, SUCCEEDED)
            steps = (await run(server)).progress
    assert steps.done_steps == steps.total_steps == 50
    assert len(script.asked) == steps.calls > sent


async def test_a_restart_forgets_no_worst_case(tmp_path: Path) -> None:
    """Calls that told nothing have used the budget up, so not one more is sent."""
    script = LeagueScript(lambda asked: _with(play_along(asked.request), usage=None))
    async with script.endpoint() as endpoint:
        settings = _settings(endpoint, tmp_path / "a.duckdb")
        async with league_server(settings) as server:
            await server.runs.CreateRun(create(_league(budget=league_pb2.Budget(max_tokens=9000))))
            first = await is_in_state(server, PAUSED)
            sent = len(script.asked)
        async with league_server(settings) as server:
            await server.runs.ResumeRun(RESUME)
            await is_in_state(server, PAUSED)
            again = await run(server)
    assert first.progress.prompt_tokens == first.progress.completion_tokens == 0
    assert len(script.asked) == sent > 0
    assert again.progress.charged_tokens == first.progress.charged_tokens > 9000 / 2


def _rounded(ledger: result_service_pb2.GetLedgerResponse) -> result_service_pb2.GetLedgerResponse:
    """Returns a ledger in billionths of a dollar: the last bits depend on the order of a sum."""
    rounded = result_service_pb2.GetLedgerResponse()
    rounded.CopyFrom(ledger)
    for entry in (*rounded.entries, rounded.total):
        entry.cost_usd = round(entry.cost_usd, 9)
        entry.charged_cost_usd = round(entry.charged_cost_usd, 9)
    return rounded


async def _ledger_of(server: LeagueServer, written: int) -> result_service_pb2.GetLedgerResponse:
    """Returns the ledger once so many calls are in it: steps do not wait for the disk to be asked."""
    request = result_service_pb2.GetLedgerRequest(name=NAME)
    async with asyncio.timeout(120):
        while (ledger := await server.results.GetLedger(request)).total.calls < written:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    return ledger


async def test_the_ledger_tells_who_used_what(tmp_path: Path) -> None:
    """While answers are held, what they may take is told; at the end all is accounted for."""
    held = Held(lambda asked: asked.role == "answer")

    def bend(asked: Asked) -> ScriptedReply | Awaitable[ScriptedReply] | None:
        if asked.step == "1/question/p1":
            return _with(play_along(asked.request), usage=None)
        if asked.step == "5/judgment/p2":
            return failure(503, "overloaded")
        return held(asked)

    script = LeagueScript(bend)
    request = result_service_pb2.GetLedgerRequest(name=NAME)
    async with script.endpoint() as endpoint:
        settings = _settings(endpoint, tmp_path / "a.duckdb")
        async with league_server(settings) as server:
            league = _league(budget=league_pb2.Budget(max_tokens=10**6))
            league.participants[1].provider, league.participants[1].model = "scripted", "model-9"
            await server.runs.CreateRun(create(league))
            await eventually(lambda: held.waiting == 20)
            under_way = await _ledger_of(server, 5)
            held.let_go()
            await is_in_state(server, SUCCEEDED)
            ledger = await server.results.GetLedger(request)
            made = await calls(server)
            progress = (await run(server)).progress
        async with league_server(settings, playing=False) as server:
            read = await server.results.GetLedger(request)
    assert under_way.calls_under_way == 20
    assert under_way.reserved_tokens > 20 * LIMIT
    assert under_way.total.calls == 5
    assert _rounded(read) == _rounded(ledger)
    assert (ledger.calls_under_way, ledger.reserved_tokens, ledger.reserved_cost_usd) == (0, 0, 0)
    assert ledger.budget.max_tokens == 10**6
    question, answer, judgment = (
        round_pb2.ROLE_QUESTION,
        round_pb2.ROLE_ANSWER,
        round_pb2.ROLE_JUDGMENT,
    )
    assert [(e.participant, e.role) for e in ledger.entries] == [
        (f"p{number}", role) for number in range(1, 6) for role in (question, answer, judgment)
    ]
    assert {(e.provider, e.model) for e in ledger.entries if e.participant == "p2"} == {
        ("scripted", "model-9")
    }
    by_key = {(e.participant, e.role): e for e in ledger.entries}
    silent = by_key["p1", question]
    assert (silent.calls, silent.prompt_tokens, silent.unpriced_calls) == (1, 0, 1)
    assert silent.charged_tokens > LIMIT
    assert by_key["p2", judgment].failed_calls == 1
    told = [c.usage for c in made if (c.participant, c.role) == ("p3", answer)]
    assert by_key["p3", answer].calls == len(told) == 4
    assert by_key["p3", answer].prompt_tokens == sum(usage.prompt_tokens for usage in told) > 0
    assert by_key["p3", answer].completion_tokens == sum(u.completion_tokens for u in told) > 0
    total = ledger.total
    assert (total.participant, total.role, total.model) == ("", 0, "")
    assert total.calls == progress.calls == len(made) == 50
    assert total.charged_tokens == progress.charged_tokens == sum(c.charged_tokens for c in made)
    assert total.charged_cost_usd == pytest.approx(progress.charged_cost_usd)
    assert total.prompt_tokens == progress.prompt_tokens
    assert total.cost_usd == pytest.approx(progress.cost_usd)
    assert total.unpriced_calls == progress.unpriced_calls
    assert total.failed_calls == 1
