"""What the image is built from, and the label that says so."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

from sandbox.languages import LANGUAGES

IMAGE = "llm-crowdsourced-sandbox"
LABEL = "llm-crowdsourced.inside"

_TAG_CHARACTERS = 12
_HERE = Path(__file__).parent
_INSIDE = _HERE.parent / "inside"
_OWN = ("Dockerfile", "packages.txt", "prepare.py", "unneeded.txt")


def context_files() -> dict[str, bytes]:
    """Returns the files of the build by name, sorted."""
    files = {name: (_HERE / name).read_bytes() for name in _OWN}
    for pattern in ("*.py", "*.c", "*.js"):
        files |= {f"inside/{path.name}": path.read_bytes() for path in _INSIDE.glob(pattern)}
    languages = [
        {"id": language.id, "compile": language.compile, "version": language.version}
        for language in LANGUAGES.values()
    ]
    files["languages.json"] = json.dumps(languages, indent=2).encode()
    return dict(sorted(files.items()))


def context_archive() -> io.BytesIO:
    """Returns the files of the build as the archive that Docker takes."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in context_files().items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    archive.seek(0)
    return archive


def expected_label() -> str:
    """Returns the value of `LABEL` on an image of exactly this program."""
    return digest(context_files())


def own_image() -> str:
    """Returns the name of the image of exactly this program.

    Its tag is of what it holds, so that programs of several versions on one machine do not
    take the name from each other.
    """
    return f"{IMAGE}:{expected_label()[:_TAG_CHARACTERS]}"


def own_base() -> str:
    """Returns the name of a base image that has all packages, made where no registry answers."""
    return f"{IMAGE}-base:{base_label()[:_TAG_CHARACTERS]}"


def image_named(name: str) -> str:
    """Returns the image that a setting means: this program's own one if it names none, or no tag of it."""
    return own_image() if name in ("", IMAGE) else name


def digest(files: dict[str, bytes]) -> str:
    """Returns one SHA-256 over the names and the bytes of files."""
    total = hashlib.sha256()
    for name, content in sorted(files.items()):
        total.update(f"{name}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()


def base_label() -> str:
    """Returns the value of `LABEL` on a base image that has all packages."""
    return digest({name: (_HERE / name).read_bytes() for name in ("packages.txt", "unneeded.txt")})


def packages() -> tuple[str, ...]:
    """Returns the packages that the image holds besides a base system."""
    lines = (_HERE / "packages.txt").read_text().splitlines()
    return tuple(line.split()[1] for line in lines)


def unneeded() -> tuple[str, ...]:
    """Returns patterns of what is left out, relative to the root."""
    return tuple((_HERE / "unneeded.txt").read_text().split())
