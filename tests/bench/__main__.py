"""`python -m tests.bench [NAME ...]`: measures, and prints medians and ratios of one run."""

import asyncio
import os
import platform
import sys

from tests.bench import faults, latency, league_wall, throughput, watching

MEASUREMENTS = {
    "league_wall": league_wall.measure,
    "throughput": throughput.measure,
    "latency": latency.measure,
    "watching": watching.measure,
    "faults": faults.measure,
}


def main() -> None:
    """Runs every measurement, or those that are named."""
    names = sys.argv[1:] or list(MEASUREMENTS)
    if unknown := [name for name in names if name not in MEASUREMENTS]:
        raise SystemExit(
            f"no measurement {', '.join(unknown)}; there are: {', '.join(MEASUREMENTS)}"
        )
    load = os.getloadavg()[0]
    print(
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, load {load:.1f}; only ratios within one run mean anything"
    )
    for name in names:
        asyncio.run(MEASUREMENTS[name]())


if __name__ == "__main__":
    main()
