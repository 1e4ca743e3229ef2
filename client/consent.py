"""Asking before money may be spent, where somebody is there to be asked."""

import signal
import sys

from client.interrupts import InterruptedByUserError
from client.plain import dollars
from client.screen import chatter


def is_given(what: str, cost_usd: float | None, *, at_most: float | None = None) -> bool:
    """Asks whether to go on; true where it costs nothing, or nobody is there to be asked.

    Args:
        what: What is asked, such as `Play it`.
        cost_usd: What it is likely to cost in US dollars; `None` where that is not known.
        at_most: What a budget allows; `None` without one.

    Raises:
        InterruptedByUserError: Ctrl-C was pressed.
    """
    if cost_usd == 0 or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    cost = "an unknown sum" if cost_usd is None else f"about {dollars(cost_usd)}"
    if at_most is not None:
        cost += f", {dollars(at_most)} at most"
    chatter().print(f"{what}, for {cost}? [y/N] ", end="")
    # The loop's handler cannot stop a read from the terminal; Python's own can.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return sys.stdin.readline().strip().lower() in {"y", "yes"}
    except KeyboardInterrupt:
        raise InterruptedByUserError from None
    finally:
        signal.signal(signal.SIGINT, before)
