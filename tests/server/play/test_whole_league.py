"""A league played to its end: every step once, every mark in its place."""

import asyncio
from pathlib import Path

import pytest
from llm_crowdsourced.v1 import league_pb2, result_service_pb2, run_pb2

from tests.support.league_server import league_server, math_league, settings_for
from tests.support.rounds import calls, create, displays, marks, outcomes, rounds, run, until_state
from tests.support.scripted_league import LeagueScript, eventually


@pytest.mark.parametrize(("participants", "cycles"), [(3, 1), (5, 2)])
async def test_a_league_has_all_its_calls_and_marks(
    tmp_path: Path, participants: int, cycles: int
) -> None:
    script = LeagueScript()
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        league = math_league(participants, rounds_per_participant=cycles)
        events = await server.play(create(league))
        played = await rounds(server)
        ended = await run(server)
        made = await calls(server)
        standings = await server.results.GetStandings(
            result_service_pb2.GetStandingsRequest(name="runs/math-1")
        )
    n, steps = participants, 2 * participants**2 * cycles
    total = n * (n - 1) ** 2 * cycles
    assert ended.state == run_pb2.Run.STATE_SUCCEEDED
    assert len(endpoint.requests) == len(made) == ended.progress.calls == steps
    assert set(script.times().values()) == {1}
    assert outcomes(played) == {
        "question OK": n * cycles,
        "answer OK": n * (n - 1) * cycles,
        "judgment OK": n * n * cycles,
    }
    found = marks(played)
    assert len(found) == ended.progress.marks == ended.progress.total_marks == total
    assert standings.marks == standings.planned_marks == total
    assert all(judge != mark.answerer for _, judge, mark in found)
    assert [message.event.sequence for message in events] == list(range(1, steps + 4))
    assert events[-1].event.progress == ended.progress


async def test_judges_are_not_shown_names_and_get_marks_back_to_authors(tmp_path: Path) -> None:
    """What a judge says of a label reaches the author who stood behind it."""
    script = LeagueScript()
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.play(create(math_league(4)))
        played = await rounds(server)
    text_of = {(r.index, a.answerer): a.text for r in played for a in r.answers}
    for asked in script.of("judgment"):
        (judgment,) = [j for j in played[asked.round - 1].judgments if j.judge == asked.participant]
        shown = asked.request.prompt.split("\nDATA\n")[1].split("\nEND OF DATA\n")[0]
        assert "model-" not in shown
        places = [shown.index(text_of[asked.round, mark.answerer]) for mark in judgment.marks]
        assert places == sorted(places)
        assert [mark.position for mark in judgment.marks] == list(range(1, len(places) + 1))
        assert text_of.get((asked.round, asked.participant), "no answer of its own") not in shown
        for mark in judgment.marks:
            label = shown[: shown.index(text_of[asked.round, mark.answerer])].rpartition(
                '": {"solution"'
            )[0]
            assert label.endswith(f'"{mark.label}')


async def test_the_same_seed_shows_the_same(tmp_path: Path) -> None:
    script = LeagueScript()
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        requests = [
            create(math_league(4, seed=seed), f"run-{number}")
            for number, seed in enumerate((7, 7, 8))
        ]
        # All at once: runs do not get into each other's way.
        events = await asyncio.gather(*(server.play(request) for request in requests))
        seen = [displays(await rounds(server, f"runs/run-{n}")) for n in range(3)]
    assert seen[0] == seen[1]
    assert seen[0] != seen[2]
    for watched in events:
        assert [m.event.sequence for m in watched] == list(range(1, len(watched) + 1))
    assert set(script.times().values()) == {3}


async def test_named_judges_alone_judge_by_name_in_league_order(tmp_path: Path) -> None:
    script = LeagueScript()
    league = math_league(
        4,
        judges=["p3", "p1"],
        identity=league_pb2.IDENTITY_NAMED,
        order=league_pb2.ORDER_FIXED,
    )
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, tmp_path / "a.duckdb")) as server,
    ):
        await server.play(create(league))
        played = await rounds(server)
    assert all([j.judge for j in r.judgments] == ["p1", "p3"] for r in played)
    for _, judge, answerer, label, _ in displays(played):
        assert answerer == label != judge
    for r in played:
        for judgment in r.judgments:
            ids = [mark.answerer for mark in judgment.marks]
            assert ids == sorted(ids)
    assert len(endpoint.requests) == 4 * (1 + 3 + 2)


async def test_more_runs_than_are_played_at_once_wait_their_turn(tmp_path: Path) -> None:
    script = LeagueScript()
    async with script.endpoint(latency_s=0.01) as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb")
        one = settings.server.model_copy(update={"max_playing_runs": 1})
        async with league_server(settings.model_copy(update={"server": one})) as server:
            await server.runs.CreateRun(create(math_league(3), "run-1"))
            await server.runs.CreateRun(create(math_league(3), "run-2"))
            await eventually(lambda: bool(script.asked))
            await until_state(server, run_pb2.Run.STATE_SUCCEEDED, "runs/run-1")
            await server.watch("runs/run-2")
    headers = [a.request.headers["x-llm-crowdsourced-run"] for a in script.asked]
    assert headers == ["run-1"] * 18 + ["run-2"] * 18
