"""Public peers on the same programs and image: time a program, and what each can tell."""

import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from docker.errors import APIError

from sandbox.engine import OWNER, owner
from sandbox.images import own_image
from tests.bench.playing import heading
from tests.bench.sandbox_parts import WORKERS, Load, client, docker_runner
from tests.bench.sandbox_peer_own import Answer, Asked, Own
from tests.support.server_process import PROJECT

ROUNDS = 3
# epicbox names an argument that urllib3 has no more since its version 2.
_PACKAGES = ("epicbox", "llm-sandbox[docker]", "urllib3<2")
_INSTALL_S = 120
_ANSWER_S = 60
_SLEEP = "3117"
_CASES = tuple(f"{number}\n" for number in range(5))


_Run = Callable[[Asked], Awaitable[Answer]]

_ONE = Asked('print("hello")\n')
_FIVE = Asked("print(2 * int(input()))\n", _CASES)
_EXPECTED = {_ONE.source: ["hello\n"], _FIVE.source: [f"{2 * n}\n" for n in range(5)]}
# By what a program comes to its end: a kind is told if no other kind ends alike.
_ENDINGS = {
    "time": (
        f'import subprocess\nsubprocess.run(["sleep", "{_SLEEP}"])\n',
        "while True:\n    pass\n",
    ),
    "memory": ('x = b"x" * (400 << 20)\n',),
    "output": ('print("x" * (3 << 20))\n',),
    "itself": (
        "import os\nos.kill(os.getpid(), 9)\n",
        "raise SystemExit(137)\n",
        "raise SystemExit(1)\n",
        "print(1)\n",
    ),
}
_WHO = Asked(
    "import os, socket\n"
    'print(os.getuid(), ",".join(name for _, name in socket.if_nameindex()))\n'
)  # fmt: skip


class _PeerFailedError(Exception):
    """A peer did not run a program."""


@dataclass
class _Told:
    """What a sandbox tells of programs, by trying."""

    cpu_time: bool
    memory: bool
    apart: dict[str, bool]
    left_running: bool
    user: str
    interfaces: str


async def measure() -> None:
    """Prints the tables."""
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder) / "bin" / "python"
        if why := await asyncio.to_thread(_install, Path(folder), python):
            heading(f"The peers of the sandbox cannot be installed here, so are left out: {why}")
            return
        async with (
            docker_runner(pool_size=WORKERS) as pooled,
            docker_runner() as alone,
            _peer(python, "epicbox") as epicbox,
            _peer(python, "llm_sandbox") as llm_sandbox,
        ):
            load = Load()
            ours = Own(pooled, pooled).run
            peers = await _that_run(
                {
                    _version(python, "epicbox"): epicbox,
                    _version(python, "llm-sandbox"): llm_sandbox,
                }
            )
            times = await _times(
                {
                    "this sandbox, from its pool": ours,
                    "this sandbox, without a pool": Own(alone, pooled).run,
                    **peers,
                }
            )
            for name in [name for name, run in peers.items() if run is llm_sandbox]:
                times[f"{name}, one session kept for all"] = times.pop(name)
                each = [
                    await _run(llm_sandbox, replace(program, session=session))
                    for program, session in ((_ONE, "closed"), (_FIVE, "removed"))
                ]
                times[
                    f"{name}, a session each, without its close of {each[0]['close_s']:.1f} s"
                ] = tuple(1000 * answer["seconds"] for answer in each)
            told = {name: await _tell(run) for name, run in {"this sandbox": ours, **peers}.items()}
    _print_times(times, load)
    _print_told(told)


async def _that_run(peers: dict[str, _Run]) -> dict[str, _Run]:
    """Returns the peers that run a program here, and says why the others do not."""
    running = {}
    for name, run in peers.items():
        try:
            await _run(run, _ONE)
        except _PeerFailedError as error:
            heading(f"{name} is left out, since it does not run here: {error}")
        else:
            running[name] = run
    return running


async def _times(ways: dict[str, _Run]) -> dict[str, tuple[float, ...]]:
    """Returns the median milliseconds of a program of one case and of five."""
    took: dict[str, tuple[list[float], ...]] = {name: ([], []) for name in ways}
    for _ in range(ROUNDS):
        for name, run in ways.items():
            for program, found in zip((_ONE, _FIVE), took[name], strict=True):
                found.append(1000 * (await _run(run, program))["seconds"])
    return {name: tuple(median(found) for found in both) for name, both in took.items()}


