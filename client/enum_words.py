"""Words for the contract's enum values: `OUTCOME_OK` is `ok`.

New values may be added to the contract, so an unknown number is a word too.
"""

from google.protobuf.descriptor import EnumDescriptor
from llm_crowdsourced.v1 import execution_pb2, league_pb2, round_pb2, run_pb2


def _word(descriptor: EnumDescriptor, prefix: str, number: int) -> str:
    value = descriptor.values_by_number.get(number)
    if value is None:
        return f"unknown-{number}"
    word = value.name.removeprefix(prefix).lower()
    return "" if word == "unspecified" else word


def state(number: int) -> str:
    """Returns such as `running`."""
    return _word(run_pb2.Run.State.DESCRIPTOR, "STATE_", number)


def outcome(number: int) -> str:
    """Returns such as `ok`; empty for a step that has not finished."""
    return _word(round_pb2.Outcome.DESCRIPTOR, "OUTCOME_", number)


def role(number: int) -> str:
    """Returns `question`, `answer` or `judgment`."""
    return _word(round_pb2.Role.DESCRIPTOR, "ROLE_", number)


def subject(number: int) -> str:
    """Returns `math` or `programming`."""
    return _word(league_pb2.Subject.DESCRIPTOR, "SUBJECT_", number)


def identity(number: int) -> str:
    """Returns `blind` or `named`; the unset value means `blind`."""
    return _word(league_pb2.Identity.DESCRIPTOR, "IDENTITY_", number) or "blind"


def order(number: int) -> str:
    """Returns `shuffled` or `fixed`; the unset value means `shuffled`."""
    return _word(league_pb2.Order.DESCRIPTOR, "ORDER_", number) or "shuffled"


def evidence(number: int) -> str:
    """Returns `shown` or `hidden`; the unset value means `shown`."""
    return _word(league_pb2.EvidenceView.DESCRIPTOR, "EVIDENCE_VIEW_", number) or "shown"


def verdict(number: int) -> str:
    """Returns such as `wrong_answer`."""
    return _word(execution_pb2.Verdict.DESCRIPTOR, "VERDICT_", number)


__all__ = ["evidence", "identity", "order", "outcome", "role", "state", "subject", "verdict"]
