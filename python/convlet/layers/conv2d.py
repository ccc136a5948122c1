"""Conv2D."""

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


def refuse_strides_with_dilation(strides: Shape, dilation_rate: Shape) -> None:
    """Raises ValueError, in Keras's words, where both are above 1 on some axis."""
    if max(strides) > 1 and max(dilation_rate) > 1:
        raise ValueError(
            "`strides > 1` not supported in conjunction with `dilation_rate > 1`. Received: "
            f"strides={strides} and dilation_rate={dilation_rate}"
        )


def check_groups(groups: int, filters: int) -> int:
    """Returns the number of groups, or raises ValueError, in Keras's words, if it does not divide."""
    groups = check_integer("groups", groups, 1)
    if filters % groups != 0:
        raise ValueError(
            "The number of filters must be evenly divisible by the number of groups. Received: "
            f"groups={groups}, filters={filters}."
        )
    return groups


class Conv2D(KernelAndBias):
    """Two-dimensional convolution: `activation(convolution(x, kernel) + bias)`.

    Input (n, ih, iw, ic), output (n, oh, ow, filters), kernel (kh, kw, ic, filters), bias
    (filters,). With `"valid"` padding `oh = (ih - kh) // sh + 1`; with `"same"`
    `oh = ceil(ih / sh)`, the padding divided evenly and an odd rest at the bottom and right. With
    dilation `(kh - 1) * dh + 1` takes the place of `kh` in the former. With groups the kernel is
    (kh, kw, ic / groups, filters): each group of filters sees one group of input channels.

    Args:
        filters: Number of filters.
        kernel_size: Height and width of the window, or one number for both.
        strides: Steps of the window, or one number for both.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`; nothing else is supported.
        dilation_rate: Steps between the cells of the window, or one number for both; 1 where a
            stride is above 1.
        groups: Number of groups of channels; divides the input channels and the filters.
        activation: Name or function of `convlet.activations`; `None` for none.
        use_bias: Whether to add a bias.
        kernel_initializer: How the kernel starts, see `convlet.initializers`.
        bias_initializer: How the bias starts.
        kernel_regularizer: Penalty on the kernel, see `convlet.regularizers`.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Bounds of the kernel, see `convlet.constraints`.
        bias_constraint: Bounds of the bias.
        **kwargs: Arguments of `Layer`: `name`, `trainable`, `input_shape`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = (1, 1),
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = (1, 1),
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
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
            "Conv2D",
            {
                "data_format": (data_format, "channels_last"),
            },
        )
        self.filters = check_integer("filters", filters, 1)
        self.kernel_size = check_tuple("kernel_size", kernel_size, 2)
        self.strides = check_tuple("strides", strides, 2)
        self.padding = check_choice("padding", padding, ("valid", "same"))
        self.dilation_rate = check_tuple("dilation_rate", dilation_rate, 2)
        self.groups = check_groups(groups, self.filters)
        self.activation = activations.get(activation)
        refuse_strides_with_dilation(self.strides, self.dilation_rate)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        convolution = {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
            "use_bias": self.use_bias,
            **self.operands,
        }
        return [("conv2d", convolution), *activation_ops(self.activation)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "data_format": "channels_last",
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
            "activation": activations.serialize(self.activation),
        }
