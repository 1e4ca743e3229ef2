"""Leagues inside the server, as records, and hypothesis strategies for them."""

from typing import Any

from hypothesis import strategies as st

from server.league.league import Identity, League, Order, Participant, Subject


def record_league(participants: int = 4, **values: Any) -> League:
    """Returns a league of that many participants, `p1` and on."""
    defaults: dict[str, Any] = {"subject": Subject.MATH, "rounds_per_participant": 1}
    players = tuple(
        Participant(id=f"p{number}", provider="scripted", model=f"model-{number}")
        for number in range(1, participants + 1)
    )
    return League(participants=players, **(defaults | values))


def leagues(**fixed: Any) -> st.SearchStrategy[League]:
    """Returns a strategy of small leagues, blind and named, shuffled and fixed."""
    drawn = {
        "participants": st.integers(3, 12),
        "rounds_per_participant": st.integers(1, 3),
        "seed": st.integers(-(2**63), 2**63 - 1),
        "identity": st.sampled_from(Identity),
        "order": st.sampled_from(Order),
    }
    chosen = {name: st.just(value) for name, value in fixed.items()}
    return st.builds(record_league, **{**drawn, **chosen})
