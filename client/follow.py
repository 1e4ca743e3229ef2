"""Following a run by its events, through broken connections, to where it stops."""

import asyncio
import contextlib
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
        if event is not None:
            progress.apply(event)
            view.update(progress, event)
            if _may_change_limits(event):
                await _take_limits(connection, progress)
        # The stream ends by itself with a run that is over, and not at an end of
        # long ago, before a retry.
        if progress.state_number == run_pb2.Run.STATE_PAUSED:
            # The pause may be one of long ago that the stream plays again.
            run = await get_run(connection, progress.name)
            is_newest = event is None or event.progress.done_steps >= run.progress.done_steps
            if run.state == run_pb2.Run.STATE_PAUSED and is_newest:
                progress.bring_up_to(run)
                return run
    run = await get_run(connection, progress.name)
    progress.bring_up_to(run)
    return run


def _may_change_limits(event: event_pb2.RunEvent) -> bool:
    """Says whether limits may be others from there on: a resumption may bring new ones."""
    kind = event.WhichOneof("kind")
    return kind in {"run_limits_changed", "steps_reopened"} or (
        kind == "run_state_changed" and event.run_state_changed.state == run_pb2.Run.STATE_RUNNING
    )


async def _take_limits(connection: Connection, progress: RunProgress) -> None:
    # A server that is lost meanwhile is looked for by the watch.
    with contextlib.suppress(CallError):
        progress.take_limits(await get_run(connection, progress.name))


async def _events(
    connection: Connection, name: str, view: View
) -> AsyncIterator[event_pb2.RunEvent | None]:
    """Yields every event once, from the first; goes on after a broken connection.

    `None` is a sign of life: there is no newer event.
    """
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
                yield response.event if response.HasField("event") else None
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
