"""Many watchers: each gets every event in order, however it reads, joins or leaves."""

import asyncio
import random
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from llm_crowdsourced.v1 import run_pb2, run_service_pb2, run_service_pb2_grpc

from server.app import serving
from server.rpc import run_service, watching
from server.rpc.requests import page_token
from server.rpc.watching import Watching
from server.store import changes
from server.store.changes import Changes
from server.store.database import Transaction
from server.store.records import EventRecord, RunState
from server.store.store import Store
from server.store.writes import add_event
from tests.support.league_server import LeagueServer, league_server, math_league, settings_for
from tests.support.rounds import create
from tests.support.scripted_endpoint import ScriptedReply
from tests.support.scripted_league import Held, LeagueScript, eventually
from tests.support.store_records import new_run
from tests.support.wire import refused

NAME = "runs/math-1"
LEAGUE = math_league(4, rounds_per_participant=2)
Messages = list[run_service_pb2.WatchRunResponse]


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Watching]:
    """What the servers of a test keep of their watchers; they show life ten times a second."""
    made: list[Watching] = []

    def make(store: Store, closing: asyncio.Event, _: float, notice: Any) -> Watching:
        made.append(Watching(store, closing, 0.1, notice))
        return made[-1]

    monkeypatch.setattr(run_service, "Watching", make)
    return made


def _watch(token: str = "", name: str = NAME) -> run_service_pb2.WatchRunRequest:
    return run_service_pb2.WatchRunRequest(name=name, resume_token=token)


async def _rest(stream: Any) -> Messages:
    """Returns the further events of a stream that has been read from."""
    found: Messages = []
    while (message := await stream.read()) is not grpc.aio.EOF:
        if message.HasField("event"):
            found.append(message)
    return found


def _numbers(messages: Messages) -> list[int]:
    return [message.event.sequence for message in messages]


