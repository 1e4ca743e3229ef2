"""What a run has used, on to the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from llm_crowdsourced.v1 import result_service_pb2 as pb

from server.league.schedule import Role
from server.play.ledger import Amount
from server.rpc.convert import budget_to, role_to
from server.store.progress import saturated
from server.store.records import LedgerRecord, RunRecord


def ledger_to(
    run: RunRecord, used: Mapping[tuple[str, Role], LedgerRecord], reserved: Amount
) -> pb.GetLedgerResponse:
    """Writes a ledger.

    Args:
        run: The run.
        used: What its calls took, by participant and role; without calls, no entry.
        reserved: What the calls under way may take at worst.
    """
    return pb.GetLedgerResponse(
        budget=budget_to(run.league.budget),
        entries=[
            pb.LedgerEntry(
                participant=participant.id,
                role=role_to(role),
                provider=participant.provider,
                model=participant.model,
                **asdict(used[participant.id, role]),
            )
            for participant in run.league.participants
            for role in Role
            if (participant.id, role) in used
        ],
        total=pb.LedgerEntry(
            **{
                field.name: _total([getattr(entry, field.name) for entry in used.values()])
                for field in fields(LedgerRecord)
            }
        ),
        calls_under_way=reserved.calls,
        reserved_tokens=saturated(reserved.tokens),
        reserved_cost_usd=reserved.cost_usd,
    )


def _total(values: Sequence[Any]) -> Any:
    return saturated(*values) if all(isinstance(value, int) for value in values) else sum(values)
