"""What a case costs beyond its program: cases in a container against the same program bare."""

import asyncio
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from sandbox.docker_runner import DockerRunner
from sandbox.languages import LANGUAGES
from tests.bench.playing import heading, row
from tests.bench.sandbox_parts import (
    HELLO_C,
    HELLO_PYTHON,
    PYTHON,
    Load,
    bare,
    compiled,
    docker_runner,
    gaps,
    hello,
    milliseconds,
    of_blocks,
    ratios,
    settled,
)

BLOCKS = 8
CASES = 60


@dataclass
class _Blocks:
    """Medians of each block, in milliseconds."""

    bare: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)
    inside: list[float] = field(default_factory=list)


async def measure() -> None:
    """Prints the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with docker_runner() as runner:
            (folder / "main.py").write_text(HELLO_PYTHON)
            versions = await _versions(runner)
            load = Load()
            script = (PYTHON, str(folder / "main.py"))
            python = await _compare(runner, "python", HELLO_PYTHON, script)
            heading(
                f"A trivial case, {BLOCKS} blocks of {CASES} in turn with as many bare processes, {load}"
            )
            _print("Python", python, versions)
            times = ratios(python.seen, python.bare)
            row("Python, case to bare (at most 1.2)", median(times), "x", of_blocks(times))

            (folder / "main.c").write_text(HELLO_C)
            await asyncio.to_thread(subprocess.run, LANGUAGES["c"].compile, check=True, cwd=folder)
            load = Load()
            c = await _compare(runner, "c", HELLO_C, (str(folder / "main"),))
            _print("C", c, str(load))
            more = [ours - alone for ours, alone in zip(c.seen, c.bare, strict=True)]
            row("C, case beyond bare (at most 1)", median(more), "ms", of_blocks(more))


async def _compare(
    runner: DockerRunner, language: str, source: str, argv: tuple[str, ...]
) -> _Blocks:
    blocks = _Blocks()
    for number in range(BLOCKS):
        results = await compiled(runner, hello(language, source, CASES))
        await settled(1)
        # The one that is first takes turns, for a load that rises or falls.
        if number % 2 == 0:
            blocks.bare.append(milliseconds(bare(argv, CASES)))
        seen, inside = await gaps(results, CASES)
        if number % 2 == 1:
            blocks.bare.append(milliseconds(bare(argv, CASES)))
        blocks.seen.append(milliseconds(seen))
        blocks.inside.append(milliseconds(inside))
        await results.aclose()
    return blocks


def _print(name: str, blocks: _Blocks, note: str) -> None:
    row(f"{name}, bare process", median(blocks.bare), "ms", note)
    row(f"{name}, from one result to the next", median(blocks.seen), "ms", of_blocks(blocks.seen))
    row(f"{name}, of it by the runner in the container", median(blocks.inside), "ms")


async def _versions(runner: DockerRunner) -> str:
    """Names the two interpreters that are compared."""
    said = await asyncio.to_thread(subprocess.check_output, [PYTHON, "--version"], text=True)
    inside = next(each.toolchain for each in await runner.languages() if each.id == "python")
    return f"{said.strip()} on the host, {inside} in the container"
