"""What `compile` was given, to a file and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convlet.saving.configuration import classes, normalized
from convlet.utils import validation
from convlet.utils.custom_objects import find_custom_object

_MODULES = {"optimizer": "keras.optimizers", "loss": "keras.losses", "metric": "keras.metrics"}
_KIND = {
    "optimizer": "optimizer",
    "loss": "loss",
    "metrics": "metric",
    "weighted_metrics": "metric",
}
# How Keras executes a step: no result depends on them, so none is taken from a file.
_WITHOUT_MEANING = ("run_eagerly", "jit_compile", "auto_scale_loss")


def serialized(argument: Any, kind: str) -> Any:
    """Returns an argument of `compile` as Keras writes it.

    Args:
        argument: A name, an object with `get_config`, a function, or lists or dictionaries of them.
        kind: `"optimizer"`, `"loss"` or `"metric"`.

    Raises:
        ValueError: If it is something that has no configuration.
    """
    if argument is None or isinstance(argument, (bool, int, float, str)):
        return argument
    if isinstance(argument, (list, tuple)):
        return [serialized(item, kind) for item in argument]
    if isinstance(argument, Mapping):
        return {key: serialized(item, kind) for key, item in argument.items()}
    if isinstance(argument, type):
        return argument.__name__
    if hasattr(argument, "get_config"):
        return validation.serialized(kind, argument, _MODULES[kind])
    if not hasattr(argument, "__name__"):
        raise ValueError(f"The {kind} {argument!r} has no configuration and cannot be saved.")
    if getattr(argument, "__module__", "").startswith("convlet."):
        return argument.__name__
    return validation.serialized_function(argument)


def compile_arguments(config: Any) -> dict[str, Any]:
    """Returns the arguments of `compile` that a file's `compile_config` stands for.

    Args:
        config: Dictionary as Keras 2 or 3 writes it.

    Raises:
        ValueError: If it names something that convlet does not have.
    """
    if not isinstance(config, Mapping):
        raise ValueError(f"compile_config must be a dictionary. Received: {config!r}")
    arguments = {
        key: value
        for key, value in config.items()
        if value is not None and key not in _WITHOUT_MEANING
    }
    for key in ("metrics", "weighted_metrics"):
        entries = arguments.get(key)
        if isinstance(entries, list) and len(entries) == 1 and isinstance(entries[0], list):
            arguments[key] = entries[0]  # Keras 2 has one list for each output
    return {
        key: _argument(value, _KIND[key]) if key in _KIND else value
        for key, value in arguments.items()
    }


def _argument(value: Any, kind: str) -> Any:
    if isinstance(value, (list, tuple)):
        return [_argument(item, kind) for item in value]
    if isinstance(value, str):
        return find_custom_object(value) or value
    if isinstance(value, Mapping) and "class_name" not in value:
        return {key: _argument(item, kind) for key, item in value.items()}
    config = normalized(value, kind)
    if not isinstance(config, Mapping):
        return config
    known = find_custom_object(config["class_name"]) or classes(kind)[config["class_name"]]
    if not hasattr(known, "from_config"):
        raise ValueError(f"The custom object {config['class_name']!r} is not a class of a {kind}.")
    return known.from_config(config["config"])
