"""Plays one run: every step starts as soon as what it needs is there.

What is left to do is the schedule less the finished steps, so playing on after
a pause, a crash or a restart is the same as playing.

A step that needs a reply is asked as soon as the reply is read, while the reply is
on its way to disk; what it comes to is written only once that is there. So the
disk is waited for once a round and not at each step, and holds no step without
what it rests on.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.carrying import carry_through
from server.league.display import shown_to
from server.league.league import Budget
from server.league.outcome import Outcome
from server.league.prompts import PromptSet
from server.league.schedule import (
    Role,
    StepKey,
    answerers_of,
    judged_by,
    planned_steps,
    schedule,
    setter_of,
)
from server.league.scoring import Mark
from server.play.asker import Asker
from server.play.gate import write_arrived
from server.play.ledger import Amount
from server.play.ports import ModelSource, RunStore
from server.play.subjects import Done, Subject
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
    question: Any = None
    answers: dict[str, Any] = field(default_factory=dict)
    writers: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup)
    writes: dict[StepKey, asyncio.Task[None]] = field(default_factory=dict)


class Player:
    """Plays one run until it is finished or stopped.

    Args:
        run: The run, as the store has it.
        prompts: Its prompts.
        store: Where everything is kept.
        models: Who is asked.
        subject_for: Gives the subject, whose steps the asker asks for.
    """

    def __init__(
        self,
        run: RunRecord,
        prompts: PromptSet,
        store: RunStore,
        models: ModelSource,
        subject_for: Callable[[RunRecord, PromptSet, Asker], Subject[Any, Any]],
    ) -> None:
        self._run_id = run.run_id
        self._league = run.league
        self._store = store
        self._asker = Asker(run, prompts, store, models)
        self._subject = subject_for(run, prompts, self._asker)
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
        self._subject.begun(self._finished.values())
        left = [key for key in schedule(self._league) if key not in self._finished]
        open_rounds = sorted({key.round for key in left})
        if self._finished:
            self._asker.follow({key.participant for key in left})
            # Of a round in which nothing is left to do, nothing is needed.
            self._finished = {
                key: step for key, step in self._finished.items() if key.round in open_rounds
            }
        try:
            async with asyncio.TaskGroup() as group:
                rounds = [
                    group.create_task(self._play_round(_Round(index))) for index in open_rounds
                ]
        finally:
            # Whatever went wrong, what was paid for is kept.
            for key in tuple(self._asker.arrived):
                await write_arrived(self._store, self._run_id, key, self._asker.arrived)
        return all(task.result() for task in rounds)

    async def _play_round(self, round_: _Round) -> bool:
        """Plays what is left of one round, and says whether all of it is finished."""
        try:
            async with round_.writers:
                return await self._play_steps(round_)
        finally:
            self._subject.let_go(round_.index)

    async def _play_steps(self, round_: _Round) -> bool:
        if not await self._set_question(round_):
            return False
        if round_.question is None:
            return await self._skip_round(round_)
        answers: dict[str, asyncio.Task[bool]] = {}
        async with asyncio.TaskGroup() as group:
            for answerer in answerers_of(self._league, round_.index):
                answers[answerer] = group.create_task(self._answer(round_, answerer))
            together = None
            if self._subject.judged_together:
                together = group.create_task(self._all_answered(round_, answers))
            judgments = [
                group.create_task(self._judge(round_, judge, answers, together))
                for judge in self._league.judge_ids
            ]
        return all(task.result() for task in (*answers.values(), *judgments))

    async def _set_question(self, round_: _Round) -> bool:
        setter = setter_of(self._league, round_.index)
        key = StepKey(round_.index, Role.QUESTION, setter)
        finished = self._finished.get(key)
        if finished is None:
            done = await self._subject.question(key)
            if done is None:
                return False
            round_.question = done.value
            await self._finish(round_, key, done)
        elif finished.outcome is Outcome.OK:
            await self._subject.take_up(round_.index)
            round_.question = self._subject.question_of(finished)
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
            if finished.outcome is Outcome.OK:
                answer = self._subject.answer_of(finished, round_.question)
                round_.answers[answerer] = answer
            return True
        if round_.question is None:
            raise AssertionError("a round without a question has no answers")
        done = await self._subject.answer(key, round_.question)
        if done is None:
            return False
        if done.value is not None:
            round_.answers[answerer] = done.value
        question = StepKey(round_.index, Role.QUESTION, setter_of(self._league, round_.index))
        await self._finish(round_, key, done, needs=[question])
        return True

    async def _all_answered(
        self, round_: _Round, answers: Mapping[str, asyncio.Task[bool]]
    ) -> bool:
        """Waits for all answers of a round, and has done what is due then; says whether it was."""
        await asyncio.wait(answers.values())
        if not all(task.result() for task in answers.values()):
            return False
        await self._subject.answered(round_.index, round_.question, round_.answers)
        return True

    async def _judge(
        self,
        round_: _Round,
        judge: str,
        answers: Mapping[str, asyncio.Task[bool]],
        together: asyncio.Task[bool] | None,
    ) -> bool:
        key = StepKey(round_.index, Role.JUDGMENT, judge)
        if key in self._finished:
            return True
        answerers = judged_by(self._league, round_.index, judge)
        needed = [answers[answerer] for answerer in answerers] if together is None else [together]
        await asyncio.wait(needed)
        if not all(task.result() for task in needed):
            return False
        shown_with = answerers if together is None else tuple(answers)
        needs = [StepKey(round_.index, Role.ANSWER, answerer) for answerer in shown_with]
        there = [answerer for answerer in answerers if answerer in round_.answers]
        if not there:
            await self._on_disk(round_, needs)
            detail = "no answer arrived that it could judge"
            return await self._skip(key, "nothing_to_judge", detail)
        if round_.question is None:
            raise AssertionError("a round without a question has no judgments")
        shown = shown_to(self._league, round_.index, judge, there)
        request = self._subject.judgment(key, round_.question, round_.answers, shown)
        labels = [item.label for item in shown]
        asked = await self._asker.ask(
            key, request, lambda reply: self._subject.read_judgment(reply, labels)
        )
        if asked is None:
            return False
        marks: tuple[Mark, ...] = ()
        if asked.value is not None:
            marks = self._subject.marks(shown, asked.value)
        seen = {"shown": [vars(i) for i in shown], **self._subject.shown_besides(round_.index)}
        done = Done(asked=asked, value=asked.value, content=seen)
        await self._finish(round_, key, done, marks, needs=needs)
        return True

    async def _finish(
        self,
        round_: _Round,
        key: StepKey,
        done: Done[Any],
        marks: Sequence[Mark] = (),
        *,
        needs: Sequence[StepKey] = (),
    ) -> None:
        """Sends a step's end to disk, once the steps that it rests on are there."""
        asked = done.asked.asked
        step = StepRecord(
            key=key,
            outcome=asked.outcome,
            cause=asked.cause,
            detail=asked.detail,
            reasks=asked.reasks,
            repaired=getattr(done.value, "repaired", False),
            calls=done.asked.calls,
            content=done.content,
        )
        kept = tuple(MarkRecord(round=key.round, judge=key.participant, **vars(m)) for m in marks)
        await self._on_disk(round_, needs)
        writing = self._write(step, kept, done)
        try:
            round_.writes[key] = round_.writers.create_task(writing)
        except RuntimeError:
            # Another write of the round has failed, which ends all of them.
            writing.close()
            raise

    async def _on_disk(self, round_: _Round, keys: Sequence[StepKey]) -> None:
        """Waits until steps of a round are on disk.

        Raises:
            StoreError: One of them could not be written.
        """
        for key in keys:
            if (write := round_.writes.get(key)) is not None:
                # Shielded: who waits for a write and is cancelled does not cancel it.
                await asyncio.shield(write)

    async def _write(
        self, step: StepRecord, marks: tuple[MarkRecord, ...], done: Done[Any]
    ) -> None:
        reply = self._asker.arrived.pop(step.key, None)
        try:
            await carry_through(self._keep(step, marks, reply, done))
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
        done: Done[Any] | None = None,
    ) -> None:
        self._left -= 1
        last = not self._left
        executions, cases = (done.executions, done.cases) if done is not None else ((), ())
        await self._store.finish_step(
            self._run_id, step, marks, reply, last=last, executions=executions, cases=cases
        )
        self._ended = self._ended or last
