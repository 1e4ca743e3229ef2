"""The Excel workbook: the published sheets first, then everything behind them.

`Final Ranking`, `Score Summary` and `Round N` keep the columns of the released score
files, so that scripts made for those read this. What is missing is an empty cell, where
those files had a 0; in a round sheet the setter's row is therefore empty. Where too little
arrived, a warning stands above the header of the two sheets with rankings: a script that
would rank by them without a look stops there.
"""

import io
from collections.abc import Mapping, Sequence

from openpyxl import Workbook
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Font
from openpyxl.worksheet.worksheet import Worksheet

from analysis.cells import Value, clean, print_fitted, sheet_title, table
from analysis.coverage import Coverage, coverage
from analysis.dataset import Dataset, Round, Run
from analysis.marks import received
from analysis.percent import percent_of_share
from analysis.program_sheets import (
    accuracy_sheet,
    effects_sheet,
    executions_sheet,
    pass_rates_sheet,
    program_facts,
    questions_sheet,
)
from analysis.programs import Programs, programs_of
from analysis.scores import RoundScore, Standing, round_scores, standings, tie_sentence
from analysis.verification import verification
from analysis.worksheets import (
    Titles,
    answers_sheet,
    calls_sheet,
    coverage_sheet,
    failures_sheet,
    judgments_sheet,
    steps_sheet,
)

_TWO, _SHARE = "0.00", "0.0%"


def workbook(
    dataset: Dataset,
    *,
    table_of_standings: Sequence[Standing] = (),
    programs: Programs | None = None,
    notes: Sequence[str] = (),
) -> bytes:
    """Returns the workbook as the bytes of an .xlsx file.

    Args:
        dataset: The runs.
        table_of_standings: Standings already computed; computed here when left out.
        programs: What programs did, already computed; computed here when left out.
        notes: Sentences of honesty for the sheet `About`.
    """
    best_first = tuple(table_of_standings) or standings(dataset)
    rows, covered = round_scores(dataset), coverage(dataset)
    programs = programs or programs_of(dataset)
    book = Workbook()
    ranking = book.active
    if not isinstance(ranking, Worksheet):
        raise TypeError("a new workbook has one worksheet")
    ranking.title = "Final Ranking"
    titles = {
        (run.id, round_.index): f"Round {number}"
        for number, (run, round_) in enumerate(dataset.rounds(), 1)
    }
    totals = _running_totals(dataset, rows)
    above = [covered.warning] if covered.warning else []
    _final_ranking(ranking, best_first, totals, titles, above=above)
    summary = _sheet(book, "Score Summary")
    _score_summary(summary, dataset, rows, totals, titles, above=above)
    for run, round_ in dataset.rounds():
        key = (run.id, round_.index)
        _round_sheet(_sheet(book, titles[key]), run, round_, rows, totals[key])
    answers_sheet(_sheet(book, "Answers"), dataset, titles)
    judgments_sheet(_sheet(book, "Judgments"), dataset, titles)
    if programs is not None:
        warned = verification(dataset).warning
        rates = _sheet(book, "Pass Rates")
        pass_rates_sheet(rates, programs, best_first, above=[warned] if warned else [])
        executions_sheet(_sheet(book, "Executions"), dataset, titles)
        accuracy_sheet(_sheet(book, "Judge Accuracy"), programs.accuracy)
        if programs.effects:
            effects_sheet(_sheet(book, "Evidence"), programs.effects)
        questions_sheet(_sheet(book, "Questions"), dataset, titles)
    coverage_sheet(_sheet(book, "Coverage"), dataset, covered)
    failures_sheet(_sheet(book, "Failures"), dataset, covered)
    steps_sheet(_sheet(book, "Steps"), covered, titles)
    calls_sheet(_sheet(book, "Calls"), dataset, titles)
    facts = _facts(dataset, best_first, covered, notes)
    facts += program_facts(programs) if programs is not None else []
    _about(_sheet(book, "About"), facts)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _sheet(book: Workbook, wanted: str) -> Worksheet:
    """Adds a sheet under a title that is free."""
    sheet: Worksheet = book.create_sheet(sheet_title(wanted, book.sheetnames))
    return sheet


