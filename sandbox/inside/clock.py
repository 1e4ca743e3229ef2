"""How long a process may take by the clock, whatever kept it waiting.

Both ends of a container's attached stream go by it.
"""

_FACTOR = 10.0
_MOST_MORE_S = 600.0


def most_wall_s(wall_s: float) -> float:
    """Returns the seconds after which a process is ended, however long the machine delayed it.

    Args:
        wall_s: Its limit, which delay does not count against.
    """
    return min(_FACTOR * wall_s, wall_s + _MOST_MORE_S)
