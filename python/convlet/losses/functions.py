"""The losses as functions of numpy arrays, computed by the code that trains.

Each returns a float32 array with one value for each position of the axes but the last, as Keras's
functions do; formulas as in `keras/src/losses/losses.py`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet import _native
from convlet.utils.validation import check_bool, check_integer, check_real, refuse_unsupported

Array: TypeAlias = npt.NDArray[np.float32]


def mean_squared_error(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """Mean of `(y_true - y_pred)**2` over the last axis.

    Args:
        y_true: Targets, in the shape of `y_pred`; a last axis of length 1 may be missing.
        y_pred: Predictions, shape (..., n).

    Returns:
        A float32 array of shape (...).

    Raises:
        ValueError: If the shapes do not fit.
    """
    return dense_values("mean_squared_error", {}, y_true, y_pred)


def mean_absolute_error(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """Mean of `|y_true - y_pred|` over the last axis; as `mean_squared_error` otherwise."""
    return dense_values("mean_absolute_error", {}, y_true, y_pred)


def mean_absolute_percentage_error(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """Mean of `100 |y_true - y_pred| / max(|y_true|, 1e-7)`; as `mean_squared_error` otherwise."""
    return dense_values("mean_absolute_percentage_error", {}, y_true, y_pred)


def mean_squared_logarithmic_error(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """Mean squared difference of `log(1 + max(y, 1e-7))`; as `mean_squared_error` otherwise."""
    return dense_values("mean_squared_logarithmic_error", {}, y_true, y_pred)


def huber(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, delta: float = 1.0) -> Array:
    """Mean of `e**2 / 2` where `|e| <= delta`, else `delta |e| - delta**2 / 2`.

    Args:
        y_true: Targets, as for `mean_squared_error`.
        y_pred: Predictions.
        delta: Where the parabola becomes a line.

    Returns:
        A float32 array with the shape of `y_pred` less the last axis.

    Raises:
        ValueError: If the shapes do not fit.
    """
    return dense_values("huber", {"delta": check_real("delta", delta)}, y_true, y_pred)


def log_cosh(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """Mean of `log(cosh(y_pred - y_true))`; as `mean_squared_error` otherwise."""
    return dense_values("log_cosh", {}, y_true, y_pred)


def poisson(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """Mean of `y_pred - y_true * log(y_pred + 1e-7)`; as `mean_squared_error` otherwise."""
    return dense_values("poisson", {}, y_true, y_pred)


def kl_divergence(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """Sum of `y_true * log(y_true / y_pred)`, both clipped to [1e-7, 1]."""
    return dense_values("kl_divergence", {}, y_true, y_pred)


def hinge(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """Mean of `max(1 - y_true * y_pred, 0)`; targets of 0 and 1 alone stand for -1 and 1."""
    return dense_values("hinge", {}, y_true, y_pred)


def squared_hinge(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """Mean of `max(1 - y_true * y_pred, 0)**2`; targets as for `hinge`."""
    return dense_values("squared_hinge", {}, y_true, y_pred)


def categorical_hinge(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """`max(max((1 - y_true) * y_pred) - sum(y_true * y_pred) + 1, 0)` over the last axis."""
    return dense_values("categorical_hinge", {}, y_true, y_pred)


def cosine_similarity(y_true: npt.ArrayLike, y_pred: npt.ArrayLike, axis: int = -1) -> Array:
    """Minus the cosine of the angle between the vectors along the last axis.

    Args:
        y_true: Targets, as for `mean_squared_error`.
        y_pred: Predictions.
        axis: -1; nothing else is supported.

    Returns:
        A float32 array with the shape of `y_pred` less the last axis.

    Raises:
        ValueError: If the shapes do not fit.
    """
    refuse_unsupported("cosine_similarity", {"axis": (axis, -1)})
    return dense_values("cosine_similarity", {}, y_true, y_pred)


def categorical_crossentropy(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """Cross-entropy of one-hot targets, `-sum(y_true * log(y_pred))` over the last axis.

    Probabilities are divided by their sum and clipped to [1e-7, 1 - 1e-7] first.

    Args:
        y_true: One-hot or probability targets, shape (..., classes).
        y_pred: Predictions, shape (..., classes).
        from_logits: Whether `y_pred` is what goes into a softmax rather than what comes out.
        label_smoothing: Share s of each target that is spread over all classes:
            `y_true * (1 - s) + s / classes`.
        axis: -1; nothing else is supported.

    Returns:
        A float32 array of shape (...).

    Raises:
        ValueError: If the shapes differ.
    """
    options = crossentropy_options("categorical_crossentropy", from_logits, label_smoothing, axis)
    return dense_values("categorical_crossentropy", options, y_true, y_pred, align=False)


def sparse_categorical_crossentropy(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Array:
    """Cross-entropy of integer targets, `-log(y_pred[y_true])` over the last axis.

    Probabilities are clipped to [1e-7, 1 - 1e-7] and then divided by their sum.

    Args:
        y_true: Class indices, shape (...) or (..., 1).
        y_pred: Predictions, shape (..., classes).
        from_logits: Whether `y_pred` is what goes into a softmax rather than what comes out.
        ignore_class: A class whose positions have the loss 0; any integer, or `None`.
        axis: -1; nothing else is supported.

    Returns:
        A float32 array of shape (...).

    Raises:
        ValueError: If the shapes do not fit or an index is out of range.
    """
    refuse_unsupported("sparse_categorical_crossentropy", {"axis": (axis, -1)})
    options: dict[str, Any] = {"from_logits": check_bool("from_logits", from_logits)}
    if ignore_class is not None:
        options["ignore_class"] = check_integer("ignore_class", ignore_class, -(2**31), 2**31 - 1)
    return sparse_values("sparse_categorical_crossentropy", options, y_true, y_pred)


def binary_crossentropy(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """Mean of `-y_true * log(y_pred) - (1 - y_true) * log(1 - y_pred)` over the last axis.

    Probabilities are clipped to [1e-7, 1 - 1e-7] first.

    Args:
        y_true: Targets from 0 to 1, as for `mean_squared_error`.
        y_pred: Predictions, shape (..., n).
        from_logits: Whether `y_pred` is what goes into a sigmoid rather than what comes out.
        label_smoothing: Share s by which targets move to one half: `y_true * (1 - s) + s / 2`.
        axis: -1; nothing else is supported.

    Returns:
        A float32 array of shape (...).

    Raises:
        ValueError: If the shapes do not fit.
    """
    options = crossentropy_options("binary_crossentropy", from_logits, label_smoothing, axis)
    return dense_values("binary_crossentropy", options, y_true, y_pred)


def binary_focal_crossentropy(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """Binary cross-entropy times `(1 - p)**gamma` with the probability p of the truth.

    Lin et al. (2017). The other arguments are those of `binary_crossentropy`.

    Args:
        y_true: Targets from 0 to 1.
        y_pred: Predictions, shape (..., n).
        apply_class_balancing: Whether to weigh with `alpha` where the target is 1, and with
            `1 - alpha` where it is 0.
        alpha: That weight.
        gamma: How much less what is predicted well counts.
        from_logits: Whether `y_pred` is what goes into a sigmoid.
        label_smoothing: Share by which targets move to one half.
        axis: -1; nothing else is supported.

    Returns:
        A float32 array of shape (...).

    Raises:
        ValueError: If the shapes do not fit.
    """
    options = {
        **crossentropy_options("binary_focal_crossentropy", from_logits, label_smoothing, axis),
        "apply_class_balancing": check_bool("apply_class_balancing", apply_class_balancing),
        "alpha": check_real("alpha", alpha),
        "gamma": check_real("gamma", gamma),
    }
    return dense_values("binary_focal_crossentropy", options, y_true, y_pred)


def categorical_focal_crossentropy(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Array:
    """Categorical cross-entropy with every term times `alpha * (1 - p)**gamma`.

    The other arguments are those of `categorical_crossentropy`.

    Args:
        y_true: One-hot or probability targets, shape (..., classes).
        y_pred: Predictions, shape (..., classes).
        alpha: Weight of all terms.
        gamma: How much less what is predicted well counts.
        from_logits: Whether `y_pred` is what goes into a softmax.
        label_smoothing: Share of each target that is spread over all classes.
        axis: -1; nothing else is supported.

    Returns:
        A float32 array of shape (...).

    Raises:
        ValueError: If the shapes differ.
    """
    name = "categorical_focal_crossentropy"
    options = {
        **crossentropy_options(name, from_logits, label_smoothing, axis),
        "alpha": check_real("alpha", alpha),
        "gamma": check_real("gamma", gamma),
    }
    return dense_values(name, options, y_true, y_pred, align=False)


def crossentropy_options(
    owner: str, from_logits: Any, label_smoothing: Any, axis: Any
) -> dict[str, Any]:
    """Returns the checked options that all dense cross-entropies have."""
    refuse_unsupported(owner, {"axis": (axis, -1)})
    return {
        "from_logits": check_bool("from_logits", from_logits),
        "label_smoothing": check_real("label_smoothing", label_smoothing, 0.0, 1.0),
    }


def dense_values(
    name: str,
    options: dict[str, Any],
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    align: bool = True,
) -> Array:
    """Returns a criterion of the compiled code for targets like the predictions.

    Args:
        name: Its name there.
        options: Its options there.
        y_true: Targets.
        y_pred: Predictions.
        align: Whether a last axis of length 1 may be missing on one side, as in Keras.

    Raises:
        ValueError: If the shapes do not fit.
    """
    targets, predictions = _float32(y_true), _float32(y_pred)
    if align:
        targets, predictions = same_rank(targets, predictions)
    if targets.shape != predictions.shape or targets.ndim == 0:
        raise ValueError(
            "Arguments `y_true` and `y_pred` must have the same shape, with at least one axis. "
            f"Received: y_true.shape={targets.shape}, y_pred.shape={predictions.shape}"
        )
    return _values(name, options, targets, predictions)


def sparse_values(
    name: str, options: dict[str, Any], y_true: npt.ArrayLike, y_pred: npt.ArrayLike
) -> Array:
    """Returns a criterion of the compiled code for class indices.

    Raises:
        ValueError: If the shapes do not fit or an index is out of range.
    """
    labels, predictions = np.asarray(y_true), _float32(y_pred)
    if labels.ndim == predictions.ndim and labels.shape[-1:] == (1,):
        labels = labels[..., 0]
    if predictions.ndim == 0 or labels.shape != predictions.shape[:-1]:
        raise ValueError(
            "Argument `y_true` must have the shape of `y_pred` without its last axis. "
            f"Received: y_true.shape={labels.shape}, y_pred.shape={predictions.shape}"
        )
    labels = labels.astype(np.int64)
    classes = predictions.shape[-1]
    counted = labels[labels != options.get("ignore_class", -1 - classes)]
    if counted.size and not (counted.min() >= 0 and counted.max() < classes):
        raise ValueError(
            f"Every value of `y_true` must be in [0, {classes}). "
            f"Received values from {counted.min()} to {counted.max()}"
        )
    return _values(name, options, labels.astype(np.int32), predictions)


def same_rank(first: Any, second: Any) -> tuple[Any, Any]:
    """Returns two arrays with a last axis of length 1 added or removed, as Keras makes them fit."""
    if first.ndim == second.ndim + 1 and first.shape[-1] == 1:
        return (first, second[:, None]) if second.ndim == 1 else (first[..., 0], second)
    if second.ndim == first.ndim + 1 and second.shape[-1] == 1:
        return (first[:, None], second) if first.ndim == 1 else (first, second[..., 0])
    return first, second


def _values(name: str, options: dict[str, Any], targets: Any, predictions: Array) -> Array:
    *leading, n = predictions.shape
    rows = int(np.prod(leading, dtype=np.int64))
    dense = targets.ndim == predictions.ndim
    values, _ = _native.core.criterion(
        name,
        options,
        np.ascontiguousarray(targets.reshape((rows, n) if dense else (rows,))),
        np.ascontiguousarray(predictions.reshape(rows, n)),
    )
    return values.reshape(leading)


def _float32(values: npt.ArrayLike) -> Array:
    return np.asarray(values, np.float32)
