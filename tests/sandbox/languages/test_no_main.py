"""What compiles and is no program: its author's error, and never the sandbox's."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from sandbox import checking, docker_runner
from sandbox.docker_runner import DockerRunner
from sandbox.languages import LANGUAGES
from sandbox.model import Case, CheckerFailure, Program, ProgramChecker, Verdict
from tests.support.sandboxes import executed, job, running

pytestmark = pytest.mark.docker

C = "int main(void) { return 0; }"
LIBRARIES = [
    ("go", 'package solution\n\nimport "fmt"\n\nfunc main() { fmt.Println(1) }'),
    ("rust", '#![crate_type = "lib"]\npub fn main() { println!("1"); }'),
    ("rust", '#![crate_type = "cdylib"]\npub fn main() { println!("1"); }'),
    ("rust", '#![crate_type = "staticlib"]\npub fn main() { println!("1"); }'),
]


@pytest.fixture(scope="module")
async def runner(sandbox_image: str) -> AsyncGenerator[DockerRunner, None]:
    async with running(sandbox_image) as made:
        yield made


@pytest.mark.parametrize(("language", "source"), LIBRARIES)
async def test_a_library_is_an_error_of_its_author(
    runner: DockerRunner, language: str, source: str
) -> None:
    got = await executed(runner, job(language, source, Case(b"", b"1\n")))
    assert got.compiled.verdict is Verdict.COMPILE_ERROR
    assert got.compiled.message.startswith("it has no main program: ")
    assert got.cases == ()


async def test_a_checker_that_is_a_library_says_so(runner: DockerRunner) -> None:
    wanted = job("c", C, Case(b"", b""))
    got = await executed(runner, replace(wanted, checker=ProgramChecker(Program(*LIBRARIES[0]))))
    assert got.verdicts == [Verdict.SANDBOX_ERROR]
    assert got.cases[0].checker is CheckerFailure.COMPILE
    assert "it has no main program" in got.cases[0].detail


@pytest.mark.parametrize(
    ("changes", "verdict", "said"),
    [
        # What loads it is not there: the kernel refuses it, whatever it looks like.
        (
            {"compile": (*LANGUAGES["c"].compile, "-Wl,--dynamic-linker=/nowhere")},
            Verdict.RUNTIME_ERROR,
            b"the program cannot be executed: error 2\n",
        ),
        ({"run": ("/usr/bin/nowhere",)}, Verdict.SANDBOX_ERROR, b""),
    ],
    ids=["program", "interpreter"],
)
async def test_whose_file_cannot_be_executed_is_told(
    runner: DockerRunner,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, tuple[str, ...]],
    verdict: Verdict,
    said: bytes,
) -> None:
    languages = {**LANGUAGES, "c": replace(LANGUAGES["c"], **changes)}  # type: ignore[arg-type]
    for module in (docker_runner, checking):
        monkeypatch.setattr(module, "LANGUAGES", languages)
    got = await executed(runner, job("c", C, Case(b""), Case(b"")))
    assert got.compiled.verdict is Verdict.ACCEPTED
    assert got.verdicts == [verdict, verdict]
    assert got.cases[0].facts.stderr == said
