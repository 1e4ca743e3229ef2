"""How long a program may run in all, and how it shows that it was not run for that.

Time in which the machine kept a program waiting is no part of it.
"""

from sandbox.model import ExitFacts, Verdict

# Seconds by the clock that a program has in all, and more for each case: a thousand cases that
# each end just within their limit would hold a place in the sandbox for hours. Starting a
# program takes a part of a second in the slowest languages, which is not held against it.
MOST_WALL_S = 120.0
WALL_S_A_CASE = 1.0
IN_WORDS = f"{MOST_WALL_S:g} s by the clock, and {WALL_S_A_CASE:g} s more for each case"
# The detail of such a case. Nothing else that reaches the time limit has one.
NOT_RUN = "not run: the program's time for all cases was used up"


def time_for_all_s(cases: int) -> float:
    """Returns the seconds that a program has for a number of cases."""
    return MOST_WALL_S + WALL_S_A_CASE * cases


def time_taken_s(facts: ExitFacts) -> float:
    """Returns the seconds that a case takes of them."""
    return facts.wall_s - facts.delayed_s


def is_not_run(verdict: str, detail: str) -> bool:
    """Says whether a program was not run on a case since its time for all was used up."""
    return verdict == Verdict.TIME_LIMIT and detail == NOT_RUN
