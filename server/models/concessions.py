"""What an endpoint refuses for a model, learnt from its refusals and kept for the process.

The OpenAI chat API is spoken in dialects: one endpoint has no JSON schemas,
another wants the limit on tokens under its newer name, a third takes no
temperature. None can be asked beforehand, so the fullest request is sent first
and what a refusal names is left out from then on.
"""

import re
from collections.abc import Container
from typing import Any

import httpx2

from server.models.endings import names_missing_model
from server.models.schema import without_bounds

_FORMATS = ("json_schema", "json_object", "text")

# 404: gateways say so when no backend has all the parameters. 500 and 501:
# engines that fail to turn a schema into a grammar.
_STATUSES = frozenset({400, 404, 415, 422, 500, 501})

_UNSUPPORTED = re.compile(
    r"unsupported|not (?:be )?supported|n[o']t (?:currently )?support|not (?:be )?(?:allowed|permitted)"
    r"|unrecogni[sz]ed|unknown|unexpected|extra (?:inputs?|fields?)|instead|cannot|can't"
    r"|not (?:available|implemented)|must be verified|no endpoints? found|invalid[ _](?:param|arg)",
)
# Such a refusal is about the value that was asked for and not about the
# parameter: to leave that out would play another league than the user's.
_VALUE = re.compile(
    r"(?:greater|less|larger|smaller|higher|lower|more|fewer|longer) than|exceed|at (?:most|least)\b"
    r"|\bbetween\b.{1,40}\band\b|\b(?:be|is) (?:above|below|over|under)\b|(?:max|min)imum|\brange\b"
    r"|too (?:large|small|high|low|big|long|many)|<=|>=|above_max|below_min|up to \d|must be positive"
)
_FORMAT_WORDS = re.compile(
    r"response_format|json_schema|json_object|json schema|json mode|structured output"
    r"|\bgrammar\b|text\.format"
)
_STREAM_OPTIONS_WORDS = re.compile(r"stream_options|stream options|include_usage")
_STREAM_WORDS = re.compile(r"\bstream(?:ed|ing)?\b")
_GATEWAY_WORDS = re.compile(r"no endpoints? found .*parameters")

_LIMIT = "max_tokens"
_NEWER_LIMIT = "max_completion_tokens"
_DROPPABLE = ("frequency_penalty", "seed", "reasoning_effort", "top_p", "temperature")


class Concessions:
    """What one endpoint refuses for one model; shared by all who ask it.

    Attributes:
        learnt: How many refusals were learnt from: another number, another body.
        served: It has served the model, and has not refused the key or the model
            for good since.
    """

    def __init__(self) -> None:
        self.learnt = 0
        self.served = False
        self._format = 0
        self._dropped: set[str] = set()
        self._newer_limit = False

    @property
    def response_format(self) -> str:
        """How replies are asked for: `json_schema`, `json_object` or `text`."""
        return _FORMATS[self._format]

    def apply(
        self, body: dict[str, Any], schema_name: str, schema: dict[str, Any], *, bounded: bool
    ) -> dict[str, Any]:
        """Returns the body as this endpoint takes it.

        Args:
            body: The fullest request, with the limit as `max_tokens`.
            schema_name: Name of the reply's schema.
            schema: Schema of the reply.
            bounded: The endpoint takes bounds in a schema.
        """
        kept = {key: value for key, value in body.items() if key not in self._dropped}
        if "stream" not in kept:
            kept.pop("stream_options", None)
        if self._newer_limit and _LIMIT in kept:
            kept[_NEWER_LIMIT] = kept.pop(_LIMIT)
        if self.response_format == "json_schema":
            kept["response_format"] = {
                "type": "json_schema",
                "json_schema": {
                    "name": schema_name,
                    "strict": True,
                    "schema": schema if bounded else without_bounds(schema),
                },
            }
        elif self.response_format == "json_object":
            kept["response_format"] = {"type": "json_object"}
        return kept

    def note(self, wanted: Container[str]) -> str:
        """Says which settings a request goes without that decide how a model replies.

        Args:
            wanted: The settings that the participant has.

        Returns:
            A sentence; empty if none is missing.
        """
        missing = [name for name in _DROPPABLE if name in self._dropped and name in wanted]
        if not missing:
            return ""
        return f"asked without {', '.join(missing)}, which the endpoint does not take"

    def learn(self, body: dict[str, Any], status: int, message: str, param: str = "") -> str:
        """Learns from a refusal, if it names something that can be left out.

        Args:
            body: The request that was refused. Another call may have taught the
                same in the meantime: what counts is what this one still held.
            status: Status of the refusal.
            message: Body of the refusal.
            param: Parameter that the refusal names in a field of its own.

        Returns:
            What will be different when asked again; empty if nothing will.
        """
        if status not in _STATUSES or names_missing_model(message):
            return ""
        text = message.lower()
        named = param.split(".", maxsplit=1)[0]
        if _UNSUPPORTED.search(text) and not _VALUE.search(text):
            # A failure's text speaks of the endpoint's own affairs, such as an
            # unexpected end of a stream behind it.
            failed = status >= httpx2.codes.INTERNAL_SERVER_ERROR
            found = self._refused_parameter(body, "" if failed else text, named)
            if found:
                return self._leave(found)
        if "response_format" in body and (
            named == "response_format" or _FORMAT_WORDS.search(text) or _GATEWAY_WORDS.search(text)
        ):
            return self._step_down(body)
        return ""

    def _refused_parameter(self, body: dict[str, Any], text: str, named: str) -> str:
        """Returns the parameter of the body that a refusal speaks of, empty if none."""
        candidates = (*_DROPPABLE, _LIMIT, "stream_options", "stream")
        if named in candidates:
            return named if named in body else ""
        for name in (*_DROPPABLE, _LIMIT):
            if name in body and re.search(rf"\b{name}\b", text):
                return name
        if _FORMAT_WORDS.search(text):
            return ""
        if "stream_options" in body and _STREAM_OPTIONS_WORDS.search(text):
            return "stream_options"
        return "stream" if "stream" in body and _STREAM_WORDS.search(text) else ""

    def _leave(self, name: str) -> str:
        self.learnt += 1
        if name == _LIMIT:
            # Only renamed, never dropped: without it nothing bounds the cost.
            self._newer_limit = True
            return f"{_NEWER_LIMIT} in place of {_LIMIT}"
        self._dropped.add(name)
        return f"without {name}"

    def _step_down(self, body: dict[str, Any]) -> str:
        self.learnt += 1
        sent = _FORMATS.index(body["response_format"]["type"])
        self._format = max(self._format, sent + 1)
        return f"with response_format {_FORMATS[self._format]}"
