"""The page in a real browser, offline: what its readers see, and what hostile text does."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from analysis.report import build_report
from tests.support.datasets import Recipe, league

pytestmark = pytest.mark.browser

_HOSTILE = (
    "</details></main><script>document.title='taken over'</script>"
    "<img src='x' onerror=\"document.title='taken over'\"> the end"
)
_PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        reason = "no Chromium on this machine: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module", params=["math", "programming"])
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    subject = request.param
    recipe = Recipe(n=4, subject=subject, texts=_HOSTILE, programs=subject == "programming")
    report = build_report(league(recipe))
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_bytes(report["report.html"])
    return path


def browse(chromium: str, profile: Path, *options: str) -> str:
    """Runs the browser on a page and returns what it prints; no network is needed."""
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-sync",
        "--disable-background-networking", "--disable-component-update", "--no-first-run",
        f"--user-data-dir={profile}", *options,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def test_hostile_text_is_shown_and_does_nothing(chromium: str, page: Path, tmp_path: Path) -> None:
    dom = browse(chromium, tmp_path, "--dump-dom", page.as_uri())
    assert "taken over</title>" not in dom
    assert "&lt;script&gt;" in dom
    assert "<script" not in dom
    # The page goes on after the hostile text: nothing was closed by it.
    assert dom.rstrip().endswith("</html>")
    assert dom.count("</main>") == 1


def test_the_page_is_drawn(chromium: str, page: Path, tmp_path: Path) -> None:
    shots = []
    for width in (400, 1280):
        shot = tmp_path / f"{width}.png"
        options = (f"--screenshot={shot}", f"--window-size={width},2400", page.as_uri())
        browse(chromium, tmp_path / "profile", *options)
        shots.append(shot.read_bytes())
    for shot_bytes in shots:
        assert shot_bytes.startswith(_PNG)
        # A blank page of that size takes a few kilobytes.
        assert len(shot_bytes) > 40_000
