"""What the measurement of a programming league looks through: a runner that keeps the times."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from sandbox.box import Box
from sandbox.docker_runner import DockerRunner
from sandbox.images import own_image
from sandbox.model import CompileResult, Job, LanguageInfo, Result
from sandbox.options import DockerOptions

_LOOK_EVERY_S = 0.01
_COLUMNS = 72
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Interval:
    """When something was asked for, began, and ended: seconds from the beginning."""

    asked: float
    begun: float
    ended: float


@dataclass(frozen=True)
class Sample:
    """A look at the sandbox.

    Attributes:
        waiting: Programs that waited for a place.
        in_use: Places that were taken.
        idle_s: Seconds that all cores together were idle since the look before.
        took_s: Seconds since then.
    """

    waiting: int
    in_use: int
    idle_s: float
    took_s: float


class Watched:
    """A runner over Docker that keeps when its programs were asked for, began and ended.

    Args:
        concurrency: Programs at once.
        endpoint_pid: A process whose CPU time is none of the programs'.
    """

    def __init__(self, concurrency: int, endpoint_pid: int) -> None:
        self._runner = DockerRunner(
            DockerOptions(
                docker_host="",
                image=own_image(),
                concurrency=concurrency,
                pool_size=concurrency,
                max_waiting=1000,
                runtime="",
            )
        )
        self._take = self._runner._pool.take
        self._runner._pool.take = self._timed_take  # type: ignore[method-assign]
        self._endpoint_pid = endpoint_pid
        self._watching: asyncio.Task[None] | None = None
        self.begin_values()

    def begin_values(self) -> None:
        """Forgets what was measured."""
        self.executions: list[Interval] = []
        self.takes: list[float] = []
        self.jobs: list[Job] = []
        self.samples: list[Sample] = []
        self.cpu_s = self.wall_s = 0.0
        self._begun = time.perf_counter()

    def begin(self) -> None:
        """Begins to measure a run."""
        self.begin_values()
        self._cpu_before = self._others_cpu()
        self._watching = asyncio.create_task(self._watch())

    async def end(self) -> tuple[float, list[Sample]]:
        """Ends measuring; returns the CPU seconds of all but us, and the looks."""
        self.wall_s = self._now()
        used = self._others_cpu() - self._cpu_before
        assert self._watching is not None
        self._watching.cancel()
        await asyncio.wait([self._watching])
        return used, self.samples

    async def alone(self) -> float:
        """Runs all programs of the run again, asked for at once; returns the seconds that takes."""
        begun = time.perf_counter()

        async def to_the_end(job: Job) -> None:
            async with aclosing(self._runner.execute(job)) as results:
                async for _ in results:
                    pass

        await asyncio.gather(*map(to_the_end, self.jobs))
        return time.perf_counter() - begun

    async def execute(self, job: Job) -> AsyncGenerator[Result, None]:
        """Runs a program; see `sandbox.runner.Runner.execute`."""
        asked = self._now()
        self.jobs.append(job)
        begun = asked
        async with aclosing(self._runner.execute(job)) as results:
            async for result in results:
                if isinstance(result, CompileResult):
                    begun = self._now() - result.wall_s
                    self.cpu_s += result.cpu_s
                else:
                    self.cpu_s += result.facts.cpu_s
                yield result
        self.executions.append(Interval(asked, begun, self._now()))

    async def problem(self) -> str:
        """See `sandbox.runner.Runner.problem`."""
        return await self._runner.problem()

    async def languages(self) -> tuple[LanguageInfo, ...]:
        """See `sandbox.runner.Runner.languages`."""
        return await self._runner.languages()

    async def close(self) -> None:
        """See `sandbox.runner.Runner.close`."""
        await self._runner.close()

    async def _timed_take(self) -> Box:
        begun = time.perf_counter()
        try:
            return await self._take()
        finally:
            self.takes.append(time.perf_counter() - begun)

    def _now(self) -> float:
        return time.perf_counter() - self._begun

    async def _watch(self) -> None:
        _, idle_before = _of_machine()
        before = self._now()
        places = self._runner._places
        while True:
            # What waits now and still does then has waited all that time.
            waiting, in_use = places.waiting, places.in_use
            await asyncio.sleep(_LOOK_EVERY_S)
            _, idle = _of_machine()
            now = self._now()
            self.samples.append(
                Sample(min(waiting, places.waiting), in_use, idle - idle_before, now - before)
            )
            before, idle_before = now, idle

    def _others_cpu(self) -> float:
        busy, _ = _of_machine()
        return busy - time.process_time() - _of_process(self._endpoint_pid)


def timeline(length_s: float, calls: Sequence[Interval], programs: Sequence[Interval]) -> str:
    """Returns a line each for calls and programs under way, and for programs that wait.

    A column is a part of the time; its sign is how many were under way within it.
    """
    waits = [Interval(each.asked, each.asked, each.begun) for each in programs]
    lines = (("calls", calls), ("programs", programs), ("waiting", waits))
    width = length_s / _COLUMNS
    return "\n".join(
        f"  {name:<9}"
        + "".join(
            _sign(sum(e.begun < (column + 1) * width and e.ended > column * width for e in each))
            for column in range(_COLUMNS)
        )
        for name, each in lines
    )


def _sign(count: int) -> str:
    return "." if not count else str(count) if count < 10 else "+"


def _of_machine() -> tuple[float, float]:
    """Returns the seconds that all cores together were busy, and idle, since they started."""
    fields = Path("/proc/stat").read_text().partition("\n")[0].split()[1:9]
    user, nice, system, idle, waits, irq, soft, stolen = map(int, fields)
    return (user + nice + system + irq + soft + stolen) / _TICKS, (idle + waits) / _TICKS


def _of_process(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
