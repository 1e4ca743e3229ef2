"""`python -m server`: serves until it is told to stop."""

import argparse
import asyncio
import gc
import importlib.util
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

if importlib.util.find_spec("uvloop") is None:
    # Typed with another Python than the project's: the packages are in its own.
    sys.exit(
        "llm-crowdsourced server: this Python does not have what the server needs. In "
        f"{Path(__file__).resolve().parent.parent} run `make setup` once, then `make serve` or "
        "`.venv/bin/python -m server`."
    )

import uvloop

# Before gRPC is loaded, which reads it then. Our children run another program at
# once and call no gRPC; uvloop starts them by fork(), in which gRPC would take up
# its threads again and sometimes crash the child before that program begins.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

from server.app import AddressError, serving
from server.errors import DatabaseUnusableError
from server.log import set_up_logging
from server.settings import Settings, SettingsError, load_settings

_EXAMPLE = """\
example:
  python -m server --address 127.0.0.1:50051 --database data/league.duckdb
"""


def main() -> int:
    """Parses the command line and serves; returns the exit status."""
    arguments = _parser().parse_args()
    set_up_logging()
    try:
        settings = _with(load_settings(arguments.settings), arguments)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, arguments))
    except (SettingsError, DatabaseUnusableError, AddressError) as error:
        told = _with_option(str(error), "settings" if arguments.until_stdin_closes else "database")
        print(f"llm-crowdsourced server: {told}", file=sys.stderr)
        if isinstance(error, DatabaseUnusableError) and arguments.until_stdin_closes:
            # The command may be able to talk to that server instead.
            print(json.dumps({"held_by": error.metadata.get("held_by", "")}), flush=True)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _with_option(message: str, option: str) -> str:
    """Returns a refusal with how another database is named where it was read.

    A command that started this server has no --database, but --settings.
    """
    return f"{message} with --{option} FILE" if message.endswith("another database") else message


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m server",
        description="Plays leagues and serves what they produced over gRPC.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--settings", type=Path, help="settings file (default: server/settings.toml)"
    )
    parser.add_argument("--address", help="HOST:PORT to listen on; port 0 takes a free one")
    parser.add_argument("--database", type=Path, help="DuckDB file; made if it does not exist")
    parser.add_argument(
        "--no-play",
        action="store_true",
        help="serve what there is, and play no run",
    )
    parser.add_argument(
        "--no-take-up",
        action="store_true",
        help="play only what is created or resumed here, not what another server left",
    )
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="stop when standard input closes: the server of one command",
    )
    return parser


def _with(settings: Settings, arguments: argparse.Namespace) -> Settings:
    """Returns the settings with what the command line says instead."""
    update: dict[str, object] = {}
    if arguments.address is not None:
        update["address"] = arguments.address
    if arguments.database is not None:
        # On the command line a path is taken from where the user stands.
        update["database"] = arguments.database.absolute()
    return settings.model_copy(update={"server": settings.server.model_copy(update=update)})


async def _serve(settings: Settings, arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _stopper(stop))
    if arguments.until_stdin_closes:
        _watch_stdin(lambda: loop.call_soon_threadsafe(stop.set))
    async with serving(
        settings, playing=not arguments.no_play, taking_up=not arguments.no_take_up
    ) as server:
        _collect_seldom()
        ready = {"address": server.address, "pid": os.getpid(), "database": str(server.database)}
        # For the program that started it. On a terminal the log has said the same.
        if not sys.stdout.isatty():
            print(json.dumps(ready), flush=True)
        await stop.wait()


def _collect_seldom() -> None:
    """Keeps the garbage collector from walking what stays for ever.

    Records and messages have no cycles, so its rounds find next to nothing, and
    at Python's own threshold they take a tenth of the time of a busy league.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def _stopper(stop: asyncio.Event) -> Callable[[], None]:
    """Returns what a signal does: the first stops with grace, the second at once."""

    def handle() -> None:
        if stop.is_set():
            # Calls under way are given up; what has arrived is on disk but for
            # the last moment's.
            os._exit(1)
        stop.set()

    return handle


def _watch_stdin(closed: Callable[[], object]) -> None:
    def wait() -> None:
        # Unbuffered: a thread that holds the lock of `sys.stdin` would make the
        # interpreter's own end fail.
        while os.read(0, 4096):
            pass
        closed()

    threading.Thread(target=wait, name="stdin", daemon=True).start()


if __name__ == "__main__":
    raise SystemExit(main())
