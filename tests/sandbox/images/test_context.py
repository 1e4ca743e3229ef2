"""What the image is built from, and the label that tells one from another."""

import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.images.context import (
    context_archive,
    context_files,
    digest,
    expected_label,
    image_named,
    own_image,
    packages,
)
from sandbox.images.prepare import header_flags, tidy
from sandbox.languages import LANGUAGES

_FILES = st.dictionaries(st.text(max_size=5), st.binary(max_size=5), max_size=4)


@given(_FILES, _FILES)
def test_labels_are_equal_for_equal_files_alone(
    one: dict[str, bytes], other: dict[str, bytes]
) -> None:
    assert (digest(one) == digest(other)) == (one == other)


def test_the_order_of_files_does_not_matter() -> None:
    assert digest({"a": b"1", "b": b"2"}) == digest({"b": b"2", "a": b"1"})


@pytest.mark.parametrize(
    ("named", "is_meant"),
    [
        ("", own_image()),
        ("llm-crowdsourced-sandbox", own_image()),
        ("llm-crowdsourced-sandbox:latest", "llm-crowdsourced-sandbox:latest"),
        ("registry:5000/mine", "registry:5000/mine"),
    ],
)
def test_the_image_of_a_setting_is_this_version_s_unless_it_names_another(
    named: str, is_meant: str
) -> None:
    assert image_named(named) == is_meant
    assert own_image() == f"llm-crowdsourced-sandbox:{expected_label()[:12]}"


@pytest.mark.parametrize("name", ["Dockerfile", "inside/__init__.py", "languages.json"])
def test_any_change_of_what_goes_in_changes_the_label(name: str) -> None:
    files = context_files()

    changed = digest(files | {name: files[name] + b"\n"})

    assert digest(files) == expected_label() != changed


def test_the_archive_holds_the_files_and_no_others() -> None:
    with tarfile.open(fileobj=context_archive()) as archive:
        held = {
            entry.name: content.read()
            for entry in archive
            if (content := archive.extractfile(entry))
        }

    assert held == context_files()
    assert not [name for name in held if "__pycache__" in name]


def test_each_line_of_packages_names_a_package() -> None:
    assert {"gcc", "g++", "nodejs", "rustc"} <= set(packages())


@pytest.mark.parametrize(
    ("command", "output", "named"),
    [
        ("/usr/bin/gcc", "gcc (Debian 12.2.0-14+deb12u1) 12.2.0\nCopyright", "gcc 12.2.0"),
        ("/usr/bin/python3", "Python 3.11.2\n", "Python 3.11.2"),
        ("/usr/bin/java", "openjdk 17.0.19 2026-04-21\nOpenJDK Runtime", "OpenJDK 17.0.19"),
        ("/usr/bin/node", "v18.20.4\n", "Node.js 18.20.4"),
        ("/usr/bin/go", "go version go1.19.8 linux/amd64\n", "Go 1.19.8"),
        ("/usr/bin/rustc", "rustc 1.63.0 (4b91a6ea7 2022-08-08)\n", "rustc 1.63.0"),
        ("/usr/bin/odd", "odd, of this morning\nmore", "odd, of this morning"),
    ],
)
def test_versions_are_tidy(command: str, output: str, named: str) -> None:
    assert tidy(command, output) == named


def test_headers_are_compiled_with_the_flags_of_programs() -> None:
    flags = {language.id: header_flags(language.compile) for language in LANGUAGES.values()}

    assert {id_ for id_, given in flags.items() if given} == {"cpp", "cpp17"}
    assert flags["cpp"] == ("-std=gnu++20", "-O2", "-pipe")
