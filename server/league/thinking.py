"""Tells what a model thought aloud from what it then said.

Servers that do not part the two leave both in the reply, with a mark between them that
depends on the family of the model. What was weighed in thoughts is no decision.
"""

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

_NAME = r"(?:\w{1,20}:)?(?:think(?:ing)?|thoughts?|reasoning|reflection|scratchpad)"
_MARK = re.compile(
    rf"(?P<closing></{_NAME}\s*+>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>"
    r"|<\|channel\|>final<\|message\|>)"
    rf"|<{_NAME}\s*+>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<\|channel\|>analysis<\|message\|>",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Thinking:
    """What a reply holds of thoughts.

    Attributes:
        end: Where the last thoughts that were closed end, 0 if there are none.
        unclosed: Thoughts begin after that which are not closed: they may go on to the
            end of the reply, or the model forgot to close them.
    """

    end: int
    unclosed: bool


def thinking(reply: str, objects: Sequence[tuple[int, int]]) -> Thinking:
    """Returns what a reply holds of thoughts.

    A mark within a JSON object is a part of one of its texts. Thoughts may be closed
    that were not opened: some servers take the opening mark for a part of the prompt.

    Args:
        reply: The reply.
        objects: Where its JSON objects begin and end, in order.
    """
    starts = [start for start, _ in objects]
    end, unclosed = 0, False
    for mark in _MARK.finditer(reply):
        before = bisect_right(starts, mark.start())
        if before and mark.start() < objects[before - 1][1]:
            continue
        unclosed = mark["closing"] is None
        if not unclosed:
            end = mark.end()
    return Thinking(end, unclosed)
