"""What the player needs of a subject: how questions come about, and answers, and judgments.

The player knows the order of steps and what they rest on; a subject knows what is asked
in them, and what has to be done with a reply before its step has come to an end.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from server.league.display import Shown
from server.league.reading import Unreadable
from server.league.replies import JudgmentReply
from server.league.schedule import StepKey
from server.league.scoring import Mark
from server.models.chat import ChatRequest
from server.play.asker import StepAsked
from server.store.execution_records import ExecutionRecord, QuestionCaseRecord
from server.store.records import StepRecord

Q = TypeVar("Q")
A = TypeVar("A")
T = TypeVar("T")


class Ask(Protocol):
    """Asks for one step; see `server.play.asker.Asker.ask`."""

    def __call__(
        self,
        key: StepKey,
        request: ChatRequest,
        read: Callable[[str], T | Unreadable],
        *,
        before: StepAsked[Any] | None = None,
    ) -> Awaitable[StepAsked[T] | None]:
        """Returns how it ended; `None` when the run stops before."""


@dataclass(frozen=True, kw_only=True)
class Done(Generic[T]):
    """How a question or an answer came about.

    Attributes:
        asked: How asking ended.
        value: The question or the answer; `None` if there is none that can be used.
        content: What is kept of it with the step; `None` if nothing was read.
        executions: What was executed for it.
        cases: Cases of a question.
    """

    asked: StepAsked[Any]
    value: T | None = None
    content: dict[str, Any] | None = None
    executions: Sequence[ExecutionRecord] = ()
    cases: Sequence[QuestionCaseRecord] = field(default=())


class Subject(Protocol[Q, A]):
    """One subject within one run.

    Attributes:
        judged_together: Judges wait for all answers of a round, not only for those
            that they judge.
    """

    judged_together: bool

    def begun(self, finished: Iterable[StepRecord]) -> None:
        """Hears of the steps that are on record, before any other is asked for."""

    async def take_up(self, round_index: int) -> None:
        """Takes up what else is on record of a round whose question is."""

    def let_go(self, round_index: int) -> None:
        """Hears that a round has ended, or is not gone on with: holds no more of it."""

    async def question(self, key: StepKey) -> Done[Q] | None:
        """Has a question set; `None` when the run stops before."""

    def question_of(self, step: StepRecord) -> Q:
        """Returns the question of a step on record that ended well."""

    async def answer(self, key: StepKey, question: Q) -> Done[A] | None:
        """Has a question answered; `None` when the run stops before."""

    def answer_of(self, step: StepRecord, question: Q) -> A:
        """Returns the answer of a step on record that ended well."""

    async def answered(self, round_index: int, question: Q, answers: Mapping[str, A]) -> None:
        """Does what is due once every answer of a round is there, before it is judged."""

    def judgment(
        self, key: StepKey, question: Q, answers: Mapping[str, A], shown: Sequence[Shown]
    ) -> ChatRequest:
        """Returns what a judge is asked."""

    def shown_besides(self, round_index: int) -> dict[str, Any]:
        """Returns what is kept of what judges of a round are shown beside its answers."""

    def read_judgment(self, reply: str, labels: Sequence[str]) -> JudgmentReply | Unreadable:
        """Reads a judgment of the answers under these labels."""

    def marks(self, shown: Sequence[Shown], judgment: JudgmentReply) -> tuple[Mark, ...]:
        """Returns the marks that a judgment gives."""
