"""LayerNormalization."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from convlet.layers.gamma_and_beta import GammaAndBeta
from convlet.layers.last_axes import check_axes, first_of_last_axes
from convlet.layers.layer import NativeOps, Shape
from convlet.utils.validation import check_bool


class LayerNormalization(GammaAndBeta):
    """Layer normalization: `gamma * (x - mean) / sqrt(variance + epsilon) + beta`.

    Input and output (n, ...); `gamma` and `beta` have the shape of the normalized axes. Mean and
    (biased) variance are those of each row over these axes, in training and otherwise (Ba, Kiros
    and Hinton, 2016; `keras/src/layers/normalization/layer_normalization.py`).

    Args:
        axis: The axis, or list of axes, to normalize: the last ones; nothing else is supported.
        epsilon: Small number that keeps the root away from zero.
        center: Whether there is a `beta`.
        scale: Whether there is a `gamma`.
        beta_initializer: How `beta` starts, see `convlet.initializers`.
        gamma_initializer: How `gamma` starts.
        beta_regularizer: Penalty on `beta`, see `convlet.regularizers`.
        gamma_regularizer: Penalty on `gamma`.
        beta_constraint: Bounds of `beta`, see `convlet.constraints`.
        gamma_constraint: Bounds of `gamma`.
        rms_scaling: Deprecated in Keras. Whether to compute `gamma * x / sqrt(variance + epsilon)`
            instead, whatever `center` and `scale` are.
        **kwargs: Arguments of `Layer`.

    Raises:
        TypeError: If `axis` is neither an integer nor a list of them.
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(
        self,
        axis: int | Sequence[int] = -1,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        *,
        rms_scaling: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
            **kwargs,
        )
        self.axis = check_axes(
            axis,
            "Expected an int or a list/tuple of ints for the argument 'axis', but received: "
            f"{axis!r}",
        )
        self.rms_scaling = check_bool("rms_scaling", rms_scaling)
        if rms_scaling:
            warnings.warn(
                "You passed `rms_scaling=True`, which is deprecated. This argument incorrectly "
                "scales the input by the variance, not the root mean square.",
                stacklevel=2,
            )

    def native_ops(self, input_shape: Shape) -> NativeOps:
        attributes = {
            "axis": first_of_last_axes("LayerNormalization", self.axis, input_shape),
            "center": self.center and not self.rms_scaling,
            "scale": self.scale or self.rms_scaling,
            "rms_scaling": self.rms_scaling,
            "epsilon": self.epsilon,
        }
        return [("layer_normalization", attributes)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis, "rms_scaling": self.rms_scaling}
