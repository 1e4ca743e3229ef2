"""Percentages of counts and shares, rounded to a tenth, and never over a bound that they miss."""

_PARTS = 10**9
"""Of a share: sums of floats fall short of what they are by less than one of them."""
_BOUNDS = (900, 1000)
"""In tenths of a percent: where too little arrived is warned of, and what is complete."""


def percent_of(part: int, whole: int) -> str:
    """Returns such as `75 %` or `99.6 %`, rounded to a tenth, halves upwards.

    Only what is complete is `100 %`, and what is below 90 % never prints as 90 %: just
    below these it is cut. Counts are whole numbers, so no binary fraction comes between.

    Args:
        part: The count, from 0.
        whole: What it is part of; more than 0.

    Raises:
        ZeroDivisionError: `whole` is 0.
    """
    tenths = (2000 * part + whole) // (2 * whole)
    for bound in _BOUNDS:
        if 1000 * part < bound * whole:
            tenths = min(tenths, bound - 1)
    if part and not tenths:
        return "under 0.1 %"
    return f"{tenths // 10} %" if tenths % 10 == 0 else f"{tenths / 10:.1f} %"


def percent_of_share(share: float) -> str:
    """Returns the same of a share, such as `75 %` or `99.9 %`.

    Args:
        share: From 0 to 1.
    """
    return percent_of(round(_PARTS * share) or int(share > 0), _PARTS)
