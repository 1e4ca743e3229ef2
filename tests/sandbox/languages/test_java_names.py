"""The file and the class that a Java source is run by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.java_names import JavaNames, java_names
from sandbox.languages import LANGUAGES

MAIN = "public static void main(String[] args) {}"
SOURCES = {
    "class Main { %s }": ("Main.java", "Main"),
    "public class Main { %s }": ("Main.java", "Main"),
    "public class Solution { %s }": ("Solution.java", "Solution"),
    "public final strictfp class Größe$1 { %s }": ("Größe$1.java", "Größe$1"),
    "class Solution { %s }": ("Main.java", "Solution"),
    "class Helper {} class Program { %s }": ("Main.java", "Program"),
    "class Program { %s } public class Helper {}": ("Helper.java", "Program"),
    "class A { %s } public class B { %s }": ("B.java", "B"),
    "package org.example.one; public class Solution { %s }": (
        "Solution.java",
        "org.example.one.Solution",
    ),
    "package a;\nimport b.Main;\nimport static c.Main.*;\nclass Run { %s }": (
        "Main.java",
        "a.Run",
    ),
    "public enum Run { ONE; %s }": ("Run.java", "Run"),
    "public interface Run { static void main(String... a) {} }": ("Run.java", "Run"),
    "public record Run(int x) { %s }": ("Run.java", "Run"),
    "class Run<T extends Comparable<T>> { int x; %s }": ("Main.java", "Run"),
    "class One { final static synchronized public void main(String[] a) {} }": ("Main.java", "One"),
    # What looks like it, and is not it.
    "// public class Not {\n/* class Nor { %s } */ public class Run { %s }": ("Run.java", "Run"),
    "class A { String s = \"} public class Not {\"; char c = '{'; } public class Run { %s }": (
        "Run.java",
        "Run",
    ),
    'class A { String s = """\n } public class "Not" { \\""" """; } class Run { %s }': (
        "Main.java",
        "Run",
    ),
    "class A { public static class Not { %s } } class Run { %s }": ("Main.java", "Run"),
    "class A { void f() { main(null); } static int main() { return 1; } } class Run { %s }": (
        "Main.java",
        "Run",
    ),
    "class A { void main(String[] a) {} } class Run { %s }": ("Main.java", "Run"),
    '@SuppressWarnings({"a", "b"}) @Of(X.class) public class Run { %s }': ("Run.java", "Run"),
    "@Of(a = X.class, b = Y.class) class Run { %s }": ("Main.java", "Run"),
    # No Java, or none that can be started.
    "": ("Main.java", "Main"),
    "print(1)": ("Main.java", "Main"),
    "{ void main(": ("Main.java", "Main"),
    "public class Solution {": ("Solution.java", "Solution"),
    f"public class {'a' * 300} {{ %s }}": ("Main.java", "Main"),
}


@pytest.mark.parametrize("source", SOURCES)
def test_names_are_read_from_the_source(source: str) -> None:
    assert java_names(source.replace("%s", MAIN)) == JavaNames(*SOURCES[source])


@given(st.text(alphabet="{}();.@/*\"'\\\n ") | st.text())
def test_any_text_has_names_that_a_file_and_a_command_can_bear(source: str) -> None:
    names = java_names(f"{source} class ../../x -y public class -z")
    for name in (names.file, *names.main.split(".")):
        assert "/" not in name
        assert not name.startswith("-")
        assert 0 < len(name.encode()) < 255


@pytest.mark.parametrize("word", ["/*/", '"', '\\"', '"""', "'", "class A ", "package a.", "{"])
def test_a_hostile_source_is_read_once(word: str) -> None:
    """Read anew from each of its words, this would take hours."""
    assert java_names(word * 300_000).file


def test_a_language_without_names_is_the_same_for_all_sources() -> None:
    assert LANGUAGES["c"].of("int main() {}") is LANGUAGES["c"]


def test_java_is_compiled_and_run_by_its_names() -> None:
    java = LANGUAGES["java"].of("package p; public class Run { }")
    assert java.file == java.compile[-1] == "Run.java"
    assert java.run[-1] == "p.Run"
    assert java.version == LANGUAGES["java"].version
