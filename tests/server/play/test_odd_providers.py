"""What a provider may do to a run that is nobody's failure but must not spoil it."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from llm_crowdsourced.v1 import run_pb2, run_service_pb2

from server.league.league import Budget
from server.league.outcome import Outcome
from server.models.chat import Attempt, Usage
from server.play.ledger import Amount, Ledger, charged
from server.store.records import Progress, utc_now
from tests.support.league_replies import play_along
from tests.support.league_server import league_server, math_league, settings_for
from tests.support.rounds import create, rounds, run
from tests.support.scripted_endpoint import ScriptedReply
from tests.support.scripted_league import Asked, LeagueScript

NAME = "runs/math-1"
_KEY = "LLM_CROWDSOURCED_TEST_KEY"


def bent(change: dict[str, object]) -> Callable[[Asked], ScriptedReply | Awaitable[ScriptedReply]]:
    """Returns replies that play along, with some fields changed."""

    def reply(asked: Asked) -> ScriptedReply:
        made = play_along(asked.request)
        return ScriptedReply(**{"text": made.text, "usage": made.usage, **change})  # type: ignore[arg-type]

    return reply


@pytest.mark.parametrize(
    "change",
    [{"usage": {"prompt_tokens": 10**30, "completion_tokens": 1}}, {"finish_reason": "st\ud800op"}],
    ids=["huge usage", "broken text"],
)
async def test_odd_metadata_costs_no_reply(tmp_path: Path, change: dict[str, object]) -> None:
    script = LeagueScript(bent(change))
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.runs.CreateRun(create(math_league(3)))
        await server.watch(NAME)
        ended = await run(server)
    assert ended.state == run_pb2.Run.STATE_SUCCEEDED
    assert ended.progress.ok_steps == 18


async def test_a_reply_that_holds_the_keys_text_is_kept_as_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(_KEY, "k")
    script = LeagueScript()
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", api_key_env=_KEY)
        async with league_server(settings) as server:
            await server.runs.CreateRun(create(math_league(3)))
            await server.watch(NAME)
            ended, played = await run(server), await rounds(server)
    assert ended.progress.ok_steps == ended.progress.calls == 18
    assert all("[key]" not in item.question.text for item in played)


async def test_a_key_that_is_gone_after_a_restart_pauses_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(_KEY, "secret")
    script = LeagueScript()
    async with script.endpoint(latency_s=0.1) as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", api_key_env=_KEY)
        async with league_server(settings) as server:
            await server.runs.CreateRun(create(math_league(4, max_concurrent_calls=2)))
        monkeypatch.delenv(_KEY)
        asked = len(script.asked)
        async with league_server(settings) as server:
            stream = server.runs.WatchRun(run_service_pb2.WatchRunRequest(name=NAME))
            async for message in stream:
                if message.event.run_state_changed.state == run_pb2.Run.STATE_PAUSED:
                    break
            stream.cancel()
            assert _KEY in (await run(server)).state_reason
    assert len(script.asked) == asked


async def test_half_reported_usage_counts_as_the_worst_case() -> None:
    ledger = Ledger(Budget(max_tokens=1000), Progress())
    worst = Amount(1, 600, 0.5)
    await ledger.reserve(worst)
    half = Attempt(
        attempt=0, outcome=Outcome.OK, usage=Usage(completion_tokens=1), started_at=utc_now()
    )
    ledger.settle(worst, charged(worst, half))
    with pytest.raises(Exception, match="budget"):
        await ledger.reserve(worst)
