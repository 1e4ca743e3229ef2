"""Plays a league: shows what it takes, plays it, prints its standings, writes its report."""

import importlib
import importlib.util
import sys
from pathlib import Path

if importlib.util.find_spec("llm_crowdsourced") is None:
    # Typed with another Python than the project's.
    importlib.import_module("venv_python").switch()

from client import command_line
from client.connection import connect
from client.exit_status import ExitStatus
from client.failures import CommandError
from client.interrupts import Interrupts
from client.league_file import read_league
from client.playing import PlayOptions, play
from client.run_name import run_id, run_name
from client.session import Session


def main(argv: list[str]) -> int:
    """Plays a league and returns the exit status."""
    options = command_line.parser(
        "Plays a league file: shows the exact number of calls with the estimated tokens and "
        "cost, plays it under a live view, prints the standings and writes the report.",
        "python client/play.py client/leagues/math.toml",
    )
    options.add_argument("league", type=Path, metavar="LEAGUE.toml", help="what to play")
    options.add_argument("--run-id", metavar="RUN", default="", help="id of the run")
    options.add_argument(
        "--dry-run",
        action="store_true",
        help="say what it takes and what would be refused; send nothing to a model",
    )
    options.add_argument(
        "--detach", action="store_true", help="leave the run to its server (needs --server)"
    )
    options.add_argument(
        "--yes", "-y", action="store_true", help="do not ask before calls that may cost something"
    )
    options.add_argument("--out", type=Path, metavar="DIR", help="where to write the report")
    options.add_argument("--no-report", action="store_true", help="write no report")
    options.add_argument("--json", action="store_true", help="results as one JSON document")
    command_line.add_target(options)
    arguments = options.parse_args(argv)

    async def command(interrupts: Interrupts) -> int:
        target = command_line.target(arguments)
        if arguments.detach and not target.server:
            raise CommandError(
                "--detach needs --server HOST:PORT: a server that a command starts ends with it.",
                ExitStatus.USAGE,
            )
        league = read_league(arguments.league)
        wanted = run_id(run_name(arguments.run_id)) if arguments.run_id else ""
        play_options = PlayOptions(
            run_id=wanted,
            dry_run=arguments.dry_run,
            detach=arguments.detach,
            yes=arguments.yes,
            report=not arguments.no_report,
            out=arguments.out,
            json=arguments.json,
        )
        # A dry run plays nothing: the server of a run that is being played can say it as well.
        dry_run = arguments.dry_run
        async with connect(target, plays=not dry_run, joins=dry_run) as connection:
            session = Session(
                connection=connection,
                target=target,
                interrupts=interrupts,
                report=command_line.report_options(arguments),
            )
            return await play(session, league, play_options)

    return command_line.run(command)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
