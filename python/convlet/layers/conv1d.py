"""Conv1D."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convlet import activations
from convlet.layers.activation import activation_ops
from convlet.layers.conv2d import check_groups, refuse_strides_with_dilation
from convlet.layers.kernel_and_bias import KernelAndBias
from convlet.layers.layer import NativeOps, Shape
from convlet.utils.validation import (
    check_choice,
    check_integer,
    check_tuple,
    refuse_unsupported,
)


class Conv1D(KernelAndBias):
    """One-dimensional convolution: `activation(convolution(x, kernel) + bias)`.

    Input (n, steps, ic), output (n, windows, filters), kernel (k, ic, filters), bias (filters,).
    With `"valid"` padding there are `(steps - k) // stride + 1` windows; with `"same"`
    `ceil(steps / stride)`, the padding divided evenly and an odd rest at the end. With `"causal"`
    there are as many, and all padding is in front: no output depends on later inputs. With
    dilation `(k - 1) * dilation + 1` takes the place of `k` in the former. With groups the kernel is
    (k, ic / groups, filters): each group of filters sees one group of input channels.

    Args:
        filters: Number of filters.
        kernel_size: Length of the window.
        strides: Step of the window.
        padding: `"valid"`, `"same"` or `"causal"`.
        data_format: `"channels_last"`; nothing else is supported.
        dilation_rate: Steps between the cells of the window; 1 where the stride is above 1.
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
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
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
            "Conv1D",
            {
                "data_format": (data_format, "channels_last"),
            },
        )
        self.filters = check_integer("filters", filters, 1)
        self.kernel_size = check_tuple("kernel_size", kernel_size, 1)
        self.strides = check_tuple("strides", strides, 1)
        self.padding = check_choice("padding", padding, ("valid", "same", "causal"))
        self.dilation_rate = check_tuple("dilation_rate", dilation_rate, 1)
        self.groups = check_groups(groups, self.filters)
        self.activation = activations.get(activation)
        refuse_strides_with_dilation(self.strides, self.dilation_rate)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        is_causal = self.padding == "causal"
        convolution = {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": "valid" if is_causal else self.padding,
            "dilation_rate": self.dilation_rate,
            "groups": self.groups,
            "use_bias": self.use_bias,
            **self.operands,
        }
        ops: NativeOps = [("conv1d", convolution), *activation_ops(self.activation)]
        if is_causal:
            before = (self.kernel_size[0] - 1) * self.dilation_rate[0]
            ops.insert(0, ("zero_padding1d", {"padding": (before, 0)}))
        return ops

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
