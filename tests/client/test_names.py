"""A script puts client/ first on the path: no module there may hide another package."""

import sys
from importlib.metadata import packages_distributions
from pathlib import Path

CLIENT = Path(__file__).resolve().parents[2] / "client"


def test_no_module_hides_a_package() -> None:
    own = {"analysis", "client", "server", "sandbox", "llm_crowdsourced"}
    taken = set(sys.stdlib_module_names) | set(packages_distributions()) | own
    names = {path.stem for path in CLIENT.glob("*.py")} - {"__init__"}

    assert names
    assert not names & taken
