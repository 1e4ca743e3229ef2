"""Whether a league can be played here at all, and what it would take."""

from collections.abc import Sequence

from sandbox.runner import Runner
from server.errors import InvalidRequestError
from server.league.league import Identity, League, Participant, Subject
from server.play.ports import ModelSource

MOST_SYSTEM_PROMPTS = 1 << 20
"""Bytes of a league's system prompts together: they go with every message that has its run."""


def refusals(league: League, models: ModelSource) -> list[str]:
    """Returns why a league cannot be played whatever the endpoints say; empty if it can."""
    return [*_problems(league, models).values()]


async def sandbox_problem(league: League, runner: Runner) -> str:
    """Says why a league's programs cannot be run here; empty if they can, or there are none."""
    if league.subject is not Subject.PROGRAMMING:
        return ""
    problem = await runner.problem()
    return f"a programming league needs the sandbox: {problem}" if problem else ""


def admit(league: League, models: ModelSource) -> None:
    """Refuses a league that cannot be played here.

    Raises:
        InvalidRequestError: Its budget could not be kept, replies of its judges could not be
            told apart, or it is too large to be told.
    """
    if problems := _problems(league, models):
        raise InvalidRequestError(problems)


def admit_budget(league: League, models: ModelSource) -> None:
    """Refuses a budget that is to be that of a run, whose league has been admitted.

    Raises:
        InvalidRequestError: It could not be kept.
    """
    if problems := _budget_problems(league, models):
        raise InvalidRequestError(problems)


def _problems(league: League, models: ModelSource) -> dict[str, str]:
    """Returns, by field, why a league cannot be played."""
    problems = _budget_problems(league, models)
    if league.identity is Identity.NAMED and (alike := _alike(league.ids)):
        problems["league.participants"] = (
            f"{' and '.join(alike)} differ in case only, and judges, who are to see these ids, do "
            "not keep to it; give them other ids, or play with identity = blind"
        )
    size = sum(len(each.system_prompt.encode()) for each in league.participants)
    if size > MOST_SYSTEM_PROMPTS:
        problems["league.participants.system_prompt"] = (
            f"the system prompts have {size:,} bytes together, of which a league takes "
            f"{MOST_SYSTEM_PROMPTS:,}"
        )
    return problems


def _alike(ids: Sequence[str]) -> list[str]:
    """Returns the first ids that differ in case only; none if all differ in more."""
    by_key: dict[str, list[str]] = {}
    for each in ids:
        by_key.setdefault(each.casefold(), []).append(each)
    return next((same for same in by_key.values() if len(same) > 1), [])


def _budget_problems(league: League, models: ModelSource) -> dict[str, str]:
    """Returns, by field, why a hard limit could not be kept.

    A limit on tokens or cost holds only if the longest reply is known before a
    call, and a limit on cost only if the price is.
    """
    budget = league.budget
    problems: dict[str, str] = {}
    if budget.max_tokens is not None or budget.max_cost_usd is not None:
        unbounded = [p.id for p in league.participants if p.max_output_tokens is None]
        if unbounded:
            problems["league.budget"] = (
                "a limit on tokens or cost needs max_output_tokens for every participant; "
                f"it is missing for {', '.join(unbounded)}"
            )
    if budget.max_cost_usd is not None:
        unpriced = [p.id for p in league.participants if not _is_priced(models, p)]
        if unpriced:
            problems["league.budget.max_cost_usd"] = (
                "a limit on cost needs the price of every model in the server's settings "
                f"([providers.NAME.models.MODEL]); it is missing for {', '.join(unpriced)}"
            )
    return problems


def _is_priced(models: ModelSource, participant: Participant) -> bool:
    prices = models.price(participant.provider, participant.model)
    return (
        prices is not None
        and prices.prompt_usd_per_million is not None
        and prices.completion_usd_per_million is not None
    )
