"""Reads replies: a question, an answer or a judgment, or why it cannot be used.

Nothing here raises for what a model wrote. A judgment counts when it covers
exactly the labels that were shown, each once, and is the only one of its reply, or like
the others; anything else is unreadable, with a reason that is put to the model when it is
asked again. Of two questions or answers the last counts.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.league.cutting import cut
from server.league.league import Participant
from server.league.reading import (
    JsonObject,
    Unreadable,
    conflict,
    find_first_object,
    find_object,
)
from server.league.texts import as_formulas, as_text

# Longer texts are no answers. Of long ones judges are shown a part.
MAX_TEXT = 60_000
# Judges give one for each answer: those of a round have to fit into one message.
MOST_REASON = 4_000
# Between the working and the result of a reference.
FINAL_RESULT = "\n\nFinal result: "
_MAX_SCORE = 100.0

_LABEL_PREFIX = re.compile(r"^(?:label|answer|solution|candidate)\s+", re.IGNORECASE)
_NUMBER = re.compile(r"^[+-]?\d+(?:\.\d+)?$")

# Makers of well-known lines of models, for the flag of answers that give away
# whose they are.
_MAKERS: dict[str, tuple[str, ...]] = {
    "gpt": ("openai", "chatgpt"),
    "o1": ("openai", "chatgpt"),
    "o3": ("openai", "chatgpt"),
    "o4": ("openai", "chatgpt"),
    "claude": ("anthropic",),
    "gemini": ("google deepmind",),
    "gemma": ("google deepmind",),
    "qwen": ("alibaba", "tongyi"),
    "llama": ("meta ai",),
    "grok": ("xai",),
    "kimi": ("moonshot ai",),
    "glm": ("zhipu",),
    "smollm": ("hugging face", "huggingface"),
}
# Those that can hardly be anything else. "Phi", "nova", "llama" or "command" are
# words of mathematics and of everyday life.
_UNMISTAKABLE = frozenset(
    {
        *("openai", "chatgpt", "gpt", "anthropic", "claude", "google deepmind", "gemini", "gemma"),
        *("qwen", "tongyi", "alibaba", "meta ai", "moonshot ai", "kimi", "zhipu", "chatglm"),
        *("hugging face", "huggingface", "smollm", "deepseek", "mixtral", "internlm", "hunyuan"),
    }
)
_MIN_FULL_NAME = 8


@dataclass(frozen=True)
class QuestionReply:
    """A question as its setter gave it."""

    text: str
    reference_answer: str
    marking_scheme: str
    principle: str
    repaired: bool


@dataclass(frozen=True)
class AnswerReply:
    """An answer: the working and the final result."""

    text: str
    final_answer: str
    repaired: bool


@dataclass(frozen=True)
class JudgmentReply:
    """A judgment: a place or a score by label, and reasons by label."""

    values: Mapping[str, float]
    reasons: Mapping[str, str]
    repaired: bool


def too_long(**texts: str) -> Unreadable | None:
    """Says which of the texts, by their keys, is longer than `MAX_TEXT`."""
    for name, text in texts.items():
        if len(text) > MAX_TEXT:
            return Unreadable("too_long", f'"{name}" had more than {MAX_TEXT:,} characters')
    return None


def read_question(reply: str) -> QuestionReply | Unreadable:
    """Reads a mathematics question."""
    found = find_object(reply, "problem")
    if isinstance(found, Unreadable):
        return found
    value = found.value
    if problem := conflict(value, "problem", "solution", "answer", "marking_scheme"):
        return problem
    text = as_formulas(value.of("problem"))
    solution = as_formulas(value.of("solution"))
    answer = as_formulas(value.of("answer"))
    if not text:
        return Unreadable("text_empty", '"problem" was empty')
    if not solution and not answer:
        return Unreadable("text_empty", 'neither "solution" nor "answer" held the reference')
    scheme = as_formulas(value.of("marking_scheme"))
    principle = as_formulas(value.of("principle"))
    reference = f"{solution}{FINAL_RESULT}{answer}" if solution and answer else solution or answer
    long = too_long(problem=text, solution=reference, marking_scheme=scheme, principle=principle)
    return long or QuestionReply(text, reference, scheme, principle, found.repaired)


def read_answer(reply: str) -> AnswerReply | Unreadable:
    """Reads a mathematics answer; the working or the result may be absent, not both."""
    found = find_first_object(reply, ["answer", "solution"])
    if isinstance(found, Unreadable):
        return found
    if problem := conflict(found.value, "solution", "answer"):
        return problem
    text = as_formulas(found.value.of("solution"))
    final = as_formulas(found.value.of("answer"))
    if not text and not final:
        return Unreadable("text_empty", '"solution" and "answer" were empty')
    return too_long(solution=text, answer=final) or AnswerReply(text, final, found.repaired)


def read_ranking(reply: str, labels: Sequence[str]) -> JudgmentReply | Unreadable:
    """Reads a ranking: a place from 1 to m for each of the m labels; ties are allowed.

    A list of labels from best to worst is taken as well.
    """

    def place(value: Any) -> float | None:
        number = _number(value)
        return number if number is not None and 1 <= number <= len(labels) else None

    wanted = f"a number from 1 to {len(labels)}"
    return _read_judgment(reply, labels, "ranks", place, wanted)


def read_scores(reply: str, labels: Sequence[str]) -> JudgmentReply | Unreadable:
    """Reads scores: a number from 0 to 100 for each label."""

    def score(value: Any) -> float | None:
        number = _number(value)
        return number if number is not None and 0 <= number <= _MAX_SCORE else None

    return _read_judgment(reply, labels, "scores", score, "a number from 0 to 100")


def _read_judgment(
    reply: str,
    labels: Sequence[str],
    key: str,
    convert: Callable[[Any], float | None],
    wanted: str,
) -> JudgmentReply | Unreadable:
    found = find_object(reply, key)
    if isinstance(found, Unreadable):
        return found
    read = _read_marks(found.value, labels, key, convert, wanted)
    alike = (_read_marks(other, labels, key, convert, wanted) == read for other in found.others)
    if found.unread or not all(alike):
        # One may be a draft, or what a program printed that is judged: which one, nobody knows.
        return Unreadable(
            "ambiguous",
            f'the reply gave "{key}" more than once, and not alike: it must hold one JSON object',
        )
    if isinstance(read, Unreadable):
        return read
    text_of = as_formulas if key == "ranks" else as_text
    return JudgmentReply(read, _reasons(found.value, labels, text_of), found.repaired)


def _read_marks(
    judgment: JsonObject,
    labels: Sequence[str],
    key: str,
    convert: Callable[[Any], float | None],
    wanted: str,
) -> dict[str, float] | Unreadable:
    given = conflict(judgment, key) or _by_label(judgment, key, labels)
    if isinstance(given, Unreadable):
        return given
    values: dict[str, float] = {}
    for label in labels:
        number = convert(given[label])
        if number is None:
            return Unreadable(
                "value_invalid", f'"{key}" gave {label} {_short(given[label])}, not {wanted}'
            )
        values[label] = number
    return values


def _by_label(judgment: JsonObject, key: str, labels: Sequence[str]) -> dict[str, Any] | Unreadable:
    """Returns what a judgment gives each label, if it covers exactly the labels shown."""
    value = judgment.of(key)
    if isinstance(value, list) and key == "ranks" and all(isinstance(i, str) for i in value):
        pairs: list[tuple[str, Any]] = [(item, place) for place, item in enumerate(value, 1)]
    elif isinstance(value, JsonObject):
        pairs = [*value.items(), *((name, None) for name in value.repeated)]
    else:
        return Unreadable("shape_wrong", f'"{key}" was not an object with one entry a label')
    known = {label.casefold(): label for label in labels}
    given: dict[str, Any] = {}
    for name, item in pairs:
        label = known.get(_LABEL_PREFIX.sub("", name.strip()).casefold())
        if label is None:
            return Unreadable("label_unknown", f'"{key}" named {_short(name)}, which was not shown')
        if label in given:
            return Unreadable("label_repeated", f'"{key}" named {label} more than once')
        given[label] = item
    lacking = [label for label in labels if label not in given]
    if lacking:
        return Unreadable("label_missing", f'"{key}" left out {", ".join(lacking)}')
    return given


def _number(value: Any) -> float | None:
    """Returns a finite number; digits in quotes count, anything else does not."""
    if isinstance(value, str) and len(value) < 40 and _NUMBER.match(value.strip()):  # noqa: PLR2004
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _reasons(
    value: JsonObject, labels: Sequence[str], text_of: Callable[[Any], str]
) -> dict[str, str]:
    """Returns the reasons by label. They are no part of what makes a judgment count."""
    reasons = value.of("reasons")
    if isinstance(reasons, JsonObject):
        by_label = {
            _LABEL_PREFIX.sub("", name.strip()).casefold(): r for name, r in reasons.items()
        }
        return {
            label: cut(text_of(by_label.get(label.casefold())), MOST_REASON) for label in labels
        }
    # One text for all of them: nothing that was said is lost.
    text = cut(text_of(reasons), MOST_REASON)
    return dict.fromkeys(labels, text) if text else {}


def _short(value: Any) -> str:
    text = as_text(value)
    return repr(text if len(text) <= 40 else text[:40] + "...")  # noqa: PLR2004


def names_maker(participant: Participant, *texts: str) -> bool:
    """Says whether a text names the maker or the line of the model that wrote it.

    A name that may be a common word counts only where the text introduces itself
    by it, or gives the whole name of the model.
    """
    model = participant.model.rpartition("/")[2].casefold()
    line = re.match(r"[a-z]+", model)
    names = {participant.family.casefold()}
    if line:
        names.add(line[0])
    for start, makers in _MAKERS.items():
        if re.match(rf"{start}(?![0-9])", model):
            names.update((start, *makers))
    patterns = []
    if sure := sorted(names & _UNMISTAKABLE):
        patterns.append(_any_of(sure))
    if others := sorted(name for name in names - _UNMISTAKABLE if name):
        patterns.append(rf"(?:i am|i['\u2019]m|my name is)\s+(?:an?\s+)?{_any_of(others)}")
    if len(model) >= _MIN_FULL_NAME:
        patterns.append(r"[-_\s]".join(map(re.escape, re.split(r"[-_\s]+", model))))
    pattern = re.compile(
        rf"(?<![a-z])(?:{'|'.join(patterns)})(?![a-z])" if patterns else r"(?!)", re.IGNORECASE
    )
    return any(pattern.search(text) for text in texts)


def _any_of(names: Sequence[str]) -> str:
    return f"(?:{'|'.join(map(re.escape, names))})"
