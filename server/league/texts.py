"""Texts for people out of JSON values."""

import json
import re
from typing import Any

# JSON turns the start of a LaTeX command into a control character: \frac into
# a form feed and "rac". What can be told apart from real white space is put
# back; backspace, form feed and a lone carriage return never stand in a text on
# purpose.
_CONTROL = re.compile(r"[\x08-\x0d]")
_LOST_COMMANDS = (
    (re.compile(r"\x08(?=[a-zA-Z])"), r"\\b"),
    (re.compile(r"\x0c(?=[a-zA-Z])"), r"\\f"),
    (re.compile(r"\r(?=[a-zA-Z])"), r"\\r"),
    (
        re.compile(r"\t(?=(?:imes|heta|ext(?:bf|it|rm)?|frac|riangle|au|anh?|ilde|op?)(?![a-z]))"),
        r"\\t",
    ),
    (re.compile(r"\n(?=(?:eq|abla|otin|mid)(?![a-z]))"), r"\\n"),
)


def as_text(value: Any) -> str:
    """Returns a JSON value as a text for people.

    Strings stay as they are; lists and objects become JSON, so that nothing
    that was said is lost. Text that UTF-8 cannot hold is replaced.
    """
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.encode("utf-8", "replace").decode().strip()


def as_formulas(value: Any) -> str:
    """Returns a JSON value as a text of mathematics, its lost LaTeX commands put back.

    Nowhere else: a line of a programming problem may well begin with `eq` or `mid`.
    """
    text = value if isinstance(value, str) else as_text(value)
    if _CONTROL.search(text):
        for pattern, command in _LOST_COMMANDS:
            text = pattern.sub(command, text)
    return as_text(text)
