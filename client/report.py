"""Writes the report of one run, or of several of one subject."""

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
from client.interrupts import Interrupts
from client.playing import print_paths
from client.report_files import write_report
from client.run_name import run_name
from client.screen import say, working


def main(argv: list[str]) -> int:
    """Writes a report and returns the exit status."""
    options = command_line.parser(
        "Writes the report of a run: page, charts, workbook and run.json. Nothing is sent to "
        "a model. Several runs of one subject are read together; a run with its judging again "
        "without evidence shows what evidence changes.",
        "python client/report.py --run-id math-1",
    )
    options.add_argument(
        "--run-id",
        metavar="RUN",
        action="append",
        required=True,
        help="a run, as RUN or runs/RUN; may be given several times",
    )
    options.add_argument(
        "--out", type=Path, metavar="DIR", help="where to write; reports/RUN if left out"
    )
    options.add_argument("--json", action="store_true", help="the paths as one JSON document")
    command_line.add_target(options)
    arguments = options.parse_args(argv)

    async def command(_: Interrupts) -> int:
        target = command_line.target(arguments)
        names = list(dict.fromkeys(map(run_name, arguments.run_id)))
        async with connect(target, joins=True) as connection:
            with working(f"Writing the report of {', '.join(names)}.") as told:
                written = await write_report(connection, names, arguments.out, told)
        warning = written.coverage_warning
        if arguments.json:
            paths = [str(path) for path in written.paths]
            command_line.print_json({"coverage_warning": warning, "report": paths})
        else:
            if warning:
                say(warning, "yellow")
            print_paths(written.paths)
        return ExitStatus.OK

    return command_line.run(command)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
