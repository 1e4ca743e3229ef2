"""Our own failures. A participant's failure is data and never becomes one of these.

LeagueError
├─ InvalidRequestError   a field of a request cannot be used
├─ InvalidTokenError     not a token of this service or of this request
├─ NotFoundError         there is no such run or round
├─ RunExistsError        the id is taken
├─ RequestIdReusedError  the same request id with other content
├─ WrongStateError       the run's state does not allow the call
├─ TooManyRunsError      more runs than this server takes
├─ TooManyStreamsError   more streams open at once than this server holds
├─ ModelUnavailableError a participant cannot play
├─ SandboxUnavailableError  programs cannot be run here, or not now
├─ SandboxBusyError      too many programs wait for the sandbox
├─ ResultsNotReadError  what a program did was not read in time
├─ NotPlayingError       the server was started so that it plays nothing
├─ UnauthenticatedError  no token, or one that is not known
└─ StoreError            the store could not do its work
   ├─ StoreFullError     the disk is full: writes wait for room
   └─ DatabaseUnusableError  it cannot be opened: held, newer, damaged

`reason` is a member of `ErrorReason` in the contract, and `metadata` holds
every dynamic part of the message. `server.rpc.errors` maps them to the wire.
"""

from collections.abc import Mapping
from typing import ClassVar


class LeagueError(Exception):
    """Base of all of them: one English sentence, a reason and its parts."""

    reason: ClassVar[str]

    def __init__(self, message: str, **metadata: str) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = metadata


class InvalidRequestError(LeagueError):
    """A field of a request cannot be used; `violations` says why, by field."""

    reason = "INVALID_FIELD"

    def __init__(self, violations: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {why}" for field, why in violations.items()))
        self.violations = violations


class InvalidTokenError(LeagueError):
    """Not a token of this service or of this request."""

    reason = "INVALID_TOKEN"


class NotFoundError(LeagueError):
    """There is no such run or round."""

    reason = "NOT_FOUND"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} does not exist", name=name)


class RunExistsError(LeagueError):
    """The id is taken."""

    reason = "RUN_EXISTS"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} exists already; choose another run_id", name=name)


class RequestIdReusedError(LeagueError):
    """The same request id came with other content."""

    reason = "REQUEST_ID_REUSED"

    def __init__(self, request_id: str, name: str) -> None:
        super().__init__(
            f"request_id {request_id} created {name} from other content; use a new request_id",
            request_id=request_id,
            name=name,
        )


class WrongStateError(LeagueError):
    """The run's state does not allow the call."""

    reason = "WRONG_STATE"

    def __init__(self, name: str, state: str, needed: str) -> None:
        super().__init__(f"{name} is {state}; {needed}", name=name, state=state)


class TooManyRunsError(LeagueError):
    """More runs than this server takes."""

    reason = "TOO_MANY_RUNS"


class TooManyStreamsError(LeagueError):
    """More streams are open at once than this server holds."""

    reason = "TOO_MANY_STREAMS"


class ModelUnavailableError(LeagueError):
    """Participants cannot play; `problems` says why, by participant id."""

    reason = "MODEL_UNAVAILABLE"

    def __init__(self, problems: Mapping[str, str]) -> None:
        # Participants often share a cause: say it once.
        by_cause: dict[str, list[str]] = {}
        for participant, problem in problems.items():
            by_cause.setdefault(problem, []).append(participant)
        super().__init__(
            "; ".join(f"{', '.join(ids)}: {problem}" for problem, ids in by_cause.items())
        )
        self.problems = problems


class SandboxUnavailableError(LeagueError):
    """Programs cannot be run here, or not now."""

    reason = "SANDBOX_UNAVAILABLE"


class SandboxBusyError(LeagueError):
    """Too many programs wait for the sandbox."""

    reason = "SANDBOX_BUSY"


class ResultsNotReadError(LeagueError):
    """What a program did was not read in time, and the program was stopped."""

    reason = "RESULTS_NOT_READ"


class NotPlayingError(LeagueError):
    """The server was started so that it plays nothing."""

    reason = "NOT_PLAYING"


class UnauthenticatedError(LeagueError):
    """No token, or one that is not known."""

    reason = "UNAUTHENTICATED"


class StoreError(LeagueError):
    """The store could not do its work."""

    reason = "STORE_FAILED"


class StoreFullError(StoreError):
    """The disk is full: what is written waits for room.

    `pending` says that what was asked for may still take effect, so that asking
    again may do it twice.
    """

    reason = "STORE_FULL"

    def __init__(self, message: str, *, pending: bool = False) -> None:
        super().__init__(message)
        self.pending = pending


class DatabaseUnusableError(StoreError):
    """The database cannot be opened: held by another process, newer, damaged.

    Its metadata has `held_by`, the address of the server that holds it, if known.
    """
