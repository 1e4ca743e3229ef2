"""Programming: questions with references that were run, answers that are, scores with evidence."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sandbox.model import Case
from sandbox.runner import SandboxError
from server.league.display import Shown
from server.league.disputes import disputed
from server.league.evidence import evidence
from server.league.league import EvidenceView, League, QuestionGate
from server.league.outcome import Outcome
from server.league.programming_replies import read_program, read_programming_question
from server.league.programs import (
    CheckerChoice,
    Code,
    CodeAnswer,
    ProgrammingQuestion,
    QuestionCheck,
)
from server.league.prompts import PromptSet
from server.league.reading import Unreadable
from server.league.replies import JudgmentReply, names_maker, read_scores
from server.league.schedule import StepKey
from server.league.scoring import Mark, score_marks
from server.models.chat import ChatRequest
from server.play.answer_runs import held_to_account
from server.play.asker import Asker, StepAsked
from server.play.checking import Checked, check
from server.play.copies import Copies
from server.play.executing import Executing, RunStoppedError
from server.play.ports import RunStore
from server.play.programming_requests import ProgrammingRequests
from server.play.sandbox_failures import execute_surely
from server.play.subjects import Done
from server.play.versions import Version, after_repairs, best_of
from server.store.execution_records import ExecutionRecord, Purpose, QuestionCaseRecord
from server.store.records import RunRecord, StepRecord


@dataclass(frozen=True)
class SetQuestion:
    """A question that is played.

    Attributes:
        question: As its setter gave it.
        check: What came of checking it.
    """

    question: ProgrammingQuestion
    check: QuestionCheck

    @property
    def repaired(self) -> bool:
        """The reply was broken JSON and was mended."""
        return self.question.repaired


@dataclass(frozen=True)
class GivenAnswer:
    """An answer with what its program did."""

    answer: CodeAnswer
    execution: ExecutionRecord

    @property
    def repaired(self) -> bool:
        """The reply was broken JSON and was mended."""
        return self.answer.repaired


class Programming:
    """See `server.play.subjects.Subject`.

    Args:
        run: The run.
        prompts: Its prompts.
        asker: Asks for its steps.
        store: Where executions are.
        executing: Executes its programs.
    """

    judged_together = True

    def __init__(
        self,
        run: RunRecord,
        prompts: PromptSet,
        asker: Asker,
        store: RunStore,
        executing: Executing,
    ) -> None:
        self._run_id = run.run_id
        self._league: League = run.league
        self._asker = asker
        self._store = store
        self._executing = executing
        self._requests = ProgrammingRequests(run.run_id, run.league, prompts)
        self._copies = Copies(asker, self._requests)
        self._cases: dict[int, list[QuestionCaseRecord]] = {}
        self._executions: dict[int, dict[str, ExecutionRecord]] = {}
        self._disputed: dict[int, frozenset[int]] = {}

    def begun(self, finished: Iterable[StepRecord]) -> None:
        """Takes the texts of the questions that are on record: they must not come again."""
        self._copies.begun(finished)

    async def take_up(self, round_index: int) -> None:
        """Takes up the cases of a round, what its answers did, and what was disputed."""
        cases, executions, known = await asyncio.gather(
            self._store.question_cases(self._run_id, round_index),
            self._store.executions(self._run_id, round_index),
            self._store.disputes(self._run_id, round_index),
        )
        self._disputed[round_index] = known.get(round_index, frozenset())
        self._cases[round_index] = cases
        self._executions[round_index] = {
            each.participant: each for each in executions if each.purpose is Purpose.ANSWER
        }

    def let_go(self, round_index: int) -> None:
        """Drops what it took up of a round, and its disputes."""
        for by_round in (self._cases, self._executions, self._disputed):
            by_round.pop(round_index, None)

    async def question(self, key: StepKey) -> Done[SetQuestion] | None:
        """Has a question set, checked, and mended by its setter where that is needed."""
        request = self._requests.question(key)
        executions: list[ExecutionRecord] = []
        versions: list[Version] = []
        asked: StepAsked[ProgrammingQuestion] | None = None
        reasks = 0
        told = missing = ""
        while True:
            asked = await self._asker.ask(key, request, self._reader(key), before=asked)
            if asked is None:
                return None
            reasks += asked.asked.reasks
            if asked.value is None:
                unavailable = asked.asked.outcome is Outcome.UNAVAILABLE
                if not versions or (unavailable and not best_of(versions).is_verified):
                    # What was never asked to its end can be asked again.
                    self._copies.leave(key)
                    asked = replace(asked, asked=replace(asked.asked, reasks=reasks))
                    return Done(asked=asked, executions=executions)
                missing = asked.asked.cause
                break
            await self._asker.keep(key)
            checked = await self._check(key, asked.value, len(versions))
            if checked is None:
                return None
            executions += checked.executions
            versions.append(Version(asked.asked, asked.value, checked))
            # Whatever the programs do after a restart, what was asked is gone on with.
            repair = self._repair_on_record(key, asked) or checked.decision.repair
            if not repair or len(versions) > self._league.programming.max_repairs:
                break
            told = repair
            request = self._requests.repair(key, asked.value, told)
        best = best_of(versions)
        # What was not taken is no problem of this contest.
        self._copies.take(key, best.question)
        checked_as = after_repairs(versions, told, missing)
        asked = replace(asked, asked=replace(best.asked, reasks=reasks))
        return self._set(key, asked, best.question, checked_as, executions)

    def question_of(self, step: StepRecord) -> SetQuestion:
        """Returns the question of a step on record."""
        content = step.content or {}
        checker = dict(content["checker"])
        code = checker.pop("code")
        question = ProgrammingQuestion(
            text=content["text"],
            reference=Code(**content["reference"]),
            cases=(),
            checker=CheckerChoice(**checker, code=None if code is None else Code(**code)),
            marking_scheme=content["marking_scheme"],
            principle=content["principle"],
            repaired=step.repaired,
        )
        check_ = QuestionCheck(
            verified=content["verified"],
            cases=tuple(record.case for record in self._cases.get(step.key.round, ())),
            repairs=content["repairs"],
            detail=content["check_detail"],
        )
        return SetQuestion(question, check_)

    async def answer(self, key: StepKey, question: SetQuestion) -> Done[GivenAnswer] | None:
        """Has a question answered, and the answer executed."""
        asked = await self._asker.ask(
            key, self._requests.answer(key, question.question), read_program
        )
        if asked is None:
            return None
        answer = asked.value
        if answer is None:
            return Done(asked=asked)
        # It is paid for, and the sandbox may take a while.
        await self._asker.keep(key)
        execution = await self._execute(key, answer.code, question)
        if execution is None:
            return None
        author = self._league.participant(key.participant)
        content = {
            "text": answer.text,
            "final_answer": answer.code.source,
            "language": answer.code.language,
            "basis": answer.code.basis,
            "named": answer.code.named,
            "names_maker": names_maker(author, answer.text, answer.code.source),
        }
        return Done(
            asked=asked,
            value=GivenAnswer(answer, execution),
            content=content,
            executions=(execution,),
        )

    def answer_of(self, step: StepRecord, question: SetQuestion) -> GivenAnswer:  # noqa: ARG002
        """Returns the answer of a step on record."""
        content = step.content or {}
        code = Code(
            language=content["language"],
            source=content["final_answer"],
            basis=content["basis"],
            named=content["named"],
        )
        answer = CodeAnswer(code=code, text=content["text"], repaired=step.repaired)
        return GivenAnswer(answer, self._executions[step.key.round][step.key.participant])

    async def answered(
        self, round_index: int, question: SetQuestion, answers: Mapping[str, GivenAnswer]
    ) -> None:
        """Finds the cases on which the answers agree against the reference."""
        executions = [given.execution for given in answers.values()]
        checker = question.question.checker.checker
        # Outputs with many numbers are compared in decimal arithmetic.
        found = await asyncio.to_thread(disputed, question.check.kept, executions, checker)
        known = self._disputed.get(round_index, frozenset())
        self._disputed[round_index] = found
        # An answer that came later may have ended a dispute.
        if found != known:
            await self._store.record_disputes(self._run_id, round_index, sorted(found))

    def judgment(
        self,
        key: StepKey,
        question: SetQuestion,
        answers: Mapping[str, GivenAnswer],
        shown: Sequence[Shown],
    ) -> ChatRequest:
        """Returns what a judge is asked: the code, and what it did unless that is hidden."""
        seen: dict[str, dict[str, Any]] | None = None
        if self._league.programming.evidence is EvidenceView.SHOWN:
            found = self._disputed[key.round]
            seen = {
                item.answerer: evidence(
                    answers[item.answerer].execution, question.check.cases, found
                )
                for item in shown
            }
        given = {item.answerer: answers[item.answerer].answer for item in shown}
        return self._requests.judgment(
            key, question.question, question.check, given, evidence=seen, shown=shown
        )

    def shown_besides(self, round_index: int) -> dict[str, Any]:
        """Returns which cases judges are shown as disputed: an answer may yet come and end that."""
        if self._league.programming.evidence is not EvidenceView.SHOWN:
            return {}
        return {"disputed": sorted(self._disputed[round_index])}

    def read_judgment(self, reply: str, labels: Sequence[str]) -> JudgmentReply | Unreadable:
        """Reads scores."""
        return read_scores(reply, labels)

    def marks(self, shown: Sequence[Shown], judgment: JudgmentReply) -> tuple[Mark, ...]:
        """Returns the marks of scores."""
        return score_marks(shown, judgment.values, judgment.reasons)

    def _repair_on_record(self, key: StepKey, asked: StepAsked[ProgrammingQuestion]) -> str:
        """Returns why the setter was asked next to mend what was read; empty if it was not."""
        call = self._asker.on_record(key).get(asked.asks)
        if call is None or asked.value is None:
            return ""
        return self._requests.reason_in(call.prompt, key, asked.value) or ""

    def _reader(self, key: StepKey) -> Callable[[str], ProgrammingQuestion | Unreadable]:
        def read(reply: str) -> ProgrammingQuestion | Unreadable:
            question = read_programming_question(reply)
            if isinstance(question, Unreadable):
                return question
            return self._copies.read(key, reply, question)

        return read

    def _set(
        self,
        key: StepKey,
        asked: StepAsked[Any],
        question: ProgrammingQuestion,
        check_: QuestionCheck,
        executions: Sequence[ExecutionRecord],
    ) -> Done[SetQuestion]:
        """Returns a question that was checked; one that may not be played is no value."""
        content = {
            "text": question.text,
            "marking_scheme": question.marking_scheme,
            "principle": question.principle,
            "reference_answer": question.reference.source,
            "reference": asdict(question.reference),
            "checker": asdict(question.checker),
            "generator": None if question.generator is None else asdict(question.generator),
            "verified": check_.verified,
            "repairs": check_.repairs,
            "check_detail": check_.detail,
        }
        value: SetQuestion | None = SetQuestion(question, check_)
        if not check_.verified and self._league.programming.question_gate is QuestionGate.REQUIRE:
            value = None
            ended = replace(
                asked.asked,
                outcome=Outcome.UNPARSABLE,
                value=None,
                cause="question_unverified",
                detail=check_.detail,
            )
            asked = replace(asked, asked=ended)
        return Done(
            asked=asked,
            value=value,
            content=content,
            executions=executions,
            cases=[QuestionCaseRecord(round=key.round, case=case) for case in check_.cases],
        )

    async def _check(
        self, key: StepKey, question: ProgrammingQuestion, attempt: int
    ) -> Checked | None:
        """Checks a question; `None` when the run stops before that."""
        if self._asker.stopped:
            return None
        try:
            return await check(
                self._executing,
                question,
                round_index=key.round,
                setter=key.participant,
                attempt=attempt,
            )
        except SandboxError as error:
            self._pause(error)
            return None

    async def _execute(
        self, key: StepKey, code: Code, question: SetQuestion
    ) -> ExecutionRecord | None:
        """Executes an answer on the kept cases; `None` when the run stops before that."""
        if self._asker.stopped:
            return None
        kept = question.check.kept
        cases = [Case(case.input, case.expected, case.name) for case in kept]
        try:
            executed = await execute_surely(
                self._executing,
                lambda: self._executing.execute(code, cases, question.question.checker.checker),
            )
        except SandboxError as error:
            self._pause(error)
            return None
        return held_to_account(executed).record(
            round_index=key.round,
            participant=key.participant,
            purpose=Purpose.ANSWER,
            code=code,
            numbers=[case.number for case in kept],
        )

    def _pause(self, error: SandboxError) -> None:
        if isinstance(error, RunStoppedError):
            return
        self._asker.pause(
            f"{error}; when that is mended, resume the run: runs.py resume {self._run_id}"
        )
