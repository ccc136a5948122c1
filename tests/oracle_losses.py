"""The losses in numpy and float64, one value a row of targets t and predictions y (n, width)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import oracle

EPSILON = oracle.EPSILON


def _clip(p: np.ndarray, high: float = 1.0 - EPSILON) -> np.ndarray:
    return p.clip(EPSILON, high)


def _hinge_targets(t: np.ndarray) -> np.ndarray:
    return 2 * t - 1 if np.isin(t, (0, 1)).all() else t


def mean_squared_error(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    return ((y - t) ** 2).mean(axis=-1)


def mean_absolute_error(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.abs(y - t).mean(axis=-1)


def mean_absolute_percentage_error(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 100 * np.abs((y - t) / np.maximum(np.abs(t), EPSILON)).mean(axis=-1)


def mean_squared_logarithmic_error(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    logs = (np.log1p(np.maximum(v, EPSILON)) for v in (y, t))
    return (np.subtract(*logs) ** 2).mean(axis=-1)


def huber(t: np.ndarray, y: np.ndarray, delta: float) -> np.ndarray:
    e = np.abs(y - t)
    return np.where(e <= delta, e**2 / 2, delta * e - delta**2 / 2).mean(axis=-1)


def log_cosh(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.log(np.cosh(y - t)).mean(axis=-1)


def poisson(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (y - t * np.log(y + EPSILON)).mean(axis=-1)


def kl_divergence(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    p, q = _clip(t, 1.0), _clip(y, 1.0)
    return (p * np.log(p / q)).sum(axis=-1)


def hinge(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(1 - _hinge_targets(t) * y, 0).mean(axis=-1)


def squared_hinge(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (np.maximum(1 - _hinge_targets(t) * y, 0) ** 2).mean(axis=-1)


def categorical_hinge(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(((1 - t) * y).max(axis=-1) - (t * y).sum(axis=-1) + 1, 0)


def cosine_similarity(t: np.ndarray, y: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(t, axis=-1) * np.linalg.norm(y, axis=-1)
    return -(t * y).sum(axis=-1) / norms


def categorical_crossentropy(
    t: np.ndarray, y: np.ndarray, from_logits: bool, label_smoothing: float
) -> np.ndarray:
    smooth = t * (1 - label_smoothing) + label_smoothing / t.shape[-1]
    return oracle.categorical_crossentropy(smooth, y, from_logits)


def binary_crossentropy(
    t: np.ndarray, y: np.ndarray, from_logits: bool, label_smoothing: float
) -> np.ndarray:
    return _binary(t, y, from_logits, label_smoothing)[0].mean(axis=-1)


def _binary(t: Any, y: Any, from_logits: bool, label_smoothing: float) -> tuple[Any, Any, Any]:
    """Cross-entropy of each element, its target and its probability."""
    smooth = t * (1 - label_smoothing) + label_smoothing / 2
    p = oracle.sigmoid(y) if from_logits else y
    q = p if from_logits else _clip(p)
    return -smooth * np.log(q) - (1 - smooth) * np.log(1 - q), smooth, p


def binary_focal_crossentropy(
    t: np.ndarray,
    y: np.ndarray,
    from_logits: bool,
    label_smoothing: float,
    gamma: float,
    alpha: float,
    apply_class_balancing: bool,
) -> np.ndarray:
    losses, smooth, p = _binary(t, y, from_logits, label_smoothing)
    losses = losses * (1 - (smooth * p + (1 - smooth) * (1 - p))) ** gamma
    if apply_class_balancing:
        losses = losses * (smooth * alpha + (1 - smooth) * (1 - alpha))
    return losses.mean(axis=-1)


def categorical_focal_crossentropy(
    t: np.ndarray,
    y: np.ndarray,
    from_logits: bool,
    label_smoothing: float,
    gamma: float,
    alpha: float,
) -> np.ndarray:
    smooth = t * (1 - label_smoothing) + label_smoothing / t.shape[-1]
    p = oracle.softmax(y) if from_logits else y
    q = _clip(p / p.sum(axis=-1, keepdims=True))
    return -(alpha * (1 - q) ** gamma * smooth * np.log(q)).sum(axis=-1)


def central_differences(f: Callable[[np.ndarray], np.ndarray], y: np.ndarray) -> np.ndarray:
    """Derivatives of each row's value with respect to its predictions, with steps of 1e-6."""
    gradient = np.empty_like(y)
    for i in range(y.shape[-1]):
        step = np.zeros_like(y)
        step[:, i] = 1e-6
        gradient[:, i] = (f(y + step) - f(y - step)) / 2e-6
    return gradient
