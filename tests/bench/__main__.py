"""`python -m tests.bench [NAME ...]`: measures, and prints medians and ratios of one run."""

import asyncio
import os
import platform
import sys

from tests.bench import (
    faults,
    latency,
    league_wall,
    programming,
    sandbox_cases,
    sandbox_parts,
    sandbox_peers,
    sandbox_pool,
    sandbox_service,
    sandbox_throughput,
    throughput,
    watching,
)

MEASUREMENTS = {
    "league_wall": league_wall.measure,
    "throughput": throughput.measure,
    "latency": latency.measure,
    "watching": watching.measure,
    "faults": faults.measure,
}
OF_SANDBOX = {
    "sandbox_cases": sandbox_cases.measure,
    "sandbox_throughput": sandbox_throughput.measure,
    "sandbox_pool": sandbox_pool.measure,
    "sandbox_peers": sandbox_peers.measure,
    "sandbox_service": sandbox_service.measure,
    "programming": programming.measure,
}


def main() -> None:
    """Runs every measurement, or those that are named."""
    every = MEASUREMENTS | OF_SANDBOX
    names = sys.argv[1:] or list(every)
    if unknown := [name for name in names if name not in every]:
        raise SystemExit(f"no measurement {', '.join(unknown)}; there are: {', '.join(every)}")
    load = os.getloadavg()[0]
    print(
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, load {load:.1f}; only ratios within one run mean anything"
    )
    if OF_SANDBOX.keys() & names and (problem := asyncio.run(sandbox_parts.problem())):
        print(f"\nThe sandbox is not measured: {problem}")
        names = [name for name in names if name not in OF_SANDBOX]
    for name in names:
        asyncio.run(every[name]())


if __name__ == "__main__":
    main()
