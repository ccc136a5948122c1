"""The base class of the losses, and losses that are Python functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet.utils.naming import auto_name
from convlet.utils.validation import refuse_unsupported

Array: TypeAlias = npt.NDArray[np.float32]

REDUCTIONS = ("sum_over_batch_size", "sum", "none", "mean", "mean_with_sample_weight")


class Loss:
    """Base class of the losses.

    A loss of your own is a subclass with the methods `call` and `gradient`, in numpy. Training with
    it computes each batch's forward pass, calls Python with the whole batch, and then computes the
    backward pass: slower than a loss of this module, which runs inside the compiled code.

    Args:
        name: Name of the loss; `None` for an automatic one.
        reduction: What becomes of the values. `"sum_over_batch_size"` and `"mean"`: their sum,
            weighted, divided by their number; `"mean_with_sample_weight"`: divided by the sum of
            the weights; `"sum"`: not divided; `"none"` or `None`: nothing, which `compile` refuses.
        dtype: `None` or `"float32"`.

    Raises:
        ValueError: If `reduction` or `dtype` is something else.
    """

    # Its name in the compiled code, defined by each class that is there.
    IDENTIFIER: ClassVar[str] = ""
    # Whether targets are class indices rather than arrays like the predictions.
    SPARSE: ClassVar[bool] = False

    def __init__(
        self,
        name: str | None = None,
        reduction: str | None = "sum_over_batch_size",
        dtype: str | None = None,
    ) -> None:
        refuse_unsupported(type(self).__name__, {"dtype": (dtype, "float32")})
        if reduction is not None and reduction not in REDUCTIONS:
            raise ValueError(
                "Invalid value for argument `reduction`. "
                f"Expected one of {(*REDUCTIONS, None)}. Received: reduction={reduction}"
            )
        self.name = name or auto_name(type(self).__name__)
        self.reduction = reduction
        self.dtype = "float32"

    def __call__(
        self,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Any:
        """Returns the loss of a batch: a float, or an array of values where nothing reduces them.

        Args:
            y_true: Targets.
            y_pred: Predictions.
            sample_weight: Weight of each value, or `None` for 1.

        Raises:
            ValueError: If the shapes do not fit.
        """
        values = np.asarray(self.call(y_true, y_pred), np.float32)
        weights = None if sample_weight is None else aligned_weights(sample_weight, values.shape)
        weighted = values if weights is None else values * weights
        if self.reduction in (None, "none"):
            return weighted
        return float(weighted.sum(dtype=np.float64)) / divisor(self.reduction, values, weights)

    def call(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Any:
        """Returns the values: one a row, or one for each position of the axes but the last."""
        raise NotImplementedError(f"{type(self).__name__} does not define `call`")

    def gradient(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Any:
        """Returns the derivative of each value with respect to its predictions, like `y_pred`."""
        raise NotImplementedError(
            f"Training with {type(self).__name__} needs its method `gradient(y_true, y_pred)`: "
            "the derivative of each value with respect to its predictions, in the shape of `y_pred`"
        )

    def value_and_gradient(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        """Returns both, for training."""
        return self.call(y_true, y_pred), self.gradient(y_true, y_pred)

    @property
    def is_native(self) -> bool:
        """Whether the compiled code computes it. A subclass may compute something else."""
        return bool(vars(type(self)).get("IDENTIFIER"))

    def options(self) -> dict[str, Any]:
        """Returns the options that the compiled code takes."""
        return {}

    def native_attributes(self) -> dict[str, Any]:
        """Returns all that the compiled code takes in training."""
        return {**self.options(), "reduction": self.reduction}

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal loss."""
        return {"name": self.name, "reduction": self.reduction}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Loss:
        """Makes a loss from what `get_config` returned."""
        return cls(**config)


class LossFunctionWrapper(Loss):
    """A loss that is a Python function: `compile(loss=function)` makes one.

    Args:
        fn: Called with targets and predictions of a whole batch, float32 arrays. It returns
            `(values, gradient)`: the values one a row (or one for each position of the axes but
            the last), the gradient their derivatives, each with respect to its own predictions, in
            the shape of the predictions. Or the values are a single number, the loss of the batch,
            and the gradient is its own; then there can be no sample weights. For `evaluate` the
            values alone are enough.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: `None` or `"float32"`.
        **kwargs: More arguments of the function.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        reduction: str | None = "sum_over_batch_size",
        name: str | None = None,
        dtype: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name or getattr(fn, "__name__", None), reduction, dtype)
        self.fn = fn
        self.fn_kwargs = kwargs

    def call(self, y_true: Any, y_pred: Any) -> Any:
        result = self.fn(y_true, y_pred, **self.fn_kwargs)
        return result[0] if isinstance(result, tuple) else result

    def value_and_gradient(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        result = self.fn(y_true, y_pred, **self.fn_kwargs)
        if not isinstance(result, tuple) or len(result) != 2:
            raise ValueError(
                f"Training with the loss function {self.name!r} needs its gradient: it must return "
                f"a tuple (values, gradient). Received: {type(result)}"
            )
        return result

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "fn": self.fn, **self.fn_kwargs}


def aligned_weights(sample_weight: npt.ArrayLike, shape: tuple[int, ...]) -> Array:
    """Returns weights (one a row, or one a value) that multiply values of a shape.

    Raises:
        ValueError: If they do not fit.
    """
    weights = np.asarray(sample_weight, np.float32)
    if weights.ndim == len(shape) + 1 and weights.shape[-1] == 1:
        weights = weights[..., 0]
    if weights.shape != shape[: weights.ndim]:
        raise ValueError(
            "`sample_weight` must have one weight a row or one a value. "
            f"Received: shape {weights.shape} for values of shape {shape}"
        )
    return weights.reshape(*weights.shape, *(1,) * (len(shape) - weights.ndim))


def divisor(reduction: str | None, values: Array, weights: Array | None) -> float:
    """Returns what the weighted sum of values is divided by; infinity where that would be 0."""
    if reduction == "sum":
        return 1.0
    if reduction == "mean_with_sample_weight" and weights is not None:
        return float(np.broadcast_to(weights, values.shape).sum(dtype=np.float64)) or float("inf")
    return float(values.size) or float("inf")
