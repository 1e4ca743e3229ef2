"""League files: what to play, in TOML; they travel in `CreateRun`.

The server checks every league again; what is checked here gives an error that
names the file and the key.
"""

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from llm_crowdsourced.v1 import league_pb2
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from client.exit_status import ExitStatus
from client.failures import CommandError
from client.plain import one_line

_MINIMUM = 3
_MAX_FILE_BYTES = 8 * 1024 * 1024
_Item = TypeVar("_Item")
_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text in quotation marks",
    "tuple_type": "a list in square brackets",
    "model_type": "a table with keys",
}
# TOML knows lists alone; a frozen record holds tuples.
_Tuple = Annotated[tuple[_Item, ...], Field(strict=False)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ParticipantEntry(_Record):
    """One `[[participants]]` table: a model with its settings."""

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    provider: str = Field(min_length=1, max_length=100)
    model: str = Field(min_length=1, max_length=200)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    sampling_seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    max_output_tokens: int | None = Field(default=None, ge=16, le=1_000_000)
    system_prompt: str = ""
    reasoning_effort: str = Field(default="", max_length=32)
    family: str = Field(default="", max_length=100)


class BudgetTable(_Record):
    """The `[budget]` table: hard limits of the run."""

    max_calls: int | None = Field(default=None, ge=1, lt=2**63)
    max_tokens: int | None = Field(default=None, ge=1, lt=2**63)
    max_cost_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class ProgrammingTable(_Record):
    """The `[programming]` table: what only a programming league has."""

    evidence: Literal["shown", "hidden"] = "shown"
    question_gate: Literal["flag", "require"] = "flag"
    max_repairs: int | None = Field(default=None, ge=0, le=10)


class LeagueFile(_Record):
    """A whole file."""

    subject: Literal["math", "programming"]
    title: str = Field(default="", max_length=200)
    rounds_per_participant: int = Field(default=1, ge=1, le=100)
    seed: int = Field(default=0, ge=-(2**63), lt=2**63)
    judges: _Tuple[str] = ()
    identity: Literal["blind", "named"] = "blind"
    order: Literal["shuffled", "fixed"] = "shuffled"
    max_reasks: int | None = Field(default=None, ge=0, le=10)
    max_concurrent_calls: int | None = Field(default=None, ge=1, le=1000)
    budget: BudgetTable | None = None
    programming: ProgrammingTable | None = None
    participants: _Tuple[ParticipantEntry]

    @model_validator(mode="after")
    def _can_be_played(self) -> Self:
        ids = [participant.id for participant in self.participants]
        if len(ids) < _MINIMUM:
            raise ValueError(
                f"a league needs three participants or more, and this one has {len(ids)}: "
                "with two, a judge would have nothing to compare"
            )
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"two participants have the id {_listed(twice)}: ids must differ")
        strangers = [judge for judge in self.judges if judge not in ids]
        if strangers:
            raise ValueError(
                f"judges names {_listed(strangers)}, who is no participant; they are {_listed(ids)}"
            )
        if self.programming is not None and self.subject != "programming":
            raise ValueError('[programming] is for subject = "programming" alone')
        return self

    def message(self) -> league_pb2.League:
        """Returns the league as it travels."""
        return league_pb2.League(
            subject=league_pb2.Subject.Value(f"SUBJECT_{self.subject.upper()}"),
            title=self.title,
            participants=[
                league_pb2.Participant(**participant.model_dump(exclude_none=True))
                for participant in self.participants
            ],
            rounds_per_participant=self.rounds_per_participant,
            seed=self.seed,
            judges=self.judges,
            identity=league_pb2.Identity.Value(f"IDENTITY_{self.identity.upper()}"),
            order=league_pb2.Order.Value(f"ORDER_{self.order.upper()}"),
            max_reasks=self.max_reasks,
            max_concurrent_calls=self.max_concurrent_calls,
            budget=self._budget(),
            programming=self._programming(),
        )

    def _budget(self) -> league_pb2.Budget | None:
        if self.budget is None:
            return None
        return league_pb2.Budget(**self.budget.model_dump(exclude_none=True))

    def _programming(self) -> league_pb2.ProgrammingRules | None:
        rules = self.programming
        if rules is None:
            return None
        return league_pb2.ProgrammingRules(
            evidence=league_pb2.EvidenceView.Value(f"EVIDENCE_VIEW_{rules.evidence.upper()}"),
            question_gate=league_pb2.QuestionGate.Value(
                f"QUESTION_GATE_{rules.question_gate.upper()}"
            ),
            max_repairs=rules.max_repairs,
        )


def read_league(path: Path) -> league_pb2.League:
    """Reads a league file.

    Raises:
        CommandError: It cannot be read, or says something wrong: file, key and
            what would be right.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _usage(f"{path} cannot be read: {error.strerror or error}.") from error
    if len(data) > _MAX_FILE_BYTES:
        raise _usage(f"{path} is larger than 8 MiB, which no league file is.")
    try:
        table = tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _usage(f"{path} is not UTF-8 text.") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _usage(f"{path} is not valid TOML: {one_line(str(error), 200)}.") from error
    try:
        return LeagueFile.model_validate(table).message()
    except ValidationError as error:
        raise _usage(
            "\n".join(f"{path}: {_problem(detail, table)}" for detail in error.errors())
        ) from error


def _usage(message: str) -> CommandError:
    return CommandError(message, ExitStatus.USAGE)


def _problem(detail: ErrorDetails, table: dict[str, Any]) -> str:
    where = _where(detail["loc"], table)
    kind = detail["type"]
    if kind == "value_error":
        return f"{detail['ctx']['error']}."
    if kind == "extra_forbidden":
        return f"{where} is no key that is known here{_meant(detail['loc'])}."
    if kind == "missing":
        return f"{where} is missing."
    if kind == "string_pattern_mismatch":
        rule = "letters, digits, dots, hyphens and underscores, a letter or digit first, up to 63"
        return f"{where} must be of {rule}, not {_shown(detail['input'])}."
    if kind == "literal_error":
        return f"{where} must be {detail['ctx']['expected']}, not {_shown(detail['input'])}."
    rule = _TYPES.get(kind) or detail["msg"].removeprefix("Input should ").removeprefix("be ")
    return f"{where} must be {rule}, not {_shown(detail['input'])}."


def _where(location: tuple[int | str, ...], table: dict[str, Any]) -> str:
    """Returns where in the file: the key, and in which participant."""
    words = [str(part) for part in location if isinstance(part, str)]
    index = next((part for part in location if isinstance(part, int)), None)
    if index is None or words[0] != "participants":
        return ".".join(words)
    entries = table["participants"]
    entry = entries[index] if isinstance(entries, list) else None
    name = entry.get("id") if isinstance(entry, dict) else None
    named = f" ({one_line(name, 63)})" if isinstance(name, str) else ""
    return ": ".join(filter(None, [f"participant {index + 1}{named}", ".".join(words[1:])]))


def _meant(location: tuple[int | str, ...]) -> str:
    tables: dict[str, type[BaseModel]] = {
        "participants": ParticipantEntry,
        "budget": BudgetTable,
        "programming": ProgrammingTable,
    }
    model = tables.get(str(location[0]), LeagueFile) if len(location) > 1 else LeagueFile
    near = difflib.get_close_matches(str(location[-1]), model.model_fields, n=1)
    if near:
        return f'; "{near[0]}" is'
    return f"; known are {', '.join(model.model_fields)}"


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return one_line(text, 80)


def _listed(words: list[str]) -> str:
    return ", ".join(one_line(word, 63) for word in words)
