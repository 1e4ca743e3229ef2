"""Where a Java source belongs: the file that it must lie in, and the class that starts it.

The compiler wants a public class in a file of its name, and the virtual machine wants the
name of the class that has `main`, with its package. Both are read from the words of the
source, without comments and literals; what is no Java gets names all the same, so that the
compiler is the one to say what is wrong.
"""

import re
from dataclasses import dataclass, field

_DEFAULT = "Main"
# A file name has 255 bytes at most, of which compiled inner classes need some.
_MOST_BYTES = 200
# Each part matches without its end too: a hostile source must not take a search from each
# of its characters.
_UNREAD = r"""
    //[^\n]* | /\*.*?(?:\*/|\Z)
    | \"{3}(?:\\.|(?!\"{3}).)*(?:\"{3})?
    | "(?:\\.|[^"\\\n])*"? | '(?:\\.|[^'\\\n])*'?
"""
_FLAGS = re.VERBOSE | re.DOTALL
_TOKEN = re.compile(_UNREAD + r"| (?P<read>[^\W\d][\w$]*|\$[\w$]*|\{+|\}+|;+|[().@])", _FLAGS)
# In the body of a method only its end counts.
_BODY_DEPTH = 2
_TOKEN_OF_BODY = re.compile(_UNREAD + r"| (?P<read>\{+|\}+)", _FLAGS)
# More than a source has that was not made to take time.
_MOST_TOKENS = 100_000
_KINDS = frozenset({"class", "interface", "enum", "record"})


@dataclass(frozen=True)
class JavaNames:
    """Names of one source.

    Attributes:
        file: Name of its file.
        main: Full name of the class to run.
    """

    file: str
    main: str


def java_names(source: str) -> JavaNames:
    """Returns the names that a source needs: those of its public class, wherever it is."""
    reading = _Reading()
    position = 0
    for _ in range(_MOST_TOKENS):
        token = _TOKEN if reading.depth < _BODY_DEPTH else _TOKEN_OF_BODY
        if (match := token.search(source, position)) is None:
            break
        position = match.end()
        if match["read"]:
            reading.read(match["read"])
    types = [each for each in reading.types if len(each.name.encode()) <= _MOST_BYTES]
    public = next((each.name for each in types if each.public), _DEFAULT)
    # The public class, unless only another one can be started.
    startable = [each.name for each in types if each.has_main]
    main = public if public in startable or not startable else startable[0]
    return JavaNames(file=f"{public}.java", main=".".join((*reading.package, main)))


@dataclass
class _Type:
    """A class, or what is declared like one, outside of all others."""

    name: str
    public: bool
    has_main: bool = False


@dataclass
class _Reading:
    """What the words of a source have said so far."""

    package: list[str] = field(default_factory=list)
    types: list[_Type] = field(default_factory=list)
    depth: int = 0
    # What has been said since the last statement or block ended.
    _modifiers: set[str] = field(default_factory=set)
    _last: tuple[str, str] = ("", "")
    _names_package: bool = False

    def read(self, word: str) -> None:
        """Takes the next word, mark, or run of one mark."""
        if self.depth == 0:
            self._read_outside(word)
        elif self.depth == 1 and word == "(" and self._last == ("void", "main") and self.types:
            self.types[-1].has_main |= "static" in self._modifiers
        if word[0] in "{};":
            self.depth += {"{": 1, "}": -1, ";": 0}[word[0]] * len(word)
            self._modifiers.clear()
            self._last = ("", "")
            self._names_package = False
        else:
            if word in ("public", "static"):
                self._modifiers.add(word)
            self._last = (self._last[1], word)

    def _read_outside(self, word: str) -> None:
        """Takes a word or mark outside of all classes."""
        before, last = self._last
        if word == "package" and not self.package:
            self._names_package = True
        elif word[0] in "{}();.@":
            return
        elif self._names_package:
            self.package.append(word)
        elif last in _KINDS and before != ".":
            self.types.append(_Type(word, public="public" in self._modifiers))
