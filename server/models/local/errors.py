"""What can go wrong with the models of this machine."""


class LocalModelError(Exception):
    """A model of this machine cannot be had; the message says why and what to do."""


class SourceError(Exception):
    """One source could not give the weights; the next one may."""
