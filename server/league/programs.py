"""What a programming league adds to a question and an answer: code, cases and checks."""

from dataclasses import dataclass, field
from typing import Literal

from sandbox.model import Checker, Exact, Floats, Program, ProgramChecker, Tokens

CheckerKind = Literal["exact", "tokens", "floats", "program"]


@dataclass(frozen=True, kw_only=True)
class Code:
    """A program as a model gave it.

    Attributes:
        language: Id of a language of the sandbox; empty if none could be told, or one
            that is not offered.
        source: Its text, unchanged.
        basis: How the language was told: `named`, or a guess by `fence`, `shebang` or
            `content`.
        named: The language as the model named it.
    """

    language: str
    source: str
    basis: str = "named"
    named: str = ""

    @property
    def program(self) -> Program:
        """The program to run."""
        return Program(self.language, self.source)


@dataclass(frozen=True, kw_only=True)
class GivenCase:
    """A case as the setter gave it.

    Attributes:
        input: What programs read; for a generated case, what its generator reads.
        expected: What the setter says that comes out; `None` if it does not say.
        generated: The input is to be printed by the question's generator.
    """

    input: str
    expected: str | None = None
    generated: bool = False


@dataclass(frozen=True, kw_only=True)
class CheckerChoice:
    """How outputs are to be compared, as the setter chose."""

    kind: CheckerKind = "tokens"
    absolute: float = 0.0
    relative: float = 0.0
    code: Code | None = None

    @property
    def checker(self) -> Checker:
        """The checker of the sandbox."""
        match self.kind:
            case "exact":
                return Exact()
            case "floats":
                return Floats(self.absolute, self.relative)
            case "program" if self.code is not None:
                return ProgramChecker(self.code.program)
            case _:
                return Tokens()


@dataclass(frozen=True, kw_only=True)
class ProgrammingQuestion:
    """A programming question as its setter gave it.

    Attributes:
        text: The task, with the formats of input and output and its constraints.
        reference: The setter's own solution; never shown to answerers.
        cases: Its cases; never shown to answerers but for those in the text.
        generator: Prints inputs that are too large to be written down.
        checker: How outputs are compared.
        marking_scheme: What a score of 0 to 100 is made of.
        principle: The idea that the question turns on.
        repaired: The reply was broken JSON and was mended.
    """

    text: str
    reference: Code
    cases: tuple[GivenCase, ...]
    generator: Code | None = None
    checker: CheckerChoice = field(default_factory=CheckerChoice)
    marking_scheme: str = ""
    principle: str = ""
    repaired: bool = False


@dataclass(frozen=True, kw_only=True)
class CodeAnswer:
    """An answer: a program, and what its author says of it."""

    code: Code
    text: str = ""
    repaired: bool = False


@dataclass(frozen=True, kw_only=True)
class CheckedCase:
    """A case of a question after its reference was run on it.

    Attributes:
        number: Its place among the cases that the setter gave, from 1.
        name: For people.
        input: What programs read.
        expected: What the reference printed; empty of a dropped case.
        dropped: Why it is not used; empty if it is kept.
        generated: Its input came from the generator.
    """

    number: int
    name: str
    input: bytes
    expected: bytes = b""
    dropped: str = ""
    generated: bool = False


@dataclass(frozen=True, kw_only=True)
class QuestionCheck:
    """What came of checking a question before anyone answers it.

    Attributes:
        verified: The reference ran twice alike on at least one case, and agreed
            there with what its setter expected.
        cases: All cases, kept and dropped.
        repairs: Times the setter was asked to mend it.
        detail: Why it is not verified, or what was mended; empty if nothing was.
    """

    verified: bool
    cases: tuple[CheckedCase, ...] = ()
    repairs: int = 0
    detail: str = ""

    @property
    def kept(self) -> tuple[CheckedCase, ...]:
        """The cases that answers are run on."""
        return tuple(case for case in self.cases if not case.dropped)
