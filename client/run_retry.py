"""`runs.py retry`: asks the failed steps of a run again, at the user's word."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from llm_crowdsourced.v1 import league_pb2, round_pb2, run_pb2, run_service_pb2
from rich.table import Table
from rich.text import Text

from client import consent, costs, enum_words, plain, use_of_limits
from client.command_line import plain_json, print_json
from client.dataset import list_rounds
from client.exit_status import ExitStatus
from client.failures import CommandError
from client.follow import get_run
from client.narrow import Ids
from client.playing import PlayOptions, finish, is_local
from client.run_name import run_id
from client.screen import chatter, results, say, word
from client.session import Session
from client.watching import watch

# Every endpoint is asked for its models before the run goes on.
_RETRY_TIMEOUT_S = 180.0
_RETRIED = {round_pb2.OUTCOME_UNAVAILABLE, round_pb2.OUTCOME_UNPARSABLE}
_LEFT = {run_pb2.Run.STATE_PENDING, run_pb2.Run.STATE_RUNNING}
_RETRIABLE = {run_pb2.Run.STATE_SUCCEEDED, run_pb2.Run.STATE_PAUSED}


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of a run and how it ended."""

    role: str
    participant: str
    result: round_pb2.StepResult


@dataclass(frozen=True, kw_only=True)
class Failed:
    """What a retry asks.

    Attributes:
        again: Steps that ended unavailable or unparsable.
        skipped: Steps that were skipped for want of them.
    """

    again: tuple[Step, ...]
    skipped: tuple[Step, ...]


def failed_steps(rounds: Iterable[round_pb2.Round], *, judgments_only: bool = False) -> Failed:
    """Returns the steps that a retry asks again, and those it plays for the first time.

    Args:
        rounds: All rounds of the run.
        judgments_only: The run judges another one again, whose questions and
            answers are not its own to ask for.
    """
    again: list[Step] = []
    skipped: list[Step] = []
    for entry in rounds:
        opened: set[tuple[str, str]] = set()
        for step in steps_of(entry):
            if judgments_only and step.role != "judgment":
                continue
            if step.result.outcome in _RETRIED:
                again.append(step)
            elif step.result.outcome == round_pb2.OUTCOME_SKIPPED and _waits_for(step, opened):
                skipped.append(step)
            else:
                continue
            opened.add((step.role, step.participant))
    return Failed(again=tuple(again), skipped=tuple(skipped))


def _waits_for(step: Step, opened: set[tuple[str, str]]) -> bool:
    """Says whether a step needs one of those that are opened before it in its round."""
    return any(
        role == "question" or (step.role == "judgment" and participant != step.participant)
        for role, participant in opened
        if role != "judgment"
    )


def steps_of(entry: round_pb2.Round) -> Iterator[Step]:
    """Yields the steps of a round: question, answers, judgments."""
    yield Step(role="question", participant=entry.question_setter, result=entry.result)
    for answer in entry.answers:
        yield Step(role="answer", participant=answer.answerer, result=answer.result)
    for judgment in entry.judgments:
        yield Step(role="judgment", participant=judgment.judge, result=judgment.result)


async def retry(
    session: Session, name: str, raised: league_pb2.Budget, options: PlayOptions
) -> int:
    """Asks the failed steps of a run again; with a server of the command's own, to the end.

    Args:
        session: The command.
        name: The run.
        raised: Limits that change; the others stay.
        options: Whether to write a report at the end, and where.

    Raises:
        CommandError: The run is not known or is being played, its budget leaves
            nothing, or the server does not answer.
        InterruptedByUserError: Ctrl-C was pressed.
    """
    connection = session.connection
    run = await get_run(connection, name)
    _check(session, run, options)
    view = round_pb2.ROUND_VIEW_BASIC
    rounds = [r async for r in list_rounds(connection, name, view)]
    failed = failed_steps(rounds, judgments_only=bool(run.source_run))
    if not failed.again and run.state in _RETRIABLE:
        say(f"Nothing to retry: no step of {run_id(name)} ended unavailable or unparsable.")
        if options.json:
            print_json({"run": plain_json(run), "reopened_steps": 0, "unskipped_steps": 0})
        return ExitStatus.OK
    budget = league_pb2.Budget()
    budget.CopyFrom(run.league.budget)
    budget.MergeFrom(raised)
    # A run in another state is for the server to refuse, with its reason.
    if run.state in _RETRIABLE:
        cost = await _tell(session, run, failed, budget, options)
        if options.dry_run:
            return ExitStatus.OK
        limit = budget.max_cost_usd if budget.HasField("max_cost_usd") else None
        is_free = options.yes or is_local(run.league)
        if not is_free and not consent.is_given("Ask again", cost, at_most=limit):
            say("Nothing was sent to a model.")
            return ExitStatus.ERROR
    request = run_service_pb2.RetryRunRequest(name=name)
    if raised.ByteSize():
        request.budget.CopyFrom(budget)
    answer = await connection.ask(connection.runs.RetryRun, request, timeout_s=_RETRY_TIMEOUT_S)
    if not session.ends_with_server:
        if options.json:
            print_json(plain_json(answer))
        else:
            steps = plain.count(answer.reopened_steps, "step")
            results().print(f"{run_id(name)}: {steps} asked again", soft_wrap=True)
        say(f"Watch it: {session.command('runs', 'watch', run_id(name))}")
        return ExitStatus.OK
    return await finish(session, await watch(session, answer.run), options)


