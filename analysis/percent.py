"""Percentages of counts and shares that never look better than they are."""

import math

_HAIR = 1e-9
"""Sums of floats fall short of what they are by less than this."""


def percent_of(part: int, whole: int) -> str:
    """Returns such as `75 %` or `99.6 %`: cut to a tenth, never rounded up.

    So only what is complete is `100 %`, and what is below a bound never prints as the
    bound. Counts are whole numbers, so no binary fraction comes between.

    Args:
        part: The count, from 0.
        whole: What it is part of; more than 0.

    Raises:
        ZeroDivisionError: `whole` is 0.
    """
    tenths = 1000 * part // whole
    if part and not tenths:
        return "under 0.1 %"
    return f"{tenths // 10} %" if tenths % 10 == 0 else f"{tenths / 10:.1f} %"


def percent_of_share(share: float) -> str:
    """Returns such as `75 %` or `99.9 %`: cut to a tenth, so only 1 is `100 %`.

    Args:
        share: From 0 to 1.
    """
    thousandths = math.floor(1000 * (share + _HAIR))
    return percent_of(thousandths, 1000) if thousandths or not share else "under 0.1 %"
