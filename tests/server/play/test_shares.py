"""Shares of the room that judges have: fair, bounded, and nothing taken from who needs little."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.play.shares import fair_share, first_part, size

SIZES = st.lists(st.integers(0, 300), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("sizes", "share"),
    [
        ([], 100),
        ([7], 100),
        ([1000], 100),
        ([100, 100, 100], 100),
        ([100, 100, 100, 100], 75),
        ([10, 10, 1000, 1000, 1000], 93),
        ([50, 60, 70, 80, 90], 63),
        ([80, 1000, 70, 60, 50], 63),
    ],
)
def test_what_short_texts_leave_goes_to_the_longer_ones(sizes: list[int], share: int) -> None:
    assert fair_share(sizes, each=100, together=300) == share


@given(SIZES, st.integers(0, 200), st.integers(0, 1000))
def test_a_share_is_the_largest_that_leaves_room_for_all(
    sizes: list[int], each: int, together: int
) -> None:
    share = fair_share(sizes, each, together)
    assert 0 <= share <= each
    assert sum(min(one, share) for one in sizes) <= together
    if share < each:
        assert sum(min(one, share + 1) for one in sizes) > together
    assert fair_share(reversed(sizes), each, together) == share


@given(st.text(max_size=60), st.integers(0, 80))
def test_a_part_is_the_longest_that_there_is_room_for(text: str, most: int) -> None:
    part = first_part(text, most)
    assert text.startswith(part.text)
    assert size(part.text) <= most
    shown = len(part.text)
    if shown == len(text):
        assert not part.cut
    else:
        assert size(text[: shown + 1]) > most
        assert part.cut == f"cut: {shown} of {len(text)} characters"
