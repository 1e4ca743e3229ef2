"""What a programming round adds to its text: checks, programs and what they did."""

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from analysis import dataset as records
from analysis import verdict_words
from analysis.pass_rates import ACCEPTED
from client import plain
from client.screen import INDENT, indented, word, words

_SHOWN_LINES = 12
_GOOD, _BAD, _DOUBTFUL = "green", "red", "yellow"


class ProgramText:
    """Writes the parts of one round, as the terminal can show them.

    Args:
        entry: The round.
        full: Whether programs are shown whole.
        ascii_only: Whether the terminal shows only ASCII.
    """

    def __init__(self, entry: records.Round, *, full: bool, ascii_only: bool) -> None:
        self._check = entry.question.check if entry.question is not None else None
        self._is_void = entry.is_void
        self._full = full
        self._signs = verdict_words.ASCII if ascii_only else {}
        self._lines = [
            verdict_words.verdict_line(answer.execution, self._check)
            for answer in entry.answers
            if answer.execution is not None
        ]

    def question(self, question: records.Question) -> Iterator[RenderableType]:
        """Yields the reference, and what came of checking it."""
        check = question.check
        if check is None:
            return
        style = _GOOD if check.verified else _DOUBTFUL
        told = verdict_words.check_words(question, is_void=self._is_void)
        yield indented(word(told, style))
        if comparison := verdict_words.comparison_words(check):
            yield indented(word(f"Outputs are compared {comparison}.", "dim"))
        if check.detail:
            yield indented(words(check.detail, "dim"))
        for case in check.dropped:
            yield indented(word(f"dropped {case.name}: {case.reason}", "dim"))
        language = f" ({check.language})" if check.language else ""
        yield from self._code(f"reference{language}", question.reference_answer)

    def legend(self) -> Iterator[RenderableType]:
        """Yields what the characters of verdicts mean."""
        told = verdict_words.legend(self._lines)
        if told:
            yield Text("")
            yield words(f"Cases, one character each: {self._plain(told)}", "dim")

    def answer(self, answer: records.Answer) -> Iterator[RenderableType]:
        """Yields what a program did, and the program."""
        execution = answer.execution
        if execution is None:
            if answer.final_answer:
                yield indented(Text("not run", style="dim"))
        else:
            told = word(verdict_words.outcome_words(execution, self._check))
            line = verdict_words.verdict_line(execution, self._check)
            if line:
                told.append("  ").append_text(self._verdicts(line))
            yield indented(told)
            if execution.compile_verdict != ACCEPTED and execution.compile_message:
                yield from self._code("compiler", execution.compile_message)
            yield from self._failures(execution)
        yield from self._code("program", answer.final_answer)

    def _failures(self, execution: records.Execution) -> Iterator[RenderableType]:
        """Yields why the first case failed, or why all did."""
        found = verdict_words.failures(execution)
        for told in found if self._full else found[:1]:
            yield indented(word(told, "dim"))

    def _verdicts(self, line: str) -> Text:
        """Returns verdicts in colours."""
        text = Text()
        for sign in line:
            style = _GOOD if sign == "✓" else "dim" if sign in "SD" else _BAD
            text.append(self._plain(sign), style=style)
        return text

    def _plain(self, text: str) -> str:
        """Returns text in signs that the terminal has."""
        return "".join(self._signs.get(sign, sign) for sign in text)

    def _code(self, title: str, source: str) -> Iterator[RenderableType]:
        """Yields a program, escaped, cut to its first lines unless all are asked for."""
        lines = plain.escaped(source).expandtabs(4).splitlines()
        if not lines:
            return
        shown = lines if self._full else lines[:_SHOWN_LINES]
        yield indented(Text(f"{title}:", style="dim"))
        # Blank lines are kept and long ones folded: a program is not prose.
        for line in shown:
            yield indented(Text(line, overflow="fold"), 2 * INDENT)
        if left := len(lines) - len(shown):
            more = f"… {plain.count(left, 'more line')}: --full shows them"
            yield indented(Text(more, style="dim"), 2 * INDENT)
