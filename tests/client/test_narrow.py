"""Tables at 80 columns with long ids: nothing is clipped, and no id looks like another."""

import io
from collections.abc import Iterable

import pytest
from llm_crowdsourced.v1 import call_pb2, result_service_pb2, round_pb2, run_pb2
from rich.console import Console, RenderableType

from client import run_calls, run_ledger, run_text, tables
from client.call_endings import Ending
from client.narrow import Ids
from client.screen import indented
from tests.support.fake_service import league, run

IDS = (
    "claude-3-opus-2024-02-29",
    "claude-3-opus-2024-03-15",
    "gpt-4.1-mini-2025-04-14x",
    "gpt-4.1-nano-2025-04-14x",
)


def lines(part: RenderableType, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def are_told_apart(shown: list[str], column: int) -> bool:
    """Says whether each id has a text of its own in that column."""
    return len({line.split()[column] for line in shown if len(line.split()) > column}) >= len(IDS)


@pytest.mark.parametrize("is_programming", [False, True])
def test_standings(*, is_programming: bool) -> None:
    answer = result_service_pb2.GetStandingsResponse()
    for rank, name in enumerate(IDS, 1):
        standing = answer.standings.add(
            participant=name, rank=rank, best_rank=1, worst_rank=4, answer_score=57.14,
            answer_score_low=43.21, answer_score_high=67.89, question_score=45.5,
            marks=108, planned_marks=108,
        )  # fmt: skip
        if is_programming:
            standing.pass_rate, standing.pass_rate_rounds = 0.85, 12
        else:
            standing.answer_share = 0.55

    shown = lines(indented(tables.standings(answer)))

    assert len(shown) == 2 + len(IDS)
    assert are_told_apart(shown[2:], 2)
    for line in shown[2:]:
        assert "43.21-67.89" in line
        assert "108 of 108" in line
    assert shown[1].count("95 %") == 2
    assert shown[0].split()[:3] == ["Rank", "Answer", "Score"]


def test_rounds() -> None:
    failed = round_pb2.StepResult(outcome=round_pb2.OUTCOME_UNPARSABLE, cause="reference_failed")
    rounds = [
        round_pb2.Round(
            index=index,
            question_setter=name,
            result=failed,
            answers=[round_pb2.Answer()] * 3,
            judgments=[round_pb2.Judgment()] * 4,
        )
        for index, name in enumerate(IDS, 1)
    ]

    text = "\n".join(lines(indented(run_text._rounds(rounds))))

    for word in ("Question", "Answers", "Judgments", "(reference_failed)", "0 of 3", *IDS):
        assert word in text


def test_a_ledger() -> None:
    entries = [
        result_service_pb2.LedgerEntry(
            participant=name, role=round_pb2.ROLE_ANSWER, calls=40, prompt_tokens=169_134,
            cost_usd=1.25, charged_tokens=223_456, charged_cost_usd=2.5,
        )
        for name in IDS
    ]  # fmt: skip
    total = result_service_pb2.LedgerEntry(calls=480, prompt_tokens=1_234_567, cost_usd=12.5)

    shown = lines(run_ledger._entries(entries, total))

    assert are_told_apart(shown[2:6], 0)
    assert all("223,456" in line for line in shown[2:6])


@pytest.mark.parametrize("cost", [None, 0.0012])
def test_failed_calls(cost: float | None) -> None:
    usage = call_pb2.Usage(prompt_tokens=12_345, cost_usd=cost)
    ending = Ending(word="unavailable", cause="connection_failed")
    calls = [
        (call_pb2.Call(round=12, role=round_pb2.ROLE_JUDGMENT, participant=i, usage=usage), ending)
        for i in IDS
    ]

    shown = lines(run_calls._table(calls))

    assert are_told_apart([line for line in shown if "judgment" in line], 2)
    assert ("Cost" in shown[0]) == (cost is not None)
    assert "…" not in "".join(line.partition("unavailable")[2] for line in shown)


def runs(*names: str, title: str) -> Iterable[run_pb2.Run]:
    for name in names:
        yield run(name=f"runs/{name}", league=league(subject=2, title=title))


@pytest.mark.parametrize("title", ["", "Test", "Programming on small local models " * 3])
@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_list_of_runs_has_a_line_for_each(title: str, width: int) -> None:
    names = ("programming-1a2b3c4d", "programming-again-1a2b3c4d5e")

    shown = lines(tables.runs(runs(*names, title=title), width), width)

    assert [line.split()[0] for line in shown] == ["Run", *names]
    assert all("0 of 32" in line for line in shown[1:])
    assert max(map(len, shown)) <= width
    if title and width >= 80:
        assert all(title[:4] in line for line in shown[1:])


def test_an_id_is_cut_where_it_differs_least_and_wrapped_where_nothing_else_helps() -> None:
    assert Ids(["one-model-a", "one-model-b"]).fitted("one-model-a", 20) == "one-model-a"
    assert (
        Ids(["one-long-model-a", "one-long-model-b"]).fitted("one-long-model-a", 9) == "one-…el-a"
    )
    alike = [f"model-{letter}-of-2025" for letter in "abcdefghij"]
    assert Ids(alike).fitted(alike[0], 12) == "model-a…2025"
    middle = [f"{'a' * 12}{letter}{'z' * 12}" for letter in "bc"]
    assert Ids(middle).fitted(middle[0], 10) == middle[0]
    assert [line.strip() for line in lines(Ids(middle).cell(middle[0]), 10)] == [
        middle[0][:10], middle[0][10:20], middle[0][20:],
    ]  # fmt: skip
