"""What a program did, as a table whose rows come with the results."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from google.protobuf.duration_pb2 import Duration
from llm_crowdsourced.v1 import execution_pb2, sandbox_service_pb2
from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text

from client import enum_words, plain
from client.screen import word

_ACCEPTED = execution_pb2.VERDICT_ACCEPTED
_MIB = 1 << 20
_NAME_WIDTH = 14
_SHOWN_LINES = 10
_LINE = 200
_BASES = {
    "fence": "told by the fence around it",
    "shebang": "told by its first line",
    "content": "guessed from its source",
}


class ExecutionView:
    """Writes results as they come: what the compiler said, a row a case, the summary.

    Args:
        console: Where to.
        cases: The cases, for their names and whether they are compared.
        whole: Whether all that the program wrote is shown, not only its beginning.
    """

    def __init__(
        self, console: Console, cases: list[execution_pb2.Case], *, whole: bool = False
    ) -> None:
        self._console = console
        self._cases = cases
        self._whole = whole
        self._shown = 0
        self._status: Status | None = None
        self._width = min(_NAME_WIDTH, max((len(case.name) for case in cases), default=0))

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Says on a terminal what is waited for, below what there is."""
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            yield
            return
        self._status = self._console.status(word("Waiting for the compiler."))
        with self._status:
            yield

    def show(self, response: sandbox_service_pb2.ExecuteResponse) -> None:
        """Writes the next result."""
        kind = response.WhichOneof("kind")
        if kind == "compile":
            self._compiled(response.compile)
        elif kind == "case":
            self._case(response.case)
        elif kind == "summary":
            self._summary(response.summary)

    def _compiled(self, result: execution_pb2.CompileResult) -> None:
        basis = _BASES.get(result.language_basis, result.language_basis)
        told = f" ({basis})" if basis else ""
        toolchain = f": {result.toolchain}" if result.toolchain else ""
        self._console.print(word(f"{result.language}{told}{toolchain}"))
        if result.verdict != _ACCEPTED:
            line = _verdict(result.verdict)
            line.append(f" after {_seconds(result.cpu_time)} of CPU time", style="default")
            self._console.print(line)
        if result.message.strip():
            # What a compiler says is short, and what it says last is often its point.
            self._block("compiler", result.message.encode(), cut=result.message_cut, whole=True)
        if result.verdict == _ACCEPTED:
            self._wait_for_case()

    def _case(self, result: execution_pb2.CaseResult) -> None:
        # With the first of them: there may be none, since it is stopped or refused before.
        if not self._shown:
            self._row("Case", "Verdict", "CPU", "Memory", "Exit", "Detail", style="bold")
        case = self._cases[self._shown]
        self._shown += 1
        self._row(
            word(result.name),
            _verdict(result.verdict),
            _seconds(result.cpu_time),
            mebibytes(result.peak_memory_bytes),
            _ending(result),
            word(result.detail),
        )
        accepted = result.verdict == _ACCEPTED
        if self._whole or not case.HasField("expected_output"):
            self._block("stdout", result.stdout, cut=result.stdout_cut, whole=self._whole)
        if self._whole or not accepted:
            self._block(
                "stderr", result.stderr, cut=result.stderr_cut, whole=self._whole, from_end=True
            )
        self._wait_for_case()

    def _summary(self, summary: sandbox_service_pb2.ExecuteSummary) -> None:
        if not summary.verdict_counts:
            return
        passed, total = summary.passed_cases, summary.total_cases
        line = f"{passed:,} of {plain.count(total, 'case')} accepted"
        if summary.HasField("first_failed_case"):
            first = self._cases[summary.first_failed_case - 1].name
            verdict = enum_words.verdict(summary.verdict).replace("_", " ")
            line += f"; the first that was not: {first} ({verdict})"
        self._console.print(word(f"{line}."))

    def _wait_for_case(self) -> None:
        if self._status is not None and self._shown < len(self._cases):
            name = self._cases[self._shown].name
            told = f"Running case {self._shown + 1:,} of {len(self._cases):,}: {name}"
            self._status.update(word(told, limit=70))

    def _row(self, *cells: str | Text, style: str = "") -> None:
        row = Table.grid(padding=(0, 2, 0, 0))
        row.add_column(width=max(self._width, len("Case")), overflow="ellipsis", no_wrap=True)
        row.add_column(width=len("runtime error"))
        for width in (len("60.00 s"), len("2048 MiB")):
            row.add_column(width=width, justify="right", no_wrap=True)
        row.add_column(width=len("SIGSEGV"), no_wrap=True)
        row.add_column()
        row.add_row(*cells, style=style)
        self._console.print(row)

    def _block(
        self, title: str, data: bytes, *, cut: bool, whole: bool, from_end: bool = False
    ) -> None:
        """Writes what a program wrote, escaped and indented; cut at its end, or its beginning."""
        lines = plain.escaped(data.decode("utf-8", "replace")).splitlines()
        if not lines and not cut:
            return
        shown = lines if whole else lines[-_SHOWN_LINES:] if from_end else lines[:_SHOWN_LINES]
        left = len(lines) - len(shown)
        self._console.print(Text(f"  {title}:", style="dim"))
        if left and from_end:
            more = f"    … {plain.count(left, 'earlier line')}: --show shows them"
            self._console.print(Text(more, style="dim"))
        for line in shown:
            text = line if whole or len(line) <= _LINE else f"{line[: _LINE - 1]}…"
            self._console.print(Text(f"    {text}"), soft_wrap=True)
        if left and not from_end:
            more = f"    … {plain.count(left, 'more line')}: --show shows them"
            self._console.print(Text(more, style="dim"))
        if cut:
            self._console.print(Text("    … it wrote more than is kept", style="dim"))


def languages(answer: sandbox_service_pb2.ListLanguagesResponse) -> Table:
    """Returns the languages with their versions and the limits of a case that sets none."""
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="bold")
    table.add_column("Name", no_wrap=True)
    table.add_column("Language", no_wrap=True)
    for heading in ("CPU", "Clock", "Memory"):
        table.add_column(heading, justify="right", no_wrap=True)
    # The only column that may wrap.
    table.add_column("Compiler or interpreter")
    for language in answer.languages:
        limits = language.default_limits
        table.add_row(
            word(language.name),
            word(language.title),
            f"{limits.cpu_time.ToNanoseconds() / 1e9:g} s",
            f"{limits.wall_time.ToNanoseconds() / 1e9:g} s",
            mebibytes(limits.memory_bytes),
            word(language.toolchain or "not known"),
        )
    return table


def mebibytes(number: int) -> str:
    """Returns such as `3.2 MiB` or `256 MiB`."""
    value = number / _MIB
    return f"{value:.1f} MiB" if value < 100 else f"{value:.0f} MiB"  # noqa: PLR2004


def _verdict(number: int) -> Text:
    style = "green" if number == _ACCEPTED else "red"
    return Text(enum_words.verdict(number).replace("_", " "), style=style)


def _seconds(duration: Duration) -> str:
    return f"{duration.ToNanoseconds() / 1e9:.2f} s"


def _ending(result: execution_pb2.CaseResult) -> str:
    if result.HasField("signal"):
        try:
            return signal.Signals(result.signal).name
        except ValueError:
            return f"signal {result.signal}"
    return str(result.exit_status) if result.HasField("exit_status") else "-"
