"""A client that shares none of our Python: `buf curl`, over reflection, against the real server."""

import asyncio
import base64
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_runner import FakeRunner
from tests.support.league_replies import play_along
from tests.support.league_server import LeagueServer, league_server, settings_for
from tests.support.scripted_endpoint import ScriptedEndpoint

BUF = Path(sys.executable).parent / "buf"
LEAGUE = {
    "subject": "SUBJECT_MATH",
    "roundsPerParticipant": 1,
    "participants": [
        {"id": name, "provider": "scripted", "model": "scripted"} for name in ("ada", "bob", "cy")
    ],
}


@dataclass(frozen=True)
class Said:
    """What the foreign client printed: JSON messages, or the error."""

    status: int | None
    messages: list[dict[str, Any]]
    error: dict[str, Any]


async def call(address: str, method: str, request: dict[str, Any]) -> Said:
    """Calls a method of the server by its name alone."""
    process = await asyncio.create_subprocess_exec(
        str(BUF), "curl", "--protocol", "grpc", "--http2-prior-knowledge",
        "-d", json.dumps(request), f"http://{address}/llm_crowdsourced.v1.{method}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 60)
    messages, rest, decoder = [], out.decode().strip(), json.JSONDecoder()
    while rest:
        message, end = decoder.raw_decode(rest)
        messages.append(message)
        rest = rest[end:].strip()
    error = json.loads(err) if process.returncode and err.strip().startswith(b"{") else {}
    return Said(process.returncode, messages, error)


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LeagueServer]:
    async with ScriptedEndpoint(play_along) as endpoint:
        settings = settings_for(endpoint, tmp_path / "league.duckdb")
        async with league_server(settings, runner=FakeRunner()) as serving:
            yield serving


async def test_a_foreign_client_plays_a_league(server: LeagueServer) -> None:
    created = await call(
        server.address, "RunService/CreateRun", {"runId": "mine", "league": LEAGUE}
    )
    assert created.status == 0
    assert created.messages[0]["run"]["state"] == "STATE_PENDING"

    watched = await call(server.address, "RunService/WatchRun", {"name": "runs/mine"})
    assert watched.status == 0
    events = [message["event"] for message in watched.messages if "event" in message]
    assert [int(event["sequence"]) for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["runStateChanged"]["state"] == "STATE_SUCCEEDED"
    assert events[-1]["progress"]["doneSteps"] == 2 * 3**2

    # From a token on: only what came after it.
    token = watched.messages[3]["resumeToken"]
    later = await call(
        server.address, "RunService/WatchRun", {"name": "runs/mine", "resumeToken": token}
    )
    assert later.messages == watched.messages[4:]

    listed = await call(
        server.address,
        "ResultService/ListRounds",
        {"parent": "runs/mine", "view": "ROUND_VIEW_FULL"},
    )
    rounds = listed.messages[0]["rounds"]
    assert [item["questionSetter"] for item in rounds] == ["ada", "bob", "cy"]
    assert all(item["question"]["text"] for item in rounds)

    standings = await call(server.address, "ResultService/GetStandings", {"name": "runs/mine"})
    assert standings.messages[0]["marks"] == standings.messages[0]["plannedMarks"] == 12

    runs = await call(server.address, "RunService/ListRuns", {})
    assert [run["name"] for run in runs.messages[0]["runs"]] == ["runs/mine"]


async def test_a_foreign_client_runs_a_program(server: LeagueServer) -> None:
    listed = await call(server.address, "SandboxService/ListLanguages", {})
    languages = {each["name"]: each for each in listed.messages[0]["languages"]}
    assert languages["python"]["defaultLimits"]["cpuTime"] == "4s"
    assert "problem" not in listed.messages[0]

    source = "a, b = map(int, input().split())\nprint(a + b)\n"
    cases = [
        {"name": "small", "input": _encoded("1 2"), "expectedOutput": _encoded("3")},
        {"input": _encoded("2 2"), "expectedOutput": _encoded("5")},
        {"input": _encoded("none")},
    ]
    executed = await call(
        server.address,
        "SandboxService/Execute",
        {
            "program": {"language": "python", "source": source},
            "cases": cases,
            "limits": {"cpuTime": "1.5s"},
        },
    )
    assert executed.status == 0
    compiled, *results, last = executed.messages
    assert compiled["compile"]["verdict"] == "VERDICT_ACCEPTED"
    assert [(each["case"]["name"], each["case"]["verdict"]) for each in results] == [
        ("small", "VERDICT_ACCEPTED"),
        ("2", "VERDICT_WRONG_ANSWER"),
        ("3", "VERDICT_RUNTIME_ERROR"),
    ]
    assert _decoded(results[0]["case"]["stdout"]) == b"3\n"
    assert last["summary"]["passedCases"] == 1
    assert last["summary"]["firstFailedCase"] == 2

    program = {"language": "cobol", "source": "x"}
    refused = await call(server.address, "SandboxService/Execute", {"program": program})
    assert refused.error["code"] == "invalid_argument"
    assert "program.language: is not known; name one of python" in refused.error["message"]


async def test_errors_arrive_with_their_details(server: LeagueServer) -> None:
    bad = {"league": {**LEAGUE, "participants": LEAGUE["participants"][:2]}}  # type: ignore[index]
    refused = await call(server.address, "RunService/CreateRun", bad)
    assert refused.error["code"] == "invalid_argument"
    assert "league.participants" in refused.error["message"]
    kinds = [detail["type"] for detail in refused.error["details"]]
    assert kinds == ["google.rpc.ErrorInfo", "google.rpc.BadRequest"]
    # Names stand in the encoded details as they are, so no descriptor is needed to see them.
    info, fields = (_decoded(detail["value"]) for detail in refused.error["details"])
    assert b"INVALID_FIELD" in info
    assert b"llm-crowdsourced" in info
    assert b"league.participants" in fields

    unknown = await call(server.address, "RunService/GetRun", {"name": "runs/nobody"})
    assert unknown.error["code"] == "not_found"
    assert unknown.error["message"] == "runs/nobody does not exist"
