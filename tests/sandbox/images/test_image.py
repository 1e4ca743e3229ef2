"""The image itself: what programs find in it, and what makes their start quick."""

import json
import re
from collections.abc import Callable, Iterator

import pytest

from sandbox.images.daemon import connect
from sandbox.images.prepare import header_flags
from sandbox.languages import BUILD, LANGUAGES, WORK

pytestmark = pytest.mark.docker

Run = Callable[..., str]


@pytest.fixture(scope="module")
def run(sandbox_image: str) -> Iterator[Run]:
    """Runs a command in a container as programs have it, and returns what it prints."""
    client = connect()

    def _run(*command: str) -> str:
        output: bytes = client.containers.run(
            sandbox_image,
            list(command),
            network_mode="none",
            read_only=True,
            tmpfs={BUILD: "exec", WORK: "exec"},
            user="65534:65534",
            working_dir=WORK,
            stderr=True,
            remove=True,
        )
        return output.decode()

    yield _run
    client.close()


def test_each_language_has_the_version_of_its_tools(run: Run) -> None:
    toolchains = json.loads(run("cat", "/opt/sandbox/toolchains.json"))

    assert toolchains.keys() == LANGUAGES.keys()
    for language in LANGUAGES.values():
        number = toolchains[language.id].split()[-1]
        assert number in run(*language.version)


def test_each_title_names_the_version_that_the_image_has(run: Run) -> None:
    """From the title alone people and models know what to write for."""
    toolchains = json.loads(run("cat", "/opt/sandbox/toolchains.json"))

    for language in LANGUAGES.values():
        named = re.search(r"(?:Python|GCC|Java|Node\.js|Go|Rust) ([\d.]+)", language.title)
        assert named, language.title
        version = toolchains[language.id].split()[-1]
        assert f"{version}.".startswith(f"{named[1]}."), (language.title, version)


def test_each_title_names_the_standard_that_is_asked_for() -> None:
    standards = {"c": "gnu17", "cpp": "gnu++20", "cpp17": "gnu++17", "rust": "2021"}

    for id_, standard in standards.items():
        assert standard in " ".join(LANGUAGES[id_].compile)
        assert standard.removeprefix("gnu") in LANGUAGES[id_].title


@pytest.mark.parametrize("id_", ["cpp", "cpp17"])
def test_the_header_of_all_headers_is_precompiled(run: Run, id_: str) -> None:
    compiler = LANGUAGES[id_].compile[0]
    flags = " ".join(header_flags(LANGUAGES[id_].compile))

    included = run(
        "sh", "-c", f"echo '#include <bits/stdc++.h>' | {compiler} {flags} -H -S -x c++ -o x -"
    )

    # The compiler marks so what it has taken precompiled, and with x what does not fit.
    taken = [line for line in included.splitlines() if line.startswith("! ")]
    assert [line.rpartition("/")[2] for line in taken] == [id_]


def test_the_library_of_python_is_compiled(run: Run) -> None:
    script = "import decimal, heapq, json, os, unittest as u; print(all(map(os.path.exists, "
    script += "(m.__cached__ for m in (decimal, heapq, json, u)))))"

    assert run("python3", "-c", script) == "True\n"


def test_java_has_its_classes_in_an_archive(run: Run) -> None:
    # With "on" it fails where there is none that fits.
    assert "sharing" in run(LANGUAGES["java"].run[0], "-XX:+UseSerialGC", "-Xshare:on", "-version")


def test_nothing_lends_another_users_rights(run: Run) -> None:
    assert run("sh", "-c", "find / -xdev -perm /6000 2>/dev/null || true") == ""


def test_temporary_files_go_where_they_are_cleaned_up(run: Run) -> None:
    script = "for d in /tmp /var/tmp; do touch $d/$$ && readlink -f $d/$$ && rm $d/$$; done"

    folders = {path.rpartition("/")[0] for path in run("sh", "-c", script).split()}

    assert folders == {WORK}


def test_it_knows_nothing_of_the_machine_that_built_it(run: Run) -> None:
    assert run("sh", "-c", "cat /etc/apt/sources.list 2>/dev/null || true") == ""
