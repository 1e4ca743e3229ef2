"""The two consoles: results go to standard output, chatter to standard error."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from client.plain import clean, one_line

_UNBOUNDED = 400
INDENT = 4
_INDENT = "  "
_COMMAND = "python "
_TRAILING = re.compile(r"[ \t]+(?=\n|$)")


class _Console(Console):
    """A console that leaves a closed pipe to the command, whose server has to be stopped."""

    def on_broken_pipe(self) -> None:
        """Raises it again."""
        raise BrokenPipeError


def results() -> Console:
    """Returns the console of standard output.

    Piped, a table takes the width that it needs: other programs have no screen
    that would end at 80 columns.
    """
    plain = not sys.stdout.isatty()
    return _Console(
        file=cast("IO[str]", _Trimmed(sys.stdout)) if plain else None,
        width=_UNBOUNDED if plain else None,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=False,
    )


class _Trimmed:
    """Leaves out the blanks with which a console fills its lines."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(_TRAILING.sub("", text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def chatter() -> Console:
    """Returns the console of standard error."""
    return _Console(stderr=True, highlight=False, markup=False, emoji=False)


def word(text: str, style: str = "", limit: int = 0) -> Text:
    """Returns one line of text that no markup or control character can change."""
    return Text(one_line(text, limit), style=style)


def words(text: str, style: str = "") -> Text:
    """Returns text of several lines that no markup or control character can change."""
    return Text(clean(text), style=style)


def indented(part: RenderableType, by: int = INDENT) -> Padding:
    """Returns a part moved to the right."""
    # Not expanded: a line in a file ends where its text ends.
    return Padding(part, (0, 0, 0, by), expand=False)


@contextmanager
def working(sentence: str, *, logged: bool = True) -> Iterator[Callable[[str], object]]:
    """Shows what is being done, and takes word of the next thing.

    On a terminal that is one line that changes; in a log it is the first alone,
    if it is worth a line there.
    """
    console = chatter()
    if not is_drawn_on(console):
        if logged:
            say(sentence)
        yield str
        return
    with console.status(word(sentence)) as status:
        yield lambda now: status.update(word(now))


def is_drawn_on(console: Console) -> bool:
    """Says whether lines of that console can be drawn over."""
    return sys.stderr.isatty() and not console.is_dumb_terminal


def say(sentence: str, style: str = "") -> None:
    """Writes a sentence to standard error.

    On a terminal a command in it is never broken by a new line, so that it can
    be copied.
    """
    console = chatter()
    if not console.is_terminal:
        # A log's lines are left as they are.
        console.print(words(sentence, style), soft_wrap=True)
        return
    for line in fitted(clean(sentence), console.width):
        # A terminal's own wrapping cuts words, which a command does not mind.
        console.print(Text(line, style), soft_wrap=line.startswith(_INDENT))


def fitted(text: str, width: int) -> list[str]:
    """Returns the lines of a text; a command that does not fit on its line gets one of its own."""
    lines: list[str] = []
    for line in text.splitlines():
        before, colon, command = line.partition(f": {_COMMAND}")
        if colon and cell_len(line) > width:
            lines += [f"{before}:", f"{_INDENT}{_COMMAND}{command}"]
        else:
            lines.append(line)
    return lines
