"""Finds the program in an answer, and its language where the answer does not name it.

Pure, and linear in the text. The program is never altered: it is a part of the text,
or all of it. How the language was found is kept, since content gives a guess.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

from sandbox.features import SAMPLE, guess
from sandbox.names import OTHER, language_named

# An opening or closing fence, by itself on a line: indentation, marks, what follows.
_FENCE = re.compile(r"^([ \t]*+)(`{3,}+|~{3,}+)([^\n]*)", re.MULTILINE)
# A reply has a few; a mebibyte of them would take a second.
_MOST_FENCES = 2000
_DEEPER = 3
_SHEBANG = re.compile(r"\ufeff?#![ \t]*([^\n]{1,200})")
# Words after a fence that mark what is no program: data, a session, what was printed.
_NO_PROGRAM_WORDS = """
    bash console csv diff input json log markdown md none output plain plaintext pycon
    sample sh shell stdin stdout text toml txt xml yaml yml zsh
"""
_NO_PROGRAM = frozenset(_NO_PROGRAM_WORDS.split())
_SAMPLED_FENCES = 8


class Clue(StrEnum):
    """What a language was recognised by."""

    NOTHING = ""
    NAMED = "named"
    FENCE = "fence"
    SHEBANG = "shebang"
    CONTENT = "content"


@dataclass(frozen=True)
class Recognised:
    """A program that was found in a text.

    Attributes:
        language: Id of a language of `sandbox.languages`; empty if none was recognised,
            or one that there is not.
        source: The program, as it stands in the text.
        by: What the language was recognised by.
    """

    language: str
    source: str
    by: Clue


@dataclass(frozen=True)
class _Fenced:
    """What stands in one fence.

    Attributes:
        info: The first word after its marks.
        language: The language that it names, as `language_named` has it.
        source: What stands between the marks.
    """

    info: str
    language: str
    source: str


def recognise(text: str, named: str = "") -> Recognised:
    """Returns the program of an answer with its language.

    Args:
        text: A program, or a reply in Markdown with a program in a fence.
        named: The language as the answer names it, in any form; empty if it does not.
    """
    language = language_named(named)
    fences, outside = _fences(text)
    chosen = _chosen(fences, outside, language)
    source = text if chosen is None else chosen.source
    if language:
        return _recognised(language, source, Clue.NAMED)
    if chosen is not None and chosen.language:
        return _recognised(chosen.language, source, Clue.FENCE)
    if interpreter := _SHEBANG.match(source):
        return _recognised(_interpreted_by(interpreter[1]), source, Clue.SHEBANG)
    return _recognised(guess(source)[0], source, Clue.CONTENT)


def _recognised(language: str, source: str, by: Clue) -> Recognised:
    if language in ("", OTHER):
        return Recognised("", source, Clue.NOTHING)
    return Recognised(language, source, by)


def _interpreted_by(line: str) -> str:
    """Returns the language of the interpreter in a shebang line."""
    for word in line.split():
        name = word.rpartition("/")[2]
        if name != "env" and not name.startswith("-") and "=" not in name:
            return language_named(name)
    return ""


def _chosen(fences: list[_Fenced], outside: str, language: str) -> _Fenced | None:
    """Returns the fence that holds the program; `None` if all of the text is the program.

    The longest of those that fit best: in the language, in a kindred one, without a
    language, in another one, and last what is no program by its own word.
    """
    fences = [fence for fence in fences if fence.source.strip()]
    if not fences:
        return None
    best = max(_fit(fence, language) for fence in fences)
    fitting = sorted(
        (fence for fence in fences if _fit(fence, language) == best),
        key=lambda fence: -len(fence.source),
    )
    sampled = fitting[:_SAMPLED_FENCES]
    # Together as much as of a text without fences.
    most = SAMPLE // (len(sampled) + 1)
    scores = [guess(fence.source[:most])[1] for fence in sampled]
    # A program may have fences in a comment or a string; a reply around one is prose.
    if guess(outside[:most])[1] > max(scores):
        return None
    if any(fence.language for fence in fitting):
        return fitting[0]
    # Without a word to go by: the longest that looks like a program, if any does.
    return next((f for f, s in zip(fitting, scores, strict=False) if s), fitting[0])


def _fit(fence: _Fenced, language: str) -> int:
    if fence.info in _NO_PROGRAM:
        return 0
    if not fence.language:
        return 2
    if not language:
        return 1 if fence.language == OTHER else 4
    if fence.language == language:
        return 4
    kindred = {"c", "cpp", "cpp17"}
    return 3 if {fence.language, language} <= kindred else 1


def _fences(text: str) -> tuple[list[_Fenced], str]:
    """Returns what stands in fences, in order, and the text without it.

    A fence is closed by a line of its own with as many of its marks or more and with no
    deeper indentation; one that is not closed goes to the end, as in a reply that was cut.
    What comes after very many of them is not looked into.
    """
    fences: list[_Fenced] = []
    outside: list[str] = []
    opening: re.Match[str] | None = None
    after = 0
    for fence in islice(_FENCE.finditer(text), _MOST_FENCES):
        start, end = fence.start(), fence.end() + 1
        if opening is None:
            if not (fence[2][0] == "`" and "`" in fence[3]):
                outside.append(text[after:start])
                opening, after = fence, end
        elif _closes(fence, opening):
            fences.append(_fenced(opening, text[after:start]))
            opening, after = None, end
    if opening is None:
        outside.append(text[after:])
    else:
        fences.append(_fenced(opening, text[after:]))
    return fences, "\n".join(outside)


def _closes(fence: re.Match[str], opening: re.Match[str]) -> bool:
    return (
        fence[2].startswith(opening[2])
        and not fence[3].strip()
        and len(fence[1].expandtabs(4)) <= len(opening[1].expandtabs(4)) + _DEEPER
    )


def _fenced(opening: re.Match[str], source: str) -> _Fenced:
    words = opening[3].strip(" \t\r{}").split(maxsplit=1)
    info = words[0].lstrip(".").rstrip(",;:}").lower()[:100] if words else ""
    if indentation := opening[1]:
        # In a list: what indents the fence is not the program's.
        source = f"\n{source}".replace(f"\n{indentation}", "\n")[1:]
    return _Fenced(info, language_named(info), source)
