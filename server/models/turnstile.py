"""Lets calls leave one at a turn of the event loop.

Hundreds of calls that leave in one turn keep the loop from the replies that
arrive meanwhile, and their wait would pass for the model's latency. One at a turn
leaves room for every reply in between, at the same throughput.
"""

import asyncio
from collections import deque


class Turnstile:
    """First come, first served; used on one event loop.

    Attributes:
        turn: Number of the last turn that was given. Whoever has been given one
            and finds another number has waited for something since.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turning = False
        self.turn = 0

    async def enter(self) -> None:
        """Waits for a turn of the loop of one's own."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        if not self._turning:
            self._turning = True
            loop.call_soon(self._turn)
        await turn

    def _turn(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                self.turn += 1
                turn.set_result(None)
                break
        self._turning = bool(self._waiting)
        if self._turning:
            asyncio.get_running_loop().call_soon(self._turn)
