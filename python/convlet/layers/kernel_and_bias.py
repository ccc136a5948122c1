"""KernelAndBias: the base class of layers that multiply by a kernel and add a bias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convlet import constraints, initializers, regularizers
from convlet.constraints import Constraint
from convlet.initializers import InitializerFunction
from convlet.layers.layer import Layer
from convlet.layers.layer_weight import LayerWeight
from convlet.regularizers import Regularizer
from convlet.utils.validation import check_bool


class KernelAndBias(Layer):
    """Base class: what kernels and biases start with, are penalized by and are held to.

    Args:
        use_bias: Whether to add a bias.
        kernel_initializer: How the kernel starts, see `convlet.initializers`.
        bias_initializer: How the bias starts.
        kernel_regularizer: Penalty on the kernel, see `convlet.regularizers`.
        bias_regularizer: Penalty on the bias.
        kernel_constraint: Bounds of the kernel, see `convlet.constraints`.
        bias_constraint: Bounds of the bias.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown or has no meaning.
    """

    kernel, bias = LayerWeight(), LayerWeight()

    def __init__(
        self,
        *,
        use_bias: bool,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.use_bias = check_bool("use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def initializers(self) -> Mapping[str, InitializerFunction]:
        return {"kernel": self.kernel_initializer, "bias": self.bias_initializer}

    def regularizers(self) -> Mapping[str, Regularizer | None]:
        return {"kernel": self.kernel_regularizer, "bias": self.bias_regularizer}

    def constraints(self) -> Mapping[str, Constraint | None]:
        return {"kernel": self.kernel_constraint, "bias": self.bias_constraint}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }
