"""The command line of `runs.py`: its actions and their options."""

import argparse
from collections.abc import Callable
from pathlib import Path

from client import command_line
from client.option_values import COUNT, DOLLARS, LARGE_COUNT, WHOLE

ROLES = ("question", "answer", "judgment")

_Add = Callable[..., argparse.ArgumentParser]


def parser(description: str) -> argparse.ArgumentParser:
    """Returns the parser of all actions; `action` and `run` are where they leave their names."""
    options = command_line.parser(description, "python client/runs.py show math-1 --round 2")
    actions = options.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(
        name: str, told: str, *examples: str, of: tuple[str, str] | None = ("run", "RUN")
    ) -> argparse.ArgumentParser:
        shown = "\n".join(f"  python client/runs.py {example}" for example in examples)
        sub = actions.add_parser(
            name,
            help=told,
            description=told[0].upper() + told[1:] + ".",
            epilog=f"example{'s' if len(examples) > 1 else ''}:\n{shown}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if of == ("run", "RUN"):
            sub.add_argument("run", metavar="RUN", help="the run, as RUN or runs/RUN")
        elif of:
            sub.add_argument(of[0], metavar=of[1], help=f"the {of[0]} as the settings name it")
        sub.add_argument("--json", action="store_true", help="results as one JSON document")
        command_line.add_target(sub)
        return sub

    _add_reading(action)
    _add_steering(action)
    _add_limits(action)
    _add_again(action)
    return options


def _add_reading(action: _Add) -> None:
    listed = action("list", "list runs, newest first", "list --limit 10", of=None)
    listed.add_argument("--limit", type=COUNT, default=50, metavar="N", help="at most N runs")
    show = action("show", "show a run, or one of its rounds", "show math-1 --round 2")
    show.add_argument("--round", type=COUNT, metavar="N", help="round N with all its texts")
    show.add_argument(
        "--full", action="store_true", help="with --round: programs whole, not their beginning"
    )
    calls = action(
        "calls",
        "list every call to a model, with its ending, tokens, cost and time",
        "calls math-1 --failed",
        "calls math-1 --round 2 --participant ada --raw",
    )
    calls.add_argument("--round", type=COUNT, metavar="N", help="only those of round N")
    calls.add_argument("--participant", metavar="P", help="only those of participant P")
    calls.add_argument("--role", choices=ROLES, help="only those of that role")
    calls.add_argument(
        "--failed",
        action="store_true",
        help="only those that failed, and replies that could not be used",
    )
    calls.add_argument(
        "--raw", action="store_true", help="prompt and raw reply of each, controls escaped"
    )
    action(
        "coverage",
        "show step by step what arrived of a run, and why the rest did not",
        "coverage math-1",
    )
    action("ledger", "show what a run has used, by participant and role", "ledger math-1")
    export = action(
        "export", "write the tables of a run as Parquet files", "export math-1 --out math-1-tables"
    )
    export.add_argument(
        "--out", type=Path, metavar="DIR", required=True, help="folder to write into"
    )


def _add_steering(action: _Add) -> None:
    action(
        "watch",
        "follow a run until it stops",
        "watch math-1",
        "watch math-1 --server 127.0.0.1:50051",
    )
    action("pause", "start no further call of a run", "pause math-1")
    action("cancel", "stop a run for good; what it produced stays", "cancel math-1")
    resumed = action("resume", "go on with a paused run", "resume math-1 --max-calls 200")
    _add_play(resumed)


def _add_again(action: _Add) -> None:
    retried = action(
        "retry",
        "ask again the steps of a run that ended unavailable or unparsable",
        "retry math-1",
        "retry math-1 --max-calls 300",
    )
    _add_play(retried)
    _add_consent(retried)
    judged = action(
        "rejudge",
        "judge the answers of a finished run again, as a new run; both sets of judgments stay",
        "rejudge math-1 --identity named",
        "rejudge math-1 --judges ada bob --order fixed",
        "rejudge programming-1 --evidence hidden",
    )
    judged.add_argument("--run-id", metavar="RUN", default="", help="id of the new run")
    judged.add_argument(
        "--judges", nargs="+", metavar="P", default=[], help="who judges; all if left out"
    )
    judged.add_argument(
        "--identity",
        choices=("blind", "named"),
        default="blind",
        help="whether judges see neutral labels, or whose answers they judge; blind if left out",
    )
    judged.add_argument(
        "--order",
        choices=("shuffled", "fixed"),
        default="shuffled",
        help="whether each judge has an order of its own, or that of the league's file; "
        "shuffled if left out",
    )
    judged.add_argument(
        "--evidence",
        choices=("shown", "hidden"),
        default="shown",
        help="whether judges see what programs did; a report of both runs tells its effect",
    )
    judged.add_argument(
        "--seed", type=WHOLE, metavar="N", help="of orders and labels; the same again if left out"
    )
    _add_play(judged)
    _add_consent(judged)


def _add_consent(sub: argparse.ArgumentParser) -> None:
    """Adds what commands take that ask before they spend."""
    sub.add_argument(
        "--dry-run",
        action="store_true",
        help="say what it would ask and cost; send nothing to a model",
    )
    sub.add_argument(
        "--yes", "-y", action="store_true", help="do not ask before calls that may cost something"
    )


def _add_limits(action: _Add) -> None:
    limits = action(
        "limits",
        "show the limits of a run and what is used, or change them while it plays",
        "limits math-1",
        "limits math-1 --max-calls 500 --concurrency 8",
        "limits math-1 --max-cost none",
    )
    limits.add_argument("--max-calls", type=LARGE_COUNT.or_none(), metavar="N|none", help="calls")
    limits.add_argument("--max-tokens", type=LARGE_COUNT.or_none(), metavar="N|none", help="tokens")
    limits.add_argument("--max-cost", type=DOLLARS.or_none(), metavar="DOLLARS|none", help="cost")
    limits.add_argument("--concurrency", type=COUNT, metavar="N", help="calls under way at once")
    provider = action(
        "provider-limits",
        "show how fast a provider is called, or change it while its server plays",
        "provider-limits openai",
        "provider-limits openai --concurrency 20 --rpm 500 --tpm none",
        of=("provider", "PROVIDER"),
    )
    provider.add_argument("--concurrency", type=COUNT, metavar="N", help="calls under way at once")
    provider.add_argument("--rpm", type=COUNT.or_none(), metavar="N|none", help="calls a minute")
    provider.add_argument(
        "--tpm", type=LARGE_COUNT.or_none(), metavar="N|none", help="tokens a minute"
    )


def _add_play(sub: argparse.ArgumentParser) -> None:
    """Adds what commands take that play a run to its end."""
    sub.add_argument("--out", type=Path, metavar="DIR", help="where to write the report")
    sub.add_argument("--no-report", action="store_true", help="write no report")
    sub.add_argument("--max-calls", type=LARGE_COUNT, metavar="N", help="new limit of calls")
    sub.add_argument("--max-tokens", type=LARGE_COUNT, metavar="N", help="new limit of tokens")
    sub.add_argument("--max-cost", type=DOLLARS, metavar="DOLLARS", help="new limit of the cost")
