"""Goes on under the project's own Python when a script was typed with another.

A script loads this file by its bare name, before anything that is installed:
it must run under any Python 3 and use nothing but the standard library.
"""

import os
import sys
from pathlib import Path

_USAGE = 2


def switch() -> None:
    """Replaces this process by the same command under the project's Python.

    Returns only where that is impossible, by ending the process with one
    sentence that names the cure.
    """
    environment = Path(__file__).resolve().parent.parent / ".venv"
    python = environment / "bin" / "python"
    # Under the project's Python already, a second switch would go round for ever.
    already = Path(sys.prefix).resolve() == environment.resolve()
    if already or not python.exists():
        sys.stderr.write(
            "The project is not set up yet: run `make setup` in " + str(environment.parent) + "\n"
        )
        raise SystemExit(_USAGE)
    os.execv(str(python), [str(python), *sys.argv])  # noqa: S606 - no shell is wanted