def _running_totals(
    dataset: Dataset, rows: Sequence[RoundScore]
) -> dict[tuple[str, int], dict[str, float]]:
    """Returns, after each round, the sum of each model's round scores so far.

    The sum runs on over several runs, as the numbers of the rounds do; a model without a
    score so far is not in it.
    """
    by_round: dict[tuple[str, int], list[RoundScore]] = {}
    for row in rows:
        by_round.setdefault((row.run, row.round), []).append(row)
    sums: dict[str, float] = {}
    totals = {}
    for run, round_ in dataset.rounds():
        for row in by_round.get((run.id, round_.index), []):
            if row.value is not None:
                sums[row.answerer] = sums.get(row.answerer, 0.0) + row.value
        totals[run.id, round_.index] = dict(sums)
    return totals


def _final_ranking(
    sheet: Worksheet,
    best_first: Sequence[Standing],
    totals: Mapping[tuple[str, int], Mapping[str, float]],
    titles: Titles,
    *,
    above: Sequence[str],
) -> None:
    """Writes the standings."""
    last = totals[list(titles)[-1]] if titles else {}
    headers = [
        "Rank",
        "Model name",
        "Total Score",
        "Answer score",
        "Interval low",
        "Interval high",
        "Standard error",
        "Best place",
        "Worst place",
        "Question score",
        "Sum of marks",
        "Mean share",
        "Rounds marked",
        "Marks received",
        "Marks planned",
        "Coverage",
    ]
    body: list[list[Value]] = [
        [
            s.place,
            s.model,
            last.get(s.model),
            s.answer_score,
            s.low,
            s.high,
            s.standard_error,
            s.best,
            s.worst,
            s.question_score,
            s.total if s.marks else None,
            s.share,
            s.rounds,
            s.marks,
            s.planned,
            # Cut to what is shown, or 99.96 % would be shown as 100.
            1000 * s.marks // s.planned / 1000 if s.planned else None,
        ]
        for s in best_first
    ]
    formats = ["0", "", *[_TWO] * 5, "0", "0", _TWO, _TWO, _SHARE, "0", "#,##0", "#,##0", _SHARE]
    table(sheet, headers, body, formats=formats, frozen=2, above=above)


def _score_summary(
    sheet: Worksheet,
    dataset: Dataset,
    rows: Sequence[RoundScore],
    totals: Mapping[tuple[str, int], Mapping[str, float]],
    titles: Titles,
    *,
    above: Sequence[str],
) -> None:
    """Writes each model's score in each round."""
    scores = {(row.run, row.round, row.answerer): row.value for row in rows}
    last = totals[list(titles)[-1]] if titles else {}
    body = [
        [model, *(scores.get((*key, model)) for key in titles), last.get(model)]
        for model in dataset.participants
    ]
    headers = ["Model name", *titles.values(), "Total Score"]
    table(sheet, headers, body, formats=["", *[_TWO] * (len(titles) + 1)], above=above)


