"""Plays one run: every step starts as soon as what it needs is there.

What is left to do is the schedule less the finished steps, so playing on after
a pause, a crash or a restart is the same as playing.

A step that needs a reply is asked as soon as the reply is read, while the reply is
on its way to disk; what it comes to is written only once that is there. So the
disk is waited for once a round and not at each step, and holds no step without
what it rests on.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.carrying import carry_through
from server.league.display import Shown, shown_to
from server.league.league import Budget, Subject
from server.league.outcome import Outcome
from server.league.prompts import PromptSet
from server.league.reading import Unreadable
from server.league.replies import (
    AnswerReply,
    JudgmentReply,
    QuestionReply,
    names_maker,
    read_answer,
    read_question,
    read_ranking,
    read_scores,
)
from server.league.schedule import (
    Role,
    StepKey,
    answerers_of,
    judged_by,
    planned_steps,
    schedule,
    setter_of,
)
from server.league.scoring import Mark, ranking_marks, score_marks
from server.play.asker import Asker, StepAsked
from server.play.gate import write_arrived
from server.play.ledger import Amount
from server.play.ports import ModelSource, RunStore
from server.play.requests import Requests
from server.store.records import CallRecord, MarkRecord, RunRecord, StepRecord


@dataclass
class _Round:
    """What of one round is there already.

    Attributes:
        index: Its number, from 1.
        question: Its question, once it has been read.
        answers: Answers by participant, once they have been read.
        writers: Runs the writes.
        writes: Steps that are on their way to disk, or have got there by now.
    """

    index: int
    question: QuestionReply | None = None
    answers: dict[str, AnswerReply] = field(default_factory=dict)
    writers: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup)
    writes: dict[StepKey, asyncio.Task[None]] = field(default_factory=dict)


class Player:
    """Plays one run until it is finished or stopped.

    Args:
        run: The run, as the store has it.
        prompts: Its prompts.
        store: Where everything is kept.
        models: Who is asked.
    """

    def __init__(
        self, run: RunRecord, prompts: PromptSet, store: RunStore, models: ModelSource
    ) -> None:
        self._run_id = run.run_id
        self._league = run.league
        self._store = store
        self._requests = Requests(run.run_id, run.league, prompts)
        self._asker = Asker(run, prompts, store, models)
        # Of a new run nothing is on record, which need not be read.
        self._begun = bool(run.progress.calls or run.progress.done_steps)
        self._finished: Mapping[StepKey, StepRecord] = {}
        self._left = 0
        self._ended = False

    @property
    def ended(self) -> bool:
        """The run has been ended with its last step."""
        return self._ended

    @property
    def pause_reason(self) -> str:
        """Why the run has to pause, in one sentence; empty if it has not."""
        return self._asker.pause_reason

    @property
    def eased(self) -> bool:
        """The budget was reached, and has been changed since: to be played on at once."""
        return self._asker.eased

    @property
    def reserved(self) -> Amount:
        """The calls under way, and what they may take at worst."""
        return self._asker.reserved

    def eased_by(self, budget: Budget) -> bool:
        """Says whether the budget was reached, and `budget` is another one."""
        return self._asker.eased_by(budget)

    def stop(self, reason: str) -> None:
        """Starts no further call. Those under way still arrive and are kept."""
        self._asker.stop(reason)

    def set_limits(self, budget: Budget, max_concurrent_calls: int) -> None:
        """Changes the run's limits at once; calls under way stay."""
        self._asker.set_limits(budget, max_concurrent_calls)

    async def play(self) -> bool:
        """Plays what is left, and says whether all of it is finished.

        It is not when the run was stopped, or has to pause: `pause_reason` then
        says why.

        Raises:
            ExceptionGroup: Our own failures, such as `StoreError`.
        """
        self._asker.open()
        if self._begun:
            steps, _ = await asyncio.gather(self._store.steps(self._run_id), self._asker.take_up())
            self._finished = {step.key: step for step in steps}
        self._left = planned_steps(self._league) - len(self._finished)
        if self._finished:
            left = (key for key in schedule(self._league) if key not in self._finished)
            self._asker.follow({key.participant for key in left})
        try:
            async with asyncio.TaskGroup() as group:
                rounds = [
                    group.create_task(self._play_round(_Round(index)))
                    for index in range(1, self._league.rounds + 1)
                ]
        finally:
            # Whatever went wrong, what was paid for is kept.
            for key in tuple(self._asker.arrived):
                await write_arrived(self._store, self._run_id, key, self._asker.arrived)
        return all(task.result() for task in rounds)

    async def _play_round(self, round_: _Round) -> bool:
        """Plays what is left of one round, and says whether all of it is finished."""
        async with round_.writers:
            return await self._play_steps(round_)

    async def _play_steps(self, round_: _Round) -> bool:
        if not await self._set_question(round_):
            return False
        if round_.question is None:
            return await self._skip_round(round_)
        answers: dict[str, asyncio.Task[bool]] = {}
        async with asyncio.TaskGroup() as group:
            for answerer in answerers_of(self._league, round_.index):
                answers[answerer] = group.create_task(self._answer(round_, answerer))
            judgments = [
                group.create_task(self._judge(round_, judge, answers))
                for judge in self._league.judge_ids
            ]
        return all(task.result() for task in (*answers.values(), *judgments))

    async def _set_question(self, round_: _Round) -> bool:
        setter = setter_of(self._league, round_.index)
        key = StepKey(round_.index, Role.QUESTION, setter)
        finished = self._finished.get(key)
        if finished is None:
            asked = await self._asker.ask(key, self._requests.question(key), read_question)
            if asked is None:
                return False
            round_.question = asked.value
            content = None if asked.value is None else _content(asked.value)
            await self._finish(round_, key, asked, content)
        elif finished.outcome is Outcome.OK:
            round_.question = QuestionReply(**(finished.content or {}), repaired=finished.repaired)
        return True

    async def _skip_round(self, round_: _Round) -> bool:
        """Finishes a void round: nobody can answer a question that never came."""
        setter = setter_of(self._league, round_.index)
        steps = [(Role.ANSWER, i) for i in answerers_of(self._league, round_.index)]
        steps += [(Role.JUDGMENT, i) for i in self._league.judge_ids]
        await self._on_disk(round_, [StepKey(round_.index, Role.QUESTION, setter)])
        detail = f"{setter} set no usable question in this round"
        for role, participant in steps:
            key = StepKey(round_.index, role, participant)
            if not await self._skip(key, "question_void", detail):
                return False
        return True

    async def _answer(self, round_: _Round, answerer: str) -> bool:
        key = StepKey(round_.index, Role.ANSWER, answerer)
        finished = self._finished.get(key)
        if finished is not None:
            if finished.outcome is Outcome.OK and finished.content is not None:
                content = finished.content
                round_.answers[answerer] = AnswerReply(
                    content["text"], content["final_answer"], finished.repaired
                )
            return True
        if round_.question is None:
            raise AssertionError("a round without a question has no answers")
        asked = await self._asker.ask(key, self._requests.answer(key, round_.question), read_answer)
        if asked is None:
            return False
        kept: dict[str, Any] | None = None
        if asked.value is not None:
            round_.answers[answerer] = asked.value
            flagged = names_maker(
                self._league.participant(answerer), asked.value.text, asked.value.final_answer
            )
            kept = {**_content(asked.value), "names_maker": flagged}
        question = StepKey(round_.index, Role.QUESTION, setter_of(self._league, round_.index))
        await self._finish(round_, key, asked, kept, needs=[question])
        return True

    async def _judge(
        self, round_: _Round, judge: str, answers: Mapping[str, asyncio.Task[bool]]
    ) -> bool:
        key = StepKey(round_.index, Role.JUDGMENT, judge)
        if key in self._finished:
            return True
        answerers = judged_by(self._league, round_.index, judge)
        needed = [answers[answerer] for answerer in answerers]
        await asyncio.wait(needed)
        if not all(task.result() for task in needed):
            return False
        needs = [StepKey(round_.index, Role.ANSWER, answerer) for answerer in answerers]
        there = [answerer for answerer in answerers if answerer in round_.answers]
        if not there:
            await self._on_disk(round_, needs)
            detail = "no answer arrived that it could judge"
            return await self._skip(key, "nothing_to_judge", detail)
        if round_.question is None:
            raise AssertionError("a round without a question has no judgments")
        shown = shown_to(self._league, round_.index, judge, there)
        request = self._requests.judgment(key, round_.question, round_.answers, shown)
        labels = [item.label for item in shown]
        asked = await self._asker.ask(
            key, request, lambda reply: self._read_judgment(reply, labels)
        )
        if asked is None:
            return False
        marks: tuple[Mark, ...] = ()
        if asked.value is not None:
            marks = self._marks(shown, asked.value)
        content = {"shown": [vars(item) for item in shown]}
        await self._finish(round_, key, asked, content, marks, needs=needs)
        return True

    def _read_judgment(self, reply: str, labels: Sequence[str]) -> JudgmentReply | Unreadable:
        if self._league.subject is Subject.MATH:
            return read_ranking(reply, labels)
        return read_scores(reply, labels)

    def _marks(self, shown: Sequence[Shown], judgment: JudgmentReply) -> tuple[Mark, ...]:
        if self._league.subject is Subject.MATH:
            participants = len(self._league.participants)
            return ranking_marks(shown, judgment.values, judgment.reasons, participants)
        return score_marks(shown, judgment.values, judgment.reasons)

    async def _finish(
        self,
        round_: _Round,
        key: StepKey,
        asked: StepAsked[Any],
        content: dict[str, Any] | None,
        marks: Sequence[Mark] = (),
        *,
        needs: Sequence[StepKey] = (),
    ) -> None:
        """Sends a step's end to disk, once the steps that it rests on are there."""
        step = StepRecord(
            key=key,
            outcome=asked.asked.outcome,
            cause=asked.asked.cause,
            detail=asked.asked.detail,
            reasks=asked.asked.reasks,
            repaired=getattr(asked.value, "repaired", False),
            calls=asked.calls,
            content=content,
        )
        kept = tuple(MarkRecord(round=key.round, judge=key.participant, **vars(m)) for m in marks)
        await self._on_disk(round_, needs)
        round_.writes[key] = round_.writers.create_task(self._write(step, kept))

    async def _on_disk(self, round_: _Round, keys: Sequence[StepKey]) -> None:
        """Waits until steps of a round are on disk.

        Raises:
            StoreError: One of them could not be written.
        """
        for key in keys:
            if (write := round_.writes.get(key)) is not None:
                # Shielded: who waits for a write and is cancelled does not cancel it.
                await asyncio.shield(write)

    async def _write(self, step: StepRecord, marks: tuple[MarkRecord, ...]) -> None:
        reply = self._asker.arrived.pop(step.key, None)
        try:
            await carry_through(self._keep(step, marks, reply))
        except Exception:
            # Together they were not written; the reply, which is paid for, may be by itself.
            if reply is not None:
                self._asker.arrived[step.key] = reply
            raise

    async def _skip(self, key: StepKey, cause: str, detail: str) -> bool:
        """Finishes a step that cannot be asked; not where the run has been stopped.

        What the step lacks may have been opened again since then.
        """
        if key not in self._finished:
            if self._asker.stopped:
                return False
            step = StepRecord(key=key, outcome=Outcome.SKIPPED, cause=cause, detail=detail)
            await self._keep(step)
        return True

    async def _keep(
        self,
        step: StepRecord,
        marks: tuple[MarkRecord, ...] = (),
        reply: CallRecord | None = None,
    ) -> None:
        self._left -= 1
        last = not self._left
        await self._store.finish_step(self._run_id, step, marks, reply, last=last)
        self._ended = self._ended or last


def _content(reply: QuestionReply | AnswerReply) -> dict[str, Any]:
    """Returns what a reply says, without how it was read."""
    return {k: v for k, v in vars(reply).items() if k != "repaired"}
