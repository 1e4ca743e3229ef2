"""`SandboxService`: runs programs for anybody who may call this server."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import grpc
from llm_crowdsourced.v1 import sandbox_service_pb2 as pb
from llm_crowdsourced.v1 import sandbox_service_pb2_grpc

from sandbox.model import CaseResult, CheckerFailure, CompileResult, Limits, Result
from sandbox.runner import QueueFullError, Runner, UnavailableError, UnknownLanguageError
from server.errors import (
    InvalidRequestError,
    ResultsNotReadError,
    SandboxBusyError,
    SandboxUnavailableError,
)
from server.rpc.callers import caller_of
from server.rpc.delivery import Delivery, NotReadError
from server.rpc.executions import (
    Asked,
    Tally,
    asked_of,
    case_to,
    compile_to,
    language_to,
    limits_to,
)
from server.rpc.requests import check
from server.rpc.room import Room

_PATIENCE_S = 60.0
# Of requests that wait or run, which are up to 64 MiB each. Each is held as gRPC got it,
# until its call is over, and as what was read from it.
_COPIES = 2
_MOST_BYTES = 1 << 30
_MOST_BYTES_A_CALLER = 256 << 20

Context = grpc.aio.ServicerContext[Any, Any]


class SandboxServicer(sandbox_service_pb2_grpc.SandboxServiceServicer):
    """Fills `SandboxService` over a runner.

    Args:
        runner: Runs the programs.
        most: The most that a request may ask for.
        by_token: Whether callers are told apart by their token, not their connection.
        patience_s: Seconds that a result may wait to be read.
    """

    def __init__(
        self,
        runner: Runner,
        most: Limits,
        *,
        by_token: bool,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._runner = runner
        self._most = most
        self._by_token = by_token
        self._patience_s = patience_s
        self._room = Room(_MOST_BYTES, _MOST_BYTES_A_CALLER)
        self._under_way: set[asyncio.Task[None]] = set()
        self._draining = False

    async def drain(self, grace_s: float) -> None:
        """Takes no more programs, and lets those under way come to their end within a grace."""
        self._draining = True
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=grace_s)

    async def Execute(
        self, request: pb.ExecuteRequest, context: Context
    ) -> AsyncIterator[pb.ExecuteResponse]:
        """Compiles and runs a program."""
        check(request)
        caller = caller_of(context, by_token=self._by_token)
        try:
            with self._room.taken(caller, _COPIES * request.ByteSize()):
                asked = await asked_of(request, caller=caller, most=self._most)
                del request
                if self._draining:
                    raise SandboxUnavailableError("the server stops; ask again once it is back")
                delivery = Delivery(self._responses(asked), context, self._patience_s)
                del asked
                self._under_way.add(delivery.task)
                delivery.task.add_done_callback(self._under_way.discard)
                async with aclosing(delivery.results()) as responses:
                    async for response in responses:
                        yield response
        except NotReadError:
            raise ResultsNotReadError(
                f"the program was stopped: its results were not read for {self._patience_s:g} s"
            ) from None

    async def _responses(self, asked: Asked) -> AsyncGenerator[pb.ExecuteResponse, None]:
        tally = Tally(len(asked.job.cases))
        language = asked.job.program.language
        try:
            async with aclosing(self._runner.execute(asked.job)) as results:
                async for result in results:
                    _refuse_broken_checker(result)
                    tally.add(result)
                    if isinstance(result, CompileResult):
                        compiled = compile_to(result, language, asked.language_basis)
                        yield pb.ExecuteResponse(compile=compiled)
                    else:
                        yield pb.ExecuteResponse(case=case_to(result, asked.job.limits))
        except UnavailableError as error:
            raise SandboxUnavailableError(str(error)) from error
        except QueueFullError as error:
            raise SandboxBusyError(str(error)) from error
        except UnknownLanguageError as error:
            raise InvalidRequestError({"program.language": str(error)}) from error
        yield pb.ExecuteResponse(summary=tally.summary())

    async def ListLanguages(
        self, request: pb.ListLanguagesRequest, context: Context
    ) -> pb.ListLanguagesResponse:
        """Lists the languages."""
        check(request)
        # Together: a daemon that hangs is waited for once.
        problem, languages = await asyncio.gather(self._runner.problem(), self._runner.languages())
        return pb.ListLanguagesResponse(
            languages=[language_to(language, self._most) for language in languages],
            problem=problem,
            max_limits=limits_to(self._most),
        )


def _refuse_broken_checker(result: Result) -> None:
    """Refuses a request whose checker does not compile: no case can have a verdict then.

    Raises:
        InvalidRequestError: It does not.
    """
    if isinstance(result, CaseResult) and result.checker is CheckerFailure.COMPILE:
        why = result.detail.removeprefix("the checker ")
        raise InvalidRequestError({"checker.program": why})