def _round_sheet(
    sheet: Worksheet,
    run: Run,
    round_: Round,
    rows: Sequence[RoundScore],
    totals: Mapping[str, float],
) -> None:
    """Writes one round in the published layout: a row a model, a column a judge."""
    marks = {(item.judge, item.mark.answerer): item.value for item in received(run, round_)}
    scores = {r.answerer: r.value for r in rows if (r.run, r.round) == (run.id, round_.index)}
    body: list[list[Value]] = []
    for participant in run.participants:
        model = participant.id
        row: list[Value] = [model, *(marks.get((judge, model)) for judge in run.judges)]
        setter = model == round_.setter
        row += [None, None] if setter else [scores.get(model), totals.get(model)]
        body.append(row)
    headers = ["Model name", *run.judges, "Round Score", "Total Score"]
    table(sheet, headers, body, formats=["", *[_TWO] * (len(run.judges) + 2)])
    # A scripted reader takes every column for a judge, so the origin is said beside the
    # table's data: in a comment and in the printed head.
    origin = f"Run {run.id}, round {round_.index}; question set by {round_.setter}."
    sheet["A1"].comment = Comment(clean(origin)[:500], "llm-crowdsourced", width=320, height=80)
    if sheet.oddHeader is not None:
        sheet.oddHeader.center.text = clean(origin)[:200].replace("&", "&&")


def _facts(
    dataset: Dataset,
    best_first: Sequence[Standing],
    covered: Coverage,
    notes: Sequence[str],
) -> list[tuple[str, Value]]:
    """Returns what the workbook rests on."""
    facts: list[tuple[str, Value]] = [("Subject", dataset.subject)]
    facts += [("Warning", covered.warning)] if covered.warning else []
    facts += [("Note", note) for note in notes]
    facts += [
        ("Standings", tie_sentence(best_first)),
        ("Marks received", covered.marks),
        ("Marks planned", covered.planned),
    ]
    for run in dataset.runs:
        facts += _run_facts(run)
    facts += [
        ("Round Score", "Mean of the marks received."),
        (
            "Empty cells",
            (
                "A mark or score that did not arrive, never a 0. In the sheet of a round two are "
                "empty by rule: a judge's own answer, and the whole row of the setter."
            ),
        ),
        ("Total Score", "Running total of round scores, over all runs in the order of sheets."),
        ("Answer score", "Mean of the round scores of the rounds that were marked."),
        (
            "Question score",
            (
                "Mean of what others got on its questions: hard ones are low in programming; in "
                "mathematics ranks are relative and it is the same for every complete round."
            ),
        ),
        ("Interval", _interval_words(best_first)),
    ]
    return facts


def _about(sheet: Worksheet, facts: Sequence[tuple[str, Value]]) -> None:
    """Writes what the workbook rests on."""
    table(sheet, ["What", "Value"], facts, frozen=1)
    sheet.auto_filter.ref = None
    sheet.column_dimensions["B"].width = 90
    print_fitted(sheet, 1, 1)
    for row in range(2, len(facts) + 2):
        sheet.cell(row=row, column=1).font = Font(name="Calibri", size=11, bold=True)
        sheet.cell(row=row, column=2).alignment = Alignment(
            horizontal="left", vertical="top", indent=1, wrap_text=True
        )


def _interval_words(best_first: Sequence[Standing]) -> str:
    """Says how the intervals were made."""
    if not best_first:
        return "There is no standing."
    s = best_first[0]
    return (
        f"{percent_of_share(s.level)} percentile bootstrap over rounds, {s.resamples} resamples, seed {s.seed}; "
        "none below two rounds."
    )


def _run_facts(run: Run) -> list[tuple[str, Value]]:
    """Returns the facts of one run."""
    facts: list[tuple[str, Value]] = [
        ("Run", run.id),
        ("Title", run.title),
        ("State", f"{run.state}. {run.state_reason}".strip()),
        ("Participants", "\n".join(p.id for p in run.participants)),
        ("Judges", "\n".join(run.judges)),
        ("Questions each sets", run.rounds_per_participant),
        ("Seed", run.seed),
        ("Identity", run.identity),
        ("Order", run.order),
        ("Evidence", run.evidence),
        ("Server version", run.server_version),
        ("Prompts SHA-256", run.prompts_sha256),
        ("Judges again", run.source_run),
        ("Created, UTC", run.created_at),
        ("Started, UTC", run.started_at),
        ("Ended, UTC", run.ended_at),
    ]
    return [(name, value) for name, value in facts if value not in ("", None)]
