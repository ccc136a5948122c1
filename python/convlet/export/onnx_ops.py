"""What each operation of the compiled code is in ONNX: one entry each.

An entry is called with the graph, the operation's inputs, its parameters by name, the row shape of
its output, and its attributes by name. What an entry has no argument for is refused, not ignored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from convlet.export.onnx_graph import Array, Graph, Shape, Tensor

Parameters: TypeAlias = Mapping[str, Array]
Entry: TypeAlias = Callable[..., Tensor]


def convolution(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,
    shape: Shape,
    *,
    filters: int,  # noqa: ARG001 (the kernel has it)
    kernel_size: Sequence[int],
    strides: Sequence[int],
    padding: str,
    use_bias: bool,
    dilation_rate: Sequence[int] = (1, 1),
    groups: int = 1,
) -> Tensor:
    x = graph.channels_first(inputs[0])
    constants = [graph.constant(_output_channels_first(parameters["kernel"]))]
    if use_bias:
        constants.append(graph.constant(parameters["bias"]))
    pads = _pads(x.shape, shape, _extent(kernel_size, dilation_rate), strides, padding)
    name = graph.node(
        "Conv",
        x.name,
        *constants,
        kernel_shape=kernel_size,
        strides=strides,
        pads=pads,
        dilations=dilation_rate,
        group=groups,
    )
    return Tensor(name, shape, channels_first=True)


def conv2d_transpose(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,
    shape: Shape,
    *,
    filters: int,  # noqa: ARG001 (the kernel has it)
    kernel_size: Sequence[int],
    strides: Sequence[int],
    padding: str,
    dilation_rate: Sequence[int],
    use_bias: bool,
    output_padding: Sequence[int] | None = None,  # noqa: ARG001 (the output's shape has it)
) -> Tensor:
    x = graph.channels_first(inputs[0])
    constants = [graph.constant(parameters["kernel"].transpose(3, 2, 0, 1))]
    if use_bias:
        constants.append(graph.constant(parameters["bias"]))
    window = _extent(kernel_size, dilation_rate)
    # How the convolution that this one turns round pads its input, which is the output here.
    pads = _pads(shape, x.shape, window, strides, padding)
    covered = [
        (size - 1) * stride + cells
        for size, stride, cells in zip(x.shape[:2], strides, window, strict=True)
    ]
    beyond = [max(size - rows, 0) for size, rows in zip(shape[:2], covered, strict=True)]
    name = graph.node(
        "ConvTranspose",
        x.name,
        *constants,
        kernel_shape=kernel_size,
        strides=strides,
        pads=pads,
        output_padding=beyond,
        dilations=dilation_rate,
    )
    return Tensor(name, shape, channels_first=True)


def depthwise_conv2d(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,
    shape: Shape,
    *,
    depth_multiplier: int,  # noqa: ARG001 (the kernel has it)
    **attributes: Any,
) -> Tensor:
    kernel = parameters["kernel"]
    channels = kernel.shape[2]
    in_groups = {**parameters, "kernel": kernel.reshape(*kernel.shape[:2], 1, -1)}
    return convolution(
        graph, inputs, in_groups, shape, filters=shape[-1], groups=channels, **attributes
    )


def pooling(
    op: str,
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,  # noqa: ARG001
    shape: Shape,
    *,
    pool_size: Sequence[int],
    strides: Sequence[int],
    padding: str,
) -> Tensor:
    x = graph.channels_first(inputs[0])
    pads = _pads(x.shape, shape, pool_size, strides, padding)
    name = graph.node(op, x.name, kernel_shape=pool_size, strides=strides, pads=pads)
    return Tensor(name, shape, channels_first=True)


def global_max_pooling(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,  # noqa: ARG001
    shape: Shape,
) -> Tensor:
    x = graph.channels_first(inputs[0])
    return Tensor(graph.node("GlobalMaxPool", x.name), shape, channels_first=True)


def dense(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,
    shape: Shape,
    *,
    units: int,  # noqa: ARG001 (the kernel has it)
    use_bias: bool,
) -> Tensor:
    x = graph.channels_last(inputs[0])
    constants = [graph.constant(parameters["kernel"])]
    if use_bias:
        constants.append(graph.constant(parameters["bias"]))
    if len(shape) == 1:
        return Tensor(graph.node("Gemm", x.name, *constants), shape)
    name = graph.node("MatMul", x.name, constants[0])
    return Tensor(graph.node("Add", name, constants[1]) if use_bias else name, shape)


def batch_normalization(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,
    shape: Shape,
    *,
    center: bool,
    scale: bool,
    momentum: float,  # noqa: ARG001 (only training needs it)
    epsilon: float,
    synchronized: bool,  # noqa: ARG001 (likewise)
) -> Tensor:
    x = graph.channels_first(inputs[0])
    channels = np.ones(shape[-1], np.float32)
    constants = [
        parameters["gamma"] if scale else channels,
        parameters["beta"] if center else 0 * channels,
        parameters["moving_mean"],
        parameters["moving_variance"],
    ]
    names = [graph.constant(constant) for constant in constants]
    return graph.apply("BatchNormalization", x, *names, epsilon=epsilon)


def layer_normalization(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,
    shape: Shape,
    *,
    axis: int,
    center: bool,
    scale: bool,
    rms_scaling: bool,
    epsilon: float,
) -> Tensor:
    x = graph.channels_last(inputs[0])
    inner = shape[axis - 1 :]
    gamma = parameters["gamma"] if scale else np.ones(inner, np.float32)
    if rms_scaling:
        return _rms_scaling(graph, x, gamma, list(range(axis, len(shape) + 1)), epsilon)
    constants = [graph.constant(gamma)]
    if center:
        constants.append(graph.constant(parameters["beta"]))
    return graph.apply("LayerNormalization", x, *constants, axis=axis, epsilon=epsilon)


def _rms_scaling(
    graph: Graph, x: Tensor, gamma: Array, axes: Sequence[int], epsilon: float
) -> Tensor:
    """`gamma * x / sqrt(variance + epsilon)`, the variance being that around the mean."""
    mean = graph.node("ReduceMean", x.name, axes=axes)
    centered = graph.node("Sub", x.name, mean)
    variance = graph.node("ReduceMean", graph.node("Mul", centered, centered), axes=axes)
    deviation = graph.node("Sqrt", graph.node("Add", variance, graph.constant(epsilon)))
    return graph.apply("Mul", graph.apply("Div", x, deviation), graph.constant(gamma))


def group_normalization(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,
    shape: Shape,
    *,
    groups: int,
    center: bool,
    scale: bool,
    epsilon: float,
) -> Tensor:
    """Each group is an instance of its own: opset 17 has no group normalization."""
    x = graph.channels_first(inputs[0])
    unscaled = [graph.constant(np.full(groups, value, np.float32)) for value in (1, 0)]
    as_groups = graph.node("Reshape", x.name, graph.constant([0, groups, -1], np.int64))
    normal = graph.node("InstanceNormalization", as_groups, *unscaled, epsilon=epsilon)
    *spatial, channels = shape
    back = graph.constant([0, channels, *spatial], np.int64)
    y = Tensor(graph.node("Reshape", normal, back), shape, x.channels_first)
    weight_shape = (channels, *(1 for _ in spatial))
    if scale:
        y = graph.apply("Mul", y, graph.constant(parameters["gamma"].reshape(weight_shape)))
    if center:
        y = graph.apply("Add", y, graph.constant(parameters["beta"].reshape(weight_shape)))
    return y


def normalization(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,
    shape: Shape,
    *,
    axis: Sequence[int],
    invert: bool,
    mean: Sequence[float] | None = None,
    variance: Sequence[float] | None = None,
) -> Tensor:
    x = graph.channels_last(inputs[0])
    kept = [size if i + 1 in axis else 1 for i, size in enumerate(shape)]
    means = parameters["mean"] if mean is None else np.array(mean)
    variances = parameters["variance"] if variance is None else np.array(variance)
    shift = graph.constant(means.reshape(kept))
    deviation = graph.constant(np.maximum(np.sqrt(variances), 1e-7).reshape(kept))
    if invert:
        return graph.apply("Add", graph.apply("Mul", x, deviation), shift)
    return graph.apply("Div", graph.apply("Sub", x, shift), deviation)


def unit_normalization(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,  # noqa: ARG001
    shape: Shape,
    *,
    axis: int,
) -> Tensor:
    """The factor's bound, 1e12, is one of the length: 1e-12."""
    x = graph.channels_last(inputs[0])
    length = graph.node("ReduceL2", x.name, axes=list(range(axis, len(shape) + 1)))
    return graph.apply("Div", x, graph.node("Max", length, graph.constant(1e-12)))


