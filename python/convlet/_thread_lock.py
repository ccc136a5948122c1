"""Locks of threads that a forked process finds open, and who may train a model."""

from __future__ import annotations

import _thread
import contextlib
import functools
import os
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class ThreadLock(_thread.RLock):  # type: ignore[misc]  # not final at run time
    """A re-entrant lock. In a forked process it is open: who held it need not be in there.

    Entering it is not Python code, so that Ctrl-C cannot come between taking and keeping it.
    Copies, also those by `pickle`, are new locks.
    """

    def __init__(self) -> None:
        _locks.add(self)

    def __reduce__(self) -> tuple[type[ThreadLock], tuple[()]]:
        return ThreadLock, ()


_locks: weakref.WeakSet[ThreadLock] = weakref.WeakSet()


def _open_all() -> None:
    lock: Any
    for lock in _locks:
        # What the forking thread holds, it will give back in the child. The standard library's own
        # modules make their locks new in the same way.
        if not lock._is_owned():
            lock._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_open_all)


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
