"""What programs did, over the wire: each view of a round, pages, standings and the export."""

from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import pytest
from llm_crowdsourced.v1 import execution_pb2, result_service_pb2, round_pb2

from server.league.league import League, Subject
from server.league.programs import CheckerChoice, Code
from server.league.schedule import Role, StepKey
from server.league.time_budget import NOT_RUN
from server.store.execution_records import ExecutionRecord, Purpose
from server.store.executions import EXECUTION_TABLES
from server.store.records import MarkRecord, RunState
from server.store.store import Store
from tests.support.execution_records import case_run, execution, question_case
from tests.support.league_server import LeagueServer, league_server, settings_for
from tests.support.leagues import record_league
from tests.support.scripted_league import LeagueScript
from tests.support.store_records import new_run, step

FULL, BASIC = round_pb2.ROUND_VIEW_FULL, round_pb2.ROUND_VIEW_BASIC
RUN = "prog-1"
LARGE = "large-1"
LONG = "\N{EURO SIGN}" * 3000
CHECKERS = {
    1: CheckerChoice(kind="floats", absolute=0.5, relative=0.25),
    2: CheckerChoice(kind="program", code=Code(language="python", source="exit(0)\n")),
    3: CheckerChoice(kind="exact"),
    4: CheckerChoice(),
}


def _league(participants: int = 4) -> League:
    return record_league(participants, subject=Subject.PROGRAMMING)


def _question(**values: Any) -> dict[str, Any]:
    """Returns what the store keeps of a question."""
    reference = Code(language="cpp", source="int main() {}\n", basis="fence")
    defaults: dict[str, Any] = {
        "text": "Add two numbers.",
        "marking_scheme": "50 for running",
        "principle": "addition",
        "reference_answer": reference.source,
        "reference": asdict(reference),
        "checker": asdict(CheckerChoice()),
        "generator": None,
        "verified": True,
        "repairs": 0,
        "check_detail": "",
    }
    return defaults | values


def _given(**values: Any) -> dict[str, Any]:
    """Returns what the store keeps of an answer."""
    defaults: dict[str, Any] = {
        "text": "I add.",
        "final_answer": "print(4)\n",
        "language": "python",
        "basis": "named",
        "named": "python",
        "names_maker": False,
    }
    return defaults | values


async def _answer(store: Store, run_id: str, execution_: ExecutionRecord) -> None:
    key = StepKey(execution_.round, Role.ANSWER, execution_.participant)
    content = _given(final_answer=execution_.source)
    await store.finish_step(run_id, step(key, content=content), executions=[execution_])


async def _play(store: Store) -> None:
    """Keeps a run: a first round with all that there can be, and three bare ones."""
    await store.create_run(new_run(RUN, _league()))
    cases = [
        question_case(1, input=b"\x00\xff", expected=b"\xfe"),
        question_case(2, input=b"i" * 5000, expected=b"e" * 4096),
        question_case(3, expected=b"", dropped="the reference printed something else"),
        question_case(4),
    ]
    content = _question(
        checker=asdict(CHECKERS[1]),
        generator=asdict(Code(language="python", source="print(1)\n")),
        repairs=2,
        check_detail="case 3 was dropped",
    )
    key = StepKey(1, Role.QUESTION, "p1")
    reference = execution("p1", *map(case_run, range(1, 5)), purpose=Purpose.REFERENCE)
    await store.finish_step(RUN, step(key, content=content), executions=[reference], cases=cases)
    runs = (
        case_run(1, stdout=b"\xff\x00", stderr=b"\x80", detail="all is well"),
        case_run(
            2,
            verdict="runtime_error",
            exit_status=None,
            signal=11,
            stdout=b"o" * 5000,
            stderr=b"e" * 256,
            error_bytes=20_000,
        ),
        case_run(4, verdict="wrong_answer", stdout=b"", stderr=b"r" * 5000, output_cut=True),
    )
    await _answer(store, RUN, execution("p2", *runs, basis="content", language="go"))
    refused = execution("p3", compile_verdict="compile_error", compile_message=LONG)
    await _answer(store, RUN, refused)
    await store.record_disputes(RUN, 1, [4])
    for index in (2, 3, 4):
        setter = f"p{index}"
        content = _question(checker=asdict(CHECKERS[index]), verified=False)
        question = step(StepKey(index, Role.QUESTION, setter), content=content)
        await store.finish_step(RUN, question, cases=[question_case(1, index)])
    not_run = case_run(2, verdict="time_limit", detail=NOT_RUN, exit_status=None, cpu_s=0.0)
    await _answer(store, RUN, execution("p2", case_run(1), not_run, round=3))
    given = MarkRecord(round=1, judge="p1", answerer="p2", label="A", position=1, score=80.0)
    judgment = step(StepKey(1, Role.JUDGMENT, "p1"))
    await store.finish_step(RUN, judgment, (given,))
    await store.set_state(RUN, RunState.SUCCEEDED)


