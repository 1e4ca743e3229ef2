"""Prepares the models of this machine ahead of a run: `python -m server.models.local --help`."""

import argparse
import asyncio
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from server.models.chat import Preparation
from server.models.local.catalogue import HONEST_NOTE, LocalModel, known_models
from server.models.local.errors import LocalModelError
from server.models.local.fetch import fetch, is_ready
from server.models.local.machine import engine_problem
from server.settings import LocalSettings, SettingsError, load_settings, resolve

_INTERRUPTED = 130

_EXAMPLES = """\
examples:
  python -m server.models.local list
  python -m server.models.local fetch
  python -m server.models.local fetch smollm2-135m qwen2.5-coder-0.5b
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    arguments = _arguments(argv)
    try:
        settings = load_settings(arguments.settings).local
        if arguments.command == "list":
            _list(settings)
        else:
            asyncio.run(_fetch(_chosen(arguments.models), settings))
    except (LocalModelError, SettingsError) as error:
        Console(stderr=True).print(
            str(error), style="red", markup=False, highlight=False, soft_wrap=True
        )
        return 1
    except KeyboardInterrupt:
        Console(stderr=True).print("Interrupted; the next fetch begins again.")
        return _INTERRUPTED
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m server.models.local",
        description=f"Prepares the models that this machine serves. {HONEST_NOTE}",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--settings", type=Path, metavar="FILE", help="settings of the server")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="say which models there are and which are ready")
    fetching = commands.add_parser("fetch", help="download and verify models")
    fetching.add_argument("models", nargs="*", metavar="MODEL", help="models; all if none is named")
    return parser.parse_args(argv)


def _chosen(names: Sequence[str]) -> Sequence[LocalModel]:
    known = known_models()
    unknown = [name for name in names if name not in known]
    if unknown:
        raise LocalModelError(
            unknown[0], f"there is no such local model; there are {', '.join(known)}"
        )
    return [known[name] for name in dict.fromkeys(names)] or list(known.values())


async def _fetch(models: Sequence[LocalModel], settings: LocalSettings) -> None:
    cache = resolve(settings.cache)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        console=Console(stderr=True),
    ) as progress:
        for model in models:
            task = progress.add_task(model.name, total=model.size_bytes)

            def show(state: Preparation, task: TaskID = task) -> None:
                progress.update(
                    task,
                    description=state.activity,
                    completed=state.done,
                    total=state.total or None,
                )

            await fetch(model, cache, settings.hub, show)
            progress.update(
                task,
                description=f"{model.name} is ready",
                completed=model.size_bytes,
                total=model.size_bytes,
            )


def _list(settings: LocalSettings) -> None:
    console = Console()
    cache = resolve(settings.cache)
    table = Table("model", "made by", "license", "size", "ready", box=None)
    for model in known_models().values():
        ready = "yes" if is_ready(model, cache) else "no"
        size = f"{model.size_bytes / 1e6:.0f} MB"
        table.add_row(model.name, model.origin.split("/")[0], model.license, size, ready)
    console.print(table)
    console.print(HONEST_NOTE, highlight=False)
    if problem := engine_problem():
        console.print(f"They cannot run here: {problem}.", style="red", highlight=False)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        sys.exit(main())
