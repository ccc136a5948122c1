"""Locks of threads that a forked process finds open, and who may train a model."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
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


def by_one_thread(method: Callable[Concatenate[Any, P], R]) -> Callable[Concatenate[Any, P], R]:
    """Makes a method of a model refuse to run while another thread is in such a method of it.

    They share the results so far, so neither would return what it should. The object has an
    attribute `turn`, a `ThreadLock`.
    """

    @functools.wraps(method)
    def guarded(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if not self.turn.acquire(blocking=False):
            raise RuntimeError(
                f"{method.__name__}: the model '{self.name}' is being trained or evaluated by "
                "another thread. Meanwhile, other threads may only call its `predict`; or give "
                "each of them a model of its own, see `clone_model`."
            )
        try:
            return method(self, *args, **kwargs)
        finally:
            self.turn.release()

    return guarded
