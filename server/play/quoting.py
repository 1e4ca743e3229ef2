"""Puts the texts of models into prompts as data."""

import json
import re

_encode = json.JSONEncoder(ensure_ascii=False).encode
_LINE_BREAKS = re.compile("[\x85\u2028\u2029]")


def as_data(value: object) -> str:
    """Returns a model's text as JSON, in which it can neither end the data nor pose as prose.

    A string of JSON has no line breaks, once those of Unicode are escaped too, so
    no line of it can equal the line that ends the data.
    """
    text = _encode(value)
    return _LINE_BREAKS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
