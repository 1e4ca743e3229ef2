"""Gives each run its subject."""

from typing import Any

from sandbox.runner import Runner
from server.league.league import Subject as About
from server.league.prompts import PromptSet
from server.play.asker import Asker
from server.play.executing import Executing
from server.play.mathematics import Mathematics
from server.play.ports import RunStore
from server.play.programming import Programming
from server.play.requests import Requests
from server.play.subjects import Subject
from server.store.records import RunRecord


class Subjects:
    """The subjects that a server plays.

    Args:
        store: Where runs are kept.
        runner: Runs the programs of programming leagues.
    """

    def __init__(self, store: RunStore, runner: Runner) -> None:
        self._store = store
        self._runner = runner

    def __call__(self, run: RunRecord, prompts: PromptSet, asker: Asker) -> Subject[Any, Any]:
        """Returns the subject of a run, whose steps the asker asks for."""
        if run.league.subject is About.MATH:
            requests = Requests(run.run_id, run.league, prompts)
            return Mathematics(run.league, requests, asker.ask)
        executing = Executing(self._runner, run.run_id, asker.stopping)
        return Programming(run, prompts, asker, self._store, executing)
