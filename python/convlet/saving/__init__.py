"""Saving and loading of models, and configurations of all kinds of objects."""

from __future__ import annotations

from convlet.saving.api import load_model, load_weights, save_model, save_weights
from convlet.saving.objects import deserialize_keras_object, serialize_keras_object
from convlet.utils.custom_objects import CustomObjectScope, custom_object_scope

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "load_model",
    "load_weights",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]
