"""Classes and functions of the caller that configurations may name, besides convlet's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from typing import Any, TypeVar

T = TypeVar("T")

_registered: dict[str, Any] = {}
_names: dict[Any, str] = {}  # under which objects were registered
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


def get_custom_objects() -> dict[str, Any]:
    """Returns the dictionary of what is registered for the whole process, itself and not a copy.

    Entries may be added and removed. What a `custom_object_scope` adds is not in it.
    """
    return _registered


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[T], T]:
    """Returns a decorator that makes a class or function known to all loading.

    Files and configurations that name it find it from then on, without `custom_objects`; they
    call it `"package>name"`.

    Args:
        package: Of the user's choice, to tell apart objects of the same name.
        name: Name in it. Default: the class's or function's own.

    Raises:
        ValueError: If an argument is not a string, and, of the decorator, if a class has no
            `get_config` or the object is neither class nor function.
    """
    given: dict[str, Any] = {"package": package, "name": "" if name is None else name}
    for argument, value in given.items():
        if not isinstance(value, str):
            raise ValueError(f"`{argument}` must be a string. Received: {argument}={value!r}")

    def register(known: T) -> T:
        _registered[_name_in(package, known, name)] = known
        return known

    return register


def _name_in(package: str, known: Any, name: str | None) -> str:
    """Checks what is to be registered, and remembers and returns its name."""
    own_name = getattr(known, "__name__", None)
    if not callable(known) or own_name is None:
        raise ValueError(f"Only classes and functions can be registered. Received: {known!r}")
    if isinstance(known, type) and not hasattr(known, "get_config"):
        raise ValueError(
            f"Cannot register a class that does not have a get_config() method. Received: {known!r}"
        )
    _names[known] = f"{package}>{own_name if name is None else name}"
    return _names[known]


def get_registered_name(obj: Any) -> str:
    """Returns the name under which a class or function is registered, or else its own.

    Raises:
        ValueError: If `obj` is neither.
    """
    if not callable(obj) or not hasattr(obj, "__name__"):
        raise ValueError(f"`obj` must be a class or a function. Received: obj={obj!r}")
    return _names.get(obj, str(obj.__name__))


def get_registered_object(
    name: str,
    custom_objects: Mapping[str, Any] | None = None,
    module_objects: Mapping[str, Any] | None = None,
) -> Any:
    """Returns the class or function of a name, or `None` if there is none.

    Args:
        name: With its package, if it has one.
        custom_objects, module_objects: Where to look for what is neither in a
            `custom_object_scope` nor registered.

    Raises:
        ValueError: If `name` is not a string.
    """
    if not isinstance(name, str):
        raise ValueError(f"`name` must be a string. Received: name={name!r}")
    for objects in (_objects.get({}), _registered, custom_objects or {}, module_objects or {}):
        if name in objects:
            return objects[name]
    return None


def find_custom_object(name: str) -> Any:
    """Returns the caller's object of a name, or `None`.

    In scopes a name may stand for an object with or without its package.
    """
    objects = _objects.get({})
    base = objects.get(name.rpartition(">")[2])
    return objects.get(name, base if base is not None else _registered.get(name))


def class_name_of(config: Mapping[str, Any]) -> Any:
    """Returns the name by which to look for a configuration's class: its registered one, if any."""
    registered = config.get("registered_name")
    is_known = isinstance(registered, str) and registered in _registered
    return registered if is_known else config.get("class_name")
