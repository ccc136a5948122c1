"""The losses as objects for `compile`. The compiled code computes them in training."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from convlet.losses.functions import crossentropy_options, dense_values, sparse_values
from convlet.losses.loss import Array, Loss, aligned_weights, divisor
from convlet.utils.validation import check_bool, check_integer, check_real, refuse_unsupported

_REDUCTION = "sum_over_batch_size"


class DenseLoss(Loss):
    """A loss of targets like the predictions, computed by the compiled code."""

    def call(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
        return dense_values(self.IDENTIFIER, self.options(), y_true, y_pred)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.options()}


class CrossentropyLoss(DenseLoss):
    """What the dense cross-entropies have in common."""

    def __init__(
        self,
        from_logits: bool,
        label_smoothing: float,
        axis: int,
        reduction: str | None,
        name: str,
        dtype: str | None,
    ) -> None:
        options = crossentropy_options(type(self).__name__, from_logits, label_smoothing, axis)
        super().__init__(name, reduction, dtype)
        self.from_logits: bool = options["from_logits"]
        self.label_smoothing: float = options["label_smoothing"]
        self.axis = -1

    def options(self) -> dict[str, Any]:
        return {"from_logits": self.from_logits, "label_smoothing": self.label_smoothing}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


class MeanSquaredError(DenseLoss):
    """Mean of the squared differences. See `mean_squared_error` for the formula.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "mean_squared_error"

    def __init__(
        self,
        reduction: str | None = _REDUCTION,
        name: str = "mean_squared_error",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class MeanAbsoluteError(DenseLoss):
    """Mean of the absolute differences. See `mean_absolute_error` for the formula.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "mean_absolute_error"

    def __init__(
        self,
        reduction: str | None = _REDUCTION,
        name: str = "mean_absolute_error",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class MeanAbsolutePercentageError(DenseLoss):
    """Mean of the differences in percent of the targets. See `mean_absolute_percentage_error` for the formula.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "mean_absolute_percentage_error"

    def __init__(
        self,
        reduction: str | None = _REDUCTION,
        name: str = "mean_absolute_percentage_error",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class MeanSquaredLogarithmicError(DenseLoss):
    """Mean of the squared differences of the logarithms of 1 + y. See `mean_squared_logarithmic_error` for the formula.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "mean_squared_logarithmic_error"

    def __init__(
        self,
        reduction: str | None = _REDUCTION,
        name: str = "mean_squared_logarithmic_error",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class LogCosh(DenseLoss):
    """Mean of the logarithms of the differences' hyperbolic cosine. See `log_cosh` for the formula.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "log_cosh"

    def __init__(
        self, reduction: str | None = _REDUCTION, name: str = "log_cosh", dtype: str | None = None
    ) -> None:
        super().__init__(name, reduction, dtype)


class Poisson(DenseLoss):
    """Minus the logarithm of a Poisson distribution's probability, but for a constant. See `poisson` for the formula.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "poisson"

    def __init__(
        self, reduction: str | None = _REDUCTION, name: str = "poisson", dtype: str | None = None
    ) -> None:
        super().__init__(name, reduction, dtype)


class KLDivergence(DenseLoss):
    """Kullback-Leibler divergence of the predicted distribution from the true one. See `kl_divergence` for the formula.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "kl_divergence"

    def __init__(
        self,
        reduction: str | None = _REDUCTION,
        name: str = "kl_divergence",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class Hinge(DenseLoss):
    """Mean of what is missing to a margin of 1; targets -1 and 1, or 0 and 1. See `hinge` for the formula.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "hinge"

    def __init__(
        self, reduction: str | None = _REDUCTION, name: str = "hinge", dtype: str | None = None
    ) -> None:
        super().__init__(name, reduction, dtype)


class SquaredHinge(DenseLoss):
    """Mean square of what is missing to a margin of 1; targets as for `Hinge`. See `squared_hinge` for the formula.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "squared_hinge"

    def __init__(
        self,
        reduction: str | None = _REDUCTION,
        name: str = "squared_hinge",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class CategoricalHinge(DenseLoss):
    """What is missing to a margin of 1 between the true class and the best of the others. See `categorical_hinge` for the formula.

    Args:
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "categorical_hinge"

    def __init__(
        self,
        reduction: str | None = _REDUCTION,
        name: str = "categorical_hinge",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)


class Huber(DenseLoss):
    """Squared error near the target, absolute error farther out. See `huber` for the formula.

    Args:
        delta: Where one becomes the other.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "huber"

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = _REDUCTION,
        name: str = "huber_loss",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name, reduction, dtype)
        self.delta = check_real("delta", delta)

    def options(self) -> dict[str, Any]:
        return {"delta": self.delta}


class CosineSimilarity(DenseLoss):
    """Minus the cosine of the angle between targets and predictions along the last axis.

    Args:
        axis: -1; nothing else is supported.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "cosine_similarity"

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = _REDUCTION,
        name: str = "cosine_similarity",
        dtype: str | None = None,
    ) -> None:
        refuse_unsupported(type(self).__name__, {"axis": (axis, -1)})
        super().__init__(name, reduction, dtype)


class CategoricalCrossentropy(CrossentropyLoss):
    """Cross-entropy of one-hot targets.

    Behind a softmax or sigmoid layer it is computed from what goes into that, as by Keras on
    TensorFlow: nothing is clipped then.

    Args:
        from_logits: Whether the predictions are what goes into a softmax.
        label_smoothing: Share of each target that is spread over all classes.
        axis: -1; nothing else is supported.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: `None` or `"float32"`.

    Raises:
        ValueError: If an option is not supported.
    """

    IDENTIFIER = "categorical_crossentropy"

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = _REDUCTION,
        name: str = "categorical_crossentropy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)


class SparseCategoricalCrossentropy(Loss):
    """Cross-entropy of integer targets, computed as `CategoricalCrossentropy` is.

    Args:
        from_logits: Whether the predictions are what goes into a softmax.
        ignore_class: A class whose positions do not count, neither in the sum nor in the number
            that it is divided by; any integer, or `None`.
        reduction: See `Loss`.
        axis: -1; nothing else is supported.
        name: Name of the loss.
        dtype: `None` or `"float32"`.

    Raises:
        ValueError: If an option is not supported.
    """

    IDENTIFIER = "sparse_categorical_crossentropy"
    SPARSE = True

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = _REDUCTION,
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: str | None = None,
    ) -> None:
        refuse_unsupported(type(self).__name__, {"axis": (axis, -1)})
        super().__init__(name, reduction, dtype)
        self.from_logits = check_bool("from_logits", from_logits)
        self.ignore_class = (
            None
            if ignore_class is None
            else check_integer("ignore_class", ignore_class, -(2**31), 2**31 - 1)
        )

    def __call__(
        self,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Any:
        if self.ignore_class is None:
            return super().__call__(y_true, y_pred, sample_weight)
        values = self.call(y_true, y_pred)
        labels = np.asarray(y_true).reshape(values.shape)
        counts = (labels != self.ignore_class).astype(np.float32)
        weights = counts
        if sample_weight is not None:
            weights = counts * aligned_weights(sample_weight, values.shape)
        if self.reduction in (None, "none"):
            return values * weights
        total = float((values * weights).sum(dtype=np.float64))
        by_weight = self.reduction == "mean_with_sample_weight"
        return total / divisor(self.reduction, counts[counts > 0], weights if by_weight else None)

    def call(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
        return sparse_values(self.IDENTIFIER, self.options(), y_true, y_pred)

    def options(self) -> dict[str, Any]:
        options: dict[str, Any] = {"from_logits": self.from_logits}
        if self.ignore_class is not None:
            options["ignore_class"] = self.ignore_class
        return options

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "from_logits": self.from_logits,
            "ignore_class": self.ignore_class,
        }


class BinaryCrossentropy(CrossentropyLoss):
    """Cross-entropy of targets that are each 0 or 1, or between; the mean over the last axis.

    Behind a sigmoid or softmax layer it is computed from what goes into that, as by Keras on
    TensorFlow: nothing is clipped then.

    Args:
        from_logits: Whether the predictions are what goes into a sigmoid.
        label_smoothing: Share by which targets move to one half.
        axis: -1; nothing else is supported.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: `None` or `"float32"`.

    Raises:
        ValueError: If an option is not supported.
    """

    IDENTIFIER = "binary_crossentropy"

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = _REDUCTION,
        name: str = "binary_crossentropy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)


class BinaryFocalCrossentropy(CrossentropyLoss):
    """Binary cross-entropy in which what is predicted well counts less (Lin et al., 2017).

    Args:
        apply_class_balancing: Whether to weigh with `alpha` where the target is 1, and with
            `1 - alpha` where it is 0.
        alpha: That weight.
        gamma: How much less what is predicted well counts.
        from_logits: Whether the predictions are what goes into a sigmoid.
        label_smoothing: Share by which targets move to one half.
        axis: -1; nothing else is supported.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: `None` or `"float32"`.

    Raises:
        ValueError: If an option is not supported.
    """

    IDENTIFIER = "binary_focal_crossentropy"

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = _REDUCTION,
        name: str = "binary_focal_crossentropy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        self.apply_class_balancing = check_bool("apply_class_balancing", apply_class_balancing)
        self.alpha = check_real("alpha", alpha)
        self.gamma = check_real("gamma", gamma)

    def options(self) -> dict[str, Any]:
        return {
            **super().options(),
            "apply_class_balancing": self.apply_class_balancing,
            "alpha": self.alpha,
            "gamma": self.gamma,
        }


class CategoricalFocalCrossentropy(CrossentropyLoss):
    """Categorical cross-entropy in which what is predicted well counts less.

    Args:
        alpha: Weight of all terms.
        gamma: How much less what is predicted well counts.
        from_logits: Whether the predictions are what goes into a softmax.
        label_smoothing: Share of each target that is spread over all classes.
        axis: -1; nothing else is supported.
        reduction: See `Loss`.
        name: Name of the loss.
        dtype: `None` or `"float32"`.

    Raises:
        ValueError: If an option is not supported.
    """

    IDENTIFIER = "categorical_focal_crossentropy"

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = _REDUCTION,
        name: str = "categorical_focal_crossentropy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(from_logits, label_smoothing, axis, reduction, name, dtype)
        self.alpha = check_real("alpha", alpha)
        self.gamma = check_real("gamma", gamma)

    def options(self) -> dict[str, Any]:
        return {**super().options(), "alpha": self.alpha, "gamma": self.gamma}
