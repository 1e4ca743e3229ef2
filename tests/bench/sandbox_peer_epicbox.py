"""epicbox as a process: told in JSON, a line each, what to run; answers in the same way.

Run by the Python of an environment that has it, without this project.
"""

import importlib
import json
import logging
import sys
import time
from typing import Any


def main() -> None:
    """Serves requests until standard input closes."""
    logging.disable(logging.CRITICAL)
    epicbox: Any = importlib.import_module("epicbox")
    epicbox.configure(profiles=[epicbox.Profile("python", sys.argv[1])])
    for line in sys.stdin:
        try:
            answer = _answer(epicbox, json.loads(line))
        except Exception as error:  # noqa: BLE001 - whatever the peer raises is its failure
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def _answer(epicbox: Any, asked: dict[str, Any]) -> dict[str, Any]:
    limits = {
        "cputime": asked["cpu_s"],
        "realtime": asked["wall_s"],
        "memory": asked["memory_mib"],
        "processes": asked["processes"],
    }
    begun = time.perf_counter()
    # One folder for the cases of a program, each of them in a container of its own.
    with epicbox.working_directory() as folder:
        results = []
        for number, stdin in enumerate(asked["inputs"]):
            files = [{"name": "main.py", "content": asked["source"].encode()}] if not number else []
            results.append(
                epicbox.run(
                    "python",
                    "python3 main.py",
                    files=files,
                    stdin=stdin,
                    limits=limits,
                    workdir=folder,
                )
            )
    took = time.perf_counter() - begun
    last = results[-1]
    ending = [last["exit_code"], last["timeout"], last["oom_killed"]]
    return {
        "seconds": took,
        "outputs": [result["stdout"][:1000].decode(errors="replace") for result in results],
        "ending": ending,
        "fields": list(last),
    }


if __name__ == "__main__":
    main()
