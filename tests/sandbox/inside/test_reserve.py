"""When the runner gives its reserve up, and takes it back."""

from dataclasses import dataclass

from sandbox.inside.cgroup import Counters
from sandbox.inside.reserve import SIZE, Reserve

MIB = 1 << 20


@dataclass
class _Container:
    """A container whose memory a test sets."""

    limit: int = 64 * MIB
    memory: int = 10 * MIB
    kept: int = 10 * MIB

    def counters(self) -> Counters:
        return Counters(
            version=2,
            cpu_ns=lambda: 0,
            out_of_memory_kills=lambda: 0,
            memory=lambda: self.memory,
            peak_memory=lambda: self.memory,
            memory_limit=lambda: self.limit,
            anonymous_memory=lambda: self.kept,
            kept_memory=lambda: self.kept,
        )


def test_it_is_held_while_there_is_room() -> None:
    reserve = Reserve(_Container().counters())
    assert reserve.held
    reserve.give_up()
    assert reserve.held


def test_it_is_given_up_where_there_is_little_and_taken_back_where_there_is_enough() -> None:
    container = _Container()
    reserve = Reserve(container.counters())
    container.memory = container.kept = container.limit - SIZE + 1
    reserve.give_up()
    assert not reserve.held
    reserve.fill()
    assert not reserve.held
    # What the kernel can take back is room.
    container.kept = 20 * MIB
    reserve.fill()
    assert reserve.held


def test_there_is_room_unless_memory_is_held_that_nobody_gives_up() -> None:
    container = _Container()
    reserve = Reserve(container.counters())
    for memory, kept, room in ((10, 10, True), (60, 10, True), (60, 55, False), (64, 64, False)):
        container.memory, container.kept = memory * MIB, kept * MIB
        assert reserve.has_room() is room


def test_a_container_without_room_has_none() -> None:
    reserve = Reserve(_Container(limit=16 * MIB).counters())
    assert not reserve.held
    reserve.give_up()
    assert not reserve.held
