"""Steps start as soon as what they need is there, within the limits."""

import asyncio
from pathlib import Path

import pytest
from llm_crowdsourced.v1 import run_pb2, run_service_pb2

from tests.support.league_replies import play_along
from tests.support.league_server import league_server, math_league, settings_for
from tests.support.rounds import create, run
from tests.support.scripted_endpoint import ScriptedReply
from tests.support.scripted_league import Asked, Held, LeagueScript, eventually


async def test_rounds_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """With all judgments of round 1 held back, every other step is played."""
    questions = Held(lambda asked: asked.role == "question")
    held = Held(lambda asked: asked.round == 1 and asked.role == "judgment")
    script = LeagueScript(lambda asked: questions(asked) or held(asked))
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        created = await server.runs.CreateRun(create(math_league(4, rounds_per_participant=2)))
        # All eight questions are asked for at the start, before one of them has come.
        await eventually(lambda: questions.waiting == 8)
        questions.let_go()
        await eventually(lambda: len(script.asked) == 64)
        assert held.waiting == 4
        held.let_go()
        await server.watch(created.run.name)
        assert (await run(server)).state == run_pb2.Run.STATE_SUCCEEDED


async def test_a_round_does_not_wait_for_another_ones_question(tmp_path: Path) -> None:
    held = Held(lambda asked: asked.step == "1/question/p1")
    script = LeagueScript(held)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        created = await server.runs.CreateRun(create(math_league(3)))
        # All but the rest of round 1: two answers and three judgments.
        await eventually(lambda: len(script.asked) == 18 - 5)
        held.let_go()
        await server.watch(created.run.name)
    assert set(script.times().values()) == {1}


async def test_a_judge_does_not_wait_for_its_own_answer(tmp_path: Path) -> None:
    """In round 1 of p1, the answer of p2 is held back: p2 alone can judge the others."""
    held = Held(lambda asked: asked.step == "1/answer/p2")
    script = LeagueScript(held)
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        created = await server.runs.CreateRun(create(math_league(4)))
        # All but the three other judgments of round 1.
        await eventually(lambda: len(script.asked) == 32 - 3)
        judges = [a.participant for a in script.of("judgment") if a.round == 1]
        assert judges == ["p2"]
        held.let_go()
        await server.watch(created.run.name)
    assert len(script.asked) == 32


@pytest.mark.parametrize(
    ("of_run", "of_provider", "most"), [(3, 256, 3), (64, 2, 2), (1, 1, 1), (64, 256, 8)]
)
async def test_calls_under_way_stay_within_both_limits(
    tmp_path: Path, of_run: int, of_provider: int, most: int
) -> None:
    """Eight rounds can always go on at once, so the smaller limit is also reached."""
    held = Held(lambda _: True)
    script = LeagueScript(held)
    async with script.endpoint(latency_s=0.01) as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_concurrent_calls=of_provider)
        async with league_server(settings) as server:
            league = math_league(4, rounds_per_participant=2, max_concurrent_calls=of_run)
            created = await server.runs.CreateRun(create(league))
            await eventually(lambda: held.waiting == most)
            held.let_go()
            await server.watch(created.run.name)
    assert len(script.asked) == 64
    if most == 8:
        assert endpoint.max_in_flight >= most
    else:
        assert endpoint.max_in_flight == most


async def test_the_limit_of_a_provider_holds_for_all_runs_together(tmp_path: Path) -> None:
    held = Held(lambda _: True)
    script = LeagueScript(held)
    async with script.endpoint(latency_s=0.01) as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb", max_concurrent_calls=3)
        async with league_server(settings) as server:
            playing = [
                asyncio.create_task(server.play(create(math_league(3), f"run-{n}")))
                for n in range(3)
            ]
            await eventually(lambda: held.waiting == 3)
            held.let_go()
            await asyncio.gather(*playing)
    assert endpoint.max_in_flight == 3


async def test_earlier_rounds_go_first_where_calls_have_to_wait(tmp_path: Path) -> None:
    """What a step makes ready joins the queue once it is on disk, so each call waits for that."""
    kept = 0
    script = LeagueScript()

    async def after_all_before(asked: Asked) -> ScriptedReply:
        before = len(script.asked) - 1
        await eventually(lambda: kept >= before)
        return play_along(asked.request)

    script.bend = after_all_before
    async with (
        script.endpoint(latency_s=0.02) as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        league = math_league(3, rounds_per_participant=3, max_concurrent_calls=1)
        name = (await server.runs.CreateRun(create(league))).run.name
        async for message in server.runs.WatchRun(run_service_pb2.WatchRunRequest(name=name)):
            kept = max(kept, message.event.progress.done_steps)

    def ended(index: int) -> int:
        return max(n for n, asked in enumerate(script.asked) if asked.round == index)

    def begun(asked: Asked) -> bool:
        return asked.round == 9

    assert ended(1) < next(n for n, asked in enumerate(script.asked) if begun(asked))
    assert [ended(index) for index in range(1, 10)] == sorted(map(ended, range(1, 10)))