@pytest.mark.parametrize("kept", [1, 7, 2000])
async def test_a_replay_from_every_token_is_exactly_the_rest(
    server: LeagueServer, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """From the table, from what is kept as messages, and from one into the other."""
    monkeypatch.setattr(watching, "_KEPT", kept)
    monkeypatch.setattr(watching, "_ROWS", 5)
    monkeypatch.setattr(watching, "_MESSAGES_A_TURN", 3)
    everything = await server.play(create(LEAGUE))
    assert _numbers(everything) == list(range(1, len(everything) + 1))
    rests = await asyncio.gather(*(server.watch(NAME, m.resume_token) for m in everything))
    for number, rest in enumerate(rests, 1):
        assert rest == everything[number:]


async def test_two_hundred_watchers_that_join_at_any_moment_lose_nothing(
    server: LeagueServer, script: LeagueScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "_KEPT", 20)
    monkeypatch.setattr(watching, "_ROWS", 10)
    seed = secrets.randbits(32)
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    draw = random.Random(seed)  # noqa: S311
    held = Held(lambda asked: asked.role == "judgment" and asked.round > 4)
    script.bend = held
    await server.runs.CreateRun(create(LEAGUE))
    known: dict[int, str] = {0: ""}

    async def watcher() -> tuple[int, Messages]:
        await asyncio.sleep(draw.random())
        after = draw.choice(list(known))
        found: Messages = []
        async for message in server.runs.WatchRun(_watch(known[after])):
            if message.HasField("event"):
                known[message.event.sequence] = message.resume_token
                found.append(message)
        return after, found

    async with asyncio.timeout(90):
        tasks = [asyncio.create_task(watcher()) for _ in range(200)]
        await eventually(lambda: len(known) > 40)
        held.let_go()
        found = await asyncio.gather(*tasks)
    everything = await server.watch(NAME)
    assert _numbers(everything) == list(range(1, 64 + 4))
    for after, messages in found:
        assert messages == everything[after:]


async def test_the_table_is_read_for_what_was_there_before_and_once_for_all_watchers(
    server: LeagueServer, script: LeagueScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = 0
    read = Store.events

    async def counted(self: Store, run_id: str, after: int, limit: int) -> list[EventRecord]:
        nonlocal rows
        found = await read(self, run_id, after, limit)
        rows += len(found)
        return found

    monkeypatch.setattr(Store, "events", counted)
    held = Held(lambda asked: asked.role == "question")
    script.bend = held
    await server.runs.CreateRun(create(LEAGUE))
    streams = [server.runs.WatchRun(_watch()) for _ in range(50)]
    await asyncio.gather(*(stream.read() for stream in streams))
    held.let_go()
    for stream in streams:
        (*_, last) = await _rest(stream)
        assert last.event.run_state_changed.state == run_pb2.Run.STATE_SUCCEEDED
    assert 0 < rows <= 2  # created and begun; the rest came with its commit


async def test_who_is_told_too_much_at_once_reads_the_table(
    server: LeagueServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "_MOST", 2)
    everything = await server.play(create(LEAGUE))
    assert _numbers(everything) == list(range(1, len(everything) + 1))
    assert everything[-1].event.run_state_changed.state == run_pb2.Run.STATE_SUCCEEDED


async def test_watchers_that_read_nothing_hold_up_nobody(
    server: LeagueServer, watched: list[Watching], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Events so large, and windows so small, that a stream takes only a few before it is full.
    monkeypatch.setattr(watching, "page_token", lambda *_: "x" * 20_000)
    small = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1 << 16)]
    await server.runs.CreateRun(create(LEAGUE))
    async with grpc.aio.insecure_channel(server.address, options=small) as channel:
        stub = type(server.runs)(channel)
        streams = [stub.WatchRun(_watch()) for _ in range(4 * watching._SENDERS)]
        await asyncio.gather(*(stream.read() for stream in streams))
        everything = await server.watch(NAME)
        assert everything[-1].event.run_state_changed.state == run_pb2.Run.STATE_SUCCEEDED
        # They are still there, and get the rest once they read.
        assert watched[0].watched == {"math-1": len(streams)}
        for stream in streams:
            assert _numbers(await _rest(stream)) == list(range(2, len(everything) + 1))
    await eventually(lambda: not watched[0].watched)


@pytest.mark.parametrize("end", ["cancelled", "deadline", "channel"])
async def test_a_watcher_that_dies_is_forgotten(
    server: LeagueServer, script: LeagueScript, watched: list[Watching], end: str
) -> None:
    held = Held(lambda asked: asked.role == "question")
    script.bend = held
    await server.runs.CreateRun(create(LEAGUE))
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub = type(server.runs)(channel)
        timeout = 0.5 if end == "deadline" else None
        streams = [stub.WatchRun(_watch(), timeout=timeout) for _ in range(20)]
        read = await asyncio.gather(*(s.read() for s in streams), return_exceptions=True)
        # On a busy machine a deadline may come before the first event.
        assert end == "deadline" or not any(isinstance(each, BaseException) for each in read)
        if end == "cancelled":
            for stream in streams:
                stream.cancel()
        if end != "channel":
            await eventually(lambda: not watched[0].watched)
    await eventually(lambda: not watched[0].watched)
    await eventually(lambda: not _tasks("events of"))
    assert watched[0]._senders._value == watching._SENDERS
    heard: Changes = watched[0]._store.changes
    await eventually(lambda: not heard._watchers)
    held.let_go()
    assert (await server.watch(NAME))[-1].event.run_state_changed.state == (
        run_pb2.Run.STATE_SUCCEEDED
    )


def _tasks(name: str) -> list[asyncio.Task[object]]:
    return [task for task in asyncio.all_tasks() if task.get_name().startswith(name)]


async def test_a_watch_goes_past_an_end_that_the_run_has_left(tmp_path: Path) -> None:
    """Ended, asked to try again, ended again: a replay is the whole story."""
    database = tmp_path / "a.duckdb"
    with Store(database) as store:
        await store.create_run(new_run())
        await store.set_state("math-1", RunState.RUNNING)
        await store.set_state("math-1", RunState.SUCCEEDED)
        for state in ("running", "succeeded"):
            await store.database.write(_event_of(state))
    script = LeagueScript()
    async with (
        script.endpoint() as endpoint,
        league_server(settings_for(endpoint, database)) as server,
    ):
        events = await server.watch(NAME)
        rest = await server.watch(NAME, events[2].resume_token)
    succeeded = run_pb2.Run.STATE_SUCCEEDED
    states = [m.event.run_state_changed.state for m in events]
    assert [n for n, state in enumerate(states, 1) if state == succeeded] == [3, 5]
    assert rest == events[3:]


def _event_of(state: str) -> Callable[[Transaction], None]:
    """Returns a write of the event of a state, whatever state the run is in."""

    def work(tx: Transaction) -> None:
        add_event(tx, "math-1", "state", {"state": state, "reason": ""})

    return work


async def test_a_retried_run_is_watched_on_past_its_first_end(
    server: LeagueServer, script: LeagueScript
) -> None:
    script.bend = lambda asked: (
        ScriptedReply(text="No idea.") if asked.step == "1/answer/p2" else None
    )
    first = await server.play(create(math_league(3)))
    script.bend = None
    await server.runs.RetryRun(run_service_pb2.RetryRunRequest(name=NAME))
    further = await server.watch(NAME, first[-1].resume_token)
    succeeded = run_pb2.Run.STATE_SUCCEEDED
    assert first[-1].event.run_state_changed.state == succeeded
    assert further[-1].event.run_state_changed.state == succeeded
    assert any(message.event.HasField("steps_reopened") for message in further)
    everything = await server.watch(NAME)
    assert everything == first + further
    assert _numbers(everything) == list(range(1, len(everything) + 1))


@pytest.mark.parametrize(
    "token",
    ["garbage", "e30", "!", page_token("watch runs/math-2", 1), page_token("runs", 1),
     page_token(f"watch {NAME}", 10_000)],
)  # fmt: skip
async def test_a_token_that_is_none_is_refused(server: LeagueServer, token: str) -> None:
    await server.play(create(math_league(3)))
    found = await refused(server.runs.WatchRun(_watch(token)).read())
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_TOKEN")


async def test_a_run_that_is_not_there_is_not_waited_for(
    server: LeagueServer, watched: list[Watching]
) -> None:
    calls = [server.runs.WatchRun(_watch(name="runs/none")).read() for _ in range(5)]
    for found in await asyncio.gather(*(refused(call) for call in calls)):
        assert found.code is grpc.StatusCode.NOT_FOUND
    await eventually(lambda: not watched[0].watched)


async def test_a_stop_ends_watches_and_their_tokens_hold_at_the_next_server(
    tmp_path: Path,
) -> None:
    held = Held(lambda asked: asked.role == "judgment")
    script = LeagueScript(held)
    found: Messages = []
    async with script.endpoint() as endpoint:
        settings = settings_for(endpoint, tmp_path / "a.duckdb")
        hurried = settings.server.model_copy(update={"grace_s": 0})

        async def follow(runs: "run_service_pb2_grpc.RunServiceAsyncStub") -> grpc.StatusCode:
            stream = runs.WatchRun(_watch(found[-1].resume_token if found else ""))
            try:
                async for message in stream:
                    if message.HasField("event"):
                        found.append(message)
            except grpc.aio.AioRpcError as error:
                return error.code()
            return grpc.StatusCode.OK

        async with serving(settings.model_copy(update={"server": hurried}), playing=True) as made:
            # The channel outlives the server: what it says at its end is heard.
            channel = grpc.aio.insecure_channel(made.address)
            runs = run_service_pb2_grpc.RunServiceStub(channel)
            await runs.CreateRun(create(LEAGUE))
            following = asyncio.create_task(follow(runs))
            await eventually(lambda: held.waiting == 32 and len(found) > 20)
            others = [runs.WatchRun(_watch()) for _ in range(20)]
            for other in others:
                await other.read()
        assert await following is grpc.StatusCode.UNAVAILABLE
        for other in others:
            assert (await refused(_rest(other))).code is grpc.StatusCode.UNAVAILABLE
        await channel.close()
        held.let_go()
        async with league_server(settings) as server:
            assert await follow(server.runs) is grpc.StatusCode.OK
    assert _numbers(found) == list(range(1, 64 + 4))


async def test_heartbeats_come_between_events(server: LeagueServer, script: LeagueScript) -> None:
    held = Held(lambda asked: asked.role == "judgment")
    script.bend = held
    await server.runs.CreateRun(create(LEAGUE))
    messages: Messages = []
    beats: list[int] = []
    async with asyncio.timeout(120):
        async for message in server.runs.WatchRun(_watch()):
            if not message.HasField("event"):
                assert message.resume_token == messages[-1].resume_token
                beats.append(messages[-1].event.sequence)
                if len(beats) > 2:
                    held.let_go()
            else:
                messages.append(message)
    assert _numbers(messages) == list(range(1, 64 + 4))
    assert beats
