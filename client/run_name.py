"""Names of runs as people type them: `RUN` or `runs/RUN`."""

import re

from client.exit_status import ExitStatus
from client.failures import CommandError
from client.plain import one_line
from client.typed import command

_RUN_ID = re.compile(r"[a-z][a-z0-9-]{2,62}")


def run_name(typed: str) -> str:
    """Returns the resource name, such as `runs/math-1`.

    Raises:
        CommandError: That cannot be the id of a run.
    """
    run_id = typed.removeprefix("runs/")
    if not _RUN_ID.fullmatch(run_id):
        raise CommandError(
            f'"{one_line(typed, 80)}" cannot be the id of a run: ids are 3 to 63 small letters, '
            f"digits and hyphens, a letter first. Those there are: {command('runs', 'list')}",
            ExitStatus.USAGE,
        )
    return f"runs/{run_id}"


def run_id(name: str) -> str:
    """Returns the id in a resource name."""
    return name.removeprefix("runs/")
