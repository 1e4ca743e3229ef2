"""Counters of control groups, from files as kernels write them, and from this one's."""

import json
import shutil
from collections.abc import Generator
from dataclasses import astuple, dataclass
from pathlib import Path

import pytest
from docker.models.containers import Container

from sandbox.inside.cgroup import Counters, MissingCounterError, counters
from tests.support.sandboxes import client

RECORDED = Path(__file__).parent / "recorded"


@dataclass(frozen=True)
class _Read:
    """All counters at one time."""

    version: int
    cpu_ns: int
    kills: int
    memory: int
    peak: int
    limit: int = 0
    anonymous: int = 0
    kept: int = 0


def _read(reading: Counters) -> _Read:
    return _Read(
        reading.version,
        reading.cpu_ns(),
        reading.out_of_memory_kills(),
        reading.memory(),
        reading.peak_memory(),
        reading.memory_limit(),
        reading.anonymous_memory(),
        reading.kept_memory(),
    )


# Limit, anonymous, and with files in memory.
_MEMORY = (268_435_456, 3_500_000, 4_750_000)


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("v1", _Read(1, 1_234_567_890, 3, 5_021_696, 48_824_320, *_MEMORY)),
        ("v1_combined", _Read(1, 1_234_567_890, 3, 5_021_696, 48_824_320, *_MEMORY)),
        ("v2", _Read(2, 1_234_567_000, 3, 5_021_696, 48_824_320, *_MEMORY)),
        # Before Linux 5.19 the peak is what is in use.
        ("v2_without_peak", _Read(2, 1_234_567_000, 3, 5_021_696, 5_021_696, *_MEMORY)),
    ],
)
def test_what_kernels_write(folder: str, expected: _Read) -> None:
    assert _read(counters(str(RECORDED / folder))) == expected


@pytest.mark.parametrize("folder", ["v1", "v2"])
def test_counters_are_read_anew_each_time(folder: str, tmp_path: Path) -> None:
    root = shutil.copytree(RECORDED / folder, tmp_path / folder)
    reading = counters(str(root))
    assert reading.out_of_memory_kills() == 3
    for name in ("memory.events", "memory/memory.oom_control"):
        if (root / name).exists():
            text = (root / name).read_text()
            (root / name).write_text(text.replace("oom_kill 3", "oom_kill 12"))
    assert reading.out_of_memory_kills() == 12


def test_no_limit_is_one_that_nothing_reaches(tmp_path: Path) -> None:
    root = shutil.copytree(RECORDED / "v2", tmp_path / "v2")
    (root / "memory.max").write_text("max\n")
    assert counters(str(root)).memory_limit() > 1 << 60


def _needed() -> list[tuple[str, str]]:
    return [
        (version.name, str(path.relative_to(version)))
        for version in (RECORDED / "v1", RECORDED / "v2")
        for path in version.rglob("*.*")
        if path.is_file() and path.name not in ("cgroup.controllers", "memory.peak")
    ]


@pytest.mark.parametrize(("folder", "missing"), _needed())
def test_nothing_is_judged_without_a_counter(folder: str, missing: str, tmp_path: Path) -> None:
    root = shutil.copytree(RECORDED / folder, tmp_path / folder)
    (root / missing).unlink()
    with pytest.raises(MissingCounterError, match=Path(missing).name):
        counters(str(root))


def test_there_are_counters_to_miss() -> None:
    assert len(_needed()) == 6 + 5


def test_a_kernel_that_does_not_count_its_kills() -> None:
    reading = counters(str(RECORDED / "v1_old_kernel"))
    with pytest.raises(MissingCounterError, match="oom_kill"):
        reading.out_of_memory_kills()


def test_no_control_groups_at_all(tmp_path: Path) -> None:
    with pytest.raises(MissingCounterError):
        counters(str(tmp_path))


@pytest.fixture
def idle(sandbox_image: str) -> Generator[Container, None, None]:
    """Gives a container in which nothing happens."""
    with client() as daemon:
        container = daemon.containers.run(
            sandbox_image, ["sleep", "1000"], detach=True, network_disabled=True
        )
        try:
            yield container
        finally:
            container.remove(force=True)


def _on_host(container: Container, reading_like: int) -> _Read:
    """Reads a container's control group by the paths that this host has for it."""
    container.reload()
    lines = Path(f"/proc/{container.attrs['State']['Pid']}/cgroup").read_text().splitlines()
    groups: dict[str, str] = {}
    for line in lines:
        _, controllers, group_path = line.split(":", 2)
        groups |= dict.fromkeys(controllers.split(","), group_path)
    root = Path("/sys/fs/cgroup")
    if reading_like == 2:
        group = Path(f"{root}{groups['']}")
        stat = (group / "cpu.stat").read_text().split()
        events = (group / "memory.events").read_text().split()
        current = int((group / "memory.current").read_text())
        highest = group / "memory.peak"
        most = int(highest.read_text()) if highest.exists() else current
        return _Read(
            2, int(stat[1]) * 1000, int(events[events.index("oom_kill") + 1]), current, most
        )
    memory = Path(f"{root}/memory{groups['memory']}")
    accounting = next(
        path
        for name in ("cpuacct", "cpu,cpuacct")
        if (path := Path(f"{root}/{name}{groups['cpuacct']}")).exists()
    )
    control = (memory / "memory.oom_control").read_text().split()
    return _Read(
        1,
        int((accounting / "cpuacct.usage").read_text()),
        int(control[control.index("oom_kill") + 1]),
        int((memory / "memory.usage_in_bytes").read_text()),
        int((memory / "memory.max_usage_in_bytes").read_text()),
    )


INSIDE = """
import json, sys
sys.path[:0] = ["/opt"]
from sandbox.cgroup import counters
c = counters()
if sys.argv[1:]:
    kept = bytearray(b"x") * (80 << 20)
print(json.dumps([
    [c.version, c.cpu_ns(), c.out_of_memory_kills(), c.memory(), c.peak_memory()],
    [c.memory_limit(), c.anonymous_memory(), c.kept_memory()],
]))
"""


@pytest.mark.docker
def test_this_kernel_counts_the_same_inside_and_outside(idle: Container) -> None:
    def inside(*arguments: str) -> tuple[int, bytes]:
        got = idle.exec_run(["/usr/bin/python3", "-ISc", INSIDE, *arguments])
        assert isinstance(got.output, bytes)
        return int(got.exit_code or 0), got.output

    _, said = inside()
    version = json.loads(said)[0][0]
    for arguments in ((), ("more",)):
        before = _on_host(idle, version)
        _, said = inside(*arguments)
        figures, of_memory = json.loads(said)
        now = _Read(*figures)
        after = _on_host(idle, version)
        for least, here, most in zip(astuple(before), astuple(now), astuple(after), strict=True):
            # Memory in use goes up and down; the others never go down.
            assert least <= here <= most or here == now.memory, (before, now, after)
        assert now.memory <= now.peak
    assert now.peak > 80 << 20
    _, anonymous, kept = of_memory
    assert 80 << 20 < anonymous <= kept <= now.peak
    assert now.kills == 0

    idle.update(mem_limit=64 << 20, memswap_limit=64 << 20)
    status, _ = inside("more")
    assert status == 137
    assert _on_host(idle, version).kills == 1
    figures, of_memory = json.loads(inside()[1])
    assert figures[2] == 1
    assert of_memory[0] == 64 << 20
    assert of_memory[1] < 64 << 20