def rescaling(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,  # noqa: ARG001
    shape: Shape,  # noqa: ARG001
    *,
    scale: float,
    offset: float,
) -> Tensor:
    x = graph.apply("Mul", inputs[0], graph.constant(scale))
    return graph.apply("Add", x, graph.constant(offset)) if offset else x


def reshape(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,  # noqa: ARG001
    shape: Shape,
    *,
    target_shape: Sequence[int],  # noqa: ARG001 (the output's shape has no -1 in it)
) -> Tensor:
    return graph.reshape(inputs[0], shape)


def broadcast(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,  # noqa: ARG001
    shape: Shape,
    *,
    target_shape: Sequence[int],  # noqa: ARG001 (it is the output's shape)
) -> Tensor:
    x = graph.channels_last(inputs[0])
    missing = len(shape) - len(x.shape)
    if missing:
        x = graph.reshape(x, (*(1,) * missing, *x.shape))
    # 1: the number of rows stays.
    return Tensor(graph.node("Expand", x.name, graph.constant([1, *shape], np.int64)), shape)


def zero_padding(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,  # noqa: ARG001
    shape: Shape,
    *,
    padding: Sequence[int],
) -> Tensor:
    x = graph.channels_first(inputs[0])
    pads = graph.constant([0, 0, *padding[::2], 0, 0, *padding[1::2]], np.int64)
    return Tensor(graph.node("Pad", x.name, pads), shape, channels_first=True)


