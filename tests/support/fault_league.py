"""Plays a small league for every fault of the table, all at once over one server."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from llm_crowdsourced.v1 import call_pb2, league_pb2, result_service_pb2, round_pb2, run_pb2

from server.settings import ProviderSettings, ServerSettings, Settings
from tests.support.faults import DIALECTS, FAULTS, REASKS, RETRIES, STALL_S, Dialect, Fault
from tests.support.league_replies import play_along
from tests.support.league_server import LeagueServer, league_server, math_league
from tests.support.rounds import create, marks, rounds, run
from tests.support.scripted_endpoint import ScriptedEndpoint, ScriptedReply, ScriptedRequest
from tests.support.scripted_league import STEP_HEADER

# Asked one call after another, so it is among the last and nothing follows from it.
JUDGMENT = "3/judgment/p3"
ANSWER = "3/answer/p1"

UNDISTURBED = "undisturbed"
WITHOUT = "without"

UNREACHABLE = Fault(
    name="connection refused", make=lambda good: good, outcome="UNAVAILABLE", cause="unreachable",
    status=0, attempts=1 + RETRIES,
)  # fmt: skip
"""Forced by taking the endpoint away; see `play_unreachable`."""

_AT_ONCE = 16
_MODELS = ("model-1", "model-2", "model-3")
# The call before it to the same endpoint, whatever others are asked meanwhile.
_BEFORE_JUDGMENT = "2/judgment/p3"

Table = Sequence[tuple[object, ...]]


@dataclass(frozen=True)
class Play:
    """A league in which one step goes wrong, each time or once only."""

    run_id: str
    fault: Fault | None = None
    step: str = ""
    always: bool = True
    dialect: Dialect | None = None


@dataclass(frozen=True, kw_only=True)
class Played:
    """What came of it.

    Attributes:
        play: The league.
        run: The run at its end.
        result: How the step ended that went wrong, the last judgment if none did.
        calls: The calls of that step; all of them if no step is named.
        answers: Answers that were read.
        marks: Round, judge and what makes a mark, without its reason.
        standings: Standings.
    """

    play: Play
    run: run_pb2.Run
    result: round_pb2.StepResult
    calls: Sequence[call_pb2.Call]
    answers: Table
    marks: Table
    standings: result_service_pb2.GetStandingsResponse

    @property
    def outcome(self) -> str:
        """Outcome of the step that went wrong."""
        return outcome_name(self.result.outcome)

    @property
    def seconds(self) -> float:
        """Seconds from the first call of the step to the end of the last."""
        first, last = self.calls[0], self.calls[-1]
        begun = first.start_time.ToNanoseconds()
        return (last.start_time.ToNanoseconds() + last.latency.ToNanoseconds() - begun) / 1e9


def outcome_name(outcome: round_pb2.Outcome.ValueType) -> str:
    """Returns the name of an outcome, without its prefix."""
    return round_pb2.Outcome.Name(outcome).removeprefix("OUTCOME_")


def plays() -> list[Play]:
    """Returns a league for each fault and each way in which it can occur."""
    found: list[Play] = []
    for number, fault in enumerate(FAULTS.values()):
        found.append(Play(f"judgment-always-{number}", fault, JUDGMENT))
        found.append(Play(f"judgment-once-{number}", fault, JUDGMENT, always=False))
        if not (fault.judge or fault.fatal):
            found.append(Play(f"answer-always-{number}", fault, ANSWER))
    return found + [Play(f"dialect-{n}", dialect=dialect) for n, dialect in enumerate(DIALECTS)]


@dataclass
class _Script:
    """Replies as in an undisturbed league, whatever was asked before and in which form."""

    plays: Mapping[str, Play]
    good: dict[tuple[str, str], ScriptedReply] = field(default_factory=dict)
    first: dict[tuple[str, str], ScriptedRequest] = field(default_factory=dict)
    times: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __call__(self, request: ScriptedRequest) -> ScriptedReply:
        run_id, step = request.headers["x-llm-crowdsourced-run"], request.headers[STEP_HEADER]
        first = self.first.setdefault((run_id, step), request)
        good = self.good.setdefault((step, first.prompt), play_along(first))
        play, time = self.plays[run_id], self.times[run_id, step]
        self.times[run_id, step] += 1
        if play.dialect is not None and play.dialect.refuses(request.body):
            return play.dialect.response
        if play.fault is None or step != play.step or (time and not play.always):
            return good
        return play.fault.make(good)


async def play_all(folder: Path) -> dict[str, Played]:
    """Plays every league of `plays`, an undisturbed one and one without the answer first."""
    refusal = FAULTS["refusal"]
    base = [Play(UNDISTURBED), Play(WITHOUT, refusal, ANSWER)]
    chosen = {play.run_id: play for play in [*base, *plays()]}
    script = _Script(chosen)
    async with ScriptedEndpoint(script, models=_MODELS) as endpoint:
        # A provider for each, so that none hears of what another was refused.
        provider = ProviderSettings(base_url=endpoint.base_url, max_retries=RETRIES, backoff_s=0.02)
        impatient = provider.model_copy(update={"stall_s": STALL_S})
        settings = Settings(
            server=ServerSettings(
                address="127.0.0.1:0", database=folder / "a.duckdb", max_playing_runs=_AT_ONCE
            ),
            providers={
                name: impatient if play.fault is not None and play.fault.stalls else provider
                for name, play in chosen.items()
            },
        )
        async with league_server(settings) as server:
            for play in base:
                await server.play(create(league(play.run_id), play.run_id))
            rest = [play.run_id for play in chosen.values() if play not in base]
            places = asyncio.Semaphore(_AT_ONCE)

            async def play_one(name: str) -> None:
                async with places:
                    await server.play(create(league(name), name))

            await asyncio.gather(*map(play_one, rest))
            return {name: await _played(server, play) for name, play in chosen.items()}


async def play_unreachable(folder: Path, *, always: bool) -> Played:
    """Plays a league whose third participant's endpoint is gone when it judges last.

    Args:
        folder: For the database.
        always: It stays away; otherwise it is back once a call has failed.
    """
    play = Play("refused", UNREACHABLE, JUDGMENT, always=always)
    script = _Script({play.run_id: Play(play.run_id)})

    async def reply(request: ScriptedRequest) -> ScriptedReply:
        good = script(request)
        if request.headers[STEP_HEADER] != _BEFORE_JUDGMENT:
            return good
        await gone.refuse()
        return replace(good, headers={"Connection": "close"})

    gone = ScriptedEndpoint(reply, models=["model-3"])
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(ScriptedEndpoint(script, models=_MODELS))
        await stack.enter_async_context(gone)
        first = ProviderSettings(base_url=there.base_url)
        retries = RETRIES if always else 20
        last = ProviderSettings(base_url=gone.base_url, max_retries=retries, backoff_s=0.05)
        settings = Settings(
            server=ServerSettings(address="127.0.0.1:0", database=folder / "b.duckdb"),
            providers={"first": first, "last": last},
        )
        server = await stack.enter_async_context(league_server(settings))
        made = league("first")
        made.participants[2].provider = "last"
        await server.runs.CreateRun(create(made, play.run_id))
        if not always:
            await _until_unreachable(server, play.run_id)
            await stack.enter_async_context(ScriptedEndpoint(script, port=gone.port))
        await server.watch(f"runs/{play.run_id}")
        return await _played(server, play)


async def _until_unreachable(server: LeagueServer, run_id: str) -> None:
    request = result_service_pb2.ListCallsRequest(parent=f"runs/{run_id}", page_size=1000)
    async with asyncio.timeout(120):
        while True:
            page = await server.results.ListCalls(request)
            if any(call.cause == UNREACHABLE.cause for call in page.calls):
                return
            await asyncio.sleep(0.01)


def league(provider: str) -> league_pb2.League:
    """Returns the league that is played: three participants, one call after another."""
    made = math_league(3, max_reasks=REASKS, max_concurrent_calls=1)
    for participant in made.participants:
        participant.provider = provider
        participant.temperature = 0.5
    return made


async def _played(server: LeagueServer, play: Play) -> Played:
    name = f"runs/{play.run_id}"
    step = play.step or JUDGMENT
    found = await rounds(server, name)
    page = await server.results.ListCalls(
        result_service_pb2.ListCallsRequest(parent=name, page_size=1000)
    )
    round_, role, participant = step.split("/")
    wanted = (int(round_), round_pb2.Role.Value(f"ROLE_{role.upper()}"), participant)
    return Played(
        play=play,
        run=await run(server, name),
        result=_result(found[int(round_) - 1], role, participant),
        calls=[
            c for c in page.calls
            if not play.step or (c.round, c.role, c.participant) == wanted
        ],
        answers=[
            (r.index, a.answerer, a.text, a.final_answer)
            for r in found for a in r.answers if outcome_name(a.result.outcome) == "OK"
        ],
        marks=[
            (index, judge, m.answerer, m.label, m.position, m.rank, m.points, m.share)
            for index, judge, m in marks(found)
        ],
        standings=await server.results.GetStandings(
            result_service_pb2.GetStandingsRequest(name=name)
        ),
    )  # fmt: skip


def _result(found: round_pb2.Round, role: str, participant: str) -> round_pb2.StepResult:
    if role == "answer":
        return next(a.result for a in found.answers if a.answerer == participant)
    return next(j.result for j in found.judgments if j.judge == participant)
