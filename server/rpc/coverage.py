"""Coverage on the wire: what arrived of a run, its cells paged by rounds."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from llm_crowdsourced.v1 import result_service_pb2 as pb
from llm_crowdsourced.v1 import round_pb2

from analysis.coverage import Cell, Coverage, Failure, State, Total
from server.league.outcome import Outcome
from server.league.schedule import Role
from server.rpc.convert import outcome_to, role_to

_STATES = {
    State.ARRIVED: pb.COVERAGE_STATE_ARRIVED,
    State.REPAIRED: pb.COVERAGE_STATE_REPAIRED,
    State.REASKED: pb.COVERAGE_STATE_REASKED,
    State.RETRIED: pb.COVERAGE_STATE_RETRIED,
    State.MISSING: pb.COVERAGE_STATE_MISSING,
    State.PENDING: pb.COVERAGE_STATE_PENDING,
}


def coverage_to(
    covered: Coverage, *, first: int, last: int, page_bytes: int
) -> tuple[pb.GetCoverageResponse, int]:
    """Writes the totals of a run, and the cells of its rounds from `first` on.

    Args:
        covered: Coverage of the one run.
        first: First round whose cells are wanted.
        last: Last round of them.
        page_bytes: About how large the message may become; whole rounds are left out for
            it, the first one never.

    Returns:
        The message without its token, and the first round that is not in it.
    """
    message = pb.GetCoverageResponse(
        marks=covered.marks,
        planned_marks=covered.planned,
        warning=covered.warning,
        totals=map(_total_to, covered.totals),
        failures=map(_failure_to, covered.failures),
    )
    size = message.ByteSize()
    next_ = first
    for index, cells in _rounds(covered.cells):
        if not first <= index <= last:
            continue
        messages = [_cell_to(cell) for cell in cells]
        size += sum(_HEADER + cell.ByteSize() for cell in messages)
        if message.cells and size > page_bytes:
            break
        message.cells.extend(messages)
        next_ = index + 1
    return message, next_


_HEADER = 4
"""Bytes that the tag and the length of one cell take at most."""


def _rounds(cells: Sequence[Cell]) -> Iterator[tuple[int, list[Cell]]]:
    """Yields the cells that are due, round by round."""
    due = (cell for cell in cells if cell.state is not State.NOT_DUE)
    for index, group in groupby(due, key=lambda cell: cell.round):
        yield index, list(group)


def _cell_to(cell: Cell) -> pb.CoverageCell:
    return pb.CoverageCell(
        round=cell.round,
        role=role_to(Role(cell.role)),
        participant=cell.participant,
        state=_STATES[cell.state],
        outcome=_outcome_to(cell.outcome),
        cause=cell.cause,
        detail=cell.detail,
        reasks=cell.reasks,
        retries=cell.retries,
    )


def _outcome_to(outcome: str) -> round_pb2.Outcome.ValueType:
    return outcome_to(Outcome(outcome)) if outcome else round_pb2.OUTCOME_UNSPECIFIED


def _total_to(total: Total) -> pb.CoverageTotal:
    return pb.CoverageTotal(
        participant=total.participant,
        role=role_to(Role(total.role)),
        planned=total.planned,
        arrived=total.arrived,
        repaired=total.repaired,
        reasked=total.reasked,
        retried=total.retried,
        missing=total.missing,
        pending=total.pending,
    )


def _failure_to(failure: Failure) -> pb.CoverageFailure:
    return pb.CoverageFailure(
        participant=failure.participant,
        role=role_to(Role(failure.role)),
        outcome=_outcome_to(failure.outcome),
        cause=failure.cause,
        count=failure.count,
        rounds=[index for _, index in failure.rounds],
        example=failure.example,
    )
