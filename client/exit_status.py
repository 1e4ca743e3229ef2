"""Exit statuses of the commands; scripts of users rely on them."""

from enum import IntEnum


class ExitStatus(IntEnum):
    """How a command ended."""

    OK = 0
    """Done; a run that was followed succeeded."""
    ERROR = 1
    """Something failed; the sentence on stderr says what."""
    USAGE = 2
    """The command line or a league file is wrong."""
    REFUSED = 3
    """The server refused what was asked; nothing was sent to a model."""
    RUN_FAILED = 4
    """The run failed or was cancelled."""
    PAUSED = 5
    """The run is paused, for instance because its budget is used up."""
    CLOSED_PIPE = 141
    """Nobody reads what is written, such as after `| head`; as a shell says of other tools."""
    INTERRUPTED = 130
    """Ctrl-C."""
