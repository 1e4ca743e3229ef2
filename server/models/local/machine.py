"""Whether this machine can run the engine."""

import platform
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# The engine's only build is made for processors with these extensions.
_EXTENSIONS = ("avx2", "fma")


def missing_extensions(cpuinfo: str) -> tuple[str, ...]:
    """Returns the extensions that the processor lacks.

    Args:
        cpuinfo: Text of Linux's `/proc/cpuinfo`; one without flags lacks nothing,
            because it says nothing.
    """
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "flags":
            return tuple(sorted(set(_EXTENSIONS) - set(value.split())))
    return ()


@cache
def engine_problem() -> str:
    """Says in one sentence why the engine cannot run here; empty if it can."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return (
            f"the engine for local models is built for x86-64 processors, and this one "
            f"is {platform.machine() or 'unknown'}"
        )
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        cpuinfo = ""
    missing = missing_extensions(cpuinfo)
    if missing:
        return (
            f"the engine for local models needs a processor with {' and '.join(missing)}, "
            f"which this one lacks"
        )
    if find_spec("xllamacpp") is None:
        return (
            "the engine for local models, the package xllamacpp, is not installed: "
            "pip install -e '.[local]'"
        )
    return ""
