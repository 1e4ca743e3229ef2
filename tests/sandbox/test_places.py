"""Places: never too many, none lost, and callers take turns."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sandbox import places as places_module
from sandbox.places import Place, Places
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
    began: bool = False
    sleeps: bool = False
    task: "asyncio.Task[None] | None" = None
    place: Place | None = None
    commands: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)

    async def run(self, places: Places, log: list["_Program"]) -> None:
        async with places.taken(self.caller) as self.place:
            self.began = True
            log.append(self)
            while (command := await self.commands.get()) != "end":
                if command == "sleep":
                    # Its results are not read, until it is woken.
                    self.sleeps = True
                    with self.place.idle():
                        await self.commands.get()
                    self.sleeps = False
                goes_first = self.place.is_held and not self.place.is_due
                await self.place.turn()
                if not goes_first:
                    log.append(self)

    @property
    def holds(self) -> bool:
        return self.place is not None and self.place.is_held

    def tell(self, command: str) -> None:
        self.commands.put_nowait(command)


class PlacesMachine(RuleBasedStateMachine):
    """Programs come, end and are given up in any order."""

    capacity = 2
    max_waiting = 6

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        # All time that passes is longer than a slice.
        self.places = Places(self.capacity, self.max_waiting, slice_s=0)
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
        holding = {program.caller for program in self._holding()}
        waiting = self._waiting() + self._waiting_again()
        patient = {program.caller for program in waiting} - holding
        for caller in set(self.overtaken) - patient:
            del self.overtaken[caller]
        for given in self.granted[before:]:
            for caller in patient:
                self.overtaken.setdefault(caller, []).append(given.caller)

    def _waiting(self) -> list[_Program]:
        return [program for program in self.programs if not program.began]

    def _holding(self) -> list[_Program]:
        return [program for program in self.programs if program.holds]

    def _running(self) -> list[_Program]:
        """Returns those that hold a place and are awake."""
        return [program for program in self._holding() if not program.sleeps]

    def _sleeping(self) -> list[_Program]:
        return [program for program in self.programs if program.sleeps]

    def _waiting_again(self) -> list[_Program]:
        begun = [program for program in self.programs if program.began]
        return [program for program in begun if not (program.holds or program.sleeps)]

    def _stop(self, program: _Program) -> None:
        assert program.task is not None
        program.task.cancel()
        self.programs.remove(program)

    def _add(self, caller: str) -> _Program:
        self.number += 1
        program = _Program(caller, self.number)
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
        program.tell("end")
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
            ending.tell("end")
        if not first:

            async def meanwhile() -> None:
                ending.tell("end")
                await asyncio.sleep(0)
                self._stop(leaving)

            self.loop.run_until_complete(meanwhile())
            # If it was its turn, it has had it.
            self.overtaken.pop(leaving.caller, None)
        self._turn()
        self.programs.remove(ending)

    @precondition(lambda self: self._running())
    @rule(data=st.data())
    def come_to_the_end_of_a_case(self, data: st.DataObject) -> None:
        """A program goes on only where nobody waits who has less."""
        program = data.draw(st.sampled_from(self._running()))
        held = Counter(each.caller for each in self._holding())
        waiting = {each.caller for each in self._waiting() + self._waiting_again()}
        is_wanted = any(held[caller] < held[program.caller] for caller in waiting)
        program.tell("turn")
        self._turn()
        assert program.holds != is_wanted

    @precondition(lambda self: self._running())
    @rule(data=st.data())
    def stop_reading(self, data: st.DataObject) -> None:
        """A program whose results nobody reads has no place, whoever waits."""
        program = data.draw(st.sampled_from(self._running()))
        program.tell("sleep")
        self._turn()
        assert program.sleeps
        assert not program.holds

    @precondition(lambda self: self._sleeping())
    @rule(data=st.data())
    def read_on(self, data: st.DataObject) -> None:
        """It waits like others, and is never refused: it has begun."""
        program = data.draw(st.sampled_from(self._sleeping()))
        program.tell("wake")
        self._turn()
        assert program.task is not None
        assert not program.task.done()
        assert program.holds or program in self._waiting_again()

    @invariant()
    def places_are_what_they_are(self) -> None:
        assert self.places.in_use == len(self._holding()) <= self.capacity
        assert self.places.waiting == len(self._waiting()) <= self.max_waiting
        # None is empty while somebody waits for it.
        waiting = self._waiting() + self._waiting_again()
        assert not waiting or self.places.in_use == self.capacity

    @invariant()
    def callers_take_turns(self) -> None:
        """While a caller without a place waits, no other is given more than one."""
        for others in self.overtaken.values():
            assert len(others) == len(set(others)), self.overtaken

    @invariant()
    def programs_of_a_caller_come_in_their_order(self) -> None:
        numbers: dict[str, list[int]] = {}
        # Those that were given another place have begun before.
        for given in dict.fromkeys(self.granted):
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


async def test_a_program_keeps_its_place_for_a_slice_and_in_the_middle_of_something() -> None:
    places = Places(1, 10, slice_s=0.05)
    order: list[str] = []

    async def other() -> None:
        async with places.taken("other"):
            order.append("other")

    async with places.taken("one") as place:
        waiting = asyncio.create_task(other())
        await place.turn()
        order.append("one")
        await asyncio.sleep(0.06)
        await place.turn(keep=True)
        order.append("one")
        await place.turn()
        order.append("one")
    await waiting
    assert order == ["one", "one", "other", "one"]


async def test_only_so_many_programs_are_laid_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them has a container."""
    monkeypatch.setattr(places_module, "_MOST_ASIDE", 3)
    places = Places(1, 100, slice_s=0)
    begun: list[str] = []

    async def program(caller: str) -> None:
        async with places.taken(caller) as place:
            begun.append(caller)
            for _ in range(10):
                await place.turn()
                await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(program(str(number)))
        await _settle()
        assert len(begun) == 4
    assert len(begun) == 20
    assert (places.in_use, places.waiting) == (0, 0)
