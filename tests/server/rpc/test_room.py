"""Room for large requests: bounded in all and for each caller."""

import contextlib

import pytest

from server.errors import SandboxBusyError
from server.rpc.room import Room


def test_each_caller_has_a_part_and_all_have_the_whole() -> None:
    room = Room(total=10, part=6)
    with contextlib.ExitStack() as stack:
        stack.enter_context(room.taken("one", 4))
        first = room.taken("one", 2)
        first.__enter__()
        with pytest.raises(SandboxBusyError, match="try again"), room.taken("one", 1):
            pass
        stack.enter_context(room.taken("other", 4))
        with pytest.raises(SandboxBusyError), room.taken("third", 1):
            pass
        first.__exit__(None, None, None)
        stack.enter_context(room.taken("third", 2))
    with room.taken("one", 6):
        pass


def test_what_fails_gives_its_room_back() -> None:
    room = Room(total=1, part=1)
    for _ in range(3):
        with pytest.raises(ValueError, match="it failed"), room.taken("one", 1):
            raise ValueError("it failed")
