"""Runs and rounds as text for people: what `runs.py show` prints."""

from collections.abc import Iterator, Sequence

from llm_crowdsourced.v1 import league_pb2, result_service_pb2, round_pb2, run_pb2
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from analysis import dataset as records
from analysis import verdict_words
from client import enum_words, plain, tables, use_of_limits
from client.narrow import Ids
from client.program_text import ProgramText
from client.run_name import run_id
from client.screen import INDENT, indented, word, words


def run_text(
    run: run_pb2.Run,
    answer: result_service_pb2.GetStandingsResponse,
    coverage: Sequence[RenderableType],
    rounds: Sequence[round_pb2.Round],
    conceded: Sequence[str] = (),
) -> Iterator[RenderableType]:
    """Yields a whole run: state, league, progress, standings, coverage, rounds."""
    yield _heading(run_id(run.name), run.league.title)
    yield from tables.warning(answer)
    yield _facts(run)
    yield Text("Participants", style="bold")
    yield indented(_participants(run.league))
    if answer.marks:
        yield Text("Standings", style="bold")
        yield indented(tables.standings(answer))
        yield indented(Text(tables.reading(answer)))
    yield Text("Coverage", style="bold")
    for part in coverage:
        yield indented(part)
    if conceded:
        yield Text("What endpoints did not take", style="bold")
        for sentence in conceded:
            yield indented(word(sentence))
    yield Text("Rounds", style="bold")
    yield indented(_rounds(rounds))


def _heading(name: str, title: str) -> Text:
    text = Text(name, style="bold")
    return text.append(f"  {plain.one_line(title)}", style="default") if title else text


def _facts(run: run_pb2.Run) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    state = enum_words.state(run.state)
    why = run.state_reason or run.failure.message
    now = run.progress
    facts = [
        ("state", f"{state}: {why}" if why else state),
        ("subject", enum_words.subject(run.league.subject)),
        ("rules", _rules(run.league)),
        ("created", tables.local_time(run)),
        ("took", _took(run)),
        ("steps", f"{now.done_steps} of {now.total_steps}, {now.ok_steps} of them usable"),
        ("calls", f"{now.calls:,}"),
        ("tokens", f"{now.prompt_tokens:,} of prompts, {now.completion_tokens:,} of replies"),
        ("cost", _cost(now)),
        ("budget", _budget(run)),
        ("evidence", _evidence(run.league)),
        ("judges again", run_id(run.source_run)),
    ]
    for key, value in facts:
        if value:
            grid.add_row(Text(key, style="dim"), word(value))
    return indented(grid)


def _budget(run: run_pb2.Run) -> str:
    """Returns what the budget counts, which may be more than what providers told."""
    told = use_of_limits.sentence(run.league.budget, use_of_limits.of_progress(run.progress))
    return f"{told} counted" if told else ""


def _rules(league: league_pb2.League) -> str:
    parts = [
        plain.count(league.rounds_per_participant, "question") + " each",
        f"answers {enum_words.identity(league.identity)} and {enum_words.order(league.order)}",
        f"seed {league.seed}",
    ]
    if 0 < len(league.judges) < len(league.participants):
        parts.append(f"judges: {', '.join(league.judges)}")
    told = use_of_limits.limits(league.budget)
    return "; ".join(parts + ([f"at most {', '.join(told)}"] if told else []))


def _evidence(league: league_pb2.League) -> str:
    """Returns whether judges saw what programs did; empty in mathematics."""
    if league.subject != league_pb2.SUBJECT_PROGRAMMING:
        return ""
    return f"{enum_words.evidence(league.programming.evidence)} to judges"


def _took(run: run_pb2.Run) -> str:
    if not run.HasField("end_time") or not run.HasField("start_time"):
        return ""
    ended, started = run.end_time.ToDatetime(), run.start_time.ToDatetime()
    return plain.duration((ended - started).total_seconds())


def _cost(progress: run_pb2.Progress) -> str:
    if progress.unpriced_calls and progress.unpriced_calls >= progress.calls:
        return "unknown"
    extra = f", and {plain.count(progress.unpriced_calls, 'call')} of unknown price"
    return plain.dollars(progress.cost_usd) + (extra if progress.unpriced_calls else "")


def _participants(league: league_pb2.League) -> Table:
    grid = Table.grid(padding=(0, 2))
    for participant in league.participants:
        grid.add_row(word(participant.id), word(f"{participant.provider}: {participant.model}"))
    return grid


