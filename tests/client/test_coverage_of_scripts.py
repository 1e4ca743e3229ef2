"""A run of which too little arrived, through the commands as people type them."""

import io
import json
from pathlib import Path

import openpyxl

from tests.support.scripted_endpoint import ScriptedEndpoint, ScriptedReply
from tests.support.scripted_league import Asked, LeagueScript
from tests.support.server_process import league_file, run_script, server_process, settings_file

WARNING = "Only 20 of 36 planned marks (55.6 %) arrived;"


def _bent(asked: Asked) -> ScriptedReply | None:
    """One void round of nine marks, and one judge of whom nothing can be read."""
    is_lost = asked.step == "2/question/bob" or (asked.role, asked.participant) == (
        "judgment",
        "cy",
    )
    return ScriptedReply(text="I have no opinion.") if is_lost else None


async def test_every_output_says_that_too_little_arrived(tmp_path: Path) -> None:
    async with ScriptedEndpoint(LeagueScript(_bent), models=["scripted"]) as endpoint:
        settings = settings_file(tmp_path, endpoint.base_url)
        async with server_process(settings) as server:
            there = ("--server", server.address)
            played = await run_script(
                "play", league_file(tmp_path), "--run-id", "few-1", "--yes", "--no-report",
                *there, cwd=tmp_path,
            )  # fmt: skip
            shown = await run_script("runs", "show", "few-1", *there, cwd=tmp_path)
            matrix = await run_script("runs", "coverage", "few-1", *there, cwd=tmp_path)
            watched = await run_script("runs", "watch", "few-1", "--json", *there, cwd=tmp_path)
            report = await run_script("report", "--run-id", "few-1", *there, cwd=tmp_path)
    for done in (played, shown, matrix, watched, report):
        assert done.status == 0, done.err
    assert played.out.startswith(WARNING)
    assert shown.out.splitlines()[1].startswith(WARNING)
    assert matrix.out.replace("\n", " ").startswith(WARNING)
    assert "cy: judgment in rounds 1, 3-4" in shown.out
    assert "bob: question in round 2" in matrix.out
    assert json.loads(watched.out)["coverage_warning"].startswith(WARNING)
    assert report.err.splitlines()[-1].startswith(WARNING)

    folder = tmp_path / "reports" / "few-1"
    page = (folder / "report.html").read_text()
    assert page.index(WARNING) < page.index("<header>")
    assert json.loads((folder / "run.json").read_text())["coverage_warning"].startswith(WARNING)
    book = openpyxl.load_workbook(io.BytesIO((folder / "report.xlsx").read_bytes()))
    assert book["Final Ranking"]["A1"].value.startswith(WARNING)
    assert "Incomplete: only 20 of 36" in (folder / "charts" / "scores.svg").read_text()
