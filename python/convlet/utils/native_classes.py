"""Families of classes that the compiled code knows, and that nobody can add to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Protocol, TypeVar

from convlet.utils.custom_objects import custom_object_scope
from convlet.utils.naming import to_snake_case
from convlet.utils.validation import look_up, serialized, split_config


class Configurable(Protocol):
    """An object with a configuration."""

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        ...

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Makes an object from what `get_config` returned."""
        ...


T = TypeVar("T", bound=Configurable)


class NativeClasses(Generic[T]):
    """The classes of a family, as `get`, `serialize` and `deserialize` of its module know them.

    Args:
        kind: What each is, as errors say it.
        module: Name of Keras's module.
        classes: The classes, known by their names in either spelling.
        reason: Why there can be no others.
        aliases: Further names.
    """

    def __init__(
        self,
        kind: str,
        module: str,
        classes: tuple[type[T], ...],
        reason: str,
        aliases: Mapping[str, type[T]] | None = None,
    ) -> None:
        self._kind = kind
        self._module = module
        self._classes = classes
        self._reason = reason
        self._by_name: dict[str, type[T]] = {
            **{to_snake_case(known.__name__): known for known in classes},
            **{known.__name__: known for known in classes},
            **(aliases or {}),
        }

    def get(self, identifier: Any) -> T | None:
        """Returns the object that an identifier stands for; raises ValueError if there is none."""
        if identifier is None:
            return None
        if isinstance(identifier, Mapping):
            return self.deserialize(identifier)
        if type(identifier) in self._classes:
            return identifier  # type: ignore[no-any-return]
        return self._class_of(identifier)()

    def serialize(self, value: T | None) -> dict[str, Any] | None:
        """Returns class and arguments as Keras writes them, `None` for `None`."""
        if value is None:
            return None
        return serialized(self._kind, value, self._module)

    def deserialize(
        self, config: Mapping[str, Any] | str, custom_objects: Mapping[str, Any] | None = None
    ) -> T:
        """Makes an object from what `serialize` returned, or from a name."""
        with custom_object_scope(custom_objects):
            if isinstance(config, str):
                return self._class_of(config)()
            class_name, arguments = split_config(f"a {self._kind}", config)
            return self._class_of(class_name).from_config(arguments)  # type: ignore[no-any-return]

    def _class_of(self, identifier: Any) -> type[T]:
        if identifier in self._classes:
            return identifier  # type: ignore[no-any-return]
        known: type[T] = look_up(self._kind, identifier, self._by_name)
        if known not in self._classes:
            raise ValueError(
                f"The {self._kind} {identifier!r} is a class of the caller's own, which is not "
                f"supported: {self._reason}"
            )
        return known
