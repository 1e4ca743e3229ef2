"""What every runner must do, as checks that can be held against any of them.

Each check is an async function of a runner that raises `AssertionError` where the
runner falls short. Programs are in Python, which every runner has, and their limits
are small, so that all of them together take seconds:

    for check in CHECKS:
        await check(runner)
"""

from sandbox.conformance import cases, comparing, ending, lifecycle, limits, streams
from sandbox.conformance.support import Check

CHECKS: tuple[Check, ...] = (
    *ending.CHECKS,
    *limits.CHECKS,
    *streams.CHECKS,
    *comparing.CHECKS,
    *cases.CHECKS,
    *lifecycle.CHECKS,
)
