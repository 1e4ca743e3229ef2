"""The dataset: what one or several runs produced, as frozen records.

Built by `client.dataset` from the wire and by the server from its store; every
number, chart and page of this package starts here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """How a step ended.

    Attributes:
        outcome: `ok`, `refused`, `unparsable`, `truncated`, `unavailable`,
            `skipped`, or empty while the step has not finished.
        cause: One word when the outcome is not `ok`.
        detail: One sentence for people when the outcome is not `ok`; after asking again
            with success, why the last reply before could not be used.
        reasks: Times the model was asked again.
        repaired: The reply was broken JSON and was mended.
        retries: Times it had failed and was asked once more by a retry of the run.
        earlier_cause: Why it had failed before the last of them, in one word.
        earlier_detail: The same in one sentence.
        calls: Calls that the step took.
    """

    outcome: str = ""
    cause: str = ""
    detail: str = ""
    reasks: int = 0
    repaired: bool = False
    calls: int = 0
    retries: int = 0
    earlier_cause: str = ""
    earlier_detail: str = ""


@dataclass(frozen=True, kw_only=True)
class DroppedCase:
    """A case that answers were not run on, and why."""

    name: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Checker:
    """How outputs are compared with the reference's.

    Attributes:
        kind: `exact`, `tokens`, `floats` or `program`; may be another of a later version.
        absolute: Of `floats`: largest absolute difference of two numbers.
        relative: Of `floats`: largest difference relative to the expected number.
        language: Language of a program.
    """

    kind: str
    absolute: float = 0.0
    relative: float = 0.0
    language: str = ""


@dataclass(frozen=True, kw_only=True)
class QuestionCheck:
    """What came of running a programming question's reference before anyone answered.

    Attributes:
        verified: The reference ran twice alike on every case kept, and one was kept.
        kept: Names of the cases that answers were run on, in order.
        dropped: The cases that were not used.
        disputed: Names of the kept cases on which answers agree with each other against
            the reference; they are in no pass rate.
        repairs: Times the setter was asked to mend the question.
        detail: Why it is not verified, or what was mended; may be empty.
        language: Language of the reference.
        checker: How outputs are compared; `None` if that is not known.
    """

    verified: bool
    kept: tuple[str, ...] = ()
    dropped: tuple[DroppedCase, ...] = ()
    disputed: tuple[str, ...] = ()
    repairs: int = 0
    detail: str = ""
    language: str = ""
    checker: Checker | None = None


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question with what its setter said of it; `check` is `None` in mathematics."""

    text: str
    reference_answer: str = ""
    marking_scheme: str = ""
    principle: str = ""
    check: QuestionCheck | None = None


@dataclass(frozen=True, kw_only=True)
class CaseRun:
    """What a program did on one case.

    Attributes:
        name: Name of the case.
        verdict: Such as `accepted` or `wrong_answer`; `not_run` if it was not run since its
            time for all cases was used up. Then nothing was measured.
        cpu_s: CPU time of the program and its children, in seconds.
        wall_s: Time by the clock, in seconds.
        memory_bytes: Peak memory.
        exit_status: `None` when a signal ended it.
        signal: `None` when it exited.
        detail: Where the output differs, or what failed; may be empty.
    """

    name: str
    verdict: str
    cpu_s: float = 0.0
    wall_s: float = 0.0
    memory_bytes: int = 0
    exit_status: int | None = None
    signal: int | None = None
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What an answer's program did; its source is the answer's final answer.

    Attributes:
        language: Language that it was run as; empty if none could be told.
        language_basis: How the language was told, such as `fence`; empty if it was named.
        compile_verdict: `accepted`, or how compiling failed.
        compile_message: What the compiler printed.
        toolchain: Name and version of the compiler or interpreter.
        cases: One for each case run, in order; empty where it did not compile.
        pass_rate: Share of the kept, undisputed cases that it passed, 0..1; `None` where
            there is no such case. Cases on which the sandbox failed are in neither number.
    """

    language: str
    compile_verdict: str
    language_basis: str = ""
    compile_message: str = ""
    toolchain: str = ""
    cases: tuple[CaseRun, ...] = ()
    pass_rate: float | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One participant's answer; texts are empty when it gave none.

    In programming `final_answer` is the source, and `execution` what it did; `None` while
    it has not been run.
    """

    answerer: str
    result: StepResult
    text: str = ""
    final_answer: str = ""
    names_maker: bool = False
    execution: Execution | None = None


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What a judge gave one answer.

    Attributes:
        answerer: Whose answer it is.
        label: Label under which the judge saw it.
        position: Place at which the judge saw it, from 1.
        rank: In mathematics, from 1; ties share their mean rank.
        score: In programming, from 0 to 100.
        points: In mathematics, `max(0, (N-2) - (rank-1))`.
        share: In mathematics, `(m - rank) / (m - 1)`; `None` in a list of one.
        reason: The judge's reason.
    """

    answerer: str
    label: str = ""
    position: int = 0
    rank: float | None = None
    score: float | None = None
    points: float | None = None
    share: float | None = None
    reason: str = ""

    @property
    def value(self) -> float | None:
        """The mark on its subject's scale: points in mathematics, else the score."""
        return self.points if self.points is not None else self.score


