"""Classes and functions of the caller that configurations may name, besides convlet's own."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import Any

_objects: ContextVar[Mapping[str, Any]] = ContextVar("convlet_custom_objects")


class CustomObjectScope:
    """Makes names stand for objects of the caller inside a `with` block.

    Args:
        custom_objects: Dictionary from name to class or function, or `None`. Names that
            configurations contain are looked up in it; nothing is ever imported because a file
            names it.

    Raises:
        ValueError: If it is something else.
    """

    def __init__(self, custom_objects: Mapping[str, Any] | None) -> None:
        given: Any = {} if custom_objects is None else custom_objects
        if not isinstance(given, Mapping) or not all(
            isinstance(name, str) and callable(value) for name, value in given.items()
        ):
            raise ValueError(
                "`custom_objects` must be a dictionary from names to classes or functions. "
                f"Received: custom_objects={custom_objects!r}"
            )
        self.custom_objects = dict(given)
        self._tokens: list[Token[Mapping[str, Any]]] = []

    def __enter__(self) -> CustomObjectScope:  # noqa: PYI034 (Self is in Python 3.11)
        self._tokens.append(_objects.set({**_objects.get({}), **self.custom_objects}))
        return self

    def __exit__(self, *args: object) -> None:
        _objects.reset(self._tokens.pop())


custom_object_scope = CustomObjectScope


def find_custom_object(name: str) -> Any:
    """Returns the caller's object of a name, with or without its package, or `None`."""
    objects = _objects.get({})
    return objects.get(name, objects.get(name.rpartition(">")[2]))
