"""The workbook's sheets of programs: pass rates, executions, judges' accuracy, questions."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from openpyxl.worksheet.worksheet import Worksheet

from analysis.accuracy import Accuracy
from analysis.cells import Value, table
from analysis.dataset import Answer, CaseRun, Dataset
from analysis.evidence_effect import EvidenceEffect, JudgeEffect, Paired
from analysis.origins import distinct_rounds
from analysis.pass_rates import ACCEPTED, MIB, NOT_RUN, disputed_cases
from analysis.percent import percent_of_share
from analysis.programs import Programs
from analysis.scores import Standing
from analysis.verdict_words import comparison_words, words

Titles = Mapping[tuple[str, int], str]
"""By run and round: the title of the round's sheet."""

_TWO, _THREE, _SHARE, _COUNT = "0.00", "0.000", "0.0%", "#,##0"


def pass_rates_sheet(
    sheet: Worksheet,
    programs: Programs,
    best_first: Sequence[Standing],
    *,
    above: Sequence[str] = (),
) -> None:
    """Writes the pass rate of each model beside the judges' score, in the order of the latter.

    Args:
        sheet: An empty sheet.
        programs: What programs did.
        best_first: The standings.
        above: Sentences above the header.
    """
    headers = [
        "Model name",
        "Judges' score",
        "Pass rate",
        "Interval low",
        "Interval high",
        "Rounds with a pass rate",
        "Rounds answered",
        "All cases passed",
        "Not compiled",
        "Cases",
        "Cases accepted",
        "Median CPU, s",
        "Median memory, MiB",
    ]
    body: list[list[Value]] = []
    for s in best_first:
        rate, run = programs.rate_of(s.model), programs.runs_of(s.model)
        if rate is None or run is None:
            continue
        body.append(
            [
                s.model,
                s.answer_score,
                rate.value,
                rate.low,
                rate.high,
                rate.rounds,
                rate.answered,
                rate.perfect,
                rate.not_compiled,
                sum(run.verdicts.values()),
                run.verdicts.get(ACCEPTED, 0),
                run.median_cpu_s,
                run.median_mib,
            ]
        )
    formats = ["", _TWO, *[_SHARE] * 3, *[_COUNT] * 6, _THREE, "0.0"]
    table(sheet, headers, body, formats=formats, above=above)


def executions_sheet(sheet: Worksheet, dataset: Dataset, titles: Titles) -> None:
    """Writes what each program did on each case; one row for a program that ran on none."""
    headers = [
        "Sheet",
        "Run",
        "Round",
        "Setter",
        "Answerer",
        "Language",
        "Compiling",
        "Case",
        "Verdict",
        "Disputed",
        "CPU, s",
        "Clock, s",
        "Memory, MiB",
        "Exit status",
        "Signal",
        "Detail",
        "Pass rate of the program",
    ]
    body = (
        [titles[run.id, round_.index], run.id, round_.index, round_.setter, *cells]
        for run, round_ in distinct_rounds(dataset)
        for answer in round_.answers
        for cells in _execution_rows(answer, disputed_cases(round_.question))
    )
    formats = ["", "", "0", *[""] * 7, _THREE, _THREE, "0.0", "0", "0", "", _SHARE]
    table(sheet, headers, body, formats=formats, frozen=3)


def _execution_rows(answer: Answer, disputed: Collection[str]) -> Iterator[list[Value]]:
    """Yields the rows of one answer; none of one that was not run."""
    execution = answer.execution
    if execution is None:
        return
    head: list[Value] = [
        answer.answerer,
        execution.language,
        words(execution.compile_verdict),
    ]
    for case in execution.cases:
        yield [
            *head,
            case.name,
            words(case.verdict),
            "yes" if case.name in disputed else None,
            *_figures(case),
            case.exit_status,
            case.signal,
            case.detail,
            execution.pass_rate,
        ]
    if not execution.cases:
        yield [*head, *[None] * 8, execution.compile_message, execution.pass_rate]


def _figures(case: CaseRun) -> tuple[Value, Value, Value]:
    """Returns the times and the memory of a case; blanks where nothing was measured."""
    if case.verdict == NOT_RUN:
        return None, None, None
    return case.cpu_s, case.wall_s, case.memory_bytes / MIB


