"""SeparableConv2D."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convlet import activations, constraints, initializers, regularizers
from convlet.constraints import Constraint
from convlet.initializers import InitializerFunction
from convlet.layers.activation import activation_ops
from convlet.layers.layer import Layer, NativeOps, Shape
from convlet.layers.layer_weight import LayerWeight
from convlet.regularizers import Regularizer
from convlet.utils.validation import (
    check_bool,
    check_choice,
    check_integer,
    check_tuple,
    refuse_unsupported,
)


class SeparableConv2D(Layer):
    """A convolution of each channel by itself, then one of 1x1 that mixes the channels.

    Input (n, ih, iw, c), output (n, oh, ow, filters), with the output sizes of `Conv2D`; kernels
    (kh, kw, c, depth_multiplier) and (1, 1, c * depth_multiplier, filters), bias (filters,). The
    first convolution is that of `DepthwiseConv2D`; bias and activation follow the second one.

    Args:
        filters: Number of filters of the second convolution.
        kernel_size: Height and width of the window of the first one, or one number for both.
        strides: Steps of the window, or one number for both.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`; nothing else is supported.
        dilation_rate: Steps between the cells of the window, or one number for both.
        depth_multiplier: Number of kernels of each input channel in the first convolution.
        activation: Name or function of `convlet.activations`; `None` for none.
        use_bias: Whether to add a bias.
        depthwise_initializer: How the first kernel starts, see `convlet.initializers`.
        pointwise_initializer: How the second kernel starts.
        bias_initializer: How the bias starts.
        depthwise_regularizer: Penalty on the first kernel, see `convlet.regularizers`.
        pointwise_regularizer: Penalty on the second kernel.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: `None`; nothing else is supported.
        depthwise_constraint: Bounds of the first kernel, see `convlet.constraints`.
        pointwise_constraint: Bounds of the second kernel.
        bias_constraint: Bounds of the bias.
        **kwargs: Arguments of `Layer`: `name`, `trainable`, `input_shape`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    depthwise_kernel, pointwise_kernel = LayerWeight(), LayerWeight()
    bias = LayerWeight()

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = (1, 1),
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse_unsupported(
            "SeparableConv2D",
            {
                "data_format": (data_format, "channels_last"),
                "activity_regularizer": (activity_regularizer, None),
            },
        )
        self.filters = check_integer("filters", filters, 1)
        self.kernel_size = check_tuple("kernel_size", kernel_size, 2)
        self.strides = check_tuple("strides", strides, 2)
        self.padding = check_choice("padding", padding, ("valid", "same"))
        self.dilation_rate = check_tuple("dilation_rate", dilation_rate, 2)
        self.depth_multiplier = check_integer("depth_multiplier", depth_multiplier, 1)
        self.activation = activations.get(activation)
        self.use_bias = check_bool("use_bias", use_bias)
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.depthwise_constraint = constraints.get(depthwise_constraint)
        self.pointwise_constraint = constraints.get(pointwise_constraint)
        self.bias_constraint = constraints.get(bias_constraint)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        depthwise = {
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "depth_multiplier": self.depth_multiplier,
            "dilation_rate": self.dilation_rate,
            "use_bias": False,
        }
        pointwise = {
            "filters": self.filters,
            "kernel_size": (1, 1),
            "strides": (1, 1),
            "padding": "valid",
            "use_bias": self.use_bias,
        }
        return [
            ("depthwise_conv2d", depthwise),
            ("conv2d", pointwise),
            *activation_ops(self.activation),
        ]

    def initializers(self) -> Mapping[str, InitializerFunction]:
        return {
            "depthwise_kernel": self.depthwise_initializer,
            "pointwise_kernel": self.pointwise_initializer,
            "bias": self.bias_initializer,
        }

    def regularizers(self) -> Mapping[str, Regularizer | None]:
        return {
            "depthwise_kernel": self.depthwise_regularizer,
            "pointwise_kernel": self.pointwise_regularizer,
            "bias": self.bias_regularizer,
        }

    def constraints(self) -> Mapping[str, Constraint | None]:
        return {
            "depthwise_kernel": self.depthwise_constraint,
            "pointwise_kernel": self.pointwise_constraint,
            "bias": self.bias_constraint,
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": "channels_last",
            "dilation_rate": self.dilation_rate,
            "depth_multiplier": self.depth_multiplier,
            "activation": activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "depthwise_initializer": initializers.serialize(self.depthwise_initializer),
            "pointwise_initializer": initializers.serialize(self.pointwise_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "depthwise_regularizer": regularizers.serialize(self.depthwise_regularizer),
            "pointwise_regularizer": regularizers.serialize(self.pointwise_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": None,
            "depthwise_constraint": constraints.serialize(self.depthwise_constraint),
            "pointwise_constraint": constraints.serialize(self.pointwise_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
        }

    def _infer(
        self, *input_shapes: Sequence[int | None]
    ) -> tuple[Shape, list[tuple[str, Shape, bool]]]:
        """The two kernels, which are one name to the compiled code, have names of their own."""
        shape, weights = super()._infer(*input_shapes)
        names = ("depthwise_kernel", "pointwise_kernel", "bias")[: len(weights)]
        renamed = zip(names, weights, strict=True)
        return shape, [(name, weight, is_trained) for name, (_, weight, is_trained) in renamed]
