"""Following a run by its events, through broken connections, to where it stops."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Protocol

import grpc
from llm_crowdsourced.v1 import event_pb2, round_pb2, run_pb2, run_service_pb2

from client.connection import Connection
from client.dataset import list_rounds
from client.failures import CallError
from client.run_progress import RunProgress

# A server that is started again takes its runs up by itself: worth a wait.
_PATIENCE_S = 60.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0
# Setters are known before their question is only by listing the rounds, which
# is not worth its bytes in a huge league.
_MAX_LISTED_STEPS = 5_000


class View(Protocol):
    """What shows people a run."""

    def update(self, progress: RunProgress, event: event_pb2.RunEvent) -> None:
        """Takes note of what has just happened."""

    def say(self, sentence: str) -> None:
        """Shows a sentence beside the rest."""

    def note(self, notice: str) -> None:
        """Shows why the run stands still, for as long as it does: until it is empty."""


async def get_run(connection: Connection, name: str) -> run_pb2.Run:
    """Returns a run as it is now.

    Raises:
        CommandError: The run is not known, or the server does not answer.
    """
    answer = await connection.ask(connection.runs.GetRun, run_service_pb2.GetRunRequest(name=name))
    return answer.run


async def begin(connection: Connection, run: run_pb2.Run) -> RunProgress:
    """Returns the run before its first event.

    Raises:
        CommandError: The server does not answer.
    """
    setters: dict[int, str] = {}
    if run.progress.total_steps <= _MAX_LISTED_STEPS:
        view = round_pb2.ROUND_VIEW_BASIC
        setters = {
            r.index: r.question_setter async for r in list_rounds(connection, run.name, view)
        }
    return RunProgress(run, setters)


async def follow(connection: Connection, progress: RunProgress, view: View) -> run_pb2.Run:
    """Follows a run until it is terminal or paused.

    Returns:
        The run as it is then.

    Raises:
        CommandError: The server does not answer any more.
    """
    async for event in _events(connection, progress.name, view):
        progress.apply(event)
        view.update(progress, event)
        if event.WhichOneof("kind") != "run_state_changed":
            continue
        # The stream ends by itself with a run that is over, and not at an end of
        # long ago, before a retry.
        if progress.state_number == run_pb2.Run.STATE_PAUSED:
            # The pause may be one of long ago that the stream plays again.
            run = await get_run(connection, progress.name)
            if run.state == run_pb2.Run.STATE_PAUSED:
                return run
    return await get_run(connection, progress.name)


async def _events(
    connection: Connection, name: str, view: View
) -> AsyncIterator[event_pb2.RunEvent]:
    """Yields every event once, from the first; goes on after a broken connection."""
    request = run_service_pb2.WatchRunRequest(name=name)
    lost_at: float | None = None
    pause = _FIRST_PAUSE_S
    # Why the run stands still, told when it changes.
    notice = ""
    while True:
        try:
            async for response in connection.stream(connection.runs.WatchRun, request):
                if lost_at is not None:
                    view.say("The server is back.")
                lost_at, pause = None, _FIRST_PAUSE_S
                request.resume_token = response.resume_token
                if response.notice != notice:
                    notice = response.notice
                    view.note(notice)
                if response.HasField("event"):
                    yield response.event
        except CallError as error:
            lost_at = lost_at if lost_at is not None else time.monotonic()
            if not _may_come_back(connection, error, lost_at):
                raise
            if pause == _FIRST_PAUSE_S:
                view.say(f"Lost the server at {connection.address}; looking for it again.")
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE_S, pause * 2)
        else:
            return


def _may_come_back(connection: Connection, error: CallError, lost_at: float) -> bool:
    own = connection.embedded
    if connection.is_found or (own is not None and not own.is_running):
        return False
    is_lost = error.code is grpc.StatusCode.UNAVAILABLE and not error.reason
    return is_lost and time.monotonic() - lost_at < _PATIENCE_S
