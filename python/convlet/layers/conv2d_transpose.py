"""Conv2DTranspose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convlet import activations
from convlet.layers.activation import activation_ops
from convlet.layers.conv2d import refuse_strides_with_dilation
from convlet.layers.kernel_and_bias import KernelAndBias
from convlet.layers.layer import NativeOps, Shape
from convlet.utils.validation import (
    check_choice,
    check_integer,
    check_tuple,
    refuse_unsupported,
)


class Conv2DTranspose(KernelAndBias):
    """Transposed convolution: each input pixel adds a window of weights to the output.

    It is the gradient of `Conv2D` with respect to its data. Input (n, ih, iw, ic), output
    (n, oh, ow, filters), kernel (kh, kw, filters, ic), bias (filters,). With `"valid"` padding
    `oh = (ih - 1) * sh + max(kh, sh)`, with `"same"` `oh = ih * sh`. With an output padding p they
    are `(ih - 1) * sh + kh + p` and `(ih - 1) * sh + kh % 2 + p`. Dilation makes a window of
    `(kh - 1) * dh + 1` rows of one of kh.

    Args:
        filters: Number of filters.
        kernel_size: Height and width of the window, or one number for both.
        strides: Steps from the window of one input pixel to that of the next, or one number for
            both.
        padding: `"valid"` or `"same"`.
        output_padding: Rows and columns added to the output, less than the strides; or one number
            for both; `None` as above.
        data_format: `"channels_last"`; nothing else is supported.
        dilation_rate: Steps between the cells of the window, or one number for both; 1 where a
            stride is above 1.
        activation: Name or function of `convlet.activations`; `None` for none.
        use_bias: Whether to add a bias.
        kernel_initializer: How the kernel starts, see `convlet.initializers`.
        bias_initializer: How the bias starts.
        kernel_regularizer: Penalty on the kernel, see `convlet.regularizers`.
        bias_regularizer: Penalty on the bias.
        activity_regularizer: `None`; nothing else is supported.
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
        output_padding: int | Sequence[int] | None = None,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = (1, 1),
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
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            **kwargs,
        )
        refuse_unsupported(
            "Conv2DTranspose",
            {
                "data_format": (data_format, "channels_last"),
                "activity_regularizer": (activity_regularizer, None),
            },
        )
        self.filters = check_integer("filters", filters, 1)
        self.kernel_size = check_tuple("kernel_size", kernel_size, 2)
        self.strides = check_tuple("strides", strides, 2)
        self.padding = check_choice("padding", padding, ("valid", "same"))
        self.output_padding = _check_output_padding(output_padding, self.strides)
        self.dilation_rate = check_tuple("dilation_rate", dilation_rate, 2)
        self.activation = activations.get(activation)
        refuse_strides_with_dilation(self.strides, self.dilation_rate)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        convolution = {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "dilation_rate": self.dilation_rate,
            "use_bias": self.use_bias,
        }
        if self.output_padding is not None:
            convolution["output_padding"] = self.output_padding
        return [("conv2d_transpose", convolution), *activation_ops(self.activation)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "output_padding": self.output_padding,
            "data_format": "channels_last",
            "dilation_rate": self.dilation_rate,
            "activation": activations.serialize(self.activation),
            "activity_regularizer": None,
        }


def _check_output_padding(value: int | Sequence[int] | None, strides: Shape) -> Shape | None:
    if value is None:
        return None
    padding = check_tuple("output_padding", value, 2, minimum=0)
    for axis, (extra, stride) in enumerate(zip(padding, strides, strict=True)):
        if extra >= stride:
            raise ValueError(
                "`output_padding` must be strictly less than `strides` for all dimensions. At "
                f"dimension {axis}, `output_padding` is {extra} but `strides` is {stride}. "
                f"Received: output_padding={padding}, strides={strides}"
            )
    return padding
