"""The mirror of Debian that this machine is configured with."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox.images.errors import ImageError

_CONFIGURATION = Path("/etc/apt")
_DEFAULT_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SCHEMES = ("http://", "https://", "file:")
# A mirror that has one of these has the others.
_SUITES = frozenset(
    {"bullseye", "bookworm", "trixie", "forky", "sid", "stable", "oldstable", "testing", "unstable"}
)
_ONE_LINE = re.compile(r"deb\s+(?:\[(?P<options>[^]]*)\]\s*)?(?P<uri>\S+)\s+(?P<suite>\S+)")


@dataclass(frozen=True)
class Source:
    """One entry of apt's configuration.

    Attributes:
        uris: Where its packages are.
        suites: Releases that it has.
        keyring: File of the keys that sign it; empty for apt's default.
    """

    uris: tuple[str, ...]
    suites: tuple[str, ...]
    keyring: str = ""


@dataclass(frozen=True)
class Mirror:
    """A mirror of Debian.

    Attributes:
        url: Its address.
        keyring: File of the keys that sign its packages.
    """

    url: str
    keyring: str


def configured_sources(folder: Path) -> tuple[Source, ...]:
    """Returns the entries of apt's configuration, in apt's order."""
    single = folder / "sources.list"
    parts = sorted((folder / "sources.list.d").glob("*"))
    sources: list[Source] = []
    for path in (single, *parts):
        if path.suffix == ".list" and path.is_file():
            sources += one_line_sources(path.read_text(errors="replace"))
        elif path.suffix == ".sources" and path.is_file():
            sources += stanza_sources(path.read_text(errors="replace"))
    return tuple(sources)


def one_line_sources(text: str) -> Iterator[Source]:
    """Gives the entries of a file of one-line entries, `sources.list(5)`."""
    for line in text.splitlines():
        if entry := _ONE_LINE.match(line.strip()):
            options = dict(
                option.split("=", 1) for option in (entry["options"] or "").split() if "=" in option
            )
            yield Source((entry["uri"],), (entry["suite"],), _keyring(options.get("signed-by", "")))


def stanza_sources(text: str) -> Iterator[Source]:
    """Gives the entries of a file of stanzas, `sources.list(5)`."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n\s*\n", lines):
        # A line that begins with a space goes on with the one before.
        fields = {
            name.strip().lower(): value.split()
            for name, colon, value in (
                line.partition(":") for line in re.sub(r"\n[ \t]+", " ", stanza).splitlines()
            )
            if colon
        }
        if "deb" in fields.get("types", ()) and fields.get("enabled") != ["no"]:
            yield Source(
                tuple(fields.get("uris", ())),
                tuple(fields.get("suites", ())),
                _keyring(" ".join(fields.get("signed-by", ()))),
            )


def _keyring(signed_by: str) -> str:
    """Returns the first file among what signs an entry; keys may also stand there themselves."""
    files = re.split(r"[\s,]+", signed_by)
    return next((file for file in files if file.startswith("/") and file.endswith(".gpg")), "")


def mirror_for(suite: str, sources: Iterable[Source]) -> Mirror:
    """Returns the mirror that a machine of these sources uses for a release of Debian.

    Raises:
        ImageError: It uses none: a machine of another distribution.
    """
    known = [
        (suites, uri, source.keyring)
        for source in sources
        for suites in (frozenset(source.suites) & _SUITES,)
        for uri in source.uris
        if suites and uri.startswith(_SCHEMES)
    ]
    # The release itself first: other entries may be of mirrors with one release alone.
    known.sort(key=lambda entry: suite not in entry[0])
    for _, uri, keyring in known:
        return Mirror(uri.rstrip("/"), keyring or _DEFAULT_KEYRING)
    raise ImageError(
        f"apt is configured with no mirror of Debian: name one that has {suite} in a file of "
        f"{_CONFIGURATION / 'sources.list.d'}, or a base image that is here with --base IMAGE"
    )


def configured_mirror(suite: str) -> Mirror:
    """Returns this machine's mirror for a release of Debian.

    Raises:
        ImageError: There is none, or the keys that sign it are not here.
    """
    mirror = mirror_for(suite, configured_sources(_CONFIGURATION))
    if not Path(mirror.keyring).is_file():
        raise ImageError(
            f"the keys of Debian's packages are missing ({mirror.keyring}): "
            "sudo apt-get install debian-archive-keyring"
        )
    return mirror


def configured_proxy() -> str:
    """Returns the proxy that apt is told to use; empty for none."""
    if not (tool := shutil.which("apt-config")):
        return ""
    command = [tool, "shell", "PROXY", "Acquire::http::Proxy"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    answer = "".join(shlex.split(asked.stdout)).removeprefix("PROXY=")
    return "" if answer == "DIRECT" else answer