def cropping2d(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,  # noqa: ARG001
    shape: Shape,
    *,
    cropping: Sequence[int],
) -> Tensor:
    top, _, left, _ = cropping
    x = graph.channels_first(inputs[0])
    ranges = ((top, left), (top + shape[0], left + shape[1]), (2, 3))  # starts, ends, axes
    constants = [graph.constant(numbers, np.int64) for numbers in ranges]
    return Tensor(graph.node("Slice", x.name, *constants), shape, channels_first=True)


def up_sampling2d(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,  # noqa: ARG001
    shape: Shape,
    *,
    size: Sequence[int],
    interpolation: str,
) -> Tensor:
    x = graph.channels_first(inputs[0])
    scales = graph.constant([1, 1, *size])
    if interpolation == "nearest":
        options = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        options = {"coordinate_transformation_mode": "half_pixel", "mode": "linear"}
    name = graph.node("Resize", x.name, "", scales, **options)  # "": no region of interest
    return Tensor(name, shape, channels_first=True)


def permute(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,  # noqa: ARG001
    shape: Shape,
    *,
    dims: Sequence[int],
) -> Tensor:
    x = graph.channels_last(inputs[0])
    return Tensor(graph.node("Transpose", x.name, perm=(0, *dims)), shape)


def nothing(
    graph: Graph,  # noqa: ARG001
    inputs: Sequence[Tensor],
    parameters: Parameters,  # noqa: ARG001
    shape: Shape,  # noqa: ARG001
    **attributes: Any,  # noqa: ARG001
) -> Tensor:
    """What only happens in training."""
    return inputs[0]


def random_crop(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,  # noqa: ARG001
    shape: Shape,
    *,
    height: int,
    width: int,
    window: Sequence[int],
    seed: int,  # noqa: ARG001 (only training needs it)
    training_window: Sequence[int] | None = None,  # noqa: ARG001
) -> Tensor:
    x = graph.channels_first(inputs[0])
    top, left, rows, columns = window
    corners = [(top, left), (top + rows, left + columns), (2, 3)]
    name = graph.node("Slice", x.name, *(graph.constant(each, np.int64) for each in corners))
    if (rows, columns) != (height, width):
        scales = [1.0, 1.0, height / rows, width / columns]
        name = graph.node("Resize", name, "", graph.constant(scales), mode="linear")
    return Tensor(name, shape, channels_first=True)


def merge(
    op: str,
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,  # noqa: ARG001
    shape: Shape,
) -> Tensor:
    same = _in_one_order(graph, inputs)
    if op not in ("Mul", "Sub"):  # which take two
        return Tensor(graph.node(op, *(x.name for x in same)), shape, same[0].channels_first)
    name = same[0].name
    for x in same[1:]:
        name = graph.node(op, name, x.name)
    return Tensor(name, shape, same[0].channels_first)


def concatenate(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,  # noqa: ARG001
    shape: Shape,
    *,
    axis: int,
) -> Tensor:
    same = _in_one_order(graph, inputs)
    if axis != len(shape) - 1:
        same = [graph.channels_last(x) for x in same]
    onnx_axis = same[0].channel_axis if axis == len(shape) - 1 else axis + 1
    name = graph.node("Concat", *(x.name for x in same), axis=onnx_axis)
    return Tensor(name, shape, same[0].channels_first)


