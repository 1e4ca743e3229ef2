"""Which mirror of Debian a machine is configured with."""

from pathlib import Path

import pytest

from sandbox.images.apt import (
    Mirror,
    configured_sources,
    mirror_for,
    one_line_sources,
    stanza_sources,
)
from sandbox.images.errors import ImageError

_DEBIAN_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_STANZAS = """\
Types: deb
# a comment within
URIs: http://mirror.example/debian/
Suites: bookworm
  bookworm-updates
Components: main
Signed-By: /etc/apt/keyrings/own.gpg

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main

Types: deb-src
URIs: http://sources.example/debian
Suites: bookworm
Components: main

Enabled: no
Types: deb
URIs: http://disabled.example/debian
Suites: bookworm
Components: main
"""


def test_stanzas_give_the_mirror_of_the_release() -> None:
    mirror = mirror_for("bookworm", stanza_sources(_STANZAS))

    assert mirror == Mirror("http://mirror.example/debian", "/etc/apt/keyrings/own.gpg")


def test_entries_that_are_off_or_of_sources_do_not_count() -> None:
    uris = {uri for source in stanza_sources(_STANZAS) for uri in source.uris}

    assert uris == {"http://mirror.example/debian/", "http://mirror.example/debian-security"}


@pytest.mark.parametrize(
    ("line", "mirror"),
    [
        ("deb http://a.example/debian bookworm main", Mirror("http://a.example/debian", "")),
        (
            "deb [arch=amd64 signed-by=/k/own.gpg] https://a.example/d bookworm main contrib",
            Mirror("https://a.example/d", "/k/own.gpg"),
        ),
        ("  deb [ trusted=yes ] file:/srv/debian bookworm main", Mirror("file:/srv/debian", "")),
    ],
)
def test_one_line_entries(line: str, mirror: Mirror) -> None:
    found = mirror_for("bookworm", one_line_sources(line))

    assert found == Mirror(mirror.url, mirror.keyring or _DEBIAN_KEYS)


@pytest.mark.parametrize(
    "line",
    [
        "# deb http://off.example/debian bookworm main",
        "deb-src http://sources.example/debian bookworm main",
        "deb cdrom:[Debian]/ bookworm main",
        "deb mirror+file:/etc/mirrors bookworm main",
        "deb http://other.example/ubuntu noble main",
        "deb http://security.example/debian-security bookworm-security main",
        "",
    ],
)
def test_without_a_mirror_of_debian_it_is_told_how_to_have_one(line: str) -> None:
    with pytest.raises(ImageError, match=r"no mirror of Debian: name one .* or .* --base IMAGE"):
        mirror_for("bookworm", one_line_sources(line))


def test_a_mirror_of_the_release_goes_before_those_of_others() -> None:
    lines = "deb http://new.example/debian trixie main\ndeb http://old.example/debian bookworm main"

    assert mirror_for("bookworm", one_line_sources(lines)).url == "http://old.example/debian"
    assert mirror_for("bullseye", one_line_sources(lines)).url == "http://new.example/debian"


def test_keys_within_an_entry_are_no_file() -> None:
    stanza = (
        "Types: deb\nURIs: http://a.example/debian\nSuites: bookworm\nSigned-By:\n"
        " -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBA\n -----END PGP PUBLIC KEY BLOCK-----\n"
    )

    assert mirror_for("bookworm", stanza_sources(stanza)).keyring == _DEBIAN_KEYS


def test_all_files_of_the_configuration_are_read_in_order(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (tmp_path / "sources.list").write_text("deb http://first.example/debian bookworm main\n")
    (parts / "a.list").write_text("deb http://second.example/debian bookworm main\n")
    (parts / "b.sources").write_text(
        "Types: deb\nURIs: http://third.example/debian\nSuites: bookworm\n"
    )
    (parts / "c.list.save").write_text("deb http://saved.example/debian bookworm main\n")

    uris = [source.uris[0] for source in configured_sources(tmp_path)]

    assert uris == [f"http://{name}.example/debian" for name in ("first", "second", "third")]


def test_a_machine_without_apt_has_no_sources(tmp_path: Path) -> None:
    assert configured_sources(tmp_path) == ()
