"""Dense."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convlet import activations, initializers
from convlet.initializers import InitializerFunction
from convlet.layers.activation import activation_ops
from convlet.layers.layer import Layer, NativeOps, Shape
from convlet.utils.validation import check_bool, check_integer, refuse_unsupported


class Dense(Layer):
    """Fully connected layer: `activation(x @ kernel + bias)`, on the last axis.

    Input (n, ..., inputs), output (n, ..., units), kernel (inputs, units), bias (units,).

    Args:
        units: Number of outputs.
        activation: Name or function of `convlet.activations`; `None` for none.
        use_bias: Whether to add a bias.
        kernel_initializer: How the kernel starts, see `convlet.initializers`.
        bias_initializer: How the bias starts.
        kernel_regularizer: `None`; nothing else is supported.
        bias_regularizer: `None`; nothing else is supported.
        activity_regularizer: `None`; nothing else is supported.
        kernel_constraint: `None`; nothing else is supported.
        bias_constraint: `None`; nothing else is supported.
        lora_rank: `None`; nothing else is supported.
        lora_alpha: `None`; nothing else is supported.
        quantization_config: `None`; nothing else is supported.
        **kwargs: Arguments of `Layer`: `name`, `trainable`, `input_shape`, `input_dim`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse_unsupported(
            "Dense",
            {
                "kernel_regularizer": (kernel_regularizer, None),
                "bias_regularizer": (bias_regularizer, None),
                "activity_regularizer": (activity_regularizer, None),
                "kernel_constraint": (kernel_constraint, None),
                "bias_constraint": (bias_constraint, None),
                "lora_rank": (lora_rank, None),
                "lora_alpha": (lora_alpha, None),
                "quantization_config": (quantization_config, None),
            },
        )
        self.units = check_integer("units", units, 1)
        self.activation = activations.get(activation)
        self.use_bias = check_bool("use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        product = {"units": self.units, "use_bias": self.use_bias}
        return [("dense", product), *activation_ops(self.activation)]

    def initializers(self) -> Mapping[str, InitializerFunction]:
        return {"kernel": self.kernel_initializer, "bias": self.bias_initializer}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": None,
            "bias_regularizer": None,
            "kernel_constraint": None,
            "bias_constraint": None,
        }