def prelu(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,
    shape: Shape,  # noqa: ARG001
    *,
    shared_axes: Sequence[int],  # noqa: ARG001 (the slopes' shape has 1 there)
) -> Tensor:
    x = graph.channels_last(inputs[0])
    return graph.apply("PRelu", x, graph.constant(parameters["alpha"]))


def softmax(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,  # noqa: ARG001
    shape: Shape,  # noqa: ARG001
    *,
    axis: int,
) -> Tensor:
    return graph.apply("Softmax", graph.channels_last(inputs[0]), axis=axis)


def activation(
    graph: Graph,
    inputs: Sequence[Tensor],
    parameters: Parameters,  # noqa: ARG001
    shape: Shape,  # noqa: ARG001
    *,
    activation: str,
    **attributes: Any,
) -> Tensor:
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation '{activation}' cannot be exported to ONNX")
    return ACTIVATIONS[activation](graph, inputs[0], **attributes)


def _same_name(op: str, graph: Graph, x: Tensor) -> Tensor:
    return graph.apply(op, x)


def _over_channels(op: str, graph: Graph, x: Tensor) -> Tensor:
    return graph.apply(op, x, axis=x.channel_axis)


def _with_alpha(op: str, graph: Graph, x: Tensor, *, alpha: float) -> Tensor:
    return graph.apply(op, x, alpha=alpha)


def _leaky_relu(graph: Graph, x: Tensor, *, negative_slope: float) -> Tensor:
    return graph.apply("LeakyRelu", x, alpha=negative_slope)


def _clip(minimum: float, maximum: float, graph: Graph, x: Tensor) -> Tensor:
    return graph.apply("Clip", x, graph.constant(minimum), graph.constant(maximum))


def _hard_sigmoid(graph: Graph, x: Tensor) -> Tensor:
    return graph.apply("HardSigmoid", x, alpha=1 / 6, beta=0.5)


def _silu(graph: Graph, x: Tensor) -> Tensor:
    return graph.apply("Mul", x, graph.apply("Sigmoid", x).name)


def _mish(graph: Graph, x: Tensor) -> Tensor:
    return graph.apply("Mul", x, graph.apply("Tanh", graph.apply("Softplus", x)).name)


def _log_sigmoid(graph: Graph, x: Tensor) -> Tensor:
    """`-softplus(-x)`."""
    return graph.apply("Neg", graph.apply("Softplus", graph.apply("Neg", x)))


def _tanh_shrink(graph: Graph, x: Tensor) -> Tensor:
    return graph.apply("Sub", x, graph.apply("Tanh", x).name)


def _soft_shrink(graph: Graph, x: Tensor, *, threshold: float) -> Tensor:
    return graph.apply("Shrink", x, lambd=threshold, bias=threshold)


def _hard_shrink(graph: Graph, x: Tensor, *, threshold: float) -> Tensor:
    return graph.apply("Shrink", x, lambd=threshold, bias=0.0)


def _gelu(graph: Graph, x: Tensor, *, approximate: bool) -> Tensor:
    """`x * (1 + erf(x / sqrt(2))) / 2`; or with `tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))`."""
    if approximate:
        cube = graph.apply("Mul", graph.apply("Mul", x, x.name), x.name)
        inner = graph.apply("Add", x, graph.apply("Mul", cube, graph.constant(0.044715)).name)
        scaled = graph.apply("Mul", inner, graph.constant(math.sqrt(2 / math.pi)))
        error = graph.apply("Tanh", scaled)
    else:
        error = graph.apply("Erf", graph.apply("Mul", x, graph.constant(math.sqrt(0.5))))
    share = graph.apply("Add", error, graph.constant(1.0))
    return graph.apply("Mul", graph.apply("Mul", x, graph.constant(0.5)), share.name)


def _clipped_relu(
    graph: Graph, x: Tensor, *, negative_slope: float, max_value: float, threshold: float
) -> Tensor:
    """`min(x, max_value)` from the threshold on, below it `negative_slope * (x - threshold)`."""
    below = graph.apply("Sub", x, graph.constant(threshold))
    below = graph.apply("Mul", below, graph.constant(negative_slope))
    above = graph.apply("Min", x, graph.constant(max_value))
    is_above = graph.apply("GreaterOrEqual", x, graph.constant(threshold))
    return graph.apply("Where", is_above, above.name, below.name)


