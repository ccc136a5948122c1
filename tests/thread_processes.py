"""Threads that stand for the processes of a distribution, so that no MPI is needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from convlet.distribution.processes import Processes


class Board:
    """Where the threads leave what the others read."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size, timeout=60)
        self.values: list[Any] = [None] * size


class ThreadProcess(Processes):
    """One of them."""

    def __init__(self, board: Board, rank: int, is_sharded: bool) -> None:
        self._board = board
        self.rank = rank
        self.size = len(board.values)
        self.is_sharded = is_sharded

    def _exchange(self, value: Any) -> list[Any]:
        self._board.values[self.rank] = value
        self._board.barrier.wait()
        values = list(self._board.values)
        self._board.barrier.wait()
        return values

    def sum(self, array: Any) -> None:
        array[...] = sum(self._exchange(array.copy()))

    def from_first(self, value: Any) -> Any:
        return self._exchange(value)[0]

    def any(self, flag: bool) -> bool:
        return any(self._exchange(flag))

    def most(self, number: int) -> int:
        return max(self._exchange(number))

    def joined(self, rows: Any) -> Any:
        return np.concatenate(self._exchange(rows))


def run_together(
    size: int, program: Callable[[Processes], Any], is_sharded: bool = False
) -> list[Any]:
    """Runs a program in so many threads at once.

    Returns:
        What it returns in each.
    """
    board = Board(size)
    results: list[Any] = [None] * size
    errors: list[Exception] = []

    def run(rank: int) -> None:
        try:
            results[rank] = program(ThreadProcess(board, rank, is_sharded))
        except Exception as error:  # noqa: BLE001 - the main thread raises it
            errors.append(error)
            board.barrier.abort()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
