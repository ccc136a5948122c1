"""Helpers that go with training: encoding labels, seeding, names, files, images."""

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
from convlet.utils.interactive import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)
from convlet.utils.naming import clear_session
from convlet.utils.numerical import normalize, to_categorical
from convlet.utils.py_dataset import PyDataset
from convlet.utils.random_state import set_random_seed

if TYPE_CHECKING:
    from convlet.saving.objects import deserialize_keras_object, serialize_keras_object
    from convlet.utils.file_utils import get_file
    from convlet.utils.image_utils import array_to_img, img_to_array, load_img, save_img
    from convlet.utils.model_pictures import plot_model
    from convlet.utils.progbar import Progbar

Sequence = PyDataset

__all__ = [
    "CustomObjectScope",
    "Progbar",
    "PyDataset",
    "Sequence",
    "array_to_img",
    "clear_session",
    "custom_object_scope",
    "deserialize_keras_object",
    "disable_interactive_logging",
    "enable_interactive_logging",
    "get_custom_objects",
    "get_file",
    "get_registered_name",
    "get_registered_object",
    "img_to_array",
    "is_interactive_logging_enabled",
    "load_img",
    "normalize",
    "plot_model",
    "register_keras_serializable",
    "save_img",
    "serialize_keras_object",
    "set_random_seed",
    "to_categorical",
]

# Imported at their first use: what they need in turn imports this package.
__getattr__, __dir__ = attach(
    __name__,
    LazyNames(
        "convlet",
        {
            "saving.objects": ("deserialize_keras_object", "serialize_keras_object"),
            "utils.file_utils": ("get_file",),
            "utils.image_utils": ("array_to_img", "img_to_array", "load_img", "save_img"),
            "utils.model_pictures": ("plot_model",),
            "utils.progbar": ("Progbar",),
        },
    ),
)
