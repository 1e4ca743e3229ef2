"""What a command has at hand: the server, how it was named, and Ctrl-C."""

import shlex
from dataclasses import dataclass

from client.connection import Connection, Target
from client.interrupts import Interrupts


@dataclass(frozen=True, kw_only=True)
class Session:
    """One command at work."""

    connection: Connection
    target: Target
    interrupts: Interrupts

    @property
    def ends_with_server(self) -> bool:
        """Whether the server is the command's own, so that no run outlives the command."""
        return self.connection.embedded is not None

    def command(self, script: str, *words: str) -> str:
        """Returns a command for people to type that talks to the same server."""
        parts = ["python", f"client/{script}.py", *words]
        if self.target.server:
            parts += ["--server", self.target.server]
        if self.target.ca:
            parts += ["--ca", str(self.target.ca)]
        if self.target.settings:
            parts += ["--settings", str(self.target.settings)]
        return shlex.join(parts)