@dataclass(frozen=True, kw_only=True)
class Judgment:
    """One judge's view of a round; `marks` is empty unless the outcome is `ok`.

    `evidence_outdated` says that it was shown other cases as disputed than are now.
    """

    judge: str
    result: StepResult
    answerers: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    evidence_outdated: bool = False


@dataclass(frozen=True, kw_only=True)
class Round:
    """One question, its answers and their judgments; `index` counts from 1."""

    index: int
    setter: str
    result: StepResult
    question: Question | None
    answers: tuple[Answer, ...] = ()
    judgments: tuple[Judgment, ...] = ()

    @property
    def is_void(self) -> bool:
        """It is not played; its question may be there, where its reference was not verified."""
        return self.result.outcome not in ("", "ok")


@dataclass(frozen=True, kw_only=True)
class Participant:
    """A model with its settings, as far as a report needs them."""

    id: str
    provider: str = ""
    model: str = ""
    family: str = ""
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One request to a model; `None` where the provider did not say."""

    round: int
    role: str
    participant: str
    ask: int
    attempt: int
    outcome: str
    cause: str = ""
    detail: str = ""
    http_status: int | None = None
    finish_reason: str = ""
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost_usd: float | None = None
    latency_s: float = 0.0
    first_token_s: float | None = None
    started_at: datetime | None = None
    served_model: str = ""
    response_format: str = ""
    request_sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run with all that it produced.

    Attributes:
        id: Id of the run.
        title: Name for people; may be empty.
        subject: `math` or `programming`.
        state: Such as `succeeded` or `running`.
        state_reason: One sentence; may be empty.
        participants: In league order.
        judges: Ids of those who judge, in league order.
        rounds_per_participant: Questions that each participant sets.
        seed: Seed of orders and labels.
        identity: `blind` or `named`.
        order: `shuffled` or `fixed`.
        evidence: In programming, whether judges saw what the programs did: `shown` or
            `hidden`; empty in mathematics.
        rounds: All rounds of the schedule, in order, those not begun included.
        calls: Every call, in the order in which they ended; may be left out.
        planned_marks: Marks that the run plans in all.
        planned_steps: Steps that the run plans in all.
        prompts_sha256: Hash of the prompt set.
        source_run: Run whose answers this one judges again; empty otherwise.
    """

    id: str
    subject: str
    participants: tuple[Participant, ...]
    judges: tuple[str, ...]
    rounds: tuple[Round, ...]
    title: str = ""
    state: str = "succeeded"
    state_reason: str = ""
    rounds_per_participant: int = 1
    seed: int = 0
    identity: str = "blind"
    order: str = "shuffled"
    evidence: str = ""
    calls: tuple[Call, ...] = ()
    planned_marks: int = 0
    planned_steps: int = 0
    prompts_sha256: str = ""
    source_run: str = ""
    server_version: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One run or several of one subject, to be read together."""

    runs: tuple[Run, ...]

    def __post_init__(self) -> None:
        """Refuses runs that cannot be read together.

        Raises:
            ValueError: There is no run, or the runs have different subjects.
        """
        subjects = {run.subject for run in self.runs}
        if len(subjects) != 1:
            found = ", ".join(sorted(subjects)) or "no run at all"
            raise ValueError(f"a dataset holds runs of one subject, found {found}")

    @property
    def subject(self) -> str:
        """Subject of every run."""
        return self.runs[0].subject

    @property
    def participants(self) -> tuple[str, ...]:
        """Ids of all participants, in order of first appearance."""
        return tuple(dict.fromkeys(p.id for run in self.runs for p in run.participants))

    def rounds(self) -> Iterator[tuple[Run, Round]]:
        """Yields every round with its run."""
        for run in self.runs:
            for round_ in run.rounds:
                yield run, round_
