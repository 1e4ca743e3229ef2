"""The names that people and models give to languages, in the forms that they use."""

import re

from sandbox.languages import LANGUAGES

# A language that was named and that there is not.
OTHER = "other"

_LONGEST = 100
_ALIASES = {
    alias: language
    for language, aliases in {
        "python": (
            "python python3 py py3 python3 cpython cpython3 pypy pypy3 ipython ipython3 pyw "
            "micropython"
        ),
        "c": "c c89 c90 c99 c11 c17 c18 c23 c2x gnu99 gnu11 gnu17 ansic clang gcc cc h",
        "cpp": (
            "c++ cpp cxx cc++ cplusplus g++ clang++ hpp c++20 c++2a c++23 c++2b c++26 gnu++20 "
            "gnu++23 cpp20 cpp23 g++20 g++23 msvc++"
        ),
        "cpp17": (
            "c++17 cpp17 gnu++17 g++17 c++1z c++14 cpp14 gnu++14 g++14 c++1y c++11 cpp11 gnu++11 "
            "g++11 c++0x c++03 c++98"
        ),
        "java": "java openjdk jdk javac javase",
        "javascript": "javascript js node nodejs node.js mjs cjs ecmascript es6 jsx v8",
        "go": "go golang gc",
        "rust": "rust rs rustc rustlang",
    }.items()
    for alias in aliases.split()
} | {id_: id_ for id_ in LANGUAGES}
# Where words name several, C++ counts before the C of its compiler's name.
_ORDER = ("cpp17", "cpp", "python", "java", "javascript", "go", "rust", "c")
_OTHER_NAMES = """
    ada asm assembly awk bash brainfuck c# clojure cobol cs csharp css cuda d dart delphi
    elixir elm erlang f# fortran fsharp groovy haskell hs html jl julia kotlin kt lisp lua
    matlab mono nim objc objective objectivec ocaml octave pascal perl php pl powershell
    prolog py2 pypy2 python2 r racket rb ruby scala scss sh shell smalltalk solidity sql
    svelte swift tcl ts tsx typescript vb vba verilog vhdl vue wasm zig zsh
"""
_OTHERS = frozenset(_OTHER_NAMES.split())
_VERSION_APART = re.compile(r"(?<=[a-z+])[ \t_-]{1,4}(?=v?\d)")
_WORD = re.compile(r"[a-z0-9+#.]+")
_VERSION = re.compile(r"(?<=[a-z+])[ .]?v?\d[\d.]*$")
_PYTHON_2 = re.compile(r"(?:python|py|pypy)[ .]?2(?:\.\d+)*")


def language_named(name: str) -> str:
    """Returns the id of the language that a name of any form means.

    Returns:
        An id of `sandbox.languages`; `OTHER` for a known language that is not of them;
        empty if the name says nothing.
    """
    folded = name[:_LONGEST].strip().lower()
    # All of it as one word: "Java Script", "C plus plus", "Node JS".
    whole = re.sub(r"[\s_-]+", "", folded)
    if whole in _ALIASES:
        return _ALIASES[whole]
    words = _WORD.findall(_VERSION_APART.sub("", folded))
    meant = {_meant(word.strip(".")) for word in words}
    if OTHER in meant:
        return OTHER
    return next((language for language in _ORDER if language in meant), "")


def _meant(word: str) -> str:
    if word in _OTHERS or _PYTHON_2.fullmatch(word):
        return OTHER
    if word in _ALIASES:
        return _ALIASES[word]
    # A version, or the name of a file: "python3.11", "node18", "main.cpp".
    for shorter in (_VERSION.sub("", word), word.rpartition(".")[2]):
        if shorter in _OTHERS:
            return OTHER
        if shorter in _ALIASES:
            return _ALIASES[shorter]
    return ""
