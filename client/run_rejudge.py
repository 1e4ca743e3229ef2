"""`runs.py rejudge`: judges the answers of a finished run again, as a new run."""

import uuid
from dataclasses import dataclass

from llm_crowdsourced.v1 import league_pb2, run_pb2, run_service_pb2

from client import consent, costs, enum_words
from client.command_line import plain_json, print_json
from client.exit_status import ExitStatus
from client.failures import CommandError
from client.follow import get_run
from client.plain import count
from client.playing import PlayOptions, finish, is_local
from client.run_name import run_id
from client.screen import results, say, word
from client.session import Session
from client.watching import watch

# Every endpoint is asked for its models before a run is accepted.
_CREATE_TIMEOUT_S = 180.0
_IDENTITIES = {"blind": league_pb2.IDENTITY_BLIND, "named": league_pb2.IDENTITY_NAMED}
_ORDERS = {"shuffled": league_pb2.ORDER_SHUFFLED, "fixed": league_pb2.ORDER_FIXED}
_EVIDENCE = {
    "shown": league_pb2.EVIDENCE_VIEW_SHOWN,
    "hidden": league_pb2.EVIDENCE_VIEW_HIDDEN,
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run is judged again.

    Attributes:
        run_id: Id of the new run; chosen by the server if empty.
        judges: Who judges; all if empty.
        identity: `blind` or `named`.
        order: `shuffled` or `fixed`.
        evidence: In programming, whether judges see what the programs did: `shown` or
            `hidden`.
        seed: Of orders and labels; that of the first run if `None`.
        budget: Limits of the new run.
    """

    run_id: str
    judges: tuple[str, ...]
    identity: str
    order: str
    evidence: str
    seed: int | None
    budget: league_pb2.Budget


async def rejudge(session: Session, name: str, wanted: Options, options: PlayOptions) -> int:
    """Judges a run again; with a server of the command's own, to the end.

    Raises:
        CommandError: The run is not known or has not succeeded, it has no evidence
            to hide, the options cannot be, or the server does not answer.
        InterruptedByUserError: Ctrl-C was pressed.
    """
    connection = session.connection
    source = await get_run(connection, name)
    if wanted.evidence == "hidden" and source.league.subject == league_pb2.SUBJECT_MATH:
        raise CommandError(
            f"{run_id(name)} is of mathematics: nothing was run, so there is no evidence to hide."
        )
    request = run_service_pb2.RejudgeRunRequest(
        name=name,
        run_id=wanted.run_id,
        judges=wanted.judges,
        identity=_IDENTITIES[wanted.identity],
        order=_ORDERS[wanted.order],
        evidence=_EVIDENCE[wanted.evidence],
        seed=wanted.seed,
        request_id=str(uuid.uuid4()),
    )
    if wanted.budget.ByteSize():
        request.budget.CopyFrom(wanted.budget)
    league = source.league
    judges = wanted.judges or tuple(p.id for p in league.participants)
    rounds = len(league.participants) * league.rounds_per_participant
    calls = count(len(judges) * rounds, "call")
    cost = await costs.of_calls(connection, league, judges * rounds)
    told = f"To judge {run_id(name)} again: {calls} when nothing fails. {costs.sentence(cost)}"
    if options.dry_run:
        if source.state != run_pb2.Run.STATE_SUCCEEDED:
            raise CommandError(
                f"{run_id(name)} is {enum_words.state(source.state)}: only a run that has "
                "succeeded can be judged again.",
                ExitStatus.REFUSED,
            )
        if options.json:
            print_json({"calls": len(judges) * rounds, "cost_usd": cost})
        else:
            results().print(word(told), soft_wrap=True)
        say("Nothing was sent to a model.")
        return ExitStatus.OK
    say(told)
    limit = wanted.budget.max_cost_usd if wanted.budget.HasField("max_cost_usd") else None
    is_free = options.yes or is_local(league)
    if not is_free and not consent.is_given("Judge again", cost, at_most=limit):
        say("Nothing was sent to a model.")
        return ExitStatus.ERROR
    answer = await connection.ask(connection.runs.RejudgeRun, request, timeout_s=_CREATE_TIMEOUT_S)
    run = answer.run
    new = run_id(run.name)
    say(f"Judging {run_id(name)} again as {new}: {calls} when nothing fails.")
    both = session.command("report", "--run-id", run_id(name), "--run-id", new)
    if not session.ends_with_server:
        if options.json:
            print_json({"run": plain_json(run)})
        else:
            results().print(new)
        say(f"Watch it: {session.command('runs', 'watch', new)}")
        return ExitStatus.OK
    status = await finish(session, await watch(session, run), options)
    if status == ExitStatus.OK:
        say(f"Both sets of judgments in one report: {both}")
    return status
