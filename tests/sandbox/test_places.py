"""Places: never too many, none lost, and callers take turns."""

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sandbox.places import Places
from sandbox.runner import QueueFullError

CALLERS = st.sampled_from("abcde")


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@dataclass(eq=False)
class _Program:
    """One that takes a place and holds it until it is told to end."""

    caller: str
    number: int
    done: asyncio.Event
    began: bool = False
    task: "asyncio.Task[None] | None" = None

    async def run(self, places: Places, log: list["_Program"]) -> None:
        async with places.taken(self.caller):
            self.began = True
            log.append(self)
            await self.done.wait()


class PlacesMachine(RuleBasedStateMachine):
    """Programs come, end and are given up in any order."""

    capacity = 2
    max_waiting = 6

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.places = Places(self.capacity, self.max_waiting)
        self.programs: list[_Program] = []
        self.granted: list[_Program] = []
        self.overtaken: dict[str, list[str]] = {}
        self.number = 0

    def teardown(self) -> None:
        for program in list(self.programs):
            self._stop(program)
        self._turn()
        assert (self.places.in_use, self.places.waiting) == (0, 0)
        self.loop.close()

    def _turn(self) -> None:
        """Lets the loop run, and notes whom each that was given a place went before."""
        before = len(self.granted)
        self.loop.run_until_complete(_settle())
        holding = {program.caller for program in self._running()}
        patient = {program.caller for program in self._waiting()} - holding
        for caller in set(self.overtaken) - patient:
            del self.overtaken[caller]
        for given in self.granted[before:]:
            for caller in patient:
                self.overtaken.setdefault(caller, []).append(given.caller)

    def _waiting(self) -> list[_Program]:
        return [program for program in self.programs if not program.began]

    def _running(self) -> list[_Program]:
        return [program for program in self.programs if program.began]

    def _stop(self, program: _Program) -> None:
        assert program.task is not None
        program.task.cancel()
        self.programs.remove(program)

    def _add(self, caller: str) -> _Program:
        self.number += 1
        program = _Program(caller, self.number, asyncio.Event())
        program.task = self.loop.create_task(program.run(self.places, self.granted))
        self.programs.append(program)
        return program

    @rule(caller=CALLERS)
    def come(self, caller: str) -> None:
        before = self._waiting()
        program = self._add(caller)
        self._turn()
        refused = [each for each in (*before, program) if each.task and each.task.done()]
        if len(before) < self.max_waiting:
            assert not refused
            return
        # One is refused: the newest of a caller that has more in the queue than the others.
        (out,) = refused
        assert isinstance(out.task, asyncio.Task)
        assert isinstance(out.task.exception(), QueueFullError)
        queued = [each.caller for each in (*before, program)]
        assert queued.count(out.caller) >= queued.count(caller)
        own = [each.number for each in (*before, program) if each.caller == out.caller]
        assert out.number == max(own)
        self.programs.remove(out)

    @precondition(lambda self: self._running())
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        program = data.draw(st.sampled_from(self._running()))
        program.done.set()
        self._turn()
        self.programs.remove(program)

    @precondition(lambda self: self.programs)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        self._stop(data.draw(st.sampled_from(self.programs)))
        self._turn()

    @precondition(lambda self: self._running() and self._waiting())
    @rule(data=st.data(), first=st.booleans())
    def end_and_give_up_at_once(self, data: st.DataObject, *, first: bool) -> None:
        """A place is given to one that is given up in the same turn of the loop."""
        ending = data.draw(st.sampled_from(self._running()))
        leaving = data.draw(st.sampled_from(self._waiting()))
        if first:
            self._stop(leaving)
            ending.done.set()
        if not first:

            async def meanwhile() -> None:
                ending.done.set()
                await asyncio.sleep(0)
                self._stop(leaving)

            self.loop.run_until_complete(meanwhile())
            # If it was its turn, it has had it.
            self.overtaken.pop(leaving.caller, None)
        self._turn()
        self.programs.remove(ending)

    @invariant()
    def places_are_what_they_are(self) -> None:
        assert self.places.in_use == len(self._running()) <= self.capacity
        assert self.places.waiting == len(self._waiting()) <= self.max_waiting
        # None is empty while somebody waits for it.
        assert not self._waiting() or self.places.in_use == self.capacity

    @invariant()
    def callers_take_turns(self) -> None:
        """While a caller without a place waits, no other is given more than one."""
        for others in self.overtaken.values():
            assert len(others) == len(set(others)), self.overtaken

    @invariant()
    def programs_of_a_caller_come_in_their_order(self) -> None:
        numbers: dict[str, list[int]] = {}
        for given in self.granted:
            numbers.setdefault(given.caller, []).append(given.number)
        assert all(order == sorted(order) for order in numbers.values())


TestPlaces = PlacesMachine.TestCase


async def test_many_programs_of_one_caller_delay_no_other_by_more_than_one() -> None:
    places = Places(1, 1000)
    order: list[str] = []

    async def program(caller: str) -> None:
        async with places.taken(caller):
            order.append(caller)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for _ in range(500):
            group.create_task(program("many"))
        await asyncio.sleep(0)
        group.create_task(program("few"))
        group.create_task(program("other"))
    assert set(order[:4]) == {"many", "few", "other"}
    assert len(order) == 502


async def test_a_full_queue_is_shared_by_those_who_wait() -> None:
    places = Places(1, 4)
    end = asyncio.Event()

    async def program(caller: str) -> None:
        async with places.taken(caller):
            await end.wait()

    many = [asyncio.create_task(program("many")) for _ in range(5)]
    await _settle()
    few = [asyncio.create_task(program("few")) for _ in range(3)]
    await _settle()
    assert [task.done() for task in many] == [False, False, False, True, True]
    assert [task.done() for task in few] == [False, False, True]
    for refused in (many[3], many[4], few[2]):
        with pytest.raises(QueueFullError, match="4 programs wait already; try again"):
            await refused
    end.set()
    await asyncio.gather(*many[:3], *few[:2])
    assert (places.in_use, places.waiting) == (0, 0)


async def test_nobody_may_wait_where_no_queue_is_allowed() -> None:
    places = Places(1, 0)
    async with places.taken("one"):
        for caller in ("one", "other"):
            with pytest.raises(QueueFullError):
                async with places.taken(caller):
                    pass
    async with places.taken("other"):
        assert places.in_use == 1
