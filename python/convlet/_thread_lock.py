"""Locks of threads that a forked process finds open, and who may train a model."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class ThreadLock:
    """A re-entrant lock. In a forked process it is open: who held it need not be in there.

    Copies, also those by `pickle`, are new locks.
    """

    def __init__(self) -> None:
        self._process = os.getpid()
        self._lock = threading.RLock()

    def acquire(self, blocking: bool = True) -> bool:
        """Takes the lock; returns whether it was free, or else was waited for."""
        if self._process != os.getpid():
            self.__init__()  # type: ignore[misc]
        return self._lock.acquire(blocking)

    def release(self) -> None:
        """Gives the lock back."""
        self._lock.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def __reduce__(self) -> tuple[type[ThreadLock], tuple[()]]:
        return ThreadLock, ()


@contextlib.contextmanager
def alone(model: Any, name: str) -> Iterator[None]:
    """Keeps other threads from training, evaluating or saving a model meanwhile.

    They share the results so far and change the weights, so neither would get what it should.

    Args:
        model: The model; its attribute `turn` is a `ThreadLock`.
        name: What is done, for the message.

    Raises:
        RuntimeError: If another thread does such a thing.
    """
    if not model.turn.acquire(blocking=False):
        raise RuntimeError(
            f"{name}: the model '{model.name}' is being trained, evaluated or saved by another "
            "thread. Meanwhile, other threads may only call its `predict`; or give each of them a "
            "model of its own, see `clone_model`."
        )
    try:
        yield
    finally:
        model.turn.release()


def by_one_thread(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Makes a method of a model run `alone`."""

    @functools.wraps(method)
    def guarded(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with alone(self, method.__name__):
            return method(self, *args, **kwargs)

    return guarded
