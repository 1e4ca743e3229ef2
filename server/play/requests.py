"""What each step asks: the prompt with its values, and the shape of the reply."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from server.league.display import Shown
from server.league.league import League, Participant
from server.league.prompts import PromptSet, render
from server.league.replies import AnswerReply, QuestionReply
from server.league.schedule import Role, StepKey
from server.league.shapes import Schema, answer_shape, judgment_shape, question_shape
from server.models.chat import ChatRequest, Message

_encode = json.JSONEncoder(ensure_ascii=False).encode
_LINE_BREAKS = re.compile("[\x85\u2028\u2029]")
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
        data = {
            "problem": question.text,
            "reference": question.reference_answer,
            "marking_scheme": question.marking_scheme,
            "solutions": {
                item.label: {
                    "solution": answers[item.answerer].text,
                    "answer": answers[item.answerer].final_answer,
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


def as_kept(request: ChatRequest) -> str:
    """Returns the messages of a request as they are kept with its calls: JSON."""
    messages = [{"role": m.role, "content": m.content} for m in request.messages]
    return _encode(messages).encode("utf-8", "replace").decode()


def _system(participant: Participant) -> tuple[Message, ...]:
    if not participant.system_prompt:
        return ()
    return (Message(role="system", content=participant.system_prompt),)


def as_data(value: object) -> str:
    """Returns a model's text as JSON, in which it can neither end the data nor pose as prose.

    A string of JSON has no line breaks, once those of Unicode are escaped too, so
    no line of it can equal the line that ends the data.
    """
    text = _encode(value)
    return _LINE_BREAKS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
