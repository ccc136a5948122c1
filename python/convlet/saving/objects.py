"""Layers, optimizers, losses and all else that has a configuration, as dictionaries and back."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any

import numpy as np

from convlet import activations, layers
from convlet.layers.layer import Layer
from convlet.saveable import Saveable
from convlet.saving.api import configuration_errors, model_config, model_from_config
from convlet.saving.configuration import classes, keras_module, kind_of, kind_of_config, normalized
from convlet.utils.custom_objects import custom_object_scope, find_custom_object
from convlet.utils.validation import refuse_unsupported, serialized, serialized_function

_PLAIN = (bool, int, float, str)


def serialize_keras_object(obj: Any) -> Any:
    """Returns an object as what JSON can express, in Keras's words.

    Args:
        obj: A layer, model, optimizer, schedule, loss, metric, initializer, regularizer or
            constraint; a function; a number or text; `None`; a list, tuple or dictionary of these.

    Returns:
        For an object a dictionary with the keys `"module"`, `"class_name"`, `"config"` and
        `"registered_name"`; for a model also what it was compiled with.

    Raises:
        ValueError: If it is something that has no configuration.
    """
    if obj is None or isinstance(obj, _PLAIN):
        return obj
    if isinstance(obj, np.generic):
        return obj.item()
    if isinstance(obj, (list, tuple)):
        return type(obj)(serialize_keras_object(item) for item in obj)
    if isinstance(obj, Mapping):
        return {key: serialize_keras_object(item) for key, item in obj.items()}
    if isinstance(obj, types.FunctionType):
        return serialized_function(obj)
    if isinstance(obj, Saveable):
        return model_config(obj)
    if isinstance(obj, Layer):
        return layers.serialize(obj)
    return _with_module(obj)


def deserialize_keras_object(
    config: Any, custom_objects: Mapping[str, Any] | None = None, safe_mode: bool = True
) -> Any:
    """Makes an object from what `serialize_keras_object` returned, here or in Keras.

    Args:
        config: The dictionary; or a number, text, `None`, or a list, tuple or dictionary of these.
        custom_objects: Dictionary from names in it to classes or functions of the caller.
        safe_mode: `True`; there is no unsafe mode.

    Returns:
        The object. A model has new weights, and is compiled if the dictionary says how.

    Raises:
        ValueError: If it names something that convlet does not have. Nothing is imported because
            of its name.
    """
    refuse_unsupported("deserialize_keras_object", {"safe_mode": (safe_mode, True)})
    with custom_object_scope(custom_objects):
        return _made(config)


def _with_module(obj: Any) -> dict[str, Any]:
    """Serializes what has a configuration but is no layer."""
    kind = kind_of(obj)
    if kind is None:
        raise ValueError(f"{obj!r} has no configuration and cannot be serialized.")
    return serialized(kind, obj, keras_module(kind))


def _made(config: Any) -> Any:
    if isinstance(config, (list, tuple)):
        return type(config)(_made(item) for item in config)
    if isinstance(config, str):
        return find_custom_object(config) or config
    if not isinstance(config, Mapping):
        return config
    if "class_name" not in config:
        return {key: _made(item) for key, item in config.items()}
    if config["class_name"] == "function":
        return _function(config)
    kind = kind_of_config(config)
    if config["class_name"] in classes("model"):
        return model_from_config(config)
    normal = normalized(config, kind)
    if not isinstance(normal, Mapping):
        return normal
    known: Any = find_custom_object(normal["class_name"]) or classes(kind)[normal["class_name"]]
    with configuration_errors():
        return known.from_config(normal["config"])


def _function(config: Mapping[str, Any]) -> Any:
    name = str(config.get("registered_name") or config.get("config"))
    return find_custom_object(name) or activations.get(config)
