"""Dense."""

from __future__ import annotations

from typing import Any

from convlet import activations
from convlet.layers.activation import activation_ops
from convlet.layers.kernel_and_bias import KernelAndBias
from convlet.layers.layer import NativeOps, Shape
from convlet.utils.validation import check_integer, refuse_unsupported


class Dense(KernelAndBias):
    """Fully connected layer: `activation(x @ kernel + bias)`, on the last axis.

    Input (n, ..., inputs), output (n, ..., units), kernel (inputs, units), bias (units,).

    Args:
        units: Number of outputs.
        activation: Name or function of `convlet.activations`; `None` for none.
        use_bias: Whether to add a bias.
        kernel_initializer: How the kernel starts, see `convlet.initializers`.
        bias_initializer: How the bias starts.
        kernel_regularizer: Penalty on the kernel, see `convlet.regularizers`.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Bounds of the kernel, see `convlet.constraints`.
        bias_constraint: Bounds of the bias.
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
        super().__init__(
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        refuse_unsupported(
            "Dense",
            {
                "lora_rank": (lora_rank, None),
                "lora_alpha": (lora_alpha, None),
                "quantization_config": (quantization_config, None),
            },
        )
        self.units = check_integer("units", units, 1)
        self.activation = activations.get(activation)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        product = {"units": self.units, "use_bias": self.use_bias, **self.operands}
        return [("dense", product), *activation_ops(self.activation)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
        }
