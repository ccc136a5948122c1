"""The processes that run a program together, seen from one of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy.typing as npt

T = TypeVar("T")
Sum = Callable[[npt.NDArray[Any]], None]


class Processes:
    """One process alone; subclasses are for more of them.

    All processes call the methods in the same order, but for `part`.

    Attributes:
        rank: Number of this process, from 0.
        size: Number of processes.
        is_sharded: Whether each has rows of its own; else all have all rows, and share the work.
    """

    rank = 0
    size = 1
    is_sharded = False

    @property
    def is_first(self) -> bool:
        """Whether this is the process that prints and writes files."""
        return self.rank == 0

    @property
    def splits(self) -> bool:
        """Whether this process does only a part of the rows that it has."""
        return self.size > 1 and not self.is_sharded

    def part(self, count: int) -> tuple[int, int]:
        """Returns the bounds of this process's part of `count` things."""
        return count * self.rank // self.size, count * (self.rank + 1) // self.size

    def sum(self, array: npt.NDArray[Any]) -> None:
        """Puts in the place of each value its sum over the processes."""

    def from_first(self, value: T) -> T:
        """Returns what the first process has given."""
        return value

    def any(self, flag: bool) -> bool:
        """Tells whether it holds for any process."""
        return flag

    def most(self, number: int) -> int:
        """Returns the largest of the processes' numbers."""
        return number

    def joined(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Returns the rows of all processes, in their order."""
        return rows


ALONE = Processes()
