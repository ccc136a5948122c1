"""Metrics made of true and false positives and negatives, counted at thresholds.

Formulas as in `keras/src/metrics/confusion_metrics.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from convlet.losses.functions import same_rank
from convlet.metrics.metric import Metric
from convlet.utils.validation import check_bool, check_choice, check_integer

EPSILON = 1e-7  # keras.config.epsilon()
_BELOW_ALL = -1e10
_MOST_THRESHOLDS = 10**6

Counts = npt.NDArray[np.float64]


@dataclass
class Confusion:
    """Weighted counts by threshold, or by threshold and label."""

    true_positives: Counts
    false_positives: Counts
    true_negatives: Counts
    false_negatives: Counts

    @classmethod
    def zeros(cls, *shape: int) -> Confusion:
        """Returns counts of nothing."""
        return cls(*(np.zeros(shape) for _ in range(4)))

    def add(self, other: Confusion) -> None:
        """Adds the counts of other rows."""
        for name, value in vars(other).items():
            vars(self)[name] = vars(self)[name] + value


class _CountingMetric(Metric):
    """A metric whose state is counts."""

    counts: Confusion

    def get_state(self) -> dict[str, Any]:
        return dict(vars(self.counts))

    def set_state(self, state: Mapping[str, Any]) -> None:
        self.counts = Confusion(**state)


class ConfusionMetric(_CountingMetric):
    """What metrics with `thresholds` have in common.

    Args:
        thresholds: A number or a list of numbers in [0, 1] that predictions must exceed to be
            positive; `None` for the default.
        default: The default.
        top_k: Count only the k largest predictions of a row as positive, or `None`.
        class_id: Count only this class, or `None`.
        name: Key in `History`; `None` for an automatic one.
        dtype: `None` or `"float32"`.
    """

    def __init__(
        self,
        thresholds: float | Sequence[float] | None,
        default: float,
        top_k: int | None,
        class_id: int | None,
        name: str | None,
        dtype: str | None,
    ) -> None:
        super().__init__(dtype, name)
        self.init_thresholds = thresholds
        self.thresholds = _checked_thresholds(default if thresholds is None else thresholds)
        self.top_k = None if top_k is None else check_integer("top_k", top_k, 1)
        self.class_id = None if class_id is None else check_integer("class_id", class_id, 0)
        self.reset_state()

    def reset_state(self) -> None:
        self.counts = Confusion.zeros(len(self.thresholds))

    def update_state(
        self,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> None:
        """Takes in a batch.

        Args:
            y_true: Targets; everything but 0 is positive.
            y_pred: Predictions.
            sample_weight: Weights of the rows, or `None` for 1.
        """
        predictions, truth, weights = _prepared(y_true, y_pred, sample_weight)
        if self.top_k is not None:
            predictions = _largest(predictions, self.top_k)
        if self.class_id is not None:
            check_integer("class_id", self.class_id, 0, truth.shape[-1] - 1)
            truth, predictions = (a[..., self.class_id, None] for a in (truth, predictions))
        if weights is not None:
            weights = np.broadcast_to(weights, predictions.shape).reshape(-1, 1)
        self.counts.add(
            confusion(truth.reshape(-1, 1), predictions.reshape(-1, 1), weights, self.thresholds)
        )

    def _scalar(self, values: Counts) -> Any:
        return float(values[0]) if len(values) == 1 else values.astype(np.float32)


class _Count(ConfusionMetric):
    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        super().__init__(thresholds, 0.5, None, None, name, dtype)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "thresholds": self.init_thresholds}


class TruePositives(_Count):
    """Weighted number of positives that are predicted.

    Args:
        thresholds: What predictions must exceed to be positive: a number or a list of numbers in
            [0, 1], or `None` for 0.5. For a list the result is an array.
        name: Key in `History`; `None` for an automatic one.
        dtype: `None` or `"float32"`.
    """

    COUNTS_ROWS = True

    def result(self) -> Any:
        return self._scalar(self.counts.true_positives)


class FalsePositives(_Count):
    """Weighted number of negatives that are taken for positives; see `TruePositives`."""

    COUNTS_ROWS = True

    def result(self) -> Any:
        return self._scalar(self.counts.false_positives)


class TrueNegatives(_Count):
    """Weighted number of negatives that are predicted; see `TruePositives`."""

    COUNTS_ROWS = True

    def result(self) -> Any:
        return self._scalar(self.counts.true_negatives)


class FalseNegatives(_Count):
    """Weighted number of positives that are taken for negatives; see `TruePositives`."""

    COUNTS_ROWS = True

    def result(self) -> Any:
        return self._scalar(self.counts.false_negatives)


class _Ratio(ConfusionMetric):
    def __init__(
        self,
        thresholds: float | Sequence[float] | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: str | None = None,
    ) -> None:
        default = 0.5 if top_k is None else _BELOW_ALL
        super().__init__(thresholds, default, top_k, class_id, name, dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "thresholds": self.init_thresholds,
            "top_k": self.top_k,
            "class_id": self.class_id,
        }


class Precision(_Ratio):
    """Share of true positives among all that is predicted positive; 0 where nothing is.

    Args:
        thresholds: What predictions must exceed to be positive: a number or a list of numbers in
            [0, 1], or `None` for 0.5, or with `top_k` for none. For a list the result is an array.
        top_k: Count only the k largest predictions of a row as positive, or `None`.
        class_id: Count only this class, or `None`.
        name: Key in `History`; `None` for an automatic one.
        dtype: `None` or `"float32"`.
    """

    COUNTS_ROWS = True

    def result(self) -> Any:
        hits = self.counts.true_positives
        return self._scalar(_quotient(hits, hits + self.counts.false_positives))


class Recall(_Ratio):
    """Share of the positives that are predicted; 0 where there are none.

    Args:
        thresholds: As for `Precision`.
        top_k: As for `Precision`.
        class_id: As for `Precision`.
        name: Key in `History`; `None` for an automatic one.
        dtype: `None` or `"float32"`.
    """

    COUNTS_ROWS = True

    def result(self) -> Any:
        hits = self.counts.true_positives
        return self._scalar(_quotient(hits, hits + self.counts.false_negatives))


class AUC(_CountingMetric):
    """Area under the ROC or the precision-recall curve, by a Riemann sum over thresholds.

    Args:
        num_thresholds: Number of thresholds, evenly spaced from 0 to 1; at most a million.
        curve: `"ROC"` or `"PR"`.
        summation_method: `"interpolation"` (trapezoids; for PR that of Davis and Goadrich, 2006),
            `"minoring"` (the lower of two heights) or `"majoring"` (the higher).
        name: Key in `History`; `None` for an automatic one.
        dtype: `None` or `"float32"`.
        thresholds: Thresholds in [0, 1] instead, or `None`.
        multi_label: Whether to take the mean of the areas of all labels (last axis), instead of one
            area for all predictions.
        num_labels: Number of labels with `multi_label`, or `None` to read it off the first batch.
        label_weights: Weight of each label, or `None` for 1.
        from_logits: Whether predictions are what goes into a sigmoid.

    Raises:
        ValueError: If an argument has no meaning.
    """

    COUNTS_ROWS = True

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: str | None = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        super().__init__(dtype, name)
        self._given_thresholds = None if thresholds is None else sorted(thresholds)
        if self._given_thresholds is None:
            count = check_integer("num_thresholds", num_thresholds, 2, _MOST_THRESHOLDS)
            inner = [(i + 1) / (count - 1) for i in range(count - 2)]
        else:
            inner = _checked_thresholds(self._given_thresholds)
        self.num_thresholds = len(inner) + 2
        self.thresholds = [-EPSILON, *inner, 1.0 + EPSILON]
        self.curve = check_choice("curve", curve, ("roc", "pr")).upper()
        self.summation_method = check_choice(
            "summation_method", summation_method, ("interpolation", "minoring", "majoring")
        )
        self.multi_label = check_bool("multi_label", multi_label)
        if num_labels is not None and not multi_label:
            raise ValueError("`num_labels` is needed only when `multi_label` is True.")
        self.num_labels = None if num_labels is None else check_integer("num_labels", num_labels, 1)
        self.label_weights = None if label_weights is None else np.asarray(label_weights, float)
        self.from_logits = check_bool("from_logits", from_logits)
        self.reset_state()

    def reset_state(self) -> None:
        labels = (self.num_labels or 1) if self.multi_label else 1
        self.counts = Confusion.zeros(self.num_thresholds, labels)

    def update_state(
        self,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> None:
        """Takes in a batch.

        Args:
            y_true: Targets; everything but 0 is positive.
            y_pred: Predictions in [0, 1].
            sample_weight: Weights of the rows, or `None` for 1.

        Raises:
            ValueError: If the shapes do not fit.
        """
        predictions, truth, weights = _prepared(y_true, y_pred, sample_weight)
        shape = predictions.shape
        if self.from_logits:
            predictions = np.asarray(1.0 / (1.0 + np.exp(-predictions)), np.float32)
        if self.multi_label and len(shape) != 2:
            raise ValueError(
                "`y_pred` must have rank 2 when `multi_label=True`. "
                f"Found rank {len(shape)}. Full shape received for `y_pred`: {shape}"
            )
        if weights is not None:
            weights = np.broadcast_to(weights, shape)
        if not self.multi_label:
            if self.label_weights is not None:
                by_label = np.broadcast_to(self.label_weights, shape)
                weights = by_label if weights is None else weights * by_label
            truth, predictions = truth.reshape(-1, 1), predictions.reshape(-1, 1)
            weights = None if weights is None else weights.reshape(-1, 1)
        self.counts.add(confusion(truth, predictions, weights, self.thresholds, by_label=True))

    def result(self) -> float:
        """Returns the area."""
        if self.curve == "PR" and self.summation_method == "interpolation":
            areas = self._interpolated_pr()
        else:
            areas = self._riemann_sum()
        if self.multi_label and self.label_weights is not None:
            return float(_quotient((areas * self.label_weights).sum(), self.label_weights.sum()))
        return float(areas.mean())

    def get_config(self) -> dict[str, Any]:
        weights = self.label_weights
        config = {
            **super().get_config(),
            "num_thresholds": self.num_thresholds,
            "curve": self.curve,
            "summation_method": self.summation_method,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": None if weights is None else weights.tolist(),
            "from_logits": self.from_logits,
        }
        if self._given_thresholds is not None:
            config["thresholds"] = self.thresholds[1:-1]
        return config

    def _riemann_sum(self) -> Counts:
        c = self.counts
        recall = _quotient(c.true_positives, c.true_positives + c.false_negatives)
        if self.curve == "ROC":
            x = _quotient(c.false_positives, c.false_positives + c.true_negatives)
            y = recall
        else:
            x = recall
            y = _quotient(c.true_positives, c.true_positives + c.false_positives)
        if self.summation_method == "interpolation":
            heights = (y[:-1] + y[1:]) / 2
        elif self.summation_method == "minoring":
            heights = np.minimum(y[:-1], y[1:])
        else:
            heights = np.maximum(y[:-1], y[1:])
        return np.asarray(((x[:-1] - x[1:]) * heights).sum(axis=0))

    def _interpolated_pr(self) -> Counts:
        """Davis and Goadrich (2006): between two thresholds precision is not linear."""
        hits = self.counts.true_positives
        positive = hits + self.counts.false_positives
        more_hits, more = hits[:-1] - hits[1:], positive[:-1] - positive[1:]
        slope = _quotient(more_hits, np.maximum(more, 0.0))
        intercept = hits[1:] - slope * positive[1:]
        both = (positive[:-1] > 0) & (positive[1:] > 0)
        ratio = np.where(both, _quotient(positive[:-1], np.maximum(positive[1:], 0.0)), 1.0)
        area = slope * (more_hits + intercept * np.log(ratio))
        truth = hits[1:] + self.counts.false_negatives[1:]
        return np.asarray(_quotient(area, np.maximum(truth, 0.0)).sum(axis=0))


def confusion(
    y_true: Any, y_pred: Any, weights: Any, thresholds: Sequence[float], by_label: bool = False
) -> Confusion:
    """Returns the counts of arrays (n, labels), by threshold and, if asked for, by label.

    Evenly spaced thresholds sort predictions into buckets, with Keras's rounding.
    """
    truth = y_true.astype(bool)
    weight = np.ones(y_pred.shape) if weights is None else weights.astype(np.float64)
    real, unreal = np.where(truth, weight, 0.0), np.where(truth, 0.0, weight)
    if _is_even(thresholds):
        hits, misses = (_above_buckets(y_pred, w, thresholds) for w in (real, unreal))
    else:
        limits = np.asarray(thresholds, np.float32)
        above = [y_pred > limit for limit in limits]
        hits, misses = (
            np.stack([np.where(positive, w, 0.0).sum(axis=0) for positive in above])
            for w in (real, unreal)
        )
    counts = Confusion(hits, misses, unreal.sum(axis=0) - misses, real.sum(axis=0) - hits)
    if by_label:
        return counts
    return Confusion(*(value.sum(axis=1) for value in vars(counts).values()))


def _above_buckets(y_pred: Any, weights: Any, thresholds: Sequence[float]) -> Counts:
    """Weight above each threshold, by label: a histogram, added up from its end."""
    count = len(thresholds)
    bucket = np.ceil(y_pred.clip(0.0, 1.0) * np.float32(count - 1)) - 1
    if thresholds[0] < 0.0:
        bucket = np.maximum(bucket, 0)  # the first threshold is below 0 too
    columns = []
    for label in range(y_pred.shape[1]):
        # What is in no bucket, at 0, goes to one in front, which is not counted.
        number = np.nan_to_num(bucket[:, label], nan=-1.0).astype(np.int64) + 1
        histogram = np.bincount(number, weights[:, label], count + 1)[1:]
        columns.append(histogram[::-1].cumsum()[::-1])
    return np.stack(columns, axis=1)


def _is_even(thresholds: Sequence[float]) -> bool:
    count = len(thresholds)
    even = np.arange(count, dtype=np.float32) / max(count - 1, 1)
    return count >= 3 and np.allclose(thresholds, even, atol=EPSILON)


def _prepared(y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    predictions, targets = same_rank(np.asarray(y_pred, np.float32), np.asarray(y_true, np.float32))
    if predictions.shape != targets.shape:
        raise ValueError(
            "Arguments `y_true` and `y_pred` must have the same shape. "
            f"Received: y_true.shape={targets.shape}, y_pred.shape={predictions.shape}"
        )
    if sample_weight is None:
        return predictions, targets, None
    weights = np.asarray(sample_weight, np.float32)[..., None]
    if weights.ndim == targets.ndim + 1:
        weights = weights[..., 0]
    return predictions, targets, weights


def _largest(y_pred: Any, k: int) -> Any:
    """Predictions outside the k largest of their row (of equal ones the first) below everything."""
    order = np.argsort(-y_pred, axis=-1, kind="stable")[..., :k]
    filtered = np.full_like(y_pred, _BELOW_ALL)
    np.put_along_axis(filtered, order, np.take_along_axis(y_pred, order, axis=-1), axis=-1)
    return filtered


def _checked_thresholds(thresholds: Any) -> list[float]:
    values = list(thresholds) if isinstance(thresholds, (list, tuple)) else [thresholds]
    invalid = [t for t in values if t is None or (t != _BELOW_ALL and not 0 <= t <= 1)]
    if invalid:
        raise ValueError(f"Threshold values must be in [0, 1]. Received: {invalid}")
    return values


def _quotient(a: Any, b: Any) -> Any:
    """a / b, and 0 where b is 0."""
    return np.divide(a, b, out=np.zeros(np.broadcast(a, b).shape), where=np.asarray(b) != 0)
