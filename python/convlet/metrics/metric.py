"""The base class of the metrics, and the running sum and mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet.losses.functions import same_rank
from convlet.utils.naming import auto_name
from convlet.utils.validation import refuse_unsupported

Array: TypeAlias = npt.NDArray[np.float32]


class Metric:
    """Base class of the metrics.

    A metric of your own is a subclass with `update_state`, `result` and `reset_state`. In `fit` and
    `evaluate` Python is called with every batch's targets and outputs then; most metrics of this
    module are computed by the compiled code instead, and their objects' own state is for direct
    use.

    Args:
        dtype: `None` or `"float32"`.
        name: Key in `History` and in `evaluate(return_dict=True)`; `None` for an automatic one.
    """

    # Its name in the compiled code, defined by each class that is there.
    IDENTIFIER: ClassVar[str] = ""
    # Whether targets are class indices rather than arrays like the predictions.
    SPARSE: ClassVar[bool] = False
    # Defined by each class whose state is the same whatever batches the rows come in.
    COUNTS_ROWS: ClassVar[bool] = False

    def __init__(self, dtype: str | None = None, name: str | None = None) -> None:
        refuse_unsupported(type(self).__name__, {"dtype": (dtype, "float32")})
        self.name = name or auto_name(type(self).__name__)
        self.dtype = "float32"

    def reset_state(self) -> None:
        """Forgets everything."""
        raise NotImplementedError(f"{type(self).__name__} does not define `reset_state`")

    def update_state(self, *args: Any, **kwargs: Any) -> None:
        """Takes in a batch: `(y_true, y_pred, sample_weight=None)` for use in `compile`."""
        raise NotImplementedError(f"{type(self).__name__} does not define `update_state`")

    def result(self) -> Any:
        """Returns the metric of all that was taken in."""
        raise NotImplementedError(f"{type(self).__name__} does not define `result`")

    def get_state(self) -> dict[str, Any]:
        """Returns what was taken in, by name, as `BackupAndRestore` saves it.

        That is all attributes that are numbers or arrays; a metric that has others says so.
        """
        return {
            name: value
            for name, value in vars(self).items()
            if isinstance(value, (int, float, np.ndarray))
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Sets what `get_state` has returned."""
        for name, value in state.items():
            setattr(self, name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Takes in a batch and returns the result."""
        self.update_state(*args, **kwargs)
        return self.result()

    @property
    def is_native(self) -> bool:
        """Whether the compiled code computes it. A subclass may compute something else."""
        return bool(vars(type(self)).get("IDENTIFIER"))

    @property
    def counts_rows(self) -> bool:
        """Whether several batches may be taken in at once."""
        return bool(vars(type(self)).get("COUNTS_ROWS"))

    def options(self) -> dict[str, Any]:
        """Returns the options that the compiled code takes."""
        return {}

    def of_mean(self, mean: float) -> float:
        """Returns the result, given the mean over rows that the compiled code computes."""
        return mean

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Metric:
        """Makes a metric from what `get_config` returned."""
        return cls(**config)


class Sum(Metric):
    """Weighted sum of values.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    def __init__(self, name: str | None = "sum", dtype: str | None = None) -> None:
        super().__init__(dtype, name)
        self.reset_state()

    def reset_state(self) -> None:
        self.total = 0.0

    def update_state(
        self, values: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> None:
        """Adds values.

        Args:
            values: Array of any shape, or a number.
            sample_weight: Weights, one a row or one a value; or `None` for 1.
        """
        array, _ = _by_sample(values, sample_weight, np.sum)
        self.total += float(array.sum(dtype=np.float64))

    def result(self) -> float:
        """Returns the sum."""
        return self.total


class Mean(Metric):
    """Weighted mean of values: the sum of `weight * value` divided by that of `weight`.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    def __init__(self, name: str | None = "mean", dtype: str | None = None) -> None:
        super().__init__(dtype, name)
        self.reset_state()

    def reset_state(self) -> None:
        self.total = 0.0
        self.count = 0.0

    def update_state(
        self, values: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> None:
        """Adds values: a row's is the mean over its axes but the first.

        Args:
            values: Array of any shape; or a number, which counts as one row.
            sample_weight: Weights, one a row or one a value; or `None` for 1.
        """
        array, weights = _by_sample(values, sample_weight, np.mean)
        self.total += float(array.sum(dtype=np.float64))
        self.count += float(array.size if weights is None else weights.sum(dtype=np.float64))

    def result(self) -> float:
        """Returns the mean, 0.0 before the first row."""
        return self.of_mean(self.total / self.count if self.count else 0.0)


class MeanMetricWrapper(Mean):
    """Mean of what a function computes: `compile(metrics=[function])` makes one.

    Args:
        fn: Called with targets, predictions and `kwargs`; returns an array with one value a row (of
            any further shape), or a single number for the batch.
        name: Key in `History`.
        dtype: `None` or `"float32"`.
        **kwargs: More arguments of the function.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        name: str | None = None,
        dtype: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name or getattr(fn, "__name__", None), dtype)
        self._fn = fn
        self._fn_kwargs = kwargs

    def update_state(  # type: ignore[override]  # as in Keras
        self,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> None:
        """Takes in a batch.

        Args:
            y_true: Targets.
            y_pred: Predictions.
            sample_weight: Weights, one a row or one a value; or `None` for 1.
        """
        super().update_state(self.values(y_true, y_pred), sample_weight)

    def values(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Any:
        """Returns what the function computes."""
        return self._fn(y_true, y_pred, **self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "fn": self._fn, **self._fn_kwargs}


def _by_sample(
    values: npt.ArrayLike, sample_weight: npt.ArrayLike | None, reduce: Callable[..., Any]
) -> tuple[Any, Any]:
    """Returns weighted values and weights with one axis at most, reduced as Keras does."""
    array = np.asarray(values, np.float32)
    weights = None
    if sample_weight is not None:
        array, weights = same_rank(array, np.asarray(sample_weight, np.float32))
        if array.ndim > weights.ndim:
            array = reduce(array, axis=tuple(range(weights.ndim, array.ndim)))
        weights = np.broadcast_to(weights, array.shape)
        array = array * weights
        if weights.ndim > 1:
            weights = reduce(weights, axis=tuple(range(1, weights.ndim)))
    if array.ndim > 1:
        array = reduce(array, axis=tuple(range(1, array.ndim)))
    return array, weights
