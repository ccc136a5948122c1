"""Saved models as the commands use them: classifiers of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from convlet.model import Model


def load_classifier(path: str) -> Model:
    """Reads a saved model, without its optimizer, and checks that it maps images to classes.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is no model, or not one from images to classes.
    """
    from convlet.models import load_model

    model: Any = load_model(path, compile=False)
    shape, outputs = model.input_shape, model.output_shape
    if len(shape) != 4 or len(outputs) != 2:
        raise ValueError(
            f"{path}: not a classifier of images: expected inputs (None, height, width, channels) "
            f"and outputs (None, classes), got {tuple(shape)} and {tuple(outputs)}."
        )
    classifier: Model = model
    return classifier


def as_inputs(model: Model, images: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """Shapes and scales images as the model wants them.

    A model that scales or normalizes by itself, in its first layer, gets pixels from 0 to 255;
    every other one, like the notebook's, gets 0 to 1.

    Args:
        model: The model.
        images: uint8, `(n, height, width)` or `(n, height, width, channels)`.

    Raises:
        ValueError: If the images' shape is not that of the model's inputs.
    """
    batch = images[..., None] if images.ndim == 3 else images
    wanted = tuple(model.input_shape[1:])
    if any(want not in (None, got) for want, got in zip(wanted, batch.shape[1:], strict=True)):
        raise ValueError(f"The model takes images of shape {wanted}, got {batch.shape[1:]}.")
    return batch if _scales(model) else batch.astype(np.float32) / np.float32(255)


def _scales(model: Model) -> bool:
    from convlet.layers import InputLayer, Normalization, Rescaling

    inner = [layer for layer in model.layers if not isinstance(layer, InputLayer)]
    return bool(inner) and isinstance(inner[0], (Normalization, Rescaling))
