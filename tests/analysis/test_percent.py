"""Percentages are rounded as everybody does, and never over a bound that they miss."""

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
        (5, 36, "13.9 %"),
        (14, 18, "77.8 %"),
        (1, 2000, "0.1 %"),
        (49, 100_000, "under 0.1 %"),
        (1, 80, "1.3 %"),
        (8_994, 10_000, "89.9 %"),
        (8_996, 10_000, "89.9 %"),
        (899_999, 1_000_000, "89.9 %"),
        (9_000, 10_000, "90 %"),
        (9_996, 10_000, "99.9 %"),
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
def test_the_nearest_tenth_but_no_bound_that_is_missed(whole: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, whole))
    text = percent_of(part, whole).removesuffix(" %")
    assert (text == "100") is (part == whole)
    if text.startswith("under"):
        assert 0 < 2000 * part < whole
        return
    tenths = round(10 * float(text))
    assert (tenths >= 900) is (1000 * part >= 900 * whole)
    # Off by half of a tenth at most, and by less than one just below a bound.
    off = abs(2 * tenths * whole - 2000 * part)
    assert off <= whole or (tenths in (899, 999) and off < 2 * whole)


def test_shares_are_rounded_too() -> None:
    assert percent_of_share(1.0) == "100 %"
    assert percent_of_share(1 - 1e-12) == "100 %"
    assert percent_of_share(0.9999) == "99.9 %"
    assert percent_of_share(0.89999) == "89.9 %"
    assert percent_of_share(2 / 3) == "66.7 %"
    assert percent_of_share(0.1 + 0.2) == "30 %"
    assert percent_of_share(0.0001) == percent_of_share(1e-12) == "under 0.1 %"
    assert percent_of_share(0.0) == "0 %"
