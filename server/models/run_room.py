"""How many calls one run may have under way at once, at whichever providers."""

from collections.abc import Callable

Wake = Callable[[], None]
Priority = tuple[int, int]


class RunRoom:
    """The room of one run; `Pacer` takes it together with a place at the provider.

    A call takes room only at the moment when its provider has a place for it: one that
    waited for a slow provider with room in its hands would keep the others from theirs.

    Args:
        max_concurrent: Calls under way at once, at most.
    """

    def __init__(self, max_concurrent: int) -> None:
        self._max = max_concurrent
        self._under_way = 0
        # Providers that have places for calls of this run, with their most urgent one.
        self._waiting: dict[Wake, Priority] = {}

    @property
    def is_full(self) -> bool:
        """No further call may go out."""
        return self._under_way >= self._max

    def wait(self, wake: Wake, priority: Priority) -> None:
        """Has a provider woken when there is room; the most urgent call goes first."""
        self._waiting[wake] = priority

    def take(self) -> None:
        """Takes the room of one call."""
        self._under_way += 1

    def give_back(self) -> None:
        """Gives back the room of a call that has ended."""
        self._under_way -= 1
        self._wake()

    def set_max(self, max_concurrent: int) -> None:
        """Changes the limit at once; calls under way stay."""
        self._max = max_concurrent
        self._wake()

    def _wake(self) -> None:
        # Whoever still waits afterwards says so again; each is woken once.
        waiting, self._waiting = self._waiting, {}
        for wake in sorted(waiting, key=waiting.__getitem__):
            if self.is_full:
                self._waiting.setdefault(wake, waiting[wake])
            else:
                wake()