# Activation -> the node, or nodes, that compute it.
ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "celu": partial(_with_alpha, "Celu"),
    "clipped_relu": _clipped_relu,
    "elu": partial(_with_alpha, "Elu"),
    "exponential": partial(_same_name, "Exp"),
    "gelu": _gelu,
    "hard_shrink": _hard_shrink,
    "hard_sigmoid": _hard_sigmoid,
    "hard_silu": partial(_same_name, "HardSwish"),
    "hard_tanh": partial(_clip, -1.0, 1.0),
    "leaky_relu": _leaky_relu,
    "linear": lambda _, x: x,
    "log_sigmoid": _log_sigmoid,
    "log_softmax": partial(_over_channels, "LogSoftmax"),
    "mish": _mish,
    "relu": partial(_same_name, "Relu"),
    "relu6": partial(_clip, 0.0, 6.0),
    "selu": partial(_same_name, "Selu"),
    "sigmoid": partial(_same_name, "Sigmoid"),
    "silu": _silu,
    "soft_shrink": _soft_shrink,
    "softmax": partial(_over_channels, "Softmax"),
    "softplus": partial(_same_name, "Softplus"),
    "softsign": partial(_same_name, "Softsign"),
    "tanh": partial(_same_name, "Tanh"),
    "tanh_shrink": _tanh_shrink,
}

# Operation of the compiled code -> what adds it to a graph.
OPS: dict[str, Entry] = {
    "activation": activation,
    "add": partial(merge, "Sum"),
    "average": partial(merge, "Mean"),
    "average_pooling1d": partial(pooling, "AveragePool"),
    "average_pooling2d": partial(pooling, "AveragePool"),
    "batch_normalization": batch_normalization,
    "broadcast": broadcast,
    "concatenate": concatenate,
    "conv1d": convolution,
    "conv2d": convolution,
    "conv2d_transpose": conv2d_transpose,
    "cropping2d": cropping2d,
    "dense": dense,
    "activity_regularization": nothing,
    "depthwise_conv2d": depthwise_conv2d,
    "dropout": nothing,
    "gaussian_dropout": nothing,
    "gaussian_noise": nothing,
    "global_max_pooling1d": global_max_pooling,
    "global_max_pooling2d": global_max_pooling,
    "max_pooling1d": partial(pooling, "MaxPool"),
    "max_pooling2d": partial(pooling, "MaxPool"),
    "group_normalization": group_normalization,
    "layer_normalization": layer_normalization,
    "maximum": partial(merge, "Max"),
    "minimum": partial(merge, "Min"),
    "multiply": partial(merge, "Mul"),
    "normalization": normalization,
    "permute": permute,
    "prelu": prelu,
    "random_brightness": nothing,
    "random_contrast": nothing,
    "random_crop": random_crop,
    "random_erasing": nothing,
    "random_flip": nothing,
    "random_rotation": nothing,
    "random_translation": nothing,
    "random_zoom": nothing,
    "rescaling": rescaling,
    "reshape": reshape,
    "softmax": softmax,
    "subtract": partial(merge, "Sub"),
    "unit_normalization": unit_normalization,
    "up_sampling2d": up_sampling2d,
    "zero_padding1d": zero_padding,
    "zero_padding2d": zero_padding,
}


def _in_one_order(graph: Graph, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Brings tensors that meet into the same order; channels first if they all are."""
    if all(x.channels_first for x in inputs):
        return list(inputs)
    return [graph.channels_last(x) for x in inputs]


def _extent(window: Sequence[int], dilation_rate: Sequence[int]) -> list[int]:
    """Returns the rows and columns from the first cell of a window to its last."""
    return [(cells - 1) * step + 1 for cells, step in zip(window, dilation_rate, strict=True)]


def _output_channels_first(kernel: Array) -> Array:
    """Of a kernel (*window, ic, oc) the one (oc, ic, *window)."""
    axes = kernel.ndim
    return kernel.transpose(axes - 1, axes - 2, *range(axes - 2))


def _pads(
    input_shape: Shape,
    output_shape: Shape,
    window: Sequence[int],
    strides: Sequence[int],
    padding: str,
) -> list[int]:
    """Returns the cells before each axis, then behind: with "same" the odd rest is behind."""
    totals = [
        max((outputs - 1) * stride + size - inputs, 0) if padding == "same" else 0
        for inputs, outputs, size, stride in zip(
            input_shape[:-1], output_shape[:-1], window, strides, strict=True
        )
    ]
    return [total // 2 for total in totals] + [total - total // 2 for total in totals]