def _rounds(rounds: Sequence[round_pb2.Round]) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    ids = Ids(entry.question_setter for entry in rounds)
    table.add_column("Round", justify="right", no_wrap=True)
    table.add_column("Set by")
    table.add_column("Question")
    table.add_column("Answers\nusable", no_wrap=True)
    table.add_column("Judgments\nusable", no_wrap=True)
    for entry in rounds:
        table.add_row(
            str(entry.index),
            ids.cell(entry.question_setter),
            word(_question_ending(entry)),
            Text(_usable([a.result for a in entry.answers])),
            Text(_usable([j.result for j in entry.judgments])),
        )
    return table


def _question_ending(entry: round_pb2.Round) -> str:
    """Returns how a question came about, and whether its reference could not be verified."""
    ending = _ending(entry.result)
    is_played = entry.result.outcome == round_pb2.OUTCOME_OK
    unverified = entry.question.HasField("check") and not entry.question.check.verified
    return f"{ending}, unverified" if is_played and unverified else ending


def _ending(result: round_pb2.StepResult) -> str:
    outcome = enum_words.outcome(result.outcome) or "not yet"
    return f"{outcome} ({result.cause})" if result.cause else outcome


def _usable(results: Sequence[round_pb2.StepResult]) -> str:
    usable = sum(r.outcome == round_pb2.OUTCOME_OK for r in results)
    return f"{usable} of {len(results)}"


def round_text(
    entry: records.Round, *, full: bool = False, ascii_only: bool = False
) -> Iterator[RenderableType]:
    """Yields a whole round: question, reference, answers, judgments with reasons.

    Args:
        entry: The round.
        full: Whether programs are shown whole, not only their first lines.
        ascii_only: Whether the terminal shows only ASCII.
    """
    programs = ProgramText(entry, full=full, ascii_only=ascii_only)
    yield Text.assemble((f"Round {entry.index}", "bold"), "  set by ", word(entry.setter))
    yield from _question(entry, programs)
    yield from programs.legend()
    for answer in entry.answers:
        yield Text("")
        yield Text.assemble(("Answer of ", "bold"), word(answer.answerer, "bold"))
        if is_programming(entry):
            yield from _body(answer.result, [("", answer.text)])
            yield from programs.answer(answer)
        else:
            yield from _body(answer.result, [("", answer.text), ("result", answer.final_answer)])
    for judgment in entry.judgments:
        yield Text("")
        yield Text.assemble(("Judgment of ", "bold"), word(judgment.judge, "bold"))
        yield from _body(judgment.result, [])
        if judgment.evidence_outdated:
            yield indented(Text(verdict_words.OUTDATED, style="yellow"))
        for mark in sorted(judgment.marks, key=lambda m: (m.rank or 0, -(m.score or 0))):
            yield indented(_mark(mark))
            yield indented(words(mark.reason, "dim"), 2 * INDENT)


def is_programming(entry: records.Round) -> bool:
    """Says whether a round's question was to be checked, and its answers to be run."""
    return entry.question is not None and entry.question.check is not None


def _question(entry: records.Round, programs: ProgramText) -> Iterator[RenderableType]:
    question = entry.question
    if question is None:
        yield from _body(entry.result, [])
        return
    reference = [] if is_programming(entry) else [("reference", question.reference_answer)]
    yield from _body(entry.result, [("", question.text), *reference])
    yield from programs.question(question)
    more = [("marking scheme", question.marking_scheme), ("principle", question.principle)]
    yield from _fields(more)


def _body(
    result: records.StepResult, fields: Sequence[tuple[str, str]]
) -> Iterator[RenderableType]:
    if result.outcome != "ok":
        why = ": ".join(filter(None, [result.cause, result.detail]))
        told = result.outcome or "not yet"
        yield indented(word(f"{told} ({why})" if why else told, "red"))
    elif result.retries:
        why = ": ".join(filter(None, [result.earlier_cause, result.earlier_detail]))
        before = f" ({why})" if why else ""
        yield indented(word(f"read after a retry, had failed before{before}", "yellow"))
    elif result.reasks:
        times = plain.count(result.reasks, "time")
        why = f": {result.detail}" if result.detail else ""
        yield indented(word(f"read after asking again, {times}{why}", "yellow"))
    elif result.repaired:
        yield indented(Text("read after its broken JSON was mended", style="yellow"))
    yield from _fields(fields)


def _fields(fields: Sequence[tuple[str, str]]) -> Iterator[RenderableType]:
    for key, value in fields:
        if value:
            label = Text(f"{key}: ", style="dim") if key else Text("")
            yield indented(label.append_text(words(value)))


def _mark(mark: records.Mark) -> Text:
    if mark.score is not None:
        told = f"{mark.score:g} of 100"
    else:
        rank = "-" if mark.rank is None else f"{mark.rank:g}"
        told = f"rank {rank}" + ("" if mark.points is None else f", {mark.points:g} points")
    return word(f"{mark.answerer}: {told} (seen as {mark.label}, place {mark.position})")
