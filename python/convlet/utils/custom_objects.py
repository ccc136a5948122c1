"""Classes and functions of the caller that configurations may name, besides convlet's own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any

_objects: ContextVar[Mapping[str, Any]] = ContextVar("convlet_custom_objects")


@contextlib.contextmanager
def custom_object_scope(objects: Mapping[str, Any] | None) -> Iterator[None]:
    """Makes names stand for objects of the caller inside the block.

    Args:
        objects: Dictionary from name to class or function, or `None`. Names that configurations
            contain are looked up in it; nothing is ever imported because a file names it.

    Raises:
        ValueError: If it is something else.
    """
    given: Any = {} if objects is None else objects
    if not isinstance(given, Mapping) or not all(
        isinstance(name, str) and callable(value) for name, value in given.items()
    ):
        raise ValueError(
            "`custom_objects` must be a dictionary from names to classes or functions. "
            f"Received: custom_objects={objects!r}"
        )
    token = _objects.set({**_objects.get({}), **given})
    try:
        yield
    finally:
        _objects.reset(token)


def find_custom_object(name: str) -> Any:
    """Returns the caller's object of a name, with or without its package, or `None`."""
    objects = _objects.get({})
    return objects.get(name, objects.get(name.rpartition(">")[2]))
