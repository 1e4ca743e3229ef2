"""The calls of a run, and what became of each: whether its reply was of use."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from llm_crowdsourced.v1 import call_pb2, round_pb2

from client import enum_words
from client.run_retry import steps_of

UNREAD = "unread"
SENT_BACK = "sent_back"


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What became of a call.

    Attributes:
        word: Its outcome, or `unread` where a reply came that could not be used.
        cause: In one word; empty for a reply that could be used, but for a question that was
            read and went back to its setter to be mended.
        detail: One sentence; may be empty.
    """

    word: str
    cause: str = ""
    detail: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether it brought what the step asked for."""
        return self.word == "ok"

    @property
    def is_sent_back(self) -> bool:
        """Whether it brought a question that was read, and that its setter was to mend."""
        return self.is_usable and self.cause == SENT_BACK


class Endings:
    """What became of the calls of a run: how each ended, and whether its reply was read.

    A call that ended well may have brought a reply that could not be used: it
    was asked for again, or its step ended unparsable. A question in programming may have
    been asked for again so that its setter mends it.
    """

    def __init__(self, calls: Iterable[call_pb2.Call], rounds: Iterable[round_pb2.Round]) -> None:
        self._last: dict[_Step, tuple[int, int]] = {}
        replies: Counter[_Step] = Counter()
        for call in calls:
            key = _step(call)
            self._last[key] = max((call.ask, call.attempt), self._last.get(key, (0, 0)))
            replies[key] += call.outcome == round_pb2.OUTCOME_OK
        rounds = list(rounds)
        self._earlier: dict[_Step, Ending] = {}
        for entry in rounds:
            key = (entry.index, "question", entry.question_setter)
            if repairs := entry.question.check.repairs:
                self._earlier[key] = _before_a_repair(replies[key] - 1, repairs)
        self._unread = {
            (entry.index, step.role, step.participant): step.result
            for entry in rounds
            for step in steps_of(entry)
            if step.result.outcome == round_pb2.OUTCOME_UNPARSABLE
        }

    def of(self, call: call_pb2.Call) -> Ending:
        """Returns what became of a call."""
        if call.outcome != round_pb2.OUTCOME_OK:
            outcome = enum_words.outcome(call.outcome)
            return Ending(word=outcome, cause=call.cause, detail=call.detail)
        # A later attempt at the same asking means that its prompt had changed since.
        if (call.ask, call.attempt) < self._last.get(_step(call), (0, 0)):
            return self._earlier.get(_step(call), _ASKED_AGAIN)
        result = self._unread.get(_step(call))
        if result is not None:
            return Ending(word=UNREAD, cause=result.cause, detail=result.detail)
        return Ending(word="ok")


_Step = tuple[int, str, str]
_ASKED_AGAIN = Ending(word=UNREAD, cause="asked_again")


def _before_a_repair(earlier: int, repairs: int) -> Ending:
    """Returns what became of the replies before the last one to a question that was mended."""
    if earlier <= repairs:
        return Ending(word="ok", cause=SENT_BACK)
    detail = (
        f"Of {earlier} earlier replies, {repairs} went back to be mended; the rest were unread."
    )
    return Ending(word=UNREAD, cause="asked_again", detail=detail)


def _step(call: call_pb2.Call) -> _Step:
    return call.round, enum_words.role(call.role), call.participant
