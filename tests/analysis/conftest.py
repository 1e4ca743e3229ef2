"""Leagues that reports must stand: attacked, empty, void and full of holes."""

import pytest

from analysis.dataset import Dataset
from tests.support.datasets import Holes, Recipe, league

ATTACK = (
    '=HYPERLINK("http://evil.example/x")</div></details><script>alert(1)</script>'
    "<img src=https://evil.example/x onerror=alert(1)>{{7*7}}\x00\x07\u202e\ud800 '\"&"
)
NAMES = (
    "=1+1",
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x onerror=1>',
    "@[]:*?/\\ {{7*7}}",
    "通义千问-max",
)


def _everyone(n: int) -> list[tuple[int, str]]:
    return [(r, f"model-{chr(97 + i)}") for r in range(1, n + 1) for i in range(n)]


SITUATIONS = {
    "complete": Recipe(n=5, noise=0.2, cycles=2),
    "programming": Recipe(n=4, noise=0.1, subject="programming"),
    "programs": Recipe(n=5, noise=0.2, subject="programming", programs=True),
    "programs, little there": Recipe(
        n=3,
        subject="programming",
        programs=True,
        holes=Holes(void=[1], judgments=[(2, "model-a")], answers=[(3, "model-b")]),
    ),
    "smallest": Recipe(n=3),
    "not begun": Recipe(n=3, holes=Holes(not_begun=[1, 2, 3])),
    "half way": Recipe(n=4, holes=Holes(not_begun=[3, 4], judgments=[(2, "model-a")])),
    "all void": Recipe(n=3, holes=Holes(void=[1, 2, 3])),
    "a judge missing": Recipe(n=4, holes=Holes(judgments=[(r, "model-d") for r in range(1, 5)])),
    "no judgment readable": Recipe(n=4, holes=Holes(judgments=_everyone(4))),
    "no answer": Recipe(n=3, holes=Holes(answers=_everyone(3))),
    "attacked": Recipe(names=NAMES, texts=ATTACK, noise=0.2),
    "attacked by programs": Recipe(
        names=NAMES, texts=ATTACK, noise=0.2, subject="programming", programs=True
    ),
}


@pytest.fixture(params=SITUATIONS)
def situation(request: pytest.FixtureRequest) -> Dataset:
    """One league after another."""
    return league(SITUATIONS[request.param])


@pytest.fixture(params=["attacked", "attacked by programs"])
def attacked(request: pytest.FixtureRequest) -> Dataset:
    """Leagues whose models attack the report."""
    return league(SITUATIONS[request.param])


@pytest.fixture
def attack() -> str:
    """What those models write."""
    return ATTACK