async def _play_large(store: Store) -> None:
    """Keeps a run of three rounds with 1,000 cases each, which printed 64 KiB on two."""
    await store.create_run(new_run(LARGE, _league(3)))
    for index, setter in enumerate(("p1", "p2", "p3"), 1):
        cases = [question_case(n, index, input=b"i" * 1000) for n in range(1, 1001)]
        key = StepKey(index, Role.QUESTION, setter)
        await store.finish_step(LARGE, step(key, content=_question()), cases=cases)
        for who in {"p1", "p2", "p3"} - {setter}:
            runs = (case_run(n, stdout=b"o" * (64 << 10)) for n in range(1, 1001))
            await _answer(store, LARGE, execution(who, *runs, round=index))


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LeagueServer]:
    database = Path(tmp_path_factory.mktemp("programs"), "league.duckdb")
    with Store(database) as store:
        await _play(store)
        await _play_large(store)
        await store.create_run(new_run("again-1", _league(), source_run=RUN))
    async with (
        LeagueScript().endpoint() as endpoint,
        league_server(settings_for(endpoint, database), playing=False) as made,
    ):
        yield made


async def _round(
    server: LeagueServer, index: int, view: "round_pb2.RoundView.ValueType", run_id: str = RUN
) -> round_pb2.Round:
    request = result_service_pb2.GetRoundRequest(name=f"runs/{run_id}/rounds/{index}", view=view)
    return (await server.results.GetRound(request)).round


async def test_a_question_says_what_came_of_checking_it(server: LeagueServer) -> None:
    check = (await _round(server, 1, FULL)).question.check
    expected = round_pb2.QuestionCheck(
        verified=True,
        reference=execution_pb2.Program(language="cpp", source="int main() {}\n"),
        reference_language_basis="fence",
        cases=[
            execution_pb2.Case(name="case 1", input=b"\x00\xff", expected_output=b"\xfe"),
            execution_pb2.Case(
                name="case 2",
                input=b"i" * 4096,
                input_cut=True,
                expected_output=b"e" * 4096,
            ),
            execution_pb2.Case(name="case 4", input=b"2 2\n", expected_output=b"4\n"),
        ],
        dropped_cases=1,
        dropped=[
            round_pb2.DroppedCase(name="case 3", reason="the reference printed something else")
        ],
        disputed_cases=["case 4"],
        repairs=2,
        detail="case 3 was dropped",
        checker=execution_pb2.Checker(
            floats=execution_pb2.FloatsChecker(absolute=0.5, relative=0.25)
        ),
        generator=execution_pb2.Program(language="python", source="print(1)\n"),
    )
    assert check == expected


@pytest.mark.parametrize(("index", "kind"), [(2, "program"), (3, "exact"), (4, "tokens")])
async def test_every_checker_is_told(server: LeagueServer, index: int, kind: str) -> None:
    check = (await _round(server, index, FULL)).question.check
    assert check.checker.WhichOneof("kind") == kind
    if kind == "program":
        program = execution_pb2.Program(language="python", source="exit(0)\n")
        assert check.checker.program == program
        basic = (await _round(server, index, BASIC)).question.check
        assert basic.checker.program == execution_pb2.Program(language="python")
    assert not check.verified
    assert not check.HasField("generator")


