"""Saving and loading of models, and configurations of all kinds of objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convlet._lazy import LazyNames, attach
from convlet.utils.custom_objects import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)

if TYPE_CHECKING:
    from convlet.saving.api import load_model, load_weights, save_model, save_weights
    from convlet.saving.objects import deserialize_keras_object, serialize_keras_object

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]

__getattr__, __dir__ = attach(
    __name__,
    LazyNames(
        __name__,
        {
            "api": ("load_model", "load_weights", "save_model", "save_weights"),
            "objects": ("deserialize_keras_object", "serialize_keras_object"),
        },
    ),
)
