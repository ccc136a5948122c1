"""Accuracies as functions of numpy arrays; formulas as in `keras/src/metrics/accuracy_metrics.py`."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet.losses.functions import same_rank
from convlet.utils.validation import check_bool, check_integer

Array: TypeAlias = npt.NDArray[np.float32]


def accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """Whether each prediction equals its target, as 0.0 or 1.0, in the shape of both.

    Raises:
        ValueError: If the shapes differ.
    """
    targets, predictions = _like(y_true, y_pred)
    return np.asarray(targets == predictions, np.float32)


def binary_accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, threshold: float = 0.5) -> Array:
    """Whether each prediction is on its target's side of a threshold, as 0.0 or 1.0.

    Args:
        y_true: Targets 0 and 1; a last axis of length 1 may be missing.
        y_pred: Predictions.
        threshold: What a prediction must exceed to stand for 1.

    Returns:
        A float32 array in the shape of both.

    Raises:
        ValueError: If the shapes differ.
    """
    targets, predictions = _like(y_true, y_pred)
    return np.asarray(targets == (predictions > threshold), np.float32)


def categorical_accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """Whether the largest prediction is where the largest target is, as 0.0 or 1.0.

    Args:
        y_true: One-hot targets, shape (..., classes).
        y_pred: Predictions, shape (..., classes).

    Returns:
        A float32 array of shape (...).

    Raises:
        ValueError: If the shapes differ.
    """
    targets, predictions = _one_hot(y_true, y_pred)
    return np.asarray(targets.argmax(axis=-1) == predictions.argmax(axis=-1), np.float32)


def sparse_categorical_accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """Whether the largest prediction is that of the right class, as 0.0 or 1.0.

    Args:
        y_true: Class indices, shape (...) or (..., 1).
        y_pred: Predictions, shape (..., classes).

    Returns:
        A float32 array of shape (...).

    Raises:
        ValueError: If the shapes do not fit.
    """
    labels, predictions = _labels(y_true, y_pred)
    return np.asarray(labels == predictions.argmax(axis=-1), np.float32)


def top_k_categorical_accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, k: int = 5) -> Array:
    """Whether the right class is among the k most probable, as 0.0 or 1.0.

    Classes as probable as the k-th are all among them; a row that is not finite has none.

    Args:
        y_true: One-hot targets, shape (..., classes).
        y_pred: Predictions, shape (..., classes).
        k: How many classes.

    Returns:
        A float32 array of shape (...).

    Raises:
        ValueError: If the shapes differ.
    """
    targets, predictions = _one_hot(y_true, y_pred)
    return _in_top_k(targets.argmax(axis=-1), predictions, k)


def sparse_top_k_categorical_accuracy(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, k: int = 5, from_sorted_ids: bool = False
) -> Array:
    """As `top_k_categorical_accuracy`, for class indices of shape (...) or (..., 1).

    Args:
        y_true: The right classes.
        y_pred: Scores, shape (..., classes).
        k: How many count as the top.
        from_sorted_ids: Whether `y_pred` are class indices instead, the best first.
    """
    if check_bool("from_sorted_ids", from_sorted_ids):
        ids = np.asarray(y_pred)
        classes = np.asarray(y_true).reshape(*ids.shape[:-1], 1)
        found = (classes == ids[..., : check_integer("k", k, 1)]).any(axis=-1)
        return np.asarray(found, np.float32)
    labels, predictions = _labels(y_true, y_pred)
    return _in_top_k(labels.astype(np.int64), predictions, k)


def _in_top_k(labels: Any, predictions: Any, k: int) -> Array:
    k = check_integer("k", k, 1)
    known = (labels >= 0) & (labels < predictions.shape[-1])
    if not predictions.shape[-1]:
        return np.zeros(labels.shape, np.float32)
    of_label = np.take_along_axis(predictions, np.where(known, labels, 0)[..., None], axis=-1)
    larger = (predictions > of_label).sum(axis=-1)
    finite = np.isfinite(predictions).all(axis=-1)
    return np.asarray((larger < k) & finite & known, np.float32)


def _like(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> tuple[Any, Any]:
    targets, predictions = same_rank(np.asarray(y_true, np.float32), np.asarray(y_pred, np.float32))
    if targets.shape != predictions.shape:
        raise ValueError(
            "Arguments `y_true` and `y_pred` must have the same shape. "
            f"Received: y_true.shape={targets.shape}, y_pred.shape={predictions.shape}"
        )
    return targets, predictions


def _one_hot(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> tuple[Any, Any]:
    targets, predictions = np.asarray(y_true), np.asarray(y_pred)
    if targets.shape != predictions.shape or targets.ndim == 0:
        raise ValueError(
            "Arguments `y_true` and `y_pred` must have the same shape, with at least one axis. "
            f"Received: y_true.shape={targets.shape}, y_pred.shape={predictions.shape}"
        )
    return targets, predictions


def _labels(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> tuple[Any, Any]:
    labels, predictions = np.asarray(y_true), np.asarray(y_pred)
    if labels.ndim == predictions.ndim and labels.shape[-1:] == (1,):
        labels = labels[..., 0]
    if predictions.ndim == 0 or labels.shape != predictions.shape[:-1]:
        raise ValueError(
            "Argument `y_true` must have the shape of `y_pred` without its last axis. "
            f"Received: y_true.shape={labels.shape}, y_pred.shape={predictions.shape}"
        )
    return labels, predictions
