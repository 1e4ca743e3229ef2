"""The main job for real: three models play the league of `make run-math`, no key.

It takes minutes and 1.7 GB of weights, so only `make league-test` runs it; the
smallest model alone is asked in every run of the tests.
"""

import json
import os
from pathlib import Path

import pytest

from tests.support.server_process import PROJECT, ended, start_script

pytestmark = [
    pytest.mark.local_model,
    pytest.mark.skipif(
        os.environ.get("LLM_CROWDSOURCED_LEAGUE_TEST") != "1",
        reason="the full local league is played by make league-test",
    ),
]


async def test_the_keyless_league_plays_to_its_end(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    text = (PROJECT / "server" / "settings.toml").read_text()
    settings.write_text(text.replace("data/league.duckdb", str(tmp_path / "league.duckdb")))
    league = PROJECT / "client" / "leagues" / "math.toml"
    process = await start_script(
        "play", str(league), "--settings", str(settings),
        "--out", str(tmp_path / "report"), "--json", cwd=tmp_path,
    )  # fmt: skip
    played = await ended(process, timeout_s=1500)
    assert played.status == 0, played.err
    document = json.loads(played.out)
    progress = document["run"]["progress"]
    assert progress["done_steps"] == progress["total_steps"] == 32
    assert (tmp_path / "report" / "report.html").stat().st_size > 50_000
