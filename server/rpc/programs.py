"""What programs did in a round, on to the wire: the check of its question, and its answers."""

from collections.abc import Mapping
from typing import Any

from llm_crowdsourced.v1 import execution_pb2, round_pb2

from sandbox.model import Verdict
from server.league.executed import tally
from server.league.programs import CheckedCase
from server.league.time_budget import is_not_run
from server.rpc.convert import known
from server.rpc.executions import duration, verdict_to
from server.store.execution_records import CaseRunRecord, ExecutionRecord
from server.store.round_programs import MOST_TEXT_BYTES, RoundPrograms


def add_programs(
    message: round_pb2.Round,
    question: Mapping[str, Any],
    judgments: Mapping[str, Mapping[str, Any]],
    programs: RoundPrograms,
    *,
    full: bool,
) -> None:
    """Adds to a round what its programs did.

    Args:
        message: The round, which has its question, answers and judgments.
        question: What the store keeps of its question.
        judgments: What the store keeps of its judgments, by judge.
        programs: What they did.
        full: With sources, and with what was read and printed.
    """
    if message.HasField("question"):
        message.question.check.CopyFrom(_check_to(question, programs, full=full))
    for answer in message.answers:
        execution = programs.answers.get(answer.answerer)
        if execution is not None:
            answer.execution.CopyFrom(_execution_to(execution, programs, full=full))
    for judgment in message.judgments:
        seen = judgments.get(judgment.judge, {}).get("disputed")
        judgment.evidence_outdated = seen is not None and set(seen) != programs.disputed


def _check_to(
    question: Mapping[str, Any], programs: RoundPrograms, *, full: bool
) -> round_pb2.QuestionCheck:
    dropped = [case for case in programs.cases if case.dropped]
    kept = [case for case in programs.cases if not case.dropped]
    message = round_pb2.QuestionCheck(
        verified=question["verified"],
        reference=_program_to(question["reference"], full=full),
        reference_language_basis=_basis_to(question["reference"]["basis"]),
        cases=[_case_to(case, programs.most, full=full) for case in kept],
        dropped_cases=len(dropped),
        dropped=[round_pb2.DroppedCase(name=c.name, reason=c.dropped) for c in dropped],
        disputed_cases=[case.name for case in kept if case.number in programs.disputed],
        repairs=question["repairs"],
        detail=question["check_detail"],
        checker=_checker_to(question["checker"], full=full),
    )
    if question["generator"] is not None:
        message.generator.CopyFrom(_program_to(question["generator"], full=full))
    return message


def _program_to(code: Mapping[str, Any], *, full: bool) -> execution_pb2.Program:
    return execution_pb2.Program(language=code["language"], source=code["source"] if full else "")


def _basis_to(basis: str) -> str:
    return "" if basis == "named" else basis


def _checker_to(checker: Mapping[str, Any], *, full: bool) -> execution_pb2.Checker:
    match checker["kind"]:
        case "exact":
            return execution_pb2.Checker(exact=execution_pb2.ExactChecker())
        case "floats":
            floats = execution_pb2.FloatsChecker(
                absolute=checker["absolute"], relative=checker["relative"]
            )
            return execution_pb2.Checker(floats=floats)
        case "program" if checker["code"] is not None:
            return execution_pb2.Checker(program=_program_to(checker["code"], full=full))
        case _:
            return execution_pb2.Checker(tokens=execution_pb2.TokensChecker())


def _case_to(case: CheckedCase, most: int, *, full: bool) -> execution_pb2.Case:
    if not full:
        return execution_pb2.Case(name=case.name)
    return execution_pb2.Case(
        name=case.name,
        input=case.input[:most],
        expected_output=case.expected[:most],
        input_cut=len(case.input) > most,
        expected_output_cut=len(case.expected) > most,
    )


def _execution_to(
    execution: ExecutionRecord, programs: RoundPrograms, *, full: bool
) -> execution_pb2.Execution:
    counted = tally(execution, programs.cases, programs.disputed)
    message = execution.compile_message.encode()
    return execution_pb2.Execution(
        program=execution_pb2.Program(language=execution.language),
        compile=execution_pb2.CompileResult(
            verdict=verdict_to(Verdict(execution.compile_verdict)),
            message=message[:MOST_TEXT_BYTES].decode("utf-8", "ignore") if full else "",
            message_cut=full and len(message) > MOST_TEXT_BYTES,
            wall_time=duration(execution.compile_s),
            toolchain=execution.toolchain,
            language=execution.language,
            language_basis=_basis_to(execution.basis),
        ),
        cases=[_case_run_to(run, programs.most, full=full) for run in execution.cases],
        passed_cases=counted.passed,
        total_cases=counted.total,
        disputed_cases=len(
            {case.number for case in programs.cases if not case.dropped} & programs.disputed
        ),
        **known({"pass_rate": counted.rate}),
    )


def _case_run_to(run: CaseRunRecord, most: int, *, full: bool) -> execution_pb2.CaseResult:
    not_run = is_not_run(run.verdict, run.detail)
    message = execution_pb2.CaseResult(
        name=run.name,
        verdict=verdict_to(Verdict(run.verdict)),
        cpu_time=None if not_run else duration(run.cpu_s),
        wall_time=None if not_run else duration(run.wall_s),
        peak_memory_bytes=run.peak_memory_bytes,
        not_run=not_run,
        **known({"exit_status": run.exit_status, "signal": run.signal}),
    )
    message.stdout_bytes, message.stderr_bytes = run.output_bytes, run.error_bytes
    if full:
        message.detail = run.detail
        message.stdout = run.stdout[:most]
        message.stderr = run.stderr[:most]
        # The store may have kept less of them than fits here.
        message.stdout_cut = run.output_cut or run.output_bytes > len(message.stdout)
        message.stderr_cut = run.error_cut or run.error_bytes > len(message.stderr)
        message.output_cut = message.stdout_cut or message.stderr_cut
    return message
