"""Texts of models that are kept or told only up to a bound, with a mark where more was there."""


def cut(text: str, most: int) -> str:
    """Returns a text of at most `most` characters, or its beginning and how much is left out.

    Args:
        text: The text.
        most: Characters, those of the mark included; more than the mark has.
    """
    if len(text) <= most:
        return text
    # The mark at its longest decides what is kept, so that it says what is true.
    kept = most - len(_mark(len(text)))
    return text[:kept] + _mark(len(text) - kept)


def _mark(left_out: int) -> str:
    return f" [... {left_out:,} characters left out]"
