"""The scripted endpoint as a process: prints its base URL, and how long each reply took at its end.

It ends when its input closes. Its arguments are the latency in seconds and the name of what
it plays; mathematics, if that is empty.
"""

import asyncio
import json
import sys

import uvloop

from tests.support.league_replies import play_along
from tests.support.programming_replies import TEXTS, plain, program, question
from tests.support.programming_script import ProgrammingScript
from tests.support.scripted_endpoint import ReplyFunction, ScriptedEndpoint, ScriptedReply
from tests.support.scripted_league import Asked, LeagueScript

_CASES = [(f"{number}\n",) for number in range(1, 9)]


def _printing(lines: int) -> LeagueScript:
    """Returns a league in which every program prints so many lines of 8 bytes on each case."""
    code = f"print('%07d\\n' % int(input()) * {lines}, end='')\n"

    def bend(asked: Asked) -> ScriptedReply:
        if asked.role == "question":
            return question(TEXTS[asked.round - 1], code, _CASES)
        return program(code) if asked.role == "answer" else plain(asked)

    return LeagueScript(bend)


def _script(name: str) -> ReplyFunction:
    match name:
        case "programming":
            return LeagueScript(ProgrammingScript(faultless=True))
        case "small":
            return _printing(1)
        case "large":
            # On 8 cases, a mebibyte.
            return _printing((1 << 20) // 8 // len(_CASES))
        case _:
            return play_along


async def main() -> None:
    """Serves until standard input closes."""
    reply = _script(sys.argv[2])
    models = [f"model-{number}" for number in range(1, 9)] if sys.argv[2] else ["scripted"]
    async with ScriptedEndpoint(reply, models, latency_s=float(sys.argv[1])) as endpoint:
        print(endpoint.base_url, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        print(json.dumps(endpoint.durations), flush=True)


# The faster loop: the endpoint shares the machine with what is measured.
with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
