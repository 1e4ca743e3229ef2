"""Percentages of counts that never look better than they are."""


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