async def test_an_answer_says_what_its_program_did(server: LeagueServer) -> None:
    ran, refused, none = (await _round(server, 1, FULL)).answers
    found = ran.execution
    assert found.program == execution_pb2.Program(language="go")
    assert ran.final_answer == "print(4)\n"
    assert (found.compile.verdict, found.compile.toolchain) == (
        execution_pb2.VERDICT_ACCEPTED,
        "CPython 3.11",
    )
    assert (found.compile.language, found.compile.language_basis) == ("go", "content")
    assert found.compile.wall_time.ToMilliseconds() == 125
    assert (found.passed_cases, found.total_cases, found.disputed_cases) == (1, 2, 1)
    assert found.pass_rate == 0.5
    first, second, third = found.cases
    assert (first.name, first.verdict) == ("case 1", execution_pb2.VERDICT_ACCEPTED)
    assert (first.stdout, first.stderr, first.output_cut) == (b"\xff\x00", b"\x80", False)
    assert (first.exit_status, first.HasField("signal")) == (0, False)
    assert (first.cpu_time.ToMilliseconds(), first.wall_time.ToMilliseconds()) == (250, 500)
    assert (first.peak_memory_bytes, first.detail) == (9 << 20, "all is well")
    assert (second.signal, second.HasField("exit_status")) == (11, False)
    assert second.stdout == b"o" * 4096
    # Of standard error less was kept than fits, as others had printed much before.
    assert second.stderr == b"e" * 256
    assert (second.stdout_cut, second.stderr_cut, second.output_cut) == (True, True, True)
    # It had been cut when it was kept.
    assert (third.stdout_cut, third.stderr_cut, third.output_cut) == (True, True, True)
    assert (third.stdout, third.stderr) == (b"", b"r" * 4096)
    sizes = [(each.stdout_bytes, each.stderr_bytes) for each in found.cases]
    assert sizes == [(2, 1), (5000, 20_000), (0, 5000)]

    failed = refused.execution
    assert failed.compile.verdict == execution_pb2.VERDICT_COMPILE_ERROR
    # Cut between characters.
    assert failed.compile.message == LONG[: 4096 // 3]
    assert failed.compile.message_cut
    assert not failed.compile.language_basis
    assert not failed.cases
    assert (failed.passed_cases, failed.total_cases, failed.disputed_cases) == (0, 2, 1)
    assert failed.HasField("pass_rate")
    assert failed.pass_rate == 0
    assert not none.HasField("execution")


@pytest.mark.parametrize("view", [FULL, BASIC])
async def test_of_a_case_that_was_not_run_there_are_no_times(
    server: LeagueServer, view: "round_pb2.RoundView.ValueType"
) -> None:
    answers = {each.answerer: each for each in (await _round(server, 3, view)).answers}
    ran, not_run = answers["p2"].execution.cases
    assert not ran.not_run
    assert ran.HasField("cpu_time")
    assert not_run.not_run
    assert not_run.verdict == execution_pb2.VERDICT_TIME_LIMIT
    assert not any(not_run.HasField(name) for name in ("cpu_time", "wall_time", "exit_status"))


async def test_the_basic_view_has_verdicts_and_no_long_texts(server: LeagueServer) -> None:
    full, basic = await _round(server, 1, FULL), await _round(server, 1, BASIC)
    for case in full.question.check.cases:
        for name in ("input", "expected_output", "input_cut", "expected_output_cut"):
            case.ClearField(name)
    for program in (full.question.check.reference, full.question.check.generator):
        program.ClearField("source")
    full.question.ClearField("reference_answer")
    full.question.ClearField("marking_scheme")
    for answer in full.answers:
        answer.ClearField("text")
        answer.ClearField("final_answer")
        if answer.HasField("execution"):
            answer.execution.compile.ClearField("message")
            answer.execution.compile.ClearField("message_cut")
        for run in answer.execution.cases:
            cut = ("stdout_cut", "stderr_cut", "output_cut")
            for name in ("stdout", "stderr", "detail", *cut):
                run.ClearField(name)  # type: ignore[arg-type]
    assert basic == full
    assert basic.answers[0].execution.cases


async def test_listings_have_what_single_rounds_have(server: LeagueServer) -> None:
    for view in (FULL, BASIC):
        request = result_service_pb2.ListRoundsRequest(parent=f"runs/{RUN}", view=view)
        page = await server.results.ListRounds(request)
        assert list(page.rounds) == [await _round(server, index, view) for index in range(1, 5)]


async def test_a_run_judged_again_shows_the_same_programs(server: LeagueServer) -> None:
    for view in (FULL, BASIC):
        mine, source = await _round(server, 1, view, "again-1"), await _round(server, 1, view)
        assert mine.question == source.question
        assert mine.answers[0].execution == source.answers[0].execution
        assert mine.answers[1].execution == source.answers[1].execution


async def test_standings_have_mean_pass_rates(server: LeagueServer) -> None:
    request = result_service_pb2.GetStandingsRequest(name=f"runs/{RUN}")
    found = {s.participant: s for s in (await server.results.GetStandings(request)).standings}
    second, third = found["p2"], found["p3"]
    assert (second.answer_score, second.rank) == (80.0, 1)
    # Half of the cases of one round, all of another: rounds weigh the same.
    assert (second.pass_rate, second.pass_rate_rounds) == (0.75, 2)
    assert (second.passed_cases, second.total_cases) == (2, 3)
    assert (third.pass_rate, third.pass_rate_rounds) == (0.0, 1)
    assert third.HasField("pass_rate")
    assert (third.passed_cases, third.total_cases) == (0, 2)
    for who in ("p1", "p4"):
        assert not found[who].HasField("pass_rate")
        assert found[who].pass_rate_rounds == 0


@pytest.mark.parametrize("view", [FULL, BASIC])
async def test_pages_are_bounded_however_much_was_printed(
    server: LeagueServer, view: "round_pb2.RoundView.ValueType"
) -> None:
    found: list[round_pb2.Round] = []
    token, pages = "", 0
    while True:
        page = await server.results.ListRounds(
            result_service_pb2.ListRoundsRequest(
                parent=f"runs/{LARGE}", page_token=token, view=view
            )
        )
        assert page.ByteSize() < 2 << 20
        found += page.rounds
        token, pages = page.next_page_token, pages + 1
        if not token:
            break
    assert [round_.index for round_ in found] == [1, 2, 3]
    assert (pages > 1) is (view == FULL)
    for round_ in found:
        runs = [run for answer in round_.answers for run in answer.execution.cases]
        assert len(runs) == 2000
        assert all(run.stdout_cut is run.output_cut is (view == FULL) for run in runs)
        assert {len(run.stdout) for run in runs} == {256 if view == FULL else 0}
        assert all(not run.stderr_cut for run in runs)
        assert all(answer.execution.pass_rate == 1 for answer in round_.answers)


async def test_an_export_has_every_execution(server: LeagueServer, tmp_path: Path) -> None:
    files: dict[str, bytearray] = {}
    request = result_service_pb2.ExportRunRequest(name=f"runs/{LARGE}")
    async for piece in server.results.ExportRun(request):
        files.setdefault(piece.table, bytearray()).extend(piece.data)
    counts = {}
    for table in EXECUTION_TABLES:
        path = tmp_path / f"{table}.parquet"
        path.write_bytes(files[table])
        with duckdb.connect() as connection:
            found = connection.execute("select count(*) from read_parquet(?)", [str(path)])
            counts[table] = found.fetchall()[0]
            if table == "case_run":
                sizes = "select distinct octet_length(stdout) from read_parquet(?)"
                assert connection.execute(sizes, [str(path)]).fetchall() == [(64 << 10,)]
    assert counts == {
        "question_case": (3000,),
        "execution": (6,),
        "case_run": (6000,),
        "dispute": (0,),
    }
