"""The problems of one run, none of which may nearly copy another, whenever it is paused.

Rounds are played side by side, and after a restart their replies are read again in another
order. So what is on record says which of two was the first: one that was refused is refused
again, and one whose setter was asked to mend it had been taken.
"""

from collections.abc import Iterable

from server.league.near_copies import NearCopies
from server.league.programs import ProgrammingQuestion
from server.league.reading import Unreadable
from server.league.schedule import Role, StepKey
from server.play.asker import Asker
from server.play.programming_requests import ProgrammingRequests
from server.store.records import StepRecord

_REASON = (
    '"problem" was nearly the same as another problem of this contest; '
    "set one that turns on another idea"
)


class Copies:
    """Holds the problems of one run against each other.

    Args:
        asker: Asks for its steps.
        requests: Makes their requests.
    """

    def __init__(self, asker: Asker, requests: ProgrammingRequests) -> None:
        self._asker = asker
        self._requests = requests
        self._texts = NearCopies()

    def begun(self, finished: Iterable[StepRecord]) -> None:
        """Takes the problems that are on record, those of void rounds too."""
        for step in finished:
            if step.key.role is Role.QUESTION and step.content:
                self._texts.take(step.key.round, step.content["text"])

    def take(self, key: StepKey, question: ProgrammingQuestion) -> None:
        """Takes what a setter has set in the end."""
        self._texts.take(key.round, question.text)

    def leave(self, key: StepKey) -> None:
        """Leaves what a setter gave, for its step was not asked to its end."""
        self._texts.leave(key.round)

    def read(
        self, key: StepKey, reply: str, question: ProgrammingQuestion
    ) -> ProgrammingQuestion | Unreadable:
        """Takes the problem of a reply, unless it nearly copies another one.

        Args:
            key: The step.
            reply: The reply.
            question: What was read from it.
        """
        refused = Unreadable("near_copy", _REASON)
        if self._was_refused(key, reply):
            return refused
        if self._was_taken(key, question):
            self._texts.take(key.round, question.text)
        elif self._texts.take_unless_copy(key.round, question.text) is not None:
            return refused
        return question

    def _was_refused(self, key: StepKey, reply: str) -> bool:
        """Says whether a reply was refused as a copy before a restart."""
        calls = self._asker.on_record(key)
        return any(
            number + 1 in calls
            and self._requests.asks_again(calls[number + 1].prompt, key, _REASON)
            for number, call in calls.items()
            if call.raw_reply == reply
        )

    def _was_taken(self, key: StepKey, question: ProgrammingQuestion) -> bool:
        """Says whether a setter was asked before a restart to mend a problem."""
        return any(
            self._requests.reason_in(call.prompt, key, question) is not None
            for call in self._asker.on_record(key).values()
        )
