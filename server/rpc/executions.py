"""Between the wire's messages and the sandbox's records: programs, limits and results."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from google.protobuf.duration_pb2 import Duration
from llm_crowdsourced.v1 import execution_pb2, sandbox_service_pb2

from sandbox.beside import beside
from sandbox.languages import LANGUAGES, Language, generous_wall_s
from sandbox.model import (
    Case,
    CaseResult,
    Checker,
    CompileResult,
    Exact,
    Floats,
    Job,
    LanguageInfo,
    Limits,
    Program,
    ProgramChecker,
    Result,
    Tokens,
    Verdict,
)
from sandbox.names import language_named
from sandbox.recognition import recognise
from server.errors import InvalidRequestError
from server.rpc.convert import known
from server.rpc.reasons import reason, size

_FIELDS = {
    "cpu_s": "cpu_time",
    "wall_s": "wall_time",
    "memory_bytes": "memory_bytes",
    "output_bytes": "output_bytes",
    "processes": "processes",
}


@dataclass(frozen=True)
class Asked:
    """What a request asks for.

    Attributes:
        job: The program with its cases.
        language_basis: How its language was told; empty where the request named it.
    """

    job: Job
    language_basis: str


# Requests.


async def asked_of(
    request: sandbox_service_pb2.ExecuteRequest, *, caller: str, most: Limits
) -> Asked:
    """Reads a request that the wire has checked, its defaults filled in, large sources on a thread.

    Args:
        request: The request.
        caller: Who asks.
        most: The most that it may ask for.

    Raises:
        InvalidRequestError: A language is not known, or a limit is beyond the most, or below
            what any program of the language needs.
    """
    program, basis = await _program_from(request.program, "program")
    job = Job(
        program=program,
        cases=tuple(
            Case(
                input=case.input,
                expected=case.expected_output if case.HasField("expected_output") else None,
                name=case.name or str(position),
            )
            for position, case in enumerate(request.cases, 1)
        ),
        checker=await _checker_from(request.checker),
        limits=_limits_from(request.limits, LANGUAGES[program.language], most),
        caller=caller,
    )
    return Asked(job, basis)


async def _program_from(message: execution_pb2.Program, field: str) -> tuple[Program, str]:
    if message.language:
        found, basis = Program(language_named(message.language), message.source), ""
        problem = "is not known"
    else:
        source = message.source
        recognised = await beside(len(source), lambda: recognise(source))
        found, basis = Program(recognised.language, recognised.source), recognised.by.value
        problem = "cannot be told from the source"
    if found.language not in LANGUAGES:
        known_ones = ", ".join(LANGUAGES)
        raise InvalidRequestError({f"{field}.language": f"{problem}; name one of {known_ones}"})
    return found, basis


async def _checker_from(message: execution_pb2.Checker) -> Checker:
    kind = message.WhichOneof("kind")
    if kind == "exact":
        return Exact()
    if kind == "floats":
        return Floats(absolute=message.floats.absolute, relative=message.floats.relative)
    if kind == "program":
        program, _ = await _program_from(message.program, "checker.program")
        return ProgramChecker(program)
    return Tokens()


def _limits_from(message: execution_pb2.Limits, language: Language, most: Limits) -> Limits:
    asked = {name: _given(message, field) for name, field in _FIELDS.items()}
    beyond = {
        f"limits.{_FIELDS[name]}": f"must be at most {_shown(name, most)} on this server"
        for name, value in asked.items()
        if value is not None and value > getattr(most, name)
    }
    least = language.least_memory_bytes
    if (memory := asked["memory_bytes"]) is not None and memory < least:
        beyond["limits.memory_bytes"] = (
            f"must be at least {size(least)}: no program in {language.title} runs in less"
        )
    if beyond:
        raise InvalidRequestError(beyond)
    defaults = asdict(language.limits)
    if asked["cpu_s"] is not None:
        defaults["wall_s"] = generous_wall_s(asked["cpu_s"])
    return Limits(
        **{
            name: min(defaults[name], getattr(most, name)) if value is None else value
            for name, value in asked.items()
        }
    )


def _given(message: execution_pb2.Limits, field: str) -> Any:
    if not message.HasField(field):  # type: ignore[arg-type]
        return None
    value = getattr(message, field)
    return value.ToNanoseconds() / 1e9 if isinstance(value, Duration) else value


def _shown(name: str, limits: Limits) -> str:
    value = getattr(limits, name)
    if name.endswith("_bytes"):
        return f"{value} bytes ({value / (1 << 20):g} MiB)"
    return f"{value:g} s" if name.endswith("_s") else str(value)


# Responses.


def compile_to(result: CompileResult, language: str, basis: str) -> execution_pb2.CompileResult:
    """Writes what the compiler said.

    Args:
        result: What it said.
        language: In which language.
        basis: How the language was told; empty where it was named.
    """
    return execution_pb2.CompileResult(
        verdict=verdict_to(result.verdict),
        message=result.message,
        message_cut=result.message_cut,
        cpu_time=duration(result.cpu_s),
        wall_time=duration(result.wall_s),
        toolchain=result.toolchain,
        language=language,
        language_basis=basis,
    )


def case_to(result: CaseResult, limits: Limits) -> execution_pb2.CaseResult:
    """Writes what a program did on a case, within which limits."""
    facts = result.facts
    return execution_pb2.CaseResult(
        name=result.name,
        verdict=verdict_to(result.verdict),
        cpu_time=duration(facts.cpu_s),
        wall_time=duration(facts.wall_s),
        delayed_time=duration(facts.delayed_s),
        peak_memory_bytes=facts.peak_memory_bytes,
        stdout=facts.stdout,
        stderr=facts.stderr,
        output_cut=facts.stdout_cut or facts.stderr_cut,
        stdout_cut=facts.stdout_cut,
        stderr_cut=facts.stderr_cut,
        stdout_bytes=len(facts.stdout),
        stderr_bytes=len(facts.stderr),
        detail=reason(result, limits),
        **known({"exit_status": facts.exit_status, "signal": facts.signal}),
    )


class Tally:
    """What the results so far come to together.

    Args:
        total_cases: Cases that were asked for.
    """

    def __init__(self, total_cases: int) -> None:
        self._total = total_cases
        self._compiled = Verdict.SANDBOX_ERROR
        self._verdicts: list[Verdict] = []

    def add(self, result: Result) -> None:
        """Counts a result."""
        if isinstance(result, CompileResult):
            self._compiled = result.verdict
        else:
            self._verdicts.append(result.verdict)

    def summary(self) -> sandbox_service_pb2.ExecuteSummary:
        """Writes what they come to."""
        failed = [n for n, each in enumerate(self._verdicts) if each is not Verdict.ACCEPTED]
        summary = sandbox_service_pb2.ExecuteSummary(
            verdict=verdict_to(self._verdicts[failed[0]] if failed else self._compiled),
            passed_cases=len(self._verdicts) - len(failed),
            total_cases=self._total,
            verdict_counts=[
                sandbox_service_pb2.VerdictCount(verdict=verdict_to(each), cases=cases)
                for each, cases in Counter(self._verdicts).most_common()
            ],
        )
        if failed:
            summary.first_failed_case = failed[0] + 1
        return summary


def verdict_to(verdict: Verdict) -> execution_pb2.Verdict.ValueType:
    """Writes a verdict."""
    return execution_pb2.Verdict.Value(f"VERDICT_{verdict.upper()}")


def limits_to(limits: Limits) -> execution_pb2.Limits:
    """Writes limits."""
    return execution_pb2.Limits(
        cpu_time=duration(limits.cpu_s),
        wall_time=duration(limits.wall_s),
        memory_bytes=limits.memory_bytes,
        output_bytes=limits.output_bytes,
        processes=limits.processes,
    )


def language_to(language: LanguageInfo, most: Limits) -> sandbox_service_pb2.Language:
    """Writes a language; its limits are no more than a request may ask for."""
    defaults = {
        name: min(value, getattr(most, name)) for name, value in asdict(language.limits).items()
    }
    return sandbox_service_pb2.Language(
        name=language.id,
        title=language.title,
        toolchain=language.toolchain,
        default_limits=limits_to(Limits(**defaults)),
    )


def duration(seconds: float) -> Duration:
    """Writes a time in seconds."""
    message = Duration()
    message.FromNanoseconds(round(seconds * 1e9))
    return message
