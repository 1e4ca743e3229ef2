"""`python -m tests.bench`: measures, and prints medians and ratios of one run."""

import asyncio
import os
import platform

from tests.bench import league_wall


def main() -> None:
    """Runs every measurement."""
    load = os.getloadavg()[0]
    print(
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"{os.cpu_count()} cores, load {load:.1f}; only ratios within one run mean anything"
    )
    asyncio.run(league_wall.measure())


if __name__ == "__main__":
    main()
