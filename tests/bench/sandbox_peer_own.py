"""This project's sandbox, asked as its peers are."""

import time
from dataclasses import dataclass, fields
from typing import Any

from sandbox.docker_runner import DockerRunner
from sandbox.model import MIB, Case, CaseResult, Exact, ExitFacts, Job, Limits, Program
from tests.bench.sandbox_parts import refilled

Answer = dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """What every sandbox is asked to run.

    Attributes:
        source: The Python program.
        inputs: Standard input of each case.
        session: Where a peer has sessions: the one that is "kept" for all programs, one that is
            "closed" after it in the peer's own way, or one whose container is "removed" at once.
        cpu_s: CPU seconds of a case.
        wall_s: Its seconds by the clock.
        memory_mib: Its memory.
        processes: Its processes.
    """

    source: str
    inputs: tuple[str, ...] = ("",)
    session: str = "kept"
    cpu_s: int = 1
    wall_s: int = 2
    memory_mib: int = 256
    processes: int = 64


class Own:
    """A runner that is asked one program at a time.

    Args:
        runner: It.
        pooled: The one runner of this process that has a pool, of `WORKERS`.
    """

    def __init__(self, runner: DockerRunner, pooled: DockerRunner) -> None:
        self._runner = runner
        self._pooled = pooled

    async def run(self, asked: Asked) -> Answer:
        """Runs a program. On return the pool is full again, outside the time that is told."""
        job = Job(
            program=Program("python", asked.source),
            cases=tuple(Case(stdin.encode()) for stdin in asked.inputs),
            checker=Exact(),
            limits=Limits(
                cpu_s=asked.cpu_s,
                wall_s=asked.wall_s,
                memory_bytes=asked.memory_mib * MIB,
                output_bytes=MIB,
                processes=asked.processes,
            ),
        )
        begun = time.perf_counter()
        results = [result async for result in self._runner.execute(job)]
        took = time.perf_counter() - begun
        await refilled(self._pooled._pool)
        cases = [result for result in results if isinstance(result, CaseResult)]
        return {
            "seconds": took,
            "outputs": [case.facts.stdout.decode() for case in cases],
            "ending": [str(cases[-1].verdict)],
            "fields": [field.name for field in fields(ExitFacts)],
        }