async def _run(run: _Run, asked: Asked) -> Answer:
    answer = await run(asked)
    assert answer["outputs"] == _EXPECTED[asked.source], answer
    return answer


async def _tell(run: _Run) -> _Told:
    endings: dict[str, list[Any]] = {}
    left = False
    for kind, programs in _ENDINGS.items():
        endings[kind] = []
        for source in programs:
            answer = await run(Asked(source))
            endings[kind].append(answer["ending"])
            if _SLEEP in source:
                left = await asyncio.to_thread(_sleeps)
    answer = await run(_WHO)
    user, _, interfaces = answer["outputs"][0].strip().partition(" ")
    return _Told(
        cpu_time=any("cpu" in field for field in answer["fields"]),
        memory=any("memory" in field and "kill" not in field for field in answer["fields"]),
        apart={kind: _is_apart(kind, endings) for kind in ("time", "memory", "output")},
        left_running=left,
        user="root" if user == "0" else "another",
        interfaces=interfaces or "none",
    )


def _is_apart(kind: str, endings: dict[str, list[Any]]) -> bool:
    others = [ending for other, found in endings.items() if other != kind for ending in found]
    return not any(ending in others for ending in endings[kind])


def _sleeps() -> bool:
    """Says whether the program that sleeps is still in some container."""
    found: list[list[str]] = []
    for container in client().api.containers():
        # Those of other processes are none of its business, and may hang.
        if container["Labels"].get(OWNER, owner()) == owner():
            # It may end before it has answered.
            with contextlib.suppress(APIError):
                found += client().api.top(container["Id"])["Processes"] or []
    return any(_SLEEP in " ".join(process) for process in found)


def _install(folder: Path, python: Path) -> str:
    """Installs the peers; says why it could not, or nothing."""
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "--quiet", *_PACKAGES],
    ):
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_S)
        except subprocess.CalledProcessError as error:
            return str(error.stderr).strip().rpartition("\n")[2]
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    return ""


def _version(python: Path, name: str) -> str:
    say = f"from importlib.metadata import version; print(version({name!r}))"
    return f"{name} {subprocess.check_output([str(python), '-c', say], text=True).strip()}"


@asynccontextmanager
async def _peer(python: Path, name: str) -> AsyncIterator[_Run]:
    """Starts a peer in a process of its own, which ends with the context."""
    process = await asyncio.create_subprocess_exec(
        str(python), str(PROJECT / "tests" / "bench" / f"sandbox_peer_{name}.py"), own_image(),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    asking, answers = process.stdin, process.stdout

    async def run(asked: Asked) -> Answer:
        asking.write(f"{json.dumps(asdict(asked))}\n".encode())
        line = await asyncio.wait_for(answers.readline(), _ANSWER_S)
        answer: Answer = json.loads(line)
        if "failed" in answer:
            raise _PeerFailedError(answer["failed"])
        return answer

    try:
        yield run
    finally:
        asking.close()
        await process.wait()


def _print_times(times: dict[str, tuple[float, ...]], load: Load) -> None:
    heading(
        f"Peers, milliseconds a Python program on the same image, {ROUNDS} rounds in turn, {load}"
    )
    print(f"  {'':<66} {'1 case':>9} {'5 cases':>9}")
    for name, found in times.items():
        print(f"  {name:<66} " + " ".join(f"{each:9.0f}" for each in found))


def _print_told(told: dict[str, _Told]) -> None:
    heading("What each measures and tells apart, by trying, as it comes but for its limits")
    print(
        f"  {'':<20} {'measured':<16} {'limits told apart':<24} {'after a time-out':<18} "
        f"{'interfaces':<12} runs as"
    )
    for name, each in told.items():
        measured = [word for word, is_so in (("CPU", each.cpu_time), ("memory", each.memory)) if is_so]  # fmt: skip
        apart = [kind for kind, is_so in each.apart.items() if is_so]
        print(
            f"  {name:<20} {', '.join(measured) or 'neither':<16} {', '.join(apart) or 'none':<24} "
            f"{'left running' if each.left_running else 'gone':<18} {each.interfaces:<12} {each.user}"
        )