def questions_sheet(sheet: Worksheet, dataset: Dataset, titles: Titles) -> None:
    """Writes what came of checking each question, a row each."""
    headers = [
        "Sheet",
        "Run",
        "Round",
        "Setter",
        "Verified",
        "Played",
        "Cases kept",
        "Cases dropped",
        "Cases disputed",
        "Repairs",
        "Language of the reference",
        "Outputs compared",
        "Detail",
        "Dropped, and why",
        "Disputed",
    ]
    body: list[list[Value]] = []
    for run, round_ in distinct_rounds(dataset):
        check = round_.question.check if round_.question is not None else None
        if check is None:
            continue
        body.append(
            [
                titles[run.id, round_.index],
                run.id,
                round_.index,
                round_.setter,
                "yes" if check.verified else "no",
                "void" if round_.is_void else "yes",
                len(check.kept),
                len(check.dropped),
                len(check.disputed),
                check.repairs,
                check.language,
                comparison_words(check) or None,
                check.detail,
                "\n".join(f"{case.name}: {case.reason}" for case in check.dropped) or None,
                ", ".join(check.disputed) or None,
            ]
        )
    formats = ["", "", "0", "", "", "", *["0"] * 4]
    table(sheet, headers, body, formats=formats, frozen=3)


def accuracy_sheet(sheet: Worksheet, found: Accuracy) -> None:
    """Writes how each judge's scores agree with the pass rates."""
    headers = [
        "Judge",
        "Evidence",
        "Tau-b with pass rates",
        "Interval low",
        "Interval high",
        "Pairs",
        "Questions",
        "Failing above passing",
        "Tied",
        "Of pairs",
        "Share",
        "Share, low",
        "Share, high",
        "Scores used",
        "Left out: unverified",
        "Left out: no pass rate",
        "Left out: evidence outdated",
    ]
    body: list[list[Value]] = [
        [
            judge.judge,
            judge.evidence or None,
            judge.tau,
            judge.tau_low,
            judge.tau_high,
            judge.pairs,
            judge.questions,
            judge.inverted,
            judge.tied,
            judge.comparable,
            judge.share,
            judge.share_low,
            judge.share_high,
            judge.scores,
            judge.unverified,
            judge.unrated,
            judge.outdated,
        ]
        for judge in found.judges
    ]
    formats = ["", "", *[_TWO] * 3, *[_COUNT] * 5, *[_SHARE] * 3, *[_COUNT] * 4]
    table(sheet, headers, body, formats=formats)


def effects_sheet(sheet: Worksheet, effects: Sequence[EvidenceEffect]) -> None:
    """Writes what evidence changed, a row a judge and one for all of them."""
    headers = ["Shown in run", "Hidden in run", "Judge", "Scores in both", "Tau-b of both"]
    headers += ["Mean distance"]
    for figure in ("Tau-b with pass rates", "Failing above passing", "Tau-b between judges"):
        headers += [f"{figure}, shown", f"{figure}, hidden", f"{figure}, difference"]
        headers += [f"{figure}, low", f"{figure}, high", f"{figure}, pairs"]
    headers += ["The runs also differ in"]
    body: list[list[Value]] = []
    for effect in effects:
        head: list[Value] = [effect.shown, effect.hidden]
        also = "; ".join(effect.also) or None
        body += [[*head, *_effect_cells(judge), *[None] * 6, also] for judge in effect.judges]
        agreement = _paired_cells(effect.agreement)
        body.append([*head, *_effect_cells(effect.overall), *agreement, also])
    figures = [*[_TWO] * 5, _COUNT, *[_SHARE] * 5, _COUNT, *[_TWO] * 5, _COUNT]
    table(sheet, headers, body, formats=["", "", "", _COUNT, _TWO, "0.0", *figures], frozen=3)


def _effect_cells(effect: JudgeEffect) -> list[Value]:
    """Returns the cells of one judge."""
    return [
        effect.judge or "all judges",
        effect.scores,
        effect.tau,
        effect.distance,
        *_paired_cells(effect.accuracy),
        *_paired_cells(effect.inverted),
    ]


def _paired_cells(paired: Paired) -> list[Value]:
    """Returns the cells of a figure with and without evidence."""
    return [
        paired.shown,
        paired.hidden,
        paired.difference,
        paired.low,
        paired.high,
        paired.pairs,
    ]


def program_facts(programs: Programs) -> list[tuple[str, Value]]:
    """Returns what the sheets of programs rest on."""
    found = programs.accuracy
    return [
        (
            "Pass rate",
            (
                "Share of the kept, undisputed cases that a program passed; a mean over rounds. No "
                "judge's opinion, and no part of a score. Cases on which the sandbox failed are in "
                "neither number; a program that does not compile passes none."
            ),
        ),
        (
            "Judge accuracy",
            (
                f"{found.source}. {percent_of_share(found.level)} intervals, {found.resamples} resamples, seed "
                f"{found.seed}. Questions used: {found.questions}; left out as unverified: "
                f"{found.left_out}."
            ),
        ),
    ]
