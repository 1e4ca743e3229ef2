"""Serves models over the OpenAI chat API: the process that holds the engine.

Run as a child, so that a crash of the engine is not a crash of the server:

    python -m server.models.local.serve --model smollm2-135m=FILE.gguf

For each model that is loaded one line of JSON is printed, with `model` and
`base_url`; if one cannot be loaded, a line with `model` and `error`. The
process ends when its standard input does. The operating system closes that
pipe whenever the parent ends, however it ends, so the child cannot outlive it.
"""

import argparse
import json
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from server.models.local.machine import engine_problem


def _end_with_stdin() -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    # The engine's threads hold nothing that would have to be saved, and
    # waiting for them would keep a stopped server busy.
    os._exit(0)


def _claim_stdout() -> int:
    """Returns a descriptor for our lines and turns the engine's own to stderr."""
    lines = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return lines


def _load(name: str, file: Path, arguments: argparse.Namespace) -> Any:
    """Loads a model; the engine listens when this returns.

    Args:
        name: Name under which the model answers.
        file: Its weights.
        arguments: How it is served.
    """
    import xllamacpp  # noqa: PLC0415 - an optional package, and slow to import

    params = xllamacpp.CommonParams()
    params.model.path = str(file)
    params.model_alias = {name}
    params.hostnames = ["127.0.0.1"]
    params.port = arguments.port
    params.n_parallel = arguments.slots
    # The engine divides it among the slots.
    params.n_ctx = arguments.context * arguments.slots
    params.cpuparams.n_threads = arguments.threads
    params.cpuparams_batch.n_threads = arguments.threads
    params.cache_ram_mib = 256
    params.ui = False
    params.verbosity = 1
    return xllamacpp.Server(params)


def _model(text: str) -> tuple[str, Path]:
    name, separator, file = text.partition("=")
    if not (name and separator and file):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FILE")
    return name, Path(file)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m server.models.local.serve",
        description="Serves models until its standard input ends.",
    )
    parser.add_argument("--model", type=_model, action="append", required=True, metavar="NAME=FILE")
    parser.add_argument("--threads", type=int, default=1, help="threads for each model")
    parser.add_argument("--slots", type=int, default=2, help="requests at once for each model")
    parser.add_argument("--context", type=int, default=4096, help="tokens for each request")
    parser.add_argument(
        "--port", type=int, default=0, help="port of a single model; a free one if 0"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Loads the models, says where they answer, and waits for the end."""
    arguments = _arguments(argv)
    lines = _claim_stdout()

    def say(**fields: str) -> None:
        os.write(lines, (json.dumps(fields) + "\n").encode())

    waiting = threading.Thread(target=_end_with_stdin, name="end-with-stdin", daemon=True)
    waiting.start()
    problem = engine_problem()
    # Kept here: the engine stops serving a model that nobody refers to.
    servers = []
    for name, file in arguments.model:
        if problem:
            say(model=name, error=problem)
            return 1
        try:
            server = _load(name, file, arguments)
        except Exception as error:  # noqa: BLE001 - the engine raises no narrower type
            say(model=name, error=f"the engine cannot load it: {error}")
            return 1
        servers.append(server)
        say(model=name, base_url=f"{server.listening_address}/v1")
    waiting.join()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
