"""F scores; formulas as in `keras/src/metrics/f_score_metrics.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convlet.metrics.metric import Metric

_EPSILON = 1e-7  # keras.config.epsilon()


class FBetaScore(Metric):
    """Weighted harmonic mean of precision and recall, by class.

    Args:
        average: `None` for an array by class, `"micro"` for one score of all predictions, `"macro"`
            for the mean of the classes', `"weighted"` for that weighted with their frequency.
        beta: Weight of recall against precision.
        threshold: What a prediction must exceed to be positive; `None` for the largest of its row.
        name: Key in `History`.
        dtype: `None` or `"float32"`.

    Raises:
        ValueError: If an argument has no meaning.
    """

    COUNTS_ROWS = True

    def __init__(
        self,
        average: str | None = None,
        beta: Any = 1.0,
        threshold: Any = None,
        name: str | None = "fbeta_score",
        dtype: str | None = None,
    ) -> None:
        super().__init__(dtype, name)
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(
                "Invalid `average` argument value. Expected one of: "
                f"{{None, 'micro', 'macro', 'weighted'}}. Received: average={average}"
            )
        if not isinstance(beta, float) or beta <= 0.0:
            raise ValueError(
                "Invalid `beta` argument value. It should be a Python float > 0. "
                f"Received: beta={beta} of type '{type(beta)}'"
            )
        if threshold is not None and not (isinstance(threshold, float) and 0.0 < threshold <= 1.0):
            raise ValueError(
                "Invalid `threshold` argument value. It should be a Python float with "
                f"0 < threshold <= 1. Received: threshold={threshold} of type '{type(threshold)}'"
            )
        self.average, self.beta, self.threshold = average, beta, threshold
        self.reset_state()

    def reset_state(self) -> None:
        self.true_positives: Any = 0.0
        self.false_positives: Any = 0.0
        self.false_negatives: Any = 0.0
        self.truth: Any = 0.0

    def update_state(
        self,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> None:
        """Takes in a batch.

        Args:
            y_true: Targets 0 and 1, shape (n, classes).
            y_pred: Predictions, shape (n, classes).
            sample_weight: Weights of the rows, shape (n,); or `None` for 1.

        Raises:
            ValueError: If a shape is another one.
        """
        truth, predictions = np.asarray(y_true, np.float32), np.asarray(y_pred, np.float32)
        if truth.ndim != 2 or predictions.ndim != 2:
            raise ValueError(
                "FBetaScore expects 2D inputs with shape (batch_size, output_dim). Received input "
                f"shapes: y_pred.shape={predictions.shape} and y_true.shape={truth.shape}."
            )
        if self.threshold is None:
            largest = predictions.max(axis=-1, keepdims=True)
            positive = (predictions >= largest) & (np.abs(predictions) > 1e-9)
        else:
            positive = predictions > self.threshold
        axis = None if self.average == "micro" else 0

        def total(values: Any) -> Any:
            if sample_weight is not None:
                values = values * np.asarray(sample_weight, np.float32).reshape(-1, 1)
            return values.sum(axis=axis, dtype=np.float64)

        self.true_positives = self.true_positives + total(positive * truth)
        self.false_positives = self.false_positives + total(positive * (1 - truth))
        self.false_negatives = self.false_negatives + total((1 - positive) * truth)
        self.truth = self.truth + total(truth)

    def result(self) -> Any:
        """Returns the score, or the array of the classes' scores."""
        precision = self.true_positives / (self.true_positives + self.false_positives + _EPSILON)
        recall = self.true_positives / (self.true_positives + self.false_negatives + _EPSILON)
        mean = precision * recall / (self.beta**2 * precision + recall + _EPSILON)
        score = np.asarray(mean * (1 + self.beta**2))
        if self.average == "weighted":
            return float((score * (self.truth / (np.sum(self.truth) + _EPSILON))).sum())
        return score.astype(np.float32) if self.average is None else float(score.mean())

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "average": self.average,
            "beta": self.beta,
            "threshold": self.threshold,
        }


class F1Score(FBetaScore):
    """Harmonic mean of precision and recall, by class; see `FBetaScore` with beta 1.

    Args:
        average: As for `FBetaScore`.
        threshold: As for `FBetaScore`.
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    COUNTS_ROWS = True

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = "f1_score",
        dtype: str | None = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["beta"]
        return config
