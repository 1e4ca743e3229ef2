"""An endpoint that plays a league along, but for the steps that a test bends."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.support.league_replies import play_along
from tests.support.scripted_endpoint import ScriptedEndpoint, ScriptedReply, ScriptedRequest

STEP_HEADER = "x-llm-crowdsourced-step"


@dataclass(frozen=True)
class Asked:
    """A request with the step that it was sent for."""

    request: ScriptedRequest
    round: int
    role: str
    participant: str
    time: int

    @property
    def step(self) -> str:
        """The step, as `round/role/participant`."""
        return f"{self.round}/{self.role}/{self.participant}"


Bend = Callable[[Asked], ScriptedReply | Awaitable[ScriptedReply] | None]


class LeagueScript:
    """Replies of a league: `bend` may give one of its own, `None` plays along.

    Attributes:
        asked: What was asked, in order.
    """

    def __init__(self, bend: Bend | None = None) -> None:
        self.bend = bend
        self.asked: list[Asked] = []
        self._times: Counter[str] = Counter()

    def __call__(self, request: ScriptedRequest) -> ScriptedReply | Awaitable[ScriptedReply]:
        """Replies to a request."""
        step = request.headers[STEP_HEADER]
        index, role, participant = step.split("/")
        asked = Asked(request, int(index), role, participant, self._times[step])
        self._times[step] += 1
        self.asked.append(asked)
        bent = self.bend(asked) if self.bend is not None else None
        return play_along(request) if bent is None else bent

    def times(self) -> Counter[str]:
        """Returns how often each step was asked for."""
        return Counter(asked.step for asked in self.asked)

    def of(self, role: str, participant: str = "") -> list[Asked]:
        """Returns what was asked in a role, of one participant where one is named."""
        return [a for a in self.asked if a.role == role and participant in ("", a.participant)]

    def endpoint(self, latency_s: float = 0.0) -> ScriptedEndpoint:
        """Returns an endpoint that replies so, with the models of `math_league`."""
        models = [f"model-{number}" for number in range(1, 13)]
        return ScriptedEndpoint(self, models=models, latency_s=latency_s)


class Held:
    """Holds back the replies of chosen steps until they are let go.

    Attributes:
        waiting: Requests that wait.
        arrived: Set when one begins to wait.
    """

    def __init__(self, chosen: Callable[[Asked], bool]) -> None:
        self._chosen = chosen
        self._open = asyncio.Event()
        self.waiting = 0
        self.arrived = asyncio.Event()

    def __call__(self, asked: Asked) -> Awaitable[ScriptedReply] | None:
        """Bends the chosen steps."""
        if not self._chosen(asked) or self._open.is_set():
            return None
        return self._hold(asked)

    async def _hold(self, asked: Asked) -> ScriptedReply:
        self.waiting += 1
        self.arrived.set()
        await self._open.wait()
        self.waiting -= 1
        return play_along(asked.request)

    def let_go(self) -> None:
        """Lets all replies go, those to come as well."""
        self._open.set()


async def eventually(holds: Callable[[], bool], timeout_s: float = 120.0) -> None:
    """Waits until something holds, a little at a time; fails when that takes beyond all measure."""
    async with asyncio.timeout(timeout_s):
        while not holds():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.005)
