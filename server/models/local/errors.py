"""What can go wrong with the models of this machine."""

from server.errors import ModelUnavailableError


class LocalModelError(ModelUnavailableError):
    """A model of this machine cannot be had; the message says why and what to do."""

    def __init__(self, model: str, why: str) -> None:
        super().__init__({model: why})


class SourceError(Exception):
    """One source could not give the weights; the next one may."""
