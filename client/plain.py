"""Words, numbers and times as a terminal shows them.

Ids, causes and reasons come from models and from other people: what a terminal
would take as a command is taken out before it is shown.
"""

import math
import re
import unicodedata

# Line and paragraph separators and everything of category C (controls, format
# characters such as bidirectional overrides, surrogates, unassigned).
_KEPT_CONTROLS = {"\n"}
_SPACES = re.compile(r"[ \n]+")
_THOUSAND = 1000
_MINUTE = 60
_HOUR = 3600


def clean(text: str) -> str:
    """Returns the text without control characters; lines stay."""
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    return "".join(c for c in text if c in _KEPT_CONTROLS or not _is_control(c))


def escaped(text: str) -> str:
    r"""Returns the text with control characters as escapes, such as `\x1b`; lines and tabs stay.

    For text that is shown as it came: nothing is left out of it.
    """
    kept = _KEPT_CONTROLS | {"\t"}
    return "".join(
        c.encode("unicode_escape").decode() if _is_control(c) and c not in kept else c for c in text
    )


def decodable(typed: str) -> str:
    """Returns a word of the command line as UTF-8 can say it; bytes that are none become `?`."""
    return typed.encode("utf-8", "replace").decode()


def one_line(text: str, limit: int = 0) -> str:
    """Returns the text on one line, cut to `limit` characters if that is not 0."""
    line = _SPACES.sub(" ", clean(text)).strip()
    return line if not limit or len(line) <= limit else line[: limit - 1] + "…"


def _is_control(character: str) -> bool:
    category = unicodedata.category(character)
    return category in {"Zl", "Zp"} or (category.startswith("C") and category != "Co")


def count(number: int, noun: str, plural: str = "") -> str:
    """Returns such as `1 call` or `1,234 calls`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def short_number(number: float) -> str:
    """Returns a number in at most five characters, such as `950` or `12.3k`."""
    for unit in ("", "k", "M", "G"):
        if abs(number) < _THOUSAND:
            return f"{number:.0f}" if not unit else f"{number:.1f}{unit}"
        number /= _THOUSAND
    return f"{number:.0f}T"


def size(number: int) -> str:
    """Returns such as `478.1 MB`."""
    value = float(number)
    for unit in ("B", "kB", "MB"):
        if value < _THOUSAND:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= _THOUSAND
    return f"{value:.2f} GB"


def duration(seconds: float) -> str:
    """Returns such as `0:42`, `12:05` or `3:00:07`."""
    whole = max(0, math.floor(seconds))
    hours, rest = divmod(whole, _HOUR)
    minutes, left = divmod(rest, _MINUTE)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def rough_duration(seconds: float) -> str:
    """Returns an estimate no finer than it is known, such as `about 3 min`."""
    if seconds < _MINUTE - 2.5:
        return f"about {max(5, round(seconds / 5) * 5)} s"
    if seconds < 100 * _MINUTE:
        return f"about {round(seconds / _MINUTE)} min"
    return f"about {seconds / _HOUR:.1f} h"


def dollars(cost: float) -> str:
    """Returns such as `$1.25` or `$0.0042`, with two figures at least."""
    return f"${cost:,.2f}" if cost >= 1 or cost == 0 else f"${cost:.4f}"
