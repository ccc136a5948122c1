"""Optimizers: names and options for `compile`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from convlet._lazy import LazyNames, attach
from convlet.optimizers import schedules
from convlet.optimizers.optimizer import Optimizer
from convlet.utils.custom_objects import custom_object_scope, find_custom_object
from convlet.utils.validation import look_up, serialized, split_config

if TYPE_CHECKING:
    from convlet.optimizers.adadelta import Adadelta
    from convlet.optimizers.adagrad import Adagrad
    from convlet.optimizers.adam import Adam
    from convlet.optimizers.adamax import Adamax
    from convlet.optimizers.adamw import AdamW
    from convlet.optimizers.ftrl import Ftrl
    from convlet.optimizers.lion import Lion
    from convlet.optimizers.nadam import Nadam
    from convlet.optimizers.rmsprop import RMSprop
    from convlet.optimizers.sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "schedules",
    "serialize",
]

# The only classes that a configuration can name.
_CLASSES = LazyNames(
    __name__,
    {
        "adadelta": ("Adadelta",),
        "adagrad": ("Adagrad",),
        "adam": ("Adam",),
        "adamax": ("Adamax",),
        "adamw": ("AdamW",),
        "ftrl": ("Ftrl",),
        "lion": ("Lion",),
        "nadam": ("Nadam",),
        "rmsprop": ("RMSprop",),
        "sgd": ("SGD",),
    },
)
_BY_LOWER_NAME = _CLASSES.under({name.lower(): name for name in _CLASSES})
__getattr__, __dir__ = attach(__name__, _CLASSES)


def get(identifier: Any) -> Optimizer:
    """Returns the optimizer that an identifier stands for.

    Args:
        identifier: Name in any case, configuration dictionary, class or instance.

    Raises:
        ValueError: If it stands for none.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    optimizer: Optimizer = _class_of(identifier)()
    return optimizer


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """Returns class and arguments of an optimizer as Keras writes them, without its state.

    Args:
        optimizer: An optimizer.

    Returns:
        A dictionary with the keys `"module"`, `"class_name"`, `"config"`, `"registered_name"`.
    """
    return serialized("optimizer", optimizer, "keras.optimizers")


def deserialize(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> Optimizer:
    """Makes an optimizer from what `serialize` returned, or Keras's equivalent.

    Args:
        config: Dictionary with the keys `"class_name"` and `"config"`.
        custom_objects: Dictionary from names in it to classes of the caller.

    Raises:
        ValueError: If the class is unknown or an argument has no meaning.
    """
    with custom_object_scope(custom_objects):
        class_name, arguments = split_config("an optimizer", config)
        optimizer: Optimizer = _class_of(class_name).from_config(arguments)
        return optimizer


def _class_of(identifier: Any) -> Any:
    if isinstance(identifier, str) and isinstance(find_custom_object(identifier), type):
        return find_custom_object(identifier)
    name = identifier.lower() if isinstance(identifier, str) else identifier
    return look_up("optimizer", name, _BY_LOWER_NAME)
