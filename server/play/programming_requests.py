"""What each step of a programming league asks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from sandbox.languages import LANGUAGES
from sandbox.model import MIB
from server.league.display import Shown
from server.league.league import League
from server.league.programs import (
    CheckerChoice,
    Code,
    CodeAnswer,
    GivenCase,
    ProgrammingQuestion,
    QuestionCheck,
)
from server.league.prompts import PromptSet, render
from server.league.replies import MAX_TEXT
from server.league.schedule import StepKey
from server.league.shapes import judgment_shape, program_shape, programming_question_shape
from server.league.time_budget import IN_WORDS
from server.models.chat import ChatRequest, Message
from server.play.asking import asking_again
from server.play.quoting import as_data
from server.play.requests import RequestMaker, as_kept
from server.play.shares import fair_share, shown_part, size

# Bytes that a judge sees at most of what an author says of a program, of a program, and of
# all programs of a judgment, the reference among them. Without bounds one long answer
# would pass the context of every judge, and the others would lose their marks with it.
MOST_OF_AN_APPROACH = 2_000
MOST_OF_A_PROGRAM = 24_000
MOST_OF_ALL_PROGRAMS = 120_000

# What setters and answerers are told of how programs are run: a line for each language, with
# the limits of a case, and the time for all cases.
_LIMITS = {
    "languages": "\n".join(
        f"- {language.id}: {language.title}, {language.limits.cpu_s:g} s of CPU time,"
        f" {language.limits.memory_bytes // MIB} MiB"
        for language in LANGUAGES.values()
    ),
    "time_for_all": IN_WORDS,
}

# Of the messages of a request as they are kept, after the last one's text.
_END = '"}]'


class ProgrammingRequests:
    """Makes the requests of one run's steps.

    Args:
        run_id: The run.
        league: Its league.
        prompts: Its prompts.
    """

    def __init__(self, run_id: str, league: League, prompts: PromptSet) -> None:
        self._league = league
        self._prompts = prompts
        self._maker = RequestMaker(run_id, league, prompts)

    def question(self, key: StepKey) -> ChatRequest:
        """Asks for a question."""
        participant = self._league.participant(key.participant)
        values = {**self._maker.numbering(key.round), **_LIMITS}
        return self._maker.make(
            key, values, programming_question_shape(participant.max_output_tokens)
        )

    def repair(self, key: StepKey, question: ProgrammingQuestion, reason: str) -> ChatRequest:
        """Asks the setter to mend its question.

        A question that is too long to be sent back as a whole is asked for anew.

        Args:
            key: The step.
            question: What it gave.
            reason: Why that cannot be used.
        """
        request = self.question(key)
        given = as_data(_given(question))
        if len(given) > MAX_TEXT:
            return asking_again(request, self._prompts, as_data(reason))
        values = {"question": given, "reason": as_data(reason)}
        *before, last = request.messages
        content = last.content.rstrip() + render(self._prompts.texts["repair"], values)
        return replace(request, messages=(*before, Message(role=last.role, content=content)))

    def reason_in(self, prompt: str, key: StepKey, question: ProgrammingQuestion) -> str | None:
        """Returns for which reason a prompt asked the setter to mend a question.

        Args:
            prompt: A prompt of the step, as it is kept.
            key: The step.
            question: What the setter gave.

        Returns:
            The reason; `None` if the prompt asked for something else.
        """
        place = uuid4().hex
        before, _, after = as_kept(self.repair(key, question, place)).partition(place)
        if not (prompt.startswith(before) and prompt.endswith(after)):
            return None
        try:
            # A string of JSON within one.
            written = json.loads(f'"{prompt[len(before) : -len(after)]}"')
            reason: str = json.loads(f'"{written}"')
        except ValueError:
            return None
        return reason

    def asks_again(self, prompt: str, key: StepKey, reason: str) -> bool:
        """Says whether a prompt of a step, as it is kept, asked again for this reason."""
        bare = replace(self.question(key), messages=(Message(role="user", content=""),))
        again = as_kept(asking_again(bare, self._prompts, reason))
        return prompt.endswith(again[len(as_kept(bare)) - len(_END) :])

    def answer(self, key: StepKey, question: ProgrammingQuestion) -> ChatRequest:
        """Asks for a program. Reference and cases are no part of what an answerer sees."""
        participant = self._league.participant(key.participant)
        values = {"question": as_data(question.text), **_LIMITS}
        return self._maker.make(key, values, program_shape(participant.max_output_tokens))

    def judgment(
        self,
        key: StepKey,
        question: ProgrammingQuestion,
        check: QuestionCheck,
        answers: Mapping[str, CodeAnswer],
        *,
        evidence: Mapping[str, Mapping[str, Any]] | None,
        shown: Sequence[Shown],
    ) -> ChatRequest:
        """Asks for a judgment of the programs, as they are shown to this judge.

        Args:
            key: The step.
            question: What was asked.
            check: What came of running its reference.
            answers: The programs, by answerer.
            evidence: What came of running them, by answerer; `None` where judges are not
                to see it. Then they do not see what the reference did, either.
            shown: Whose programs they see, under which labels, in which order.
        """
        participant = self._league.participant(key.participant)
        labels = [item.label for item in shown]
        programs = (question.reference, *(answers[item.answerer].code for item in shown))
        sizes = [size(program.source) for program in programs]
        most = fair_share(sizes, MOST_OF_A_PROGRAM, MOST_OF_ALL_PROGRAMS)
        data: dict[str, Any] = {
            "problem": question.text,
            "marking_scheme": question.marking_scheme,
            "reference": _program(question.reference, most),
        }
        if evidence is not None:
            data["check_of_reference"] = _check(check)
        data["programs"] = {}
        for item in shown:
            answer = answers[item.answerer]
            entry = {
                **shown_part("approach", answer.text, MOST_OF_AN_APPROACH),
                **_program(answer.code, most),
            }
            if evidence is not None:
                entry["evidence"] = evidence[item.answerer]
            data["programs"][item.label] = entry
        view = "evidence_hidden" if evidence is None else "evidence_shown"
        values = {
            "labels": ", ".join(labels),
            "evidence": self._prompts.texts[view].strip(),
            "data": as_data(data),
        }
        shape = judgment_shape(self._league.subject, labels, participant.max_output_tokens)
        return self._maker.make(key, values, shape)


def _program(code: Code, most: int) -> dict[str, Any]:
    return {"language": code.language, **shown_part("code", code.source, most)}


def _check(check: QuestionCheck) -> dict[str, Any]:
    return {
        "verified": check.verified,
        "cases_kept": len(check.kept),
        "cases_dropped": len(check.cases) - len(check.kept),
        "detail": check.detail,
    }


def _given(question: ProgrammingQuestion) -> dict[str, Any]:
    """Returns a question with the keys of the reply that it came from."""
    generator = None
    if question.generator is not None:
        generator = {
            **_code(question.generator),
            "inputs": [
                case.input if case.expected is None else _case(case)
                for case in question.cases
                if case.generated
            ],
        }
    return {
        "principle": question.principle,
        "problem": question.text,
        "language": question.reference.language,
        "solution": question.reference.source,
        "checker": _checker(question.checker),
        "cases": [_case(case) for case in question.cases if not case.generated],
        "generator": generator,
        "marking_scheme": question.marking_scheme,
    }


def _code(code: Code) -> dict[str, str]:
    return {"language": code.language, "code": code.source}


def _case(case: GivenCase) -> dict[str, str]:
    return {"input": case.input, **({} if case.expected is None else {"output": case.expected})}


def _checker(choice: CheckerChoice) -> dict[str, Any]:
    shown: dict[str, Any] = {"kind": choice.kind}
    if choice.kind == "floats":
        shown |= {"absolute": choice.absolute, "relative": choice.relative}
    return {**shown, **({} if choice.code is None else _code(choice.code))}
