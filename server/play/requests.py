"""What each step asks: the prompt with its values, and the shape of the reply."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.league.display import Shown
from server.league.league import League, Participant
from server.league.prompts import PromptSet, render
from server.league.replies import FINAL_RESULT, AnswerReply, QuestionReply
from server.league.schedule import Role, StepKey
from server.league.shapes import Schema, answer_shape, judgment_shape, question_shape
from server.models.chat import ChatRequest, Message
from server.play.quoting import as_data
from server.play.shares import fair_share, shown_part, size

# Bytes that a judge sees at most of a final result, of another text, and of all these of a
# judgment, problem, reference and scheme among them. Without bounds one long answer would pass
# the context of every judge, and the others would lose their marks with it.
MOST_OF_A_RESULT = 2_000
MOST_OF_A_TEXT = 24_000
MOST_OF_ALL_TEXTS = 120_000

_ROLE_ORDER = {Role.QUESTION: 0, Role.ANSWER: 1, Role.JUDGMENT: 2}


@dataclass(frozen=True)
class RequestMaker:
    """Makes requests of one run out of prompts, values and schemas.

    Attributes:
        run_id: The run.
        league: Its league.
        prompts: Its prompts.
    """

    run_id: str
    league: League
    prompts: PromptSet

    def make(self, key: StepKey, values: Mapping[str, str], schema: Schema) -> ChatRequest:
        """Makes the request of a step: the prompt of its role with these values."""
        participant = self.league.participant(key.participant)
        prompt = render(self.prompts.texts[key.role], values)
        return ChatRequest(
            messages=(*_system(participant), Message(role="user", content=prompt)),
            schema_name=str(key.role),
            schema=schema,
            run=self.run_id,
            step=str(key),
            priority=(key.round, _ROLE_ORDER[key.role]),
        )

    def numbering(self, round_index: int) -> dict[str, str]:
        """Returns the values of the prompt for a question: its number, and of how many."""
        number = (round_index - 1) // len(self.league.participants) + 1
        return {"number": str(number), "total": str(self.league.rounds_per_participant)}


class Requests:
    """Makes the requests of one run's steps in mathematics."""

    def __init__(self, run_id: str, league: League, prompts: PromptSet) -> None:
        self._league = league
        self._maker = RequestMaker(run_id, league, prompts)

    def question(self, key: StepKey) -> ChatRequest:
        """Asks for a question."""
        participant = self._league.participant(key.participant)
        shape = question_shape(participant.max_output_tokens)
        return self._maker.make(key, self._maker.numbering(key.round), shape)

    def answer(self, key: StepKey, question: QuestionReply) -> ChatRequest:
        """Asks for an answer. The reference is not part of what an answerer sees."""
        participant = self._league.participant(key.participant)
        values = {"question": as_data(question.text)}
        return self._maker.make(key, values, answer_shape(participant.max_output_tokens))

    def judgment(
        self,
        key: StepKey,
        question: QuestionReply,
        answers: Mapping[str, AnswerReply],
        shown: Sequence[Shown],
    ) -> ChatRequest:
        """Asks for a judgment of the answers, as they are shown to this judge."""
        participant = self._league.participant(key.participant)
        labels = [item.label for item in shown]
        working = [answers[item.answerer].text for item in shown]
        texts = (question.text, question.reference_answer, question.marking_scheme, *working)
        most = fair_share(map(size, texts), MOST_OF_A_TEXT, MOST_OF_ALL_TEXTS)
        data = {
            **shown_part("problem", question.text, most),
            **_reference(question.reference_answer, most),
            **shown_part("marking_scheme", question.marking_scheme, most),
            "solutions": {
                item.label: {
                    **shown_part("solution", answers[item.answerer].text, most),
                    **shown_part("answer", answers[item.answerer].final_answer, MOST_OF_A_RESULT),
                }
                for item in shown
            },
        }
        values = {
            "count": str(len(shown)),
            "labels": ", ".join(labels),
            "data": as_data(data),
        }
        shape = judgment_shape(self._league.subject, labels, participant.max_output_tokens)
        return self._maker.make(key, values, shape)


def _reference(text: str, most: int) -> dict[str, Any]:
    """Returns a reference for judges. Its result, at its end, is shown however long it is."""
    part = shown_part("reference", text, most)
    _, mark, result = text.rpartition(FINAL_RESULT)
    if len(part) == 1 or not mark:
        return part
    return {**part, **shown_part("reference_answer", result, MOST_OF_A_RESULT)}


def as_kept(request: ChatRequest) -> str:
    """Returns the messages of a request as they are kept with its calls: JSON."""
    messages = [{"role": m.role, "content": m.content} for m in request.messages]
    return json.dumps(messages, ensure_ascii=False).encode("utf-8", "replace").decode()


def _system(participant: Participant) -> tuple[Message, ...]:
    if not participant.system_prompt:
        return ()
    return (Message(role="system", content=participant.system_prompt),)
