"""Errors of the server become sentences that say what to do."""

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2
from llm_crowdsourced.v1 import run_service_pb2

from client.connection import Target, connect
from client.exit_status import ExitStatus
from client.failures import CallError, CommandError
from client.follow import get_run
from client.session import Session
from tests.support.fake_service import FakeService, refusal


async def failure(service: FakeService, session: Session, status: status_pb2.Status) -> CallError:
    service.refusals["GetRun"] = status
    with pytest.raises(CallError) as caught:
        await get_run(session.connection, "runs/math-1")
    return caught.value


async def test_fields_are_named(service: FakeService, session: Session) -> None:
    violations = [
        error_details_pb2.BadRequest.FieldViolation(field=f, description="must be 1 or more.")
        for f in ("league.seed", "league.rounds")
    ]
    bad = error_details_pb2.BadRequest(field_violations=violations)

    error = await failure(
        service, session, refusal(code_pb2.INVALID_ARGUMENT, "Two fields.", "INVALID_FIELD", bad)
    )

    assert str(error).splitlines() == [
        "league.seed: must be 1 or more.",
        "league.rounds: must be 1 or more.",
    ]
    assert error.status == ExitStatus.REFUSED
    assert error.reason == "INVALID_FIELD"


async def test_participants_that_cannot_play_are_named(
    service: FakeService, session: Session
) -> None:
    failed = error_details_pb2.PreconditionFailure(
        violations=[
            {"type": "MODEL", "subject": "a", "description": "No key: export OPENAI_API_KEY."},
            {"type": "MODEL", "subject": "b", "description": "b asks for an unknown model."},
            {"type": "MODEL", "subject": "c", "description": "No key: export OPENAI_API_KEY."},
        ]
    )

    error = await failure(
        service,
        session,
        refusal(code_pb2.FAILED_PRECONDITION, "Two cannot.", "MODEL_UNAVAILABLE", failed),
    )

    assert str(error).splitlines() == [
        "a, c: No key: export OPENAI_API_KEY.",
        "b asks for an unknown model.",
    ]
    assert error.status == ExitStatus.REFUSED


async def test_waiting_is_told(service: FakeService, session: Session) -> None:
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=7))

    error = await failure(
        service, session, refusal(code_pb2.RESOURCE_EXHAUSTED, "Full.", "TOO_MANY_RUNS", retry)
    )

    assert str(error).splitlines() == ["Full.", "Try again in 7 s."]


async def test_a_server_that_does_not_play_names_the_way_out(
    service: FakeService, session: Session
) -> None:
    error = await failure(
        service, session, refusal(code_pb2.FAILED_PRECONDITION, "Plays none.", "NOT_PLAYING")
    )

    assert str(error).splitlines()[0] == "Plays none."
    assert "--server" in str(error)


async def test_a_missing_token_names_the_variable(service: FakeService, session: Session) -> None:
    error = await failure(
        service, session, refusal(code_pb2.UNAUTHENTICATED, "No.", "UNAUTHENTICATED")
    )

    assert "export LLM_CROWDSOURCED_TOKEN=" in str(error)


async def test_an_error_without_details_keeps_its_words(
    service: FakeService, session: Session
) -> None:
    error = await failure(
        service, session, status_pb2.Status(code=code_pb2.INTERNAL, message="Broken \x1b[31mdisk.")
    )

    assert str(error) == "Broken [31mdisk."
    assert error.status == ExitStatus.ERROR


async def test_an_unknown_run(session: Session) -> None:
    with pytest.raises(CallError, match=r"runs/other is not known") as caught:
        await get_run(session.connection, "runs/other")
    assert caught.value.status == ExitStatus.ERROR


async def test_nobody_answers() -> None:
    async with connect(Target(server="127.0.0.1:9")) as connection:
        with pytest.raises(CallError) as caught:
            await get_run(connection, "runs/math-1")

    assert "No server answers at 127.0.0.1:9" in str(caught.value)
    assert "make serve" in str(caught.value)


async def test_the_token_travels(
    service: FakeService, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLM_CROWDSOURCED_TOKEN", " secret ")
    async with connect(session.target) as connection:
        await connection.ask(connection.runs.ListRuns, run_service_pb2.ListRunsRequest())
    assert service.metadata["authorization"] == "Bearer secret"

    monkeypatch.setenv("LLM_CROWDSOURCED_TOKEN", "two\nlines")
    with pytest.raises(CommandError, match="characters that no token has"):
        async with connect(session.target):
            pass


@pytest.mark.parametrize("address", ["nowhere", ":50", "host:", "host:0", "host:70000", "host:x"])
async def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(CommandError, match="HOST:PORT") as caught:
        async with connect(Target(server=address)):
            pass
    assert caught.value.status == ExitStatus.USAGE
