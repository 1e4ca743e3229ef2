"""Values of options: each says in a sentence what it takes, where it is given something else."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from client import amounts
from client.plain import one_line

NO_LIMIT = "none"
_T_co = TypeVar("_T_co", covariant=True)
_SHOWN = 80
# The widest numbers of the contract's fields.
_INT32 = (1 << 31) - 1
_INT64 = (1 << 63) - 1


@dataclass(frozen=True)
class Value(Generic[_T_co]):
    """Reads a value for argparse, which names the option before the sentence.

    Attributes:
        form: What it takes, such as `a time such as 2s`.
        read: Reads it; raises `ValueError` where it cannot.
    """

    form: str
    read: Callable[[str], _T_co]

    def __call__(self, text: str) -> _T_co:
        """Returns the value.

        Raises:
            argparse.ArgumentTypeError: It is none.
        """
        try:
            return self.read(text)
        except amounts.NoUnitError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        except ValueError:
            shown = one_line(text, _SHOWN)
            raise argparse.ArgumentTypeError(f'takes {self.form}, not "{shown}"') from None

    def or_none(self) -> "Value[_T_co | str]":
        """Returns what takes `none` as well, for no limit."""
        return Value(
            f'{self.form}, or "{NO_LIMIT}"',
            lambda text: text if text == NO_LIMIT else self.read(text),
        )


def _whole(least: int, most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError
        return number

    return read


def _dollars(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise ValueError
    return number


WHOLE = Value("a whole number", _whole(-_INT64, _INT64))
COUNT = Value("a whole number from 1", _whole(1, _INT32))
LARGE_COUNT = Value("a whole number from 1", _whole(1, _INT64))
DOLLARS = Value("a sum in dollars", _dollars)
TIME = Value("a time such as 2s or 500ms", amounts.seconds)
SIZE = Value("a size such as 256MiB", amounts.size)
