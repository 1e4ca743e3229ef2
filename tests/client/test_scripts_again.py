"""What failed is asked again, judged again and read: scripts, server and endpoint as they are."""

import json
from pathlib import Path

from tests.support.scripted_endpoint import ScriptedEndpoint, ScriptedReply, failure
from tests.support.scripted_league import Asked, LeagueScript
from tests.support.server_process import PROJECT, league_file, run_script, settings_file

UNREAD = "I rank them all first \x1b[2J"


class Failing:
    """Fails two steps as long as it is told to."""

    def __init__(self) -> None:
        self.fails = True

    def __call__(self, asked: Asked) -> ScriptedReply | None:
        if self.fails and asked.step == "1/answer/cy":
            return failure(400, "broken")
        if self.fails and asked.step == "2/judgment/di":
            return ScriptedReply(text=UNREAD)
        return None


async def test_what_failed_is_read_and_asked_again(tmp_path: Path) -> None:
    bend = Failing()
    script = LeagueScript(bend)
    async with ScriptedEndpoint(script) as endpoint:
        common = ("--settings", settings_file(tmp_path, endpoint.base_url))
        league = league_file(tmp_path)

        async def runs(*words: str) -> tuple[int | None, str, str]:
            done = await run_script("runs", *words, *common, cwd=tmp_path)
            assert "\x1b" not in done.out + done.err
            assert "Traceback" not in done.err
            return done.status, done.out, done.err

        played = await run_script(
            "play", league, "--run-id", "mine", "--no-report", *common, cwd=tmp_path
        )
        assert played.status == 0, played.err
        typed = f"python {PROJECT}/client/runs.py"
        assert f"2 steps failed. Why, and what to do: {typed} show mine" in played.err

        status, out, err = await runs("show", "mine")
        assert (status, "no_json, 1 step" in out) == (0, True)
        assert f"{typed} retry mine" in err

        status, out, _ = await runs("calls", "mine", "--participant", "di", "--failed", "--raw")
        assert status == 0
        assert out.count("I rank them all first \\x1b[2J") == 3

        dry = await runs("retry", "mine", "--dry-run")
        assert (dry[0], "To ask again: 2 steps." in dry[1]) == (0, True)

        bend.fails = False
        before = len(script.asked)
        status, out, err = await runs("retry", "mine", "--no-report")
        assert status == 0, err
        assert "To ask again: 2 steps." in err
        again = sorted(asked.step for asked in script.asked[before:])
        assert again == ["1/answer/cy", "2/judgment/di"]

        status, out, _ = await runs("calls", "mine", "--json")
        calls = json.loads(out)["calls"]
        assert len(calls) == len(script.asked)
        assert sum(not call["reply_used"] for call in calls) == before - 30

        status, out, err = await runs("retry", "mine")
        assert (status, out) == (0, "")
        assert "Nothing to retry" in err
        assert len(script.asked) == before + 2

        status, out, _ = await runs("ledger", "mine", "--json")
        assert int(json.loads(out)["total"]["calls"]) == len(script.asked)

        status, out, err = await runs("limits", "mine", "--max-calls", "99")
        assert (status, out) == (3, "")
        assert "mine is succeeded" in err


async def test_a_run_is_judged_again_and_exported(tmp_path: Path) -> None:
    script = LeagueScript()
    async with ScriptedEndpoint(script) as endpoint:
        common = ("--settings", settings_file(tmp_path, endpoint.base_url))
        await run_script(
            "play", league_file(tmp_path), "--run-id", "mine", "--no-report", *common, cwd=tmp_path
        )
        before = len(script.asked)

        judged = await run_script(
            "runs", "rejudge", "mine", "--run-id", "again", "--identity", "named", "--no-report",
            "--judges", "ada", "bob", *common, cwd=tmp_path,
        )  # fmt: skip
        assert judged.status == 0, judged.err
        assert "Judging mine again as again: 8 calls when nothing fails." in judged.err
        assert "--run-id mine --run-id again" in judged.err
        assert {asked.role for asked in script.asked[before:]} == {"judgment"}
        assert {asked.participant for asked in script.asked[before:]} == {"ada", "bob"}

        exported = await run_script(
            "runs", "export", "again", "--out", "tables", *common, cwd=tmp_path
        )
        assert exported.status == 0, exported.err
        assert "tables/mark.parquet" in exported.out.splitlines()
        for path in exported.out.splitlines():
            assert (tmp_path / path).read_bytes().startswith(b"PAR1")

        for words in (("retry", "other"), ("ledger", "other"), ("rejudge", "other")):
            done = await run_script("runs", *words, *common, cwd=tmp_path)
            assert done.status == 1
            assert "runs/other" in done.err