def _check(session: Session, run: run_pb2.Run, options: PlayOptions) -> None:
    """Refuses a run that its server would have to go on with first, or that a dry run meets so."""
    name = run_id(run.name)
    if session.ends_with_server and run.state in _LEFT:
        raise CommandError(
            f"{name} has not been played to its end, and no server plays it now. Go on "
            f"with it first: {session.command('runs', 'resume', name)}",
            ExitStatus.REFUSED,
        )
    if options.dry_run and run.state not in _RETRIABLE:
        raise CommandError(
            f"{name} is {enum_words.state(run.state)}: only a run that has succeeded or is "
            "paused can be retried.",
            ExitStatus.REFUSED,
        )


async def _tell(
    session: Session,
    run: run_pb2.Run,
    failed: Failed,
    budget: league_pb2.Budget,
    options: PlayOptions,
) -> float | None:
    """Says what is asked again and what that takes; returns its likely cost, if that is known."""
    steps = (*failed.again, *failed.skipped)
    cost = await costs.of_calls(session.connection, run.league, [s.participant for s in steps])
    if options.dry_run and options.json:
        document = {"reopened_steps": len(failed.again), "unskipped_steps": len(failed.skipped)}
        print_json({"run": plain_json(run), **document, "cost_usd": cost})
        return cost
    # What it would take is the result of a dry run, and chatter before a real one.
    console = results() if options.dry_run else chatter()
    console.print(_table(failed.again))
    told = [*_expected(run.league, failed), costs.sentence(cost, 1 + run.league.max_reasks)]
    if limits := use_of_limits.sentence(budget, use_of_limits.of_progress(run.progress)):
        told.append(f"The budget counts earlier attempts as well: {limits} used.")
    for sentence in told:
        console.print(word(sentence), soft_wrap=not console.is_terminal)
    if options.dry_run:
        say("Nothing was sent to a model.")
    return cost


def _table(steps: Sequence[Step]) -> Table:
    numbers = Counter(
        (s.participant, s.role, enum_words.outcome(s.result.outcome), s.result.cause) for s in steps
    )
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    ids = Ids(step.participant for step in steps)
    table.add_column("Participant")
    table.add_column("Role", no_wrap=True)
    table.add_column("Ended", no_wrap=True)
    table.add_column("Cause", overflow="fold")
    table.add_column("Steps", justify="right", no_wrap=True)
    for (participant, role, outcome, cause), number in sorted(numbers.items()):
        table.add_row(ids.cell(participant), Text(role), Text(outcome), word(cause), str(number))
    return table


def _worst_calls(league: league_pb2.League, steps: int) -> int:
    return steps * (1 + league.max_reasks)


def _expected(league: league_pb2.League, failed: Failed) -> Iterator[str]:
    again = plain.count(len(failed.again), "step")
    also = (
        f", and {plain.count(len(failed.skipped), 'step')} that were skipped for want of them"
        if failed.skipped
        else ""
    )
    yield f"To ask again: {again}{also}. Earlier attempts stay on record."
    steps = len(failed.again) + len(failed.skipped)
    worst = plain.count(_worst_calls(league, steps), "call")
    told = f"At worst {worst}"
    if tokens := _worst_reply_tokens(league, failed):
        told += f" with {plain.count(tokens, 'reply token')}"
    yield (
        f"{told}, if every reply has to be asked for {league.max_reasks + 1} times; calls that "
        "fail and are tried again come on top."
    )


def _worst_reply_tokens(league: league_pb2.League, failed: Failed) -> int:
    """Returns the longest replies of all calls at worst; 0 where one has no bound."""
    bounds = {p.id: p.max_output_tokens for p in league.participants}
    every = [bounds.get(s.participant, 0) for s in (*failed.again, *failed.skipped)]
    return _worst_calls(league, sum(every)) if all(every) else 0
