"""`SandboxService` over a real channel: what it streams, refuses and stops."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from llm_crowdsourced.v1 import execution_pb2 as ex
from llm_crowdsourced.v1 import sandbox_service_pb2 as pb

from sandbox.languages import LANGUAGES
from sandbox.model import MIB, Exact, Floats, Limits, ProgramChecker, Tokens
from server.settings import SandboxSettings
from tests.support.executions import execute, first_of, request, seconds, settings_in
from tests.support.league_server import LeagueServer, league_server
from tests.support.scripted_runner import BROKEN, DIES, WAITS, ScriptedRunner
from tests.support.wire import refused


@pytest.fixture
async def runner() -> ScriptedRunner:
    return ScriptedRunner()


@pytest.fixture
async def server(tmp_path: Path, runner: ScriptedRunner) -> AsyncIterator[LeagueServer]:
    async with league_server(settings_in(tmp_path), runner=runner) as made:
        yield made


async def test_results_come_one_by_one_and_then_their_summary(server: LeagueServer) -> None:
    cases = [
        ex.Case(name="first", input=b"1", expected_output=b"1"),
        ex.Case(input=b"\xff\x00"),
        ex.Case(input=b"3", expected_output=b""),
        ex.Case(input=b"", expected_output=b""),
    ]
    compiled, *results, last = await execute(server, request(cases=cases))

    assert compiled.compile == ex.CompileResult(
        verdict=ex.VERDICT_ACCEPTED,
        cpu_time=seconds(0.25),
        wall_time=seconds(0.5),
        toolchain="Scripted 1",
        language="python",
    )
    found = [(each.case.name, each.case.verdict, each.case.stdout) for each in results]
    # An output that is absent is not compared; one that is empty is.
    assert found == [
        ("first", ex.VERDICT_ACCEPTED, b"1"),
        ("2", ex.VERDICT_ACCEPTED, b"\xff\x00"),
        ("3", ex.VERDICT_WRONG_ANSWER, b"3"),
        ("4", ex.VERDICT_ACCEPTED, b""),
    ]
    first = results[0].case
    assert (first.exit_status, first.HasField("signal")) == (0, False)
    assert (first.cpu_time, first.wall_time) == (seconds(1.25), seconds(1.5))
    assert first.peak_memory_bytes == 3 * MIB
    assert results[2].case.detail == "it differs in line 1"
    assert last.summary == pb.ExecuteSummary(
        verdict=ex.VERDICT_WRONG_ANSWER,
        passed_cases=3,
        total_cases=4,
        verdict_counts=[
            pb.VerdictCount(verdict=ex.VERDICT_ACCEPTED, cases=3),
            pb.VerdictCount(verdict=ex.VERDICT_WRONG_ANSWER, cases=1),
        ],
        first_failed_case=3,
    )


async def test_a_program_that_does_not_compile_has_no_cases(server: LeagueServer) -> None:
    compiled, last = await execute(server, request(BROKEN, b"1", b"2"))
    assert compiled.compile.verdict == ex.VERDICT_COMPILE_ERROR
    assert compiled.compile.message == "1: oh no"
    assert last.summary == pb.ExecuteSummary(verdict=ex.VERDICT_COMPILE_ERROR, total_cases=2)


@pytest.mark.parametrize(
    ("named", "source", "told", "runs"),
    [
        ("C++", "int main() {}", ("cpp", ""), "int main() {}"),
        ("cpp17", "int main() {}", ("cpp17", ""), "int main() {}"),
        # A program that is named stands for itself, whatever is in it.
        ("python", "```c\nx\n```", ("python", ""), "```c\nx\n```"),
        ("", "So:\n```python\nprint(1)\n```\n", ("python", "fence"), "print(1)\n"),
        ("", "#!/usr/bin/env node\n1", ("javascript", "shebang"), "#!/usr/bin/env node\n1"),
        ("", "package main\nfunc main() {}\n", ("go", "content"), "package main\nfunc main() {}\n"),
    ],
)
async def test_the_language_is_named_or_told_from_the_source(
    server: LeagueServer,
    runner: ScriptedRunner,
    *,
    named: str,
    source: str,
    told: tuple[str, str],
    runs: str,
) -> None:
    asked = request(program=ex.Program(language=named, source=source))
    compiled = (await execute(server, asked))[0].compile
    assert (compiled.language, compiled.language_basis) == told
    program = runner.jobs[-1].program
    assert (program.language, program.source) == (told[0], runs)


async def test_a_language_that_cannot_be_told_is_to_be_named(server: LeagueServer) -> None:
    prose = ex.Program(source="I cannot solve this.")
    found = await refused(server.sandbox.Execute(request(program=prose)).read())
    told = f"cannot be told from the source; name one of {', '.join(LANGUAGES)}"
    assert found.fields == {"program.language": told}


async def test_without_cases_a_program_is_compiled(server: LeagueServer) -> None:
    compiled, last = await execute(server, request())
    assert compiled.HasField("compile")
    assert last.summary == pb.ExecuteSummary(verdict=ex.VERDICT_ACCEPTED)


async def test_a_signal_is_no_exit_status(server: LeagueServer) -> None:
    case = (await execute(server, request(DIES, b"1")))[1].case
    assert (case.signal, case.HasField("exit_status")) == (11, False)
    assert (case.stderr_cut, case.output_cut, case.stdout_cut) == (True, True, False)


async def test_a_result_arrives_before_the_next_is_there(
    server: LeagueServer, runner: ScriptedRunner
) -> None:
    stream = server.sandbox.Execute(request(WAITS, b"1"))
    compiled = await first_of(stream)
    assert compiled.HasField("compile")
    assert not runner.gate.is_set()
    runner.gate.set()
    rest = [response async for response in stream]
    assert [each.WhichOneof("kind") for each in rest] == ["case", "summary"]


async def test_the_largest_results_arrive(server: LeagueServer) -> None:
    large = bytes(16 * MIB)
    results = await execute(server, request("echoes", large, large[:-1]))
    assert [len(each.case.stdout) for each in results[1:-1]] == [16 * MIB, 16 * MIB - 1]


@pytest.mark.parametrize(
    ("checker", "is_read_as"),
    [
        (None, Tokens()),
        (ex.Checker(), Tokens()),
        (ex.Checker(tokens=ex.TokensChecker()), Tokens()),
        (ex.Checker(exact=ex.ExactChecker()), Exact()),
        (ex.Checker(floats=ex.FloatsChecker(absolute=0.5)), Floats(absolute=0.5)),
        (ex.Checker(floats=ex.FloatsChecker(relative=1e-6)), Floats(relative=1e-6)),
    ],
)
async def test_a_checker_is_what_was_asked_for(
    server: LeagueServer, runner: ScriptedRunner, checker: ex.Checker | None, is_read_as: Any
) -> None:
    await execute(server, request(checker=checker))
    assert runner.jobs[-1].checker == is_read_as


async def test_a_checker_may_be_a_program(server: LeagueServer, runner: ScriptedRunner) -> None:
    program = ex.Program(language="cpp", source="int main() {}")
    await execute(server, request(checker=ex.Checker(program=program)))
    checker = runner.jobs[-1].checker
    assert isinstance(checker, ProgramChecker)
    assert (checker.program.language, checker.program.source) == ("cpp", "int main() {}")


@pytest.mark.parametrize("language", list(LANGUAGES))
async def test_limits_that_are_not_set_are_the_language_s(
    server: LeagueServer, runner: ScriptedRunner, language: str
) -> None:
    await execute(server, request(program=ex.Program(language=language, source="x")))
    assert runner.jobs[-1].limits == LANGUAGES[language].limits


async def test_limits_that_are_set_hold(server: LeagueServer, runner: ScriptedRunner) -> None:
    asked = ex.Limits(
        cpu_time=seconds(0.25),
        wall_time=seconds(0.5),
        memory_bytes=8 * MIB,
        output_bytes=2,
        processes=3,
    )
    await execute(server, request(limits=asked))
    assert runner.jobs[-1].limits == Limits(
        cpu_s=0.25, wall_s=0.5, memory_bytes=8 * MIB, output_bytes=2, processes=3
    )
    # A program within a long CPU time of its own is not to be ended by the clock.
    await execute(server, request(limits=ex.Limits(cpu_time=seconds(30))))
    assert runner.jobs[-1].limits.cpu_s == 30
    assert runner.jobs[-1].limits.wall_s == 150


@pytest.mark.parametrize("language", list(LANGUAGES))
async def test_less_memory_than_any_program_needs_is_refused(
    server: LeagueServer, language: str
) -> None:
    program = ex.Program(language=language, source="x")
    least = LANGUAGES[language].least_memory_bytes
    limits = ex.Limits(memory_bytes=least - 1)
    found = await refused(server.sandbox.Execute(request(program=program, limits=limits)).read())
    told = f"must be at least {least // MIB} MiB: no program in {LANGUAGES[language].title}"
    assert found.fields["limits.memory_bytes"].startswith(told)
    await execute(server, request(program=program, limits=ex.Limits(memory_bytes=least)))


async def test_limits_are_bounded_by_the_settings(tmp_path: Path, runner: ScriptedRunner) -> None:
    most = SandboxSettings(
        max_cpu_s=1, max_wall_s=7.5, max_memory_mib=64, max_output_mib=1, max_processes=8
    )
    async with league_server(settings_in(tmp_path, sandbox=most), runner=runner) as server:
        await execute(server, request())
        held = runner.jobs[-1].limits
        listed = await server.sandbox.ListLanguages(pb.ListLanguagesRequest())
        beyond = ex.Limits(
            cpu_time=seconds(3.5),
            wall_time=seconds(8),
            memory_bytes=64 * MIB + 1,
            output_bytes=MIB + 1,
            processes=9,
        )
        found = await refused(server.sandbox.Execute(request(limits=beyond)).read())
        await execute(server, request(limits=listed.max_limits))
    bounds = Limits(cpu_s=1, wall_s=7.5, memory_bytes=64 * MIB, output_bytes=MIB, processes=8)
    assert held == bounds
    assert runner.jobs[-1].limits == bounds
    assert all(each.default_limits == listed.max_limits for each in listed.languages)
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert found.fields == {
        "limits.cpu_time": "must be at most 1 s on this server",
        "limits.wall_time": "must be at most 7.5 s on this server",
        "limits.memory_bytes": "must be at most 67108864 bytes (64 MiB) on this server",
        "limits.output_bytes": "must be at most 1048576 bytes (1 MiB) on this server",
        "limits.processes": "must be at most 8 on this server",
    }


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"program": None}, "program"),
        ({"program": ex.Program(language="python")}, "program.source"),
        (
            {"program": ex.Program(language="python", source="x" * (MIB + 1))},
            "program.source",
        ),
        ({"program": ex.Program(language="x" * 33, source="x")}, "program.language"),
        ({"program": ex.Program(language="cobol", source="x")}, "program.language"),
        ({"cases": [ex.Case()] * 1001}, "cases"),
        ({"cases": [ex.Case(), ex.Case(name="x" * 101)]}, "cases[1].name"),
        ({"cases": [ex.Case(input=bytes(16 * MIB + 1))]}, "cases[0].input"),
        (
            {"cases": [ex.Case(expected_output=bytes(16 * MIB + 1))]},
            "cases[0].expected_output",
        ),
        ({"limits": ex.Limits(cpu_time=seconds(0))}, "limits.cpu_time"),
        ({"limits": ex.Limits(cpu_time=seconds(-1))}, "limits.cpu_time"),
        ({"limits": ex.Limits(wall_time=seconds(0))}, "limits.wall_time"),
        ({"limits": ex.Limits(wall_time=seconds(301))}, "limits.wall_time"),
        ({"limits": ex.Limits(memory_bytes=0)}, "limits.memory_bytes"),
        ({"limits": ex.Limits(output_bytes=-1)}, "limits.output_bytes"),
        ({"limits": ex.Limits(processes=0)}, "limits.processes"),
        (
            {"checker": ex.Checker(floats=ex.FloatsChecker(absolute=-1))},
            "checker.floats.absolute",
        ),
        (
            {"checker": ex.Checker(floats=ex.FloatsChecker(relative=float("nan")))},
            "checker.floats.relative",
        ),
        (
            {"checker": ex.Checker(program=ex.Program(language="python"))},
            "checker.program.source",
        ),
        (
            {"checker": ex.Checker(program=ex.Program(language="cobol", source="x"))},
            "checker.program.language",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_field_out_of_range_is_named(
    server: LeagueServer, runner: ScriptedRunner, fields: dict[str, Any], field: str
) -> None:
    found = await refused(server.sandbox.Execute(request(**fields)).read())
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD")
    assert list(found.fields) == [field]
    if "cobol" in str(fields):
        assert found.fields[field] == f"is not known; name one of {', '.join(LANGUAGES)}"
    assert runner.jobs == []


async def test_a_request_beyond_the_bound_of_messages_is_refused(server: LeagueServer) -> None:
    cases = [ex.Case(input=bytes(16 * MIB))] * 4
    found = await refused(server.sandbox.Execute(request(cases=cases)).read())
    assert found.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in found.message
