"""Saving and loading of models."""

from __future__ import annotations

from convlet.saving.api import load_model, load_weights, save_model, save_weights
from convlet.utils.custom_objects import custom_object_scope

__all__ = ["custom_object_scope", "load_model", "load_weights", "save_model", "save_weights"]
