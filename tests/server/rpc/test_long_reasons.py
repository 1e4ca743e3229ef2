"""A round can be read whatever its judges wrote: their reasons are bounded together."""

from pathlib import Path

import duckdb
from llm_crowdsourced.v1 import result_service_pb2, round_pb2

from tests.support.league_server import league_server, math_league, settings_for
from tests.support.rounds import create, rounds
from tests.support.scripted_league import LeagueScript

FULL = round_pb2.ROUND_VIEW_FULL
MESSAGE = 64 << 20


async def test_reasons_that_an_earlier_program_kept_whole_are_cut_for_the_message(
    tmp_path: Path,
) -> None:
    """Forty-nine reasons of 1.8 MB in a round: no message holds them."""
    database = tmp_path / "league.duckdb"
    async with LeagueScript().endpoint() as endpoint:
        settings = settings_for(endpoint, database)
        async with league_server(settings) as server:
            await server.play(create(math_league(8)))
        with duckdb.connect(str(database)) as connection:
            connection.execute("update mark set reason = repeat('文', 600000) where round = 1")
            connection.execute("update mark set reason = repeat('文', 5000) where round = 2")
        async with league_server(settings) as server:
            found = await rounds(server)
            one = await server.results.GetRound(
                result_service_pb2.GetRoundRequest(name="runs/math-1/rounds/1", view=FULL)
            )
    assert [entry.index for entry in found] == list(range(1, 9))
    assert found[0] == one.round
    assert found[0].ByteSize() < 9 << 20 < MESSAGE
    long, short = (
        [mark.reason for judgment in entry.judgments for mark in judgment.marks]
        for entry in found[:2]
    )
    assert len(long) == len(short) == 49
    assert all(reason.startswith("文" * 10_000) for reason in long)
    assert all(reason.endswith(" characters left out]") for reason in long)
    # Those that fit stay as they are.
    assert set(short) == {"文" * 5000}
