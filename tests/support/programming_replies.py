"""Replies of models in a programming league, and the data that their judges are given."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llm_crowdsourced.v1 import league_pb2

from tests.support.league_server import math_league
from tests.support.scripted_endpoint import ScriptedReply, ScriptedRequest
from tests.support.scripted_league import Asked

# Tells the score of one program from what a judge sees of it.
Rule = Callable[[Mapping[str, Any]], float]

ECHO = "print(input())\n"
# No two of them are alike.
TEXTS = (
    "A parrot repeats the word that it hears. Print what it says.",
    "Mirrors show each visitor to himself; tell whom the visitor sees.",
    "Forward a sealed letter unopened, as any honest postman does.",
    "The valley answers whoever calls. Write down its echo.",
    "Monks copy one page of the old chronicle faithfully.",
    "Return the coin that you borrowed, neither more nor less.",
    "Whatever enters this black box leaves it unchanged.",
    "Photographs keep a moment as it was: develop this one.",
)


def programming_league(participants: int, **values: Any) -> league_pb2.League:
    """Returns a programming league of that many participants, `p1` and on."""
    return math_league(participants, subject=league_pb2.SUBJECT_PROGRAMMING, **values)


def question(
    problem: str,
    solution: str = ECHO,
    cases: Sequence[Sequence[str]] = (("1\n", "1"), ("2\n", "2"), ("3\n", "3")),
    **more: Any,
) -> ScriptedReply:
    """Returns a question.

    Args:
        problem: Its text.
        solution: Its reference, in Python unless `language` says another.
        cases: Inputs, each with the output that is expected where there is one.
        **more: Further keys of the reply, or other values for them.
    """
    value: dict[str, Any] = {
        "principle": "The idea of it.",
        "problem": problem,
        "language": "python",
        "solution": solution,
        "checker": {"kind": "tokens"},
        "cases": [dict(zip(("input", "output"), case, strict=False)) for case in cases],
        "generator": None,
        "marking_scheme": "100 points for right outputs.",
    }
    return reply(value | more)


def plain(asked: Asked) -> ScriptedReply:
    """Returns the reply of a step of a league in which every program echoes, and passes."""
    if asked.role == "question":
        return question(TEXTS[asked.round - 1])
    return program(ECHO) if asked.role == "answer" else judgment(asked.request, alike)


def program(code: str, language: str = "python", approach: str = "As it is said.") -> ScriptedReply:
    """Returns an answer."""
    return reply({"approach": approach, "language": language, "code": code})


def judgment(request: ScriptedRequest, rule: Rule) -> ScriptedReply:
    """Returns scores for the programs that a request shows, each by the rule."""
    programs = shown(request)["programs"]
    scores = {label: rule(entry) for label, entry in programs.items()}
    return reply({"reasons": dict.fromkeys(scores, "By my rule."), "scores": scores})


def by_evidence(entry: Mapping[str, Any]) -> float:
    """Scores a program by what it passed; by whether it compiles, where that is all there is."""
    found = entry["evidence"]
    if "total" not in found:
        return 60.0 if found["compile"]["verdict"] == "accepted" else 0.0
    return round(100 * found["passed"] / found["total"], 2) if found["total"] else 0.0


def by_length(entry: Mapping[str, Any]) -> float:
    """Scores a program by its length alone: the shorter, the better."""
    return float(max(0, 100 - len(entry["code"]) // 10))


def alike(entry: Mapping[str, Any]) -> float:
    """Scores all programs alike, whatever it sees."""
    del entry
    return 50.0


def shown(request: ScriptedRequest) -> dict[str, Any]:
    """Returns the data that a judge is given, which has to be one object of JSON on its own."""
    _, begun, rest = request.prompt.partition("\nDATA\n")
    data, ended, after = rest.partition("\nEND OF DATA\n")
    assert begun
    assert ended
    assert "\nDATA\n" not in after
    value: dict[str, Any] = json.loads(data)
    return value


def reply(value: Mapping[str, Any]) -> ScriptedReply:
    """Returns a reply of that object."""
    return ScriptedReply(text=json.dumps(value))
