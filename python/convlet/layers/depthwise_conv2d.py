"""DepthwiseConv2D."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convlet import activations
from convlet.layers.activation import activation_ops
from convlet.layers.kernel_and_bias import KernelAndBias
from convlet.layers.layer import NativeOps, Shape
from convlet.utils.validation import (
    check_choice,
    check_integer,
    check_tuple,
    refuse_unsupported,
)


class DepthwiseConv2D(KernelAndBias):
    """Two-dimensional convolution of each channel by itself, with several kernels each.

    Input (n, ih, iw, c), output (n, oh, ow, c * depth_multiplier), with the output sizes of
    `Conv2D`; kernel (kh, kw, c, depth_multiplier), bias (c * depth_multiplier,). Output channel
    `i * depth_multiplier + j` is that of input channel i and its kernel j.

    Args:
        kernel_size: Height and width of the window, or one number for both.
        strides: Steps of the window, or one number for both.
        padding: `"valid"` or `"same"`.
        depth_multiplier: Number of kernels, and of output channels, of each input channel.
        data_format: `"channels_last"`; nothing else is supported.
        dilation_rate: Steps between the cells of the window, or one number for both.
        activation: Name or function of `convlet.activations`; `None` for none.
        use_bias: Whether to add a bias.
        depthwise_initializer: How the kernel starts, see `convlet.initializers`.
        bias_initializer: How the bias starts.
        depthwise_regularizer: Penalty on the kernel, see `convlet.regularizers`.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: `None`; nothing else is supported.
        depthwise_constraint: Bounds of the kernel, see `convlet.constraints`.
        bias_constraint: Bounds of the bias.
        **kwargs: Arguments of `Layer`: `name`, `trainable`, `input_shape`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            use_bias=use_bias,
            kernel_initializer=depthwise_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=depthwise_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=depthwise_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        refuse_unsupported(
            "DepthwiseConv2D",
            {
                "data_format": (data_format, "channels_last"),
                "activity_regularizer": (activity_regularizer, None),
            },
        )
        self.kernel_size = check_tuple("kernel_size", kernel_size, 2)
        self.strides = check_tuple("strides", strides, 2)
        self.padding = check_choice("padding", padding, ("valid", "same"))
        self.depth_multiplier = check_integer("depth_multiplier", depth_multiplier, 1)
        self.dilation_rate = check_tuple("dilation_rate", dilation_rate, 2)
        self.activation = activations.get(activation)

    @property
    def depthwise_initializer(self) -> Any:
        return self.kernel_initializer

    @property
    def depthwise_regularizer(self) -> Any:
        return self.kernel_regularizer

    @property
    def depthwise_constraint(self) -> Any:
        return self.kernel_constraint

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        convolution = {
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "depth_multiplier": self.depth_multiplier,
            "dilation_rate": self.dilation_rate,
            "use_bias": self.use_bias,
        }
        return [("depthwise_conv2d", convolution), *activation_ops(self.activation)]

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        rules = {
            f"depthwise_{rule}": config.pop(f"kernel_{rule}")
            for rule in ("initializer", "regularizer", "constraint")
        }
        return {
            **config,
            **rules,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "depth_multiplier": self.depth_multiplier,
            "data_format": "channels_last",
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "activity_regularizer": None,
        }
