"""`runs.py limits` and `provider-limits`: shows limits, and changes them while a run plays."""

from dataclasses import dataclass
from datetime import UTC

from llm_crowdsourced.v1 import league_pb2, model_service_pb2, run_pb2, run_service_pb2
from rich.table import Table
from rich.text import Text

from client import enum_words, use_of_limits
from client.command_line import plain_json, print_json
from client.exit_status import ExitStatus
from client.failures import CommandError
from client.follow import get_run
from client.option_values import NO_LIMIT
from client.plain import one_line
from client.run_ledger import fetch_ledger
from client.run_name import run_id
from client.screen import results, say, word
from client.session import Session

_DEFAULT_CONCURRENCY = 64


@dataclass(frozen=True, kw_only=True)
class Change:
    """Limits of a run that change: a number, `none` for no limit, `None` for as it is.

    Attributes:
        max_calls: Calls.
        max_tokens: Tokens.
        max_cost_usd: US dollars.
        concurrency: Calls under way at once.
    """

    max_calls: int | str | None = None
    max_tokens: int | str | None = None
    max_cost_usd: float | str | None = None
    concurrency: int | None = None

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return self.changes_budget or self.concurrency is not None

    @property
    def changes_budget(self) -> bool:
        """Whether a limit of the budget changes."""
        return any(v is not None for v in (self.max_calls, self.max_tokens, self.max_cost_usd))

    def applied(self, budget: league_pb2.Budget) -> league_pb2.Budget:
        """Returns the budget with the change."""
        changed = league_pb2.Budget()
        changed.CopyFrom(budget)
        for field in ("max_calls", "max_tokens", "max_cost_usd"):
            _set(changed, field, getattr(self, field))
        return changed


@dataclass(frozen=True, kw_only=True)
class ProviderChange:
    """Limits of a provider that change, as in `Change`.

    Attributes:
        concurrency: Calls under way at once.
        rpm: Calls a minute.
        tpm: Tokens a minute.
    """

    concurrency: int | None = None
    rpm: int | str | None = None
    tpm: int | str | None = None

    def __bool__(self) -> bool:
        """Whether anything changes."""
        return any(v is not None for v in (self.concurrency, self.rpm, self.tpm))

    def applied(self, limits: model_service_pb2.ProviderLimits) -> model_service_pb2.ProviderLimits:
        """Returns the limits with the change."""
        changed = model_service_pb2.ProviderLimits()
        changed.CopyFrom(limits)
        _set(changed, "max_concurrent_calls", self.concurrency)
        _set(changed, "requests_per_minute", self.rpm)
        _set(changed, "tokens_per_minute", self.tpm)
        return changed


def _set(
    message: league_pb2.Budget | model_service_pb2.ProviderLimits,
    field: str,
    value: float | str | None,
) -> None:
    if value == NO_LIMIT:
        message.ClearField(field)  # type: ignore[arg-type]
    elif value is not None:
        setattr(message, field, value)


async def limits(session: Session, name: str, change: Change, *, as_json: bool) -> int:
    """Changes the limits of a run, if any is to change, and shows them with what is used.

    Raises:
        CommandError: The run is not known or over, the limits cannot be, or the
            server does not answer.
    """
    connection = session.connection
    run = await get_run(connection, name)
    if change:
        request = run_service_pb2.UpdateRunLimitsRequest(
            name=name, max_concurrent_calls=change.concurrency
        )
        if change.changes_budget:
            request.budget.CopyFrom(change.applied(run.league.budget))
        run = (await connection.ask(connection.runs.UpdateRunLimits, request)).run
    ledger = await fetch_ledger(connection, name)
    if as_json:
        print_json({"run": plain_json(run), "ledger": plain_json(ledger)})
        return ExitStatus.OK
    console = results()
    console.print(word(_heading(run)), soft_wrap=True)
    use = use_of_limits.of_ledger(ledger)
    console.print(use_of_limits.table(ledger.budget, use))
    at_once = run.league.max_concurrent_calls or _DEFAULT_CONCURRENCY
    console.print(f"Calls under way at once: {at_once:,} at most.")
    if missing := use_of_limits.unpriced(use):
        say(missing)
    if reached := use_of_limits.reached(ledger.budget, use):
        verb = "stays paused" if run.state == run_pb2.Run.STATE_PAUSED else "pauses at once"
        say(f"{run_id(name)} {verb}: {reached}. Higher limits let it go on.", "yellow")
    if run.state == run_pb2.Run.STATE_PAUSED:
        say(f"Go on with it: {session.command('runs', 'resume', run_id(name))}")
    return ExitStatus.OK


def _heading(run: run_pb2.Run) -> str:
    why = f": {run.state_reason}" if run.state_reason else ""
    return f"{run_id(run.name)} {enum_words.state(run.state)}{why}"


async def provider_limits(
    session: Session, provider: str, change: ProviderChange, *, as_json: bool
) -> int:
    """Changes how fast a provider is called, if anything is to change, and shows it.

    Raises:
        CommandError: No server goes on that the change would hold for, the
            provider is not known, or the server does not answer.
    """
    connection = session.connection
    if session.ends_with_server and change:
        raise CommandError(
            "No server plays now, and the limits would end with this command. Name one with "
            "--server HOST:PORT, or change server/settings.toml.",
            ExitStatus.USAGE,
        )
    found = await _provider(session, provider)
    if change:
        request = model_service_pb2.UpdateProviderLimitsRequest(
            provider=provider, limits=change.applied(found.limits)
        )
        await connection.ask(connection.models.UpdateProviderLimits, request)
        found = await _provider(session, provider)
    if as_json:
        print_json({"provider": plain_json(found)})
        return ExitStatus.OK
    results().print(_provider_table(found))
    if change:
        say("That holds until the server ends; its settings say what holds after that.")
    return ExitStatus.OK


async def _provider(session: Session, name: str) -> model_service_pb2.Provider:
    connection = session.connection
    answer = await connection.ask(
        connection.models.ListModels, model_service_pb2.ListModelsRequest()
    )
    for provider in answer.providers:
        if provider.name == name:
            return provider
    known = ", ".join(one_line(p.name) for p in answer.providers) or "none"
    raise CommandError(f'There is no provider "{one_line(name, 80)}". There are: {known}.')


def _held(found: model_service_pb2.Provider) -> str:
    """Says until when a provider is sent nothing, and why; empty if it is called."""
    if not found.HasField("held_until"):
        return ""
    until = found.held_until.ToDatetime(UTC).astimezone()
    return f"until {until:%H:%M:%S}, as it asked: {found.hold_reason}"


def _provider_table(found: model_service_pb2.Provider) -> Table:
    given = found.limits
    table = Table.grid(padding=(0, 2))
    now = found.concurrent_calls_now
    lowered = (
        f" (now {now:,}, since the provider said that it has too many)"
        if 0 < now < given.max_concurrent_calls
        else ""
    )
    at_once = f"{given.max_concurrent_calls:,}{lowered}"
    rows = [
        ("provider", found.name),
        ("calls at once", at_once if given.HasField("max_concurrent_calls") else "no limit"),
        (
            "calls a minute",
            f"{given.requests_per_minute:,}" if given.requests_per_minute else "no limit",
        ),
        (
            "tokens a minute",
            f"{given.tokens_per_minute:,}" if given.tokens_per_minute else "no limit",
        ),
        ("under way now", f"{found.calls_under_way:,}"),
        ("sent nothing", _held(found)),
        ("problem", found.problem),
    ]
    for key, value in rows:
        if value:
            table.add_row(Text(key, style="dim"), word(value))
    return table
