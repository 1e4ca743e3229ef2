"""What calls of a league cost by its estimate: why that is not known, and what some of them do."""

from collections.abc import Sequence

from llm_crowdsourced.v1 import league_pb2, run_service_pb2

from client import use_of_limits
from client.connection import Connection
from client.failures import CallError
from client.plain import dollars, one_line

# Every endpoint is asked for its models.
_ESTIMATE_TIMEOUT_S = 180.0
UNKNOWN = "What that costs is not known."


def unpriced(league: league_pb2.League, answer: run_service_pb2.EstimateRunResponse) -> str:
    """Returns why the cost of a league is not known; empty where it is."""
    if answer.HasField("cost_usd"):
        return ""
    priced = {p.participant for p in answer.participants if p.HasField("cost_usd")}
    models = dict.fromkeys(
        one_line(f"{p.provider} {p.model}") for p in league.participants if p.id not in priced
    )
    return (
        f"The cost is unknown: server/settings.toml gives no price for {', '.join(models)}. "
        "Fill in what you pay there, or the settings that the server was started with."
    )


def budget(league: league_pb2.League) -> str:
    """Returns the budget of a league as a sentence."""
    told = use_of_limits.limits(league.budget)
    return (
        f"The league's budget: at most {', '.join(told)}." if told else "The league sets no budget."
    )


async def of_calls(
    connection: Connection, league: league_pb2.League, participants: Sequence[str]
) -> float | None:
    """Returns the likely cost of a call of each participant in the sequence, in US dollars.

    By the estimate of the whole league, a participant at a time; `None` where
    that is not known.

    Args:
        connection: The server.
        league: The league.
        participants: Who is called; as often as they are in it.
    """
    try:
        answer = await connection.ask(
            connection.runs.EstimateRun,
            run_service_pb2.EstimateRunRequest(league=league),
            timeout_s=_ESTIMATE_TIMEOUT_S,
        )
    except CallError:
        # What is asked for will say itself what is wrong.
        return None
    a_call = {
        p.participant: p.cost_usd / p.calls
        for p in answer.participants
        if p.HasField("cost_usd") and p.calls
    }
    if any(name not in a_call for name in participants):
        return None
    return sum(a_call[name] for name in participants)


def sentence(likely: float | None, times: int = 1) -> str:
    """Returns the likely cost as a sentence, and that of so many times the calls at worst."""
    if likely is None:
        return UNKNOWN
    if not likely:
        return "It costs nothing."
    worst = f", {dollars(likely * times)} at that worst" if times > 1 else ""
    return f"Estimated cost: about {dollars(likely)}{worst}."
