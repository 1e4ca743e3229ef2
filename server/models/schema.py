"""Takes out of a JSON schema what many endpoints refuse."""

from typing import Any

_BOUNDS = frozenset(
    {
        "maxLength",
        "minLength",
        "pattern",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minItems",
        "maxItems",
    }
)
# What these hold is named by the author of the schema, not by JSON Schema: a
# property may well be called "pattern".
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions"})
_VALUES = frozenset({"enum", "const", "default", "examples", "required"})


def without_bounds(schema: Any) -> Any:
    """Returns the schema without bounds of strings, numbers and arrays."""
    if isinstance(schema, list):
        return [without_bounds(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _BOUNDS:
            continue
        if key in _VALUES:
            kept[key] = value
        elif key in _NAMED and isinstance(value, dict):
            kept[key] = {name: without_bounds(part) for name, part in value.items()}
        else:
            kept[key] = without_bounds(value)
    return kept
