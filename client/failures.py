"""What went wrong, as sentences for people: never a traceback.

The server's errors carry `google.rpc` details; each kind becomes one or more
sentences that say what to do.
"""

import re
from collections.abc import Callable, Iterable, Sequence

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from client import typed
from client.exit_status import ExitStatus
from client.plain import one_line

TOKEN_VARIABLE = "LLM_CROWDSOURCED_TOKEN"  # noqa: S105 - the name, not a token
_REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
# Not a failure of the server: it says that it has nothing to run programs with.
_REFUSING_REASONS = {"SANDBOX_UNAVAILABLE"}

_UNKNOWN_RUN = re.compile(r"runs/[a-z0-9-]+ (?:does not exist|is not known)")
_DETAILS_KEY = "grpc-status-details-bin"
_KINDS: tuple[Callable[[], Message], ...] = (
    error_details_pb2.ErrorInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.PreconditionFailure,
    error_details_pb2.RetryInfo,
)


class CommandError(Exception):
    """A command cannot go on; the message is one sentence or more, a line each."""

    def __init__(self, message: str, status: ExitStatus = ExitStatus.ERROR) -> None:
        super().__init__(message)
        self.status = status


class CallError(CommandError):
    """A call to the server failed.

    Attributes:
        code: gRPC's status.
        reason: The server's `ErrorReason` without its prefix; may be empty.
        violations: Why each field of the request that cannot be used is refused.
    """

    def __init__(self, message: str, error: grpc.aio.AioRpcError) -> None:
        details = _details(error)
        self.code = error.code()
        self.reason = _reason(details)
        self.violations = {
            one_line(each.field): one_line(each.description)
            for detail in details
            if isinstance(detail, error_details_pb2.BadRequest)
            for each in detail.field_violations
        }
        refused = self.code in _REFUSALS or self.reason in _REFUSING_REASONS
        super().__init__(message, ExitStatus.REFUSED if refused else ExitStatus.ERROR)


def explain(error: grpc.aio.AioRpcError, address: str, options: Sequence[str] = ()) -> CallError:
    """Turns a failed call into sentences.

    Args:
        error: What the call raised.
        address: Where the server was looked for.
        options: Those of a command that talks to the same server.
    """
    details = _details(error)
    reason = _reason(details)
    if reason == "UNAUTHENTICATED":
        return CallError(_token_sentence(address), error)
    # Violations say more than the message above them, which repeats the first.
    sentences = _violations(details) or [_from_code(error, address, told=bool(details))]
    sentences += [
        f"Try again in {max(1, d.retry_delay.seconds)} s."
        for d in details
        if isinstance(d, error_details_pb2.RetryInfo)
    ]
    if reason == "NOT_FOUND" and _UNKNOWN_RUN.match(sentences[0]):
        sentences.append(f"Those there are: {typed.command('runs', 'list', *options)}")
    if reason == "NOT_PLAYING":
        sentences.append("Name a server that plays with --server HOST:PORT.")
    return CallError("\n".join(sentences), error)


def _details(error: grpc.aio.AioRpcError) -> list[Message]:
    metadata = dict(error.trailing_metadata() or ())
    raw = metadata.get(_DETAILS_KEY)
    if not isinstance(raw, bytes):
        return []
    try:
        packed = status_pb2.Status.FromString(raw).details
        found = []
        for entry in packed:
            for kind in _KINDS:
                message = kind()
                if entry.Unpack(message):
                    found.append(message)
    except DecodeError:
        return []
    return found


def _reason(details: list[Message]) -> str:
    infos = (d for d in details if isinstance(d, error_details_pb2.ErrorInfo))
    return next((info.reason for info in infos), "")


def _violations(details: list[Message]) -> list[str]:
    sentences: list[str] = []
    for detail in details:
        if isinstance(detail, error_details_pb2.BadRequest):
            sentences += [
                f"{one_line(v.field)}: {one_line(v.description)}" for v in detail.field_violations
            ]
        elif isinstance(detail, error_details_pb2.PreconditionFailure):
            sentences += by_cause(
                _precondition(v.subject, v.description) for v in detail.violations
            )
    return sentences


def by_cause(refusals: Iterable[tuple[str, str]]) -> list[str]:
    """Returns a sentence a cause, with all whom it concerns before it.

    Args:
        refusals: Whom it concerns, empty where the cause names it; and the cause.
    """
    concerned: dict[str, list[str]] = {}
    for subject, cause in refusals:
        concerned.setdefault(one_line(cause), []).append(one_line(subject))
    return [
        f"{', '.join(subjects)}: {cause}" if any(subjects) else cause
        for cause, subjects in concerned.items()
    ]


def _precondition(subject: str, description: str) -> tuple[str, str]:
    # A description that names its subject by itself needs no second name.
    told = not subject or subject.removeprefix("runs/") in description
    return "" if told else subject, description


def _token_sentence(address: str) -> str:
    return (
        f"The server at {address} asks for a token that it knows: "
        f"export {TOKEN_VARIABLE}=TOKEN and try again."
    )


def _from_code(error: grpc.aio.AioRpcError, address: str, *, told: bool) -> str:
    own = one_line(error.details() or "")
    code = error.code()
    if told and own:
        return own
    if code is grpc.StatusCode.UNAVAILABLE:
        return (
            f"No server answers at {address} ({own or 'no reason given'}). Start one with "
            "`make serve`, or leave out --server to use one for the time of the command."
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return f"The server at {address} did not answer in time."
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return _token_sentence(address)
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return f"The server at {address} does not offer this yet: {own or code.name}."
    return own or f"The server at {address} answered {code.name} and no reason."
