"""The live view: a picture of a run that is drawn again as it moves on."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from llm_crowdsourced.v1 import event_pb2, round_pb2
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from analysis import coverage_words
from client import enum_words, plain, use_of_limits
from client.narrow import Ids
from client.run_name import run_id
from client.run_progress import Preparation, RoundProgress, RunProgress
from client.screen import word

_FRAMES_A_SECOND = 4
# Lines of everything but the rounds and what is told of failures, and the least rounds that are shown.
_OTHER_LINES = 9
_MIN_ROUNDS = 3
_MAX_CAUSES = 4
# More names than that are not read.
_MAX_NAMES = 3
_CHECKED = " (being written, checked or repaired)"
_STATE_STYLES = {
    "running": "cyan",
    "succeeded": "bold green",
    "failed": "bold red",
    "cancelled": "red",
    "cancelling": "red",
    "paused": "yellow",
}


class Picture:
    """A run as it is at one moment, drawn to fit the width and height it gets."""

    def __init__(self, progress: RunProgress, now: datetime, notice: str = "") -> None:
        self._progress = progress
        self._now = now
        self._notice = notice

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draws it."""
        marks = _ascii_marks if options.ascii_only else _marks
        height = options.max_height
        parts: list[RenderableType] = [_header(self._progress, self._now, options.max_width)]
        if self._notice:
            parts.append(word(self._notice, "yellow"))
        preparing = [p for p in self._progress.preparations.values() if not p.is_done]
        parts += [_preparation(p, options.max_width) for p in preparing]
        parts += [_bar(self._progress, options.max_width), _numbers(self._progress)]
        told = _told(self._progress, options.max_width)
        parts += told
        lines = sum(-(-line.cell_len // options.max_width) for line in told)
        room = max(_MIN_ROUNDS, height - _OTHER_LINES - len(preparing) - lines)
        parts += _rounds(self._progress, room, marks, options.max_width)
        parts.append(_legend(marks))
        yield Group(*parts)


def _header(progress: RunProgress, now: datetime, width: int) -> RenderableType:
    title = f"  {plain.one_line(progress.title)}" if progress.title else ""
    state = Text(progress.state, style=_STATE_STYLES.get(progress.state, ""))
    state.append(f"  {plain.duration(progress.elapsed(now))}", style="default")
    left = progress.seconds_left(now)
    if left is not None:
        state.append(f"  {plain.rough_duration(left)} left", style="dim")
    name = Text(run_id(progress.name), style="bold").append(title, style="dim")
    name.truncate(max(10, width - state.cell_len - 2), overflow="ellipsis")
    grid = Table.grid(expand=True, padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, justify="right")
    grid.add_row(name, state)
    lines: list[RenderableType] = [grid]
    if progress.reason:
        lines.append(word(progress.reason, "yellow"))
    return Group(*lines)


def _preparation(item: Preparation, width: int) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    grid.add_column()
    grid.add_column(no_wrap=True, justify="right")
    amount = plain.size if item.unit == "bytes" else str
    reached = amount(item.done) + (f" of {amount(item.total)}" if item.total else "")
    label = word(item.activity, limit=max(12, width // 2))
    room = max(5, width - label.cell_len - len(reached) - 3)
    bar = ProgressBar(
        total=item.total or None, completed=item.done, width=room, pulse=not item.total
    )
    grid.add_row(label, bar, Text(reached, "dim"))
    return grid


def _bar(progress: RunProgress, width: int) -> RenderableType:
    total = max(1, progress.total_steps)
    done = progress.done_steps
    grid = Table.grid(padding=(0, 1))
    grid.add_row(
        ProgressBar(total=total, completed=done, width=max(5, width - 6)),
        Text(f"{100 * done // total:>3} %"),
    )
    return grid


def _numbers(progress: RunProgress) -> Text:
    return Text(" · ").join(Text(part) for part in numbers(progress))


def numbers(progress: RunProgress) -> list[str]:
    """Returns steps, calls, tokens and cost, a phrase each."""
    now = progress.progress
    prompts, replies = map(plain.short_number, (now.prompt_tokens, now.completion_tokens))
    return [
        f"{progress.done_steps:,} of {plain.count(progress.total_steps, 'step')}",
        plain.count(now.calls, "call"),
        f"{prompts} prompt + {replies} reply tokens",
        _cost(now.cost_usd, now.unpriced_calls, now.calls),
    ]


def _cost(cost: float, unpriced: int, calls: int) -> str:
    if unpriced and unpriced >= calls:
        return "cost unknown"
    return plain.dollars(cost) + (
        f" and {plain.count(unpriced, 'unpriced call')}" if unpriced else ""
    )


def failures(progress: RunProgress) -> str:
    """Returns the steps lost by cause, the most frequent first; empty without any."""
    causes = progress.failures()
    shown = [
        f"{number:,} {_lost(cause, progress.ending(cause))}"
        for cause, number in causes[:_MAX_CAUSES]
    ]
    rest = sum(number for _, number in causes[_MAX_CAUSES:])
    told = ", ".join([*shown, f"{rest:,} other"] if rest else shown)
    if not progress.skipped:
        return told
    skipped = f"{progress.skipped:,} skipped"
    return f"{told}; {skipped}" if told else skipped


def _lost(cause: str, outcome: str) -> str:
    """Returns such as `unreadable (no_json)`: in the words of the coverage, and the cause."""
    shown = plain.one_line(cause, 30)
    if not outcome:
        return shown
    told = coverage_words.ending(outcome)
    return told if cause in {"", outcome} else f"{told} ({shown})"


def _told(progress: RunProgress, width: int) -> list[Text]:
    """Returns the budget, the failures and who is waited for: two lines each at most."""
    lines = []
    limit = 2 * width - 10
    if budget := use_of_limits.sentence(
        progress.budget, use_of_limits.of_progress(progress.progress)
    ):
        lines.append(word(f"Budget: {budget}", "dim", limit=limit))
    if lost := failures(progress):
        lines.append(word(f"Lost steps: {lost}", "red", limit=limit))
    if progress.latest_lost is not None:
        lines.append(word(f"The last: {step_line(progress.latest_lost)}", "red", limit=limit))
    if progress.state == "running" and (names := waited_for(progress)):
        lines.append(word(f"Waiting for {names}", "dim", limit=limit))
    return lines


def waited_for(progress: RunProgress) -> str:
    """Returns such as `question of ada; 7 answers`: names where they are few.

    Nothing while models are made ready: nobody has been asked.
    """
    if progress.preparations:
        return ""
    parts = []
    for role, numbers in sorted(progress.waited_for().items()):
        replies = sum(numbers.values())
        if len(numbers) > _MAX_NAMES or "" in numbers:
            told = plain.count(replies, enum_words.role(role))
        else:
            names = [f"{name} ({n})" if n > 1 else name for name, n in numbers.items()]
            noun = enum_words.role(role) + ("s" if replies > 1 else "")
            told = f"{noun} of {', '.join(names)}"
        is_checked = role == round_pb2.ROLE_QUESTION and progress.checks_questions
        parts.append(told + (_CHECKED if is_checked else ""))
    return "; ".join(parts)


def step_line(step: event_pb2.StepFinished) -> str:
    """Returns such as `round 3: judgment of qwen ok`."""
    role = enum_words.role(step.role)
    by = "by" if step.role == round_pb2.ROLE_QUESTION else "of"
    outcome = enum_words.outcome(step.outcome)
    cause = f" ({step.cause})" if step.cause not in {"", outcome} else ""
    # Why it is not played is its cause.
    unverified = ", unverified" if step.unverified and outcome == "ok" else ""
    return f"round {step.round}: {role} {by} {step.participant} {outcome}{cause}{unverified}"


def _marks(outcome: str) -> str:
    return "✓" if outcome == "ok" else "·" if outcome == "skipped" else "✗"


def _ascii_marks(outcome: str) -> str:
    return "+" if outcome == "ok" else "-" if outcome == "skipped" else "x"


_Marks = Callable[[str], str]


def _legend(marks: _Marks) -> Text:
    signs = [("ok", "usable"), ("lost", "lost"), ("skipped", "skipped")]
    told = "  ".join(f"{marks(outcome)} {meaning}" for outcome, meaning in signs)
    return Text(f"{told}  2 of 3: usable of planned", style="dim")


def _rounds(
    progress: RunProgress, room: int, marks: _Marks, width: int
) -> Iterable[RenderableType]:
    shown = chosen(list(progress.rounds.values()), room)
    table = Table(box=None, padding=(0, 1), pad_edge=False, header_style="dim", expand=False)
    table.add_column("Round", justify="right", no_wrap=True)
    ids = Ids(entry.setter or "…" for entry in progress.rounds.values())
    table.add_column("Set by", max_width=max(8, width - 50))
    table.add_column("Question", no_wrap=True, max_width=18, overflow="ellipsis")
    table.add_column("Answers", no_wrap=True)
    table.add_column("Judgments", no_wrap=True)
    for entry in shown:
        table.add_row(
            str(entry.index),
            ids.cell(entry.setter or "…"),
            _question(entry, marks),
            _steps(entry.answers, entry.answers_planned, marks),
            _steps(entry.judgments, entry.judgments_planned, marks),
            style="" if entry.is_begun else "dim",
        )
    yield table
    hidden = [r for r in progress.rounds.values() if r not in shown]
    if hidden:
        done = sum(r.is_done for r in hidden)
        yield Text(
            f"and {plain.count(len(hidden), 'more round')}: {done} played, "
            f"{len(hidden) - done} to come",
            style="dim",
        )


def chosen(rounds: list[RoundProgress], room: int) -> list[RoundProgress]:
    """Returns the rounds to show, in order: those under way first, then new and old ones."""
    under_way = [r for r in rounds if r.is_begun and not r.is_done]
    to_come = [r for r in rounds if not r.is_begun]
    played = [r for r in reversed(rounds) if r.is_done]
    return sorted((under_way + to_come + played)[:room], key=lambda r: r.index)


def _question(entry: RoundProgress, marks: _Marks) -> Text:
    if not entry.question:
        return Text("…", style="dim")
    if entry.question == "ok" and entry.unverified:
        return Text(f"{marks('ok')} unverified", style="yellow")
    if entry.question == "ok":
        return Text(marks("ok"), style="green")
    return Text(f"{marks(entry.question)} {plain.one_line(entry.cause, 16)}", style="red")


def _steps(steps: Mapping[str, str], planned: int, marks: _Marks) -> Text:
    """Returns usable of planned and marks, such as `2 of 3 ✓✗✓`; long lists are not drawn."""
    if not planned:
        return Text("")
    ended = list(steps.values())
    lost = sum(outcome != "ok" for outcome in ended)
    text = Text(f"{len(ended) - lost} of {planned} ")
    if planned > 8:  # noqa: PLR2004 - more marks than that are not read but counted
        return text.append(f"{lost} lost", style="red") if lost else text
    for outcome in ended:
        text.append(marks(outcome), style="green" if outcome == "ok" else "red")
    return text


class LiveView:
    """Draws the picture on a terminal, four times a second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: RunProgress | None = None
        self._notice = ""
        self._live = Live(
            console=console,
            get_renderable=self._picture,
            refresh_per_second=_FRAMES_A_SECOND,
            vertical_overflow="crop",
        )

    def __enter__(self) -> Self:
        """Begins to draw."""
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leaves the last picture on the screen."""
        self._live.stop()

    def update(self, progress: RunProgress, event: event_pb2.RunEvent) -> None:  # noqa: ARG002
        """Keeps the run to draw it next time."""
        self._progress = progress

    def say(self, sentence: str) -> None:
        """Writes a sentence above the picture."""
        self._console.print(word(sentence))

    def note(self, notice: str) -> None:
        """Keeps why the run stands still, to draw it with the run."""
        self._notice = notice

    def _picture(self) -> RenderableType:
        if self._progress is None:
            return Text("waiting for the server", style="dim")
        return Picture(self._progress, datetime.now(UTC), self._notice)
