"""Encoding of labels, and vectors of length 1."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convlet.utils.validation import check_integer


def to_categorical(x: npt.ArrayLike, num_classes: int | None = None) -> npt.NDArray[np.float32]:
    """Converts a vector of class indices to a one-hot matrix.

    The result is float32, as in Keras 2 and as the training wants it; Keras 3 returns float64.

    Args:
        x: Class indices, whole numbers from 0 to `num_classes - 1`, of any shape. A last axis of
            length 1 is dropped.
        num_classes: Number of classes. `None` means `max(x) + 1`.

    Returns:
        A float32 array with one more axis than `x`, of length `num_classes`, placed last.

    Raises:
        ValueError: If `x` is empty or not numeric, or holds something that is not a class index.
    """
    labels = _as_class_indices(x)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    lowest, highest = int(labels.min()), int(labels.max())
    classes = highest + 1 if num_classes is None else check_integer("num_classes", num_classes, 1)
    if lowest < 0 or highest >= classes:
        wrong = lowest if lowest < 0 else highest
        raise ValueError(
            f"Every value of `x` must be a class index in [0, {classes}). Received: {wrong}"
        )
    encoded = np.zeros((labels.size, classes), np.float32)
    encoded[np.arange(labels.size), labels.reshape(-1)] = 1.0
    return encoded.reshape(*labels.shape, classes)


def normalize(x: npt.ArrayLike, axis: int = -1, order: float = 2) -> npt.NDArray[Any]:
    """Divides an array by its norm along an axis.

    Args:
        x: Array.
        axis: The axis.
        order: Order of the norm: 2 for the Euclidean one.

    Returns:
        An array of the shape of `x`; where the norm is 0 it is 0.

    Raises:
        ValueError: If `x` does not hold real numbers or has no such axis.
    """
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"`x` must hold real numbers. Received an array of dtype {array.dtype}")
    axis = check_integer("axis", axis, -array.ndim, array.ndim - 1)
    norm = np.linalg.norm(array, order, axis, keepdims=True)
    return np.asarray(array / np.where(norm == 0, 1, norm))


def _as_class_indices(x: npt.ArrayLike) -> npt.NDArray[np.int64]:
    labels = np.asarray(x)
    if labels.dtype.kind not in "biuf":
        raise ValueError(f"`x` must hold numbers. Received an array of dtype {labels.dtype}")
    if labels.size == 0:
        raise ValueError(f"`x` must not be empty. Received an array of shape {labels.shape}")
    if labels.dtype.kind == "f" and not (np.isfinite(labels) & (labels == np.trunc(labels))).all():
        raise ValueError("Every value of `x` must be a whole number")
    return labels.astype(np.int64)
