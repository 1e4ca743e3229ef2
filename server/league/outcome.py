"""How a step or a call ended. A participant's failure is data, not an exception."""

from enum import StrEnum


class Outcome(StrEnum):
    """How a call to a model, or the step that made it, ended."""

    OK = "ok"
    REFUSED = "refused"
    UNPARSABLE = "unparsable"
    TRUNCATED = "truncated"
    UNAVAILABLE = "unavailable"
    SKIPPED = "skipped"
