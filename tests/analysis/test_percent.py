"""Percentages never look better than they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.percent import percent_of, percent_of_share


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 36, "0 %"),
        (1, 3_000_000, "under 0.1 %"),
        (27, 36, "75 %"),
        (8_996, 10_000, "89.9 %"),
        (9_000, 10_000, "90 %"),
        (996, 1000, "99.6 %"),
        (999_999, 1_000_000, "99.9 %"),
        (36, 36, "100 %"),
        # 0.57 has no exact binary form: 100 * 0.57 is 56.99...
        (57, 100, "57 %"),
    ],
)
def test_percentages(part: int, whole: int, text: str) -> None:
    assert percent_of(part, whole) == text


@given(st.integers(1, 10**7), st.data())
def test_never_more_than_it_is(whole: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, whole))
    text = percent_of(part, whole).removesuffix(" %")
    assert (text == "100") is (part == whole)
    if not text.startswith("under"):
        assert round(10 * float(text)) * whole <= 1000 * part


def test_shares_are_cut_too() -> None:
    assert percent_of_share(1.0) == "100 %"
    assert percent_of_share(1 - 1e-12) == "100 %"
    assert percent_of_share(0.9999) == "99.9 %"
    assert percent_of_share(2 / 3) == "66.6 %"
    assert percent_of_share(0.1 + 0.2) == "30 %"
    assert percent_of_share(0.0001) == "under 0.1 %"
    assert percent_of_share(0.0) == "0 %"
