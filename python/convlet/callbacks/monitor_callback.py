"""MonitorCallback: the base class of callbacks that wait for a result to improve."""

from __future__ import annotations

import warnings
from typing import Any

from convlet.callbacks.callback import Callback, Logs
from convlet.utils.validation import check_real

# Keras's metrics of which more is better, and those that are neither better nor worse.
_MORE_IS_BETTER = frozenset(
    {
        "AUC",
        "Accuracy",
        "BinaryAccuracy",
        "BinaryIoU",
        "CategoricalAccuracy",
        "ConcordanceCorrelation",
        "CosineSimilarity",
        "F1Score",
        "FBetaScore",
        "IoU",
        "MeanIoU",
        "OneHotIoU",
        "OneHotMeanIoU",
        "PearsonCorrelation",
        "Precision",
        "PrecisionAtRecall",
        "R2Score",
        "Recall",
        "RecallAtPrecision",
        "SensitivityAtSpecificity",
        "SparseCategoricalAccuracy",
        "SparseTopKCategoricalAccuracy",
        "SpecificityAtSensitivity",
        "TopKCategoricalAccuracy",
    }
)
_NEITHER = frozenset(
    {"FalseNegatives", "FalsePositives", "Mean", "Sum", "TrueNegatives", "TruePositives"}
)


class MonitorCallback(Callback):
    """Base class of callbacks that compare a result with the best one so far.

    Args:
        monitor: Key of the logs.
        mode: `"min"`, `"max"`, or `"auto"` for the direction that goes with the metric.
        baseline: Result to start from, or `None`.
        min_delta: What does not count as an improvement.

    Attributes:
        best: The best result so far, or `None`.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        mode: str = "auto",
        baseline: float | None = None,
        min_delta: float = 0,
    ) -> None:
        super().__init__()
        if not isinstance(monitor, str):
            raise TypeError(f"`monitor` must be a string. Received: monitor={monitor!r}")
        if mode not in {"auto", "min", "max"}:
            warnings.warn(
                f"{type(self).__name__} mode '{mode}' is unknown, fallback to auto mode.",
                stacklevel=3,
            )
            mode = "auto"
        self.monitor = monitor
        self.mode = mode
        self.best = None if baseline is None else check_real("baseline", baseline)
        self.min_delta = abs(check_real("min_delta", min_delta))
        self._less_is_better: bool | None = None

    def settle_direction(self) -> None:
        """Finds out which results are better, which an epoch's end can tell: metrics are known then.

        Raises:
            ValueError: If the mode is `"auto"` and nothing is known about the result.
        """
        if self._less_is_better is None:
            self._less_is_better = self._direction()

    def is_improvement(self, value: float, reference: float | None) -> bool:
        """Tells whether a result is better than another one, by more than `min_delta`.

        Raises:
            ValueError: If the mode is `"auto"` and nothing is known about the result.
        """
        self.settle_direction()
        if reference is None:
            return True
        if self._less_is_better:
            return value + self.min_delta < reference
        return value - self.min_delta > reference

    def result(self, logs: Logs | None) -> Any:
        """Returns the monitored result, or `None`."""
        return (logs or {}).get(self.monitor)

    def get_state(self) -> dict[str, Any]:
        return {"best": self.best}

    def _direction(self) -> bool:
        if self.mode != "auto":
            return self.mode == "min"
        name = self.monitor.removeprefix("val_")
        if name == "loss":
            return True
        metric = None if self.model is None else self.model.compiled_metrics.get(name)
        if metric is not None and type(metric).__name__ not in _NEITHER:
            return type(metric).__name__ not in _MORE_IS_BETTER
        raise ValueError(
            f"{type(self).__name__} callback received monitor={self.monitor}, but it cannot be "
            "determined automatically whether that metric should be maximized or minimized. Pass "
            "`mode='max'` in order to monitor based on the highest metric value, or pass "
            "`mode='min'` in order to use the lowest value."
        )
