"""What a command has at hand: the server, how it was named, and Ctrl-C."""

from dataclasses import dataclass

from client import typed
from client.connection import Connection, Target
from client.interrupts import Interrupts


@dataclass(frozen=True, kw_only=True)
class Session:
    """One command at work.

    Attributes:
        connection: The server.
        target: How it was named.
        interrupts: Ctrl-C.
        report: Options on the report of the run, kept where it is gone on with.
    """

    connection: Connection
    target: Target
    interrupts: Interrupts
    report: tuple[str, ...] = ()

    @property
    def ends_with_server(self) -> bool:
        """Whether the server is the command's own, so that no run outlives the command."""
        return self.connection.embedded is not None

    def command(self, script: str, *words: str) -> str:
        """Returns a command for people to type that talks to the same server."""
        return typed.command(script, *words, *self.target.options())

    def resumption(self, name: str) -> str:
        """Returns the command that goes on with a run, and writes the report where this one would."""
        return self.command("runs", "resume", name, *self.report)
