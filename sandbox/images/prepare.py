"""Readies the image for quick starts; runs in it while it is built, on Python alone."""

import compileall
import json
import re
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path

_LANGUAGES = Path("/usr/local/lib/sandbox/languages.json")
_TOOLCHAINS = Path("/opt/sandbox/toolchains.json")
_ALL_OF_CPP = "bits/stdc++.h"
# What people call a tool, where that is not the name of its command.
_NAMES = {"go": "Go", "java": "OpenJDK", "node": "Node.js", "python3": "Python"}


def main() -> None:
    """Compiles ahead what can be, and writes down the versions of the tools."""
    languages = json.loads(_LANGUAGES.read_text())
    # Without them Python compiles what it imports at each start: nothing can be written.
    compileall.compile_dir(sysconfig.get_path("stdlib"), quiet=2)
    # Java maps its own classes from it, instead of loading each.
    _output("/usr/bin/java", "-Xshare:dump")
    for language in languages:
        if flags := header_flags(language["compile"]):
            _precompile(language["id"], language["compile"][0], flags)
    toolchains = {
        language["id"]: tidy(language["version"][0], _output(*language["version"]))
        for language in languages
    }
    _TOOLCHAINS.write_text(json.dumps(toolchains, indent=2) + "\n")


def tidy(command: str, output: str) -> str:
    """Returns name and version of a tool, from the first line that it prints of itself."""
    first = output.strip().split("\n", 1)[0]
    name = Path(command).name
    # Distributions put versions of their own in brackets.
    version = re.search(r"\d+(\.\d+)+", re.sub(r"\(.*?\)", "", first))
    return f"{_NAMES.get(name, name)} {version[0]}" if version else first


def header_flags(compile_command: Sequence[str]) -> tuple[str, ...]:
    """Returns the flags with which headers are to be compiled; none where it is not C++.

    The compiler takes a precompiled header only for the flags that made it.
    """
    command, *arguments = compile_command
    if Path(command).name != "g++":
        return ()
    return tuple(
        argument
        for argument in arguments
        if argument.startswith("-") and argument != "-o" and not argument.startswith("-l")
    )


def _precompile(name: str, compiler: str, flags: Sequence[str]) -> None:
    """Precompiles the header of all headers, which takes most of a second otherwise."""
    included = _output(compiler, "-x", "c++", "-M", "-", stdin=f"#include <{_ALL_OF_CPP}>\n")
    header = next(word for word in included.split() if word.endswith(_ALL_OF_CPP))
    # With several in a folder of that name, the compiler takes the one that fits.
    folder = Path(f"{header}.gch")
    folder.mkdir(exist_ok=True)
    _output(compiler, *flags, "-x", "c++-header", header, "-o", str(folder / name))


def _output(*command: str, stdin: str = "") -> str:
    return subprocess.run(  # noqa: S603 - the image's own tools
        command, input=stdin, stdout=subprocess.PIPE, check=True, text=True
    ).stdout


if __name__ == "__main__":
    main()
