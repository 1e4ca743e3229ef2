"""What a run that failed says of its failure."""

from server.errors import LeagueError
from server.store.records import Failure


def failure_of(error: BaseException) -> Failure:
    """Returns what clients are told of a failure; what is not ours to tell is in the log."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, LeagueError):
        return Failure(reason=error.reason, message=error.message, metadata=error.metadata)
    return Failure(
        reason="INTERNAL",
        message=f"the server failed ({type(error).__name__}); its log says more",
    )
