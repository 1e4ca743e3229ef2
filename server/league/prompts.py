"""Prompts: Markdown files with `{{name}}` places, filled by a strict renderer."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from server.league.league import Subject
from server.league.schedule import Role

# Prompts of a subject beside those of the roles.
_FURTHER = {
    Subject.MATH: (),
    Subject.PROGRAMMING: ("evidence_hidden", "evidence_shown", "repair"),
}
_PLACE = re.compile(r"\{\{([a-z_]+)\}\}")


class PromptError(Exception):
    """A prompt and the values for it do not fit: a fault of ours."""


def render(template: str, values: Mapping[str, str]) -> str:
    """Fills the places of a template.

    Values are put in as they are and not looked at again, so a model's text
    that holds `{{name}}` changes nothing.

    Raises:
        PromptError: A place has no value, or a value no place.
    """
    places = set(_PLACE.findall(template))
    if places != set(values):
        lacking = ", ".join(sorted(places - set(values))) or "none"
        unused = ", ".join(sorted(set(values) - places)) or "none"
        raise PromptError(f"places without a value: {lacking}; values without a place: {unused}")
    return _PLACE.sub(lambda match: values[match[1]], template)


@dataclass(frozen=True)
class PromptSet:
    """The prompts of one subject: one a role, the one that asks again, and its further ones.

    Attributes:
        subject: What the questions are about.
        texts: Template by name: a role, `reask`, or what else the subject has.
    """

    subject: Subject
    texts: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """Hash of the set, in hex; stored with every run that uses it."""
        canonical = json.dumps(
            {"subject": self.subject, "texts": dict(sorted(self.texts.items()))},
            sort_keys=True,
            ensure_ascii=False,
        )
        return hashlib.sha256(canonical.encode()).hexdigest()


def load_prompts(subject: Subject) -> PromptSet:
    """Reads the prompts of a subject from the files that come with the server."""
    folder = resources.files("server").joinpath("prompts")
    names = (*map(str, Role), *_FURTHER[subject])
    texts = {name: folder.joinpath(subject, f"{name}.md").read_text("utf-8") for name in names}
    return PromptSet(subject, {**texts, "reask": folder.joinpath("reask.md").read_text("utf-8")})
