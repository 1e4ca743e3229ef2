"""Mathematics: a question is set, answers are texts, judges rank them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from server.league.display import Shown
from server.league.league import League
from server.league.reading import Unreadable
from server.league.replies import (
    AnswerReply,
    JudgmentReply,
    QuestionReply,
    names_maker,
    read_answer,
    read_question,
    read_ranking,
)
from server.league.schedule import StepKey
from server.league.scoring import Mark, ranking_marks
from server.models.chat import ChatRequest
from server.play.requests import Requests
from server.play.subjects import Ask, Done
from server.store.records import StepRecord


class Mathematics:
    """See `server.play.subjects.Subject`.

    Args:
        league: The league.
        requests: Makes what is asked.
        ask: Asks for a step.
    """

    judged_together = False

    def __init__(self, league: League, requests: Requests, ask: Ask) -> None:
        self._league = league
        self._requests = requests
        self._ask = ask

    def begun(self, finished: Iterable[StepRecord]) -> None:
        """Needs none of them."""

    async def take_up(self, round_index: int) -> None:
        """Takes up nothing: what is needed is in the steps."""

    def let_go(self, round_index: int) -> None:
        """Holds nothing of any round."""

    async def question(self, key: StepKey) -> Done[QuestionReply] | None:
        """Has a question set."""
        asked = await self._ask(key, self._requests.question(key), read_question)
        if asked is None:
            return None
        content = None if asked.value is None else _content(asked.value)
        return Done(asked=asked, value=asked.value, content=content)

    def question_of(self, step: StepRecord) -> QuestionReply:
        """Returns the question of a step on record."""
        return QuestionReply(**(step.content or {}), repaired=step.repaired)

    async def answer(self, key: StepKey, question: QuestionReply) -> Done[AnswerReply] | None:
        """Has a question answered."""
        asked = await self._ask(key, self._requests.answer(key, question), read_answer)
        if asked is None:
            return None
        content: dict[str, Any] | None = None
        if asked.value is not None:
            author = self._league.participant(key.participant)
            flagged = names_maker(author, asked.value.text, asked.value.final_answer)
            content = {**_content(asked.value), "names_maker": flagged}
        return Done(asked=asked, value=asked.value, content=content)

    def answer_of(self, step: StepRecord, question: QuestionReply) -> AnswerReply:  # noqa: ARG002
        """Returns the answer of a step on record."""
        content = step.content or {}
        return AnswerReply(content["text"], content["final_answer"], step.repaired)

    async def answered(
        self, round_index: int, question: QuestionReply, answers: Mapping[str, AnswerReply]
    ) -> None:
        """Does nothing: answers are judged as they are."""

    def judgment(
        self,
        key: StepKey,
        question: QuestionReply,
        answers: Mapping[str, AnswerReply],
        shown: Sequence[Shown],
    ) -> ChatRequest:
        """Returns what a judge is asked."""
        return self._requests.judgment(key, question, answers, shown)

    def shown_besides(self, round_index: int) -> dict[str, Any]:  # noqa: ARG002
        """Returns nothing: the answers are all that there is."""
        return {}

    def read_judgment(self, reply: str, labels: Sequence[str]) -> JudgmentReply | Unreadable:
        """Reads a ranking."""
        return read_ranking(reply, labels)

    def marks(self, shown: Sequence[Shown], judgment: JudgmentReply) -> tuple[Mark, ...]:
        """Returns the marks of a ranking."""
        participants = len(self._league.participants)
        return ranking_marks(shown, judgment.values, judgment.reasons, participants)


def _content(reply: QuestionReply | AnswerReply) -> dict[str, Any]:
    """Returns what a reply says, without how it was read."""
    return {k: v for k, v in vars(reply).items() if k != "repaired"}
