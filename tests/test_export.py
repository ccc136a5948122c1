"""ONNX files: the same predictions in onnxruntime, and what cannot be expressed."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import oracle
from convlet import layers
from convlet.models import Model, Sequential

onnx = pytest.importorskip("onnx", reason="pip install 'convlet[onnx]'", exc_type=ImportError)
onnxruntime = pytest.importorskip(
    "onnxruntime", reason="onnxruntime is not installed", exc_type=ImportError
)

from convlet.export.onnx_file import OPSET
from convlet.export.onnx_graph import Graph, Tensor
from convlet.export.onnx_ops import ACTIVATIONS, OPS

MAP = (7, 6, 5)
# Input shape, layers as (class name, arguments), and the Transpose nodes that are needed.
CASES: dict[str, tuple[tuple[int, ...], list[tuple[str, dict[str, Any]]], int]] = {
    "notebook": (
        (14, 14, 1),
        [
            ("Rescaling", {"scale": 0.5, "offset": -0.25}),
            ("Conv2D", {"filters": 4, "kernel_size": 3, "activation": "relu"}),
            ("MaxPooling2D", {}),
            ("Conv2D", {"filters": 6, "kernel_size": 3, "use_bias": False}),
            ("MaxPooling2D", {}),
            ("Flatten", {}),
            ("Dense", {"units": 3, "activation": "softmax"}),
        ],
        2,
    ),
    "same_and_strides": (
        MAP,
        [
            ("Conv2D", {"filters": 4, "kernel_size": (4, 3), "strides": (2, 3), "padding": "same"}),
            ("MaxPooling2D", {"pool_size": (3, 2), "strides": (2, 1), "padding": "same"}),
        ],
        2,
    ),
    "dilation_and_groups": (
        (9, 8, 4),
        [
            (
                "Conv2D",
                {"filters": 6, "kernel_size": 3, "dilation_rate": (2, 1), "padding": "same"},
            ),
            ("Conv2D", {"filters": 4, "kernel_size": (3, 2), "groups": 2, "strides": 2}),
        ],
        2,
    ),
    "depthwise": (
        MAP,
        [
            (
                "DepthwiseConv2D",
                {"kernel_size": 3, "depth_multiplier": 2, "strides": 2, "padding": "same"},
            ),
            ("DepthwiseConv2D", {"kernel_size": 2, "dilation_rate": 2, "use_bias": False}),
        ],
        2,
    ),
    "transposed": (
        (4, 3, 5),
        [
            (
                "Conv2DTranspose",
                {"filters": 4, "kernel_size": (4, 3), "strides": (2, 3), "padding": "same"},
            ),
            ("Conv2DTranspose", {"filters": 3, "kernel_size": 2, "strides": (3, 2)}),
            (
                "Conv2DTranspose",
                {
                    "filters": 2,
                    "kernel_size": 3,
                    "strides": 2,
                    "padding": "same",
                    "output_padding": (1, 0),
                    "use_bias": False,
                },
            ),
            ("Conv2DTranspose", {"filters": 2, "kernel_size": (3, 2), "dilation_rate": 2}),
        ],
        2,
    ),
    "separable": (MAP, [("SeparableConv2D", {"filters": 4, "kernel_size": 3})], 2),
    "sequences": (
        (9, 5),
        [
            ("Conv1D", {"filters": 4, "kernel_size": 3, "padding": "causal", "strides": 2}),
            ("MaxPooling1D", {"pool_size": 2, "strides": 1, "padding": "same"}),
            ("Conv1D", {"filters": 6, "kernel_size": 2, "padding": "same", "activation": "relu"}),
            ("Conv1D", {"filters": 4, "kernel_size": 2, "dilation_rate": 2, "groups": 2}),
            ("AveragePooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}),
            ("GlobalMaxPooling1D", {}),
        ],
        1,
    ),
    "softmax_over_channels": (
        MAP,
        [("Conv2D", {"filters": 4, "kernel_size": 2, "activation": "softmax"})],
        2,
    ),
    "dense_on_a_map": (
        MAP,
        [
            ("Dense", {"units": 4, "activation": "tanh"}),
            ("Dense", {"units": 3, "use_bias": False, "activation": "sigmoid"}),
        ],
        0,
    ),
    "flatten_of_one_pixel": (
        (3, 3, 5),
        [("Conv2D", {"filters": 4, "kernel_size": 3}), ("Flatten", {}), ("ReLU", {})],
        1,
    ),
    "reshape": (
        MAP,
        [
            ("Conv2D", {"filters": 4, "kernel_size": 2}),
            ("Reshape", {"target_shape": (3, -1, 4)}),
            ("Identity", {}),
        ],
        2,
    ),
    "rows": ((5,), [("Dense", {"units": 4}), ("Activation", {"activation": "linear"})], 0),
    "no_operation": ((5,), [("Activation", {"activation": "linear"})], 0),
}


def random_model(
    input_shape: tuple[int, ...], stack: list[tuple[str, dict[str, Any]]]
) -> Sequential:
    model = Sequential([layers.Input(input_shape)])
    for name, arguments in stack:
        model.add(getattr(layers, name)(**arguments))
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(-0.5, 0.5, w.shape) for w in model.get_weights()])
    return model


def run(path: Path, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": x})[0]


@pytest.mark.parametrize("case", CASES)
def test_onnxruntime_predicts_the_same(case: str, tmp_path: Path, rng: Any) -> None:
    input_shape, stack, transposes = CASES[case]
    model = random_model(input_shape, stack)
    path = tmp_path / "model.onnx"
    model.export(path, format="onnx", verbose=False)
    for rows in (1, 5):
        x = rng.uniform(-1, 1, (rows, *input_shape)).astype(np.float32)
        np.testing.assert_allclose(run(path, x), model.predict(x, verbose=0), rtol=0, atol=1e-5)
    nodes = [node.op_type for node in onnx.load(path).graph.node]
    assert nodes.count("Transpose") == transposes


def bottleneck(x: Any) -> Any:
    """A residual block whose two ways meet in one order of axes, or in two."""
    y = layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    y = layers.Activation("relu")(layers.BatchNormalization()(y))
    y = layers.Conv2D(x.shape[-1], 3, padding="same")(y)
    return layers.ReLU()(layers.Add()([x, y]))


def residual(x: Any) -> Any:
    x = bottleneck(bottleneck(x))
    short = layers.Conv2D(6, 1, strides=2)(x)
    long = layers.Conv2D(6, 3, strides=2, padding="same")(x)
    x = layers.subtract([layers.average([short, long, long]), layers.multiply([short, long])])
    return layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x))


def inception(x: Any) -> Any:
    ways = [layers.Conv2D(3, size, padding="same")(x) for size in (1, 3)]
    pooled = layers.MaxPooling2D(3, strides=1, padding="same")(x)
    x = layers.concatenate([*ways, pooled, x])
    below = layers.Concatenate(axis=1)([x, layers.maximum([x, layers.ReLU()(x)])])
    return layers.Dense(2)(layers.Flatten()(below))


def gated(x: Any) -> Any:
    y = layers.Dense(x.shape[-1], activation="sigmoid")(layers.GlobalAveragePooling2D()(x))
    x = layers.multiply([layers.Conv2D(x.shape[-1], 3, padding="same")(x), y])
    return layers.add([x, layers.Conv2D(1, 1)(x)])


def nested(x: Any) -> Any:
    block = Model(inside := layers.Input(tuple(x.shape[1:])), bottleneck(inside))
    stack = Sequential([layers.Input(MAP), block, layers.Dropout(0.5), layers.Dense(4)])
    return layers.minimum([stack(x), layers.Conv2D(4, 1)(block.layers[-1](x))])


def layer_used_twice(x: Any) -> Any:
    relu = layers.ReLU(threshold=0.1)
    return layers.Add()([relu(x), relu(layers.Dense(5)(relu(x)))])


def one_tensor_twice(x: Any) -> Any:
    return layers.Flatten()(layers.Add()([x, x]))


def with_random_weights(model: Any) -> Any:
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 0.6, w.shape) for w in model.get_weights()])
    return model


def assert_onnxruntime_predicts_the_same(model: Any, path: Path, rng: Any) -> None:
    model.export(path, format="onnx", verbose=False)
    for rows in (1, 5):
        x = rng.uniform(-1, 1, (rows, *model.input_shape[1:])).astype(np.float32)
        np.testing.assert_allclose(run(path, x), model.predict(x, verbose=0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "graph", [residual, inception, gated, nested, layer_used_twice, one_tensor_twice]
)
def test_graphs(graph: Any, tmp_path: Path, rng: Any) -> None:
    inputs = layers.Input(MAP)
    model = with_random_weights(Model(inputs, graph(inputs)))
    assert_onnxruntime_predicts_the_same(model, tmp_path / "model.onnx", rng)


def test_models_within_models(tmp_path: Path, rng: Any) -> None:
    inner = random_model((4,), [("Dense", {"units": 3})])
    inputs = layers.Input((4,))
    short_cut = Model(inputs, layers.Concatenate()([inputs, layers.Dense(2)(inputs)]))
    model = Sequential([layers.Input((4,)), short_cut, layers.Dense(4), inner, layers.Dense(2)])
    assert_onnxruntime_predicts_the_same(with_random_weights(model), tmp_path / "model.onnx", rng)


def test_part_of_a_model(tmp_path: Path, rng: Any) -> None:
    """A model up to a layer inside of another one: what lies behind is left out."""
    whole = random_model(MAP, [("Conv2D", {"filters": 4, "kernel_size": 3}), ("Flatten", {})])
    model = Model(whole.inputs, whole.layers[0].output)
    assert_onnxruntime_predicts_the_same(model, tmp_path / "model.onnx", rng)
    assert [node.op_type for node in onnx.load(tmp_path / "model.onnx").graph.node][1] == "Conv"


def run_entry(
    op: str,
    inputs: list[np.ndarray],
    parameters: dict[str, np.ndarray],
    shape: tuple[int, ...],
    attributes: dict[str, Any],
    channels_first: bool,
) -> np.ndarray:
    """Runs one entry of the table, on inputs that are in either order."""
    graph = Graph()
    tensors = [Tensor(f"input_{i}", x.shape[1:]) for i, x in enumerate(inputs)]
    ends = [(tensor.name, tensor.shape) for tensor in tensors]
    if channels_first:
        tensors = [graph.channels_first(tensor) for tensor in tensors]
    y = graph.channels_last(OPS[op](graph, tensors, parameters, shape, **attributes))
    assert y.shape == shape
    infos = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ("rows", *dimensions))
        for name, dimensions in [*ends, (y.name, shape)]
    ]
    made = onnx.helper.make_graph(graph.nodes, "entry", infos[:-1], infos[-1:], graph.constants)
    opset = [onnx.helper.make_opsetid("", OPSET)]
    proto = onnx.helper.make_model(made, opset_imports=opset, ir_version=8)
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, {name: x for (name, _), x in zip(ends, inputs, strict=True)})[0]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def softplus(x: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(x))


def softmax(x: np.ndarray, axis: int = -1) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum(axis=axis, keepdims=True)


def gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def tanh_gelu(x: np.ndarray) -> np.ndarray:
    return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


def shrunk(x: np.ndarray, by: float) -> np.ndarray:
    return np.where(np.abs(x) > 0.5, x - by * np.sign(x), 0)


def elu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, np.expm1(x))


SLOPES = {"negative_slope": 0.25, "max_value": 1.5, "threshold": 0.5}
ACTIVATION_CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("celu", {"alpha": 0.5}, lambda x: np.where(x > 0, x, 0.5 * np.expm1(x / 0.5))),
    ("clipped_relu", SLOPES, lambda x: np.where(x >= 0.5, np.minimum(x, 1.5), 0.25 * (x - 0.5))),
    ("elu", {"alpha": 0.5}, lambda x: np.where(x > 0, x, 0.5 * np.expm1(x))),
    ("exponential", {}, np.exp),
    ("gelu", {"approximate": False}, gelu),
    ("gelu", {"approximate": True}, tanh_gelu),
    ("hard_shrink", {"threshold": 0.5}, lambda x: shrunk(x, 0.0)),
    ("hard_sigmoid", {}, lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    ("hard_silu", {}, lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    ("hard_tanh", {}, lambda x: np.clip(x, -1, 1)),
    ("leaky_relu", {"negative_slope": 0.25}, lambda x: np.where(x > 0, x, 0.25 * x)),
    ("linear", {}, lambda x: x),
    ("log_sigmoid", {}, lambda x: np.log(sigmoid(x))),
    ("log_softmax", {}, lambda x: np.log(softmax(x))),
    ("mish", {}, lambda x: x * np.tanh(softplus(x))),
    ("relu", {}, lambda x: np.maximum(x, 0)),
    ("relu6", {}, lambda x: np.clip(x, 0, 6)),
    ("selu", {}, lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * elu(x))),
    ("sigmoid", {}, sigmoid),
    ("silu", {}, lambda x: x * sigmoid(x)),
    ("soft_shrink", {"threshold": 0.5}, lambda x: shrunk(x, 0.5)),
    ("softmax", {}, softmax),
    ("softplus", {}, softplus),
    ("softsign", {}, lambda x: x / (1 + np.abs(x))),
    ("tanh", {}, np.tanh),
    ("tanh_shrink", {}, lambda x: x - np.tanh(x)),
]


def test_every_activation_has_a_case() -> None:
    assert {name for name, _, _ in ACTIVATION_CASES} == set(ACTIVATIONS)


@pytest.mark.parametrize(("name", "attributes", "formula"), ACTIVATION_CASES)
@pytest.mark.parametrize("channels_first", [False, True])
def test_activation(
    name: str, attributes: dict[str, Any], formula: Any, channels_first: bool, rng: Any
) -> None:
    x = rng.uniform(-8, 8, (3, 4, 5, 6)).astype(np.float32)
    attributes = {"activation": name, **attributes}
    y = run_entry("activation", [x], {}, x.shape[1:], attributes, channels_first)
    expected = formula(x.astype(np.float64))
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def normalized(x: np.ndarray, p: dict[str, np.ndarray]) -> np.ndarray:
    y = (x - p["moving_mean"]) / np.sqrt(p["moving_variance"] + 1e-3)
    return y * p.get("gamma", 1) + p.get("beta", 0)


def standardized(x: np.ndarray, axes: tuple[int, ...], rms: bool = False) -> np.ndarray:
    mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    return (x if rms else x - mean) / np.sqrt(variance + 1e-3)


def group_normalized(x: np.ndarray, groups: int) -> np.ndarray:
    return standardized(x.reshape(3, 4, 5, groups, -1), (1, 2, 4)).reshape(x.shape)


def enlarged(x: np.ndarray, axis: int) -> np.ndarray:
    """Twice as long: each value a quarter of the way to the one before and the one behind."""
    first, last = (np.take(x, [end], axis) for end in (0, -1))
    size = x.shape[axis]
    before = np.concatenate([first, np.take(x, range(size - 1), axis)], axis)
    behind = np.concatenate([np.take(x, range(1, size), axis), last], axis)
    pairs = np.stack([0.75 * x + 0.25 * before, 0.75 * x + 0.25 * behind], axis + 1)
    return pairs.reshape(*x.shape[:axis], 2 * size, *x.shape[axis + 1 :])


NORMALIZATION = {"momentum": 0.9, "epsilon": 1e-3, "synchronized": False}
BOTH = {"center": True, "scale": True, **NORMALIZATION}
NEITHER = {"center": False, "scale": False, **NORMALIZATION}
# Operation, number of inputs, names of vector parameters, attributes, formula.
OP_CASES: list[tuple[str, int, list[str], dict[str, Any], Any]] = [
    ("add", 3, [], {}, lambda x, _: x[0] + x[1] + x[2]),
    ("average", 2, [], {}, lambda x, _: (x[0] + x[1]) / 2),
    ("maximum", 2, [], {}, lambda x, _: np.maximum(*x)),
    ("minimum", 2, [], {}, lambda x, _: np.minimum(*x)),
    ("multiply", 3, [], {}, lambda x, _: x[0] * x[1] * x[2]),
    ("subtract", 2, [], {}, lambda x, _: x[0] - x[1]),
    ("concatenate", 2, [], {"axis": 2}, lambda x, _: np.concatenate(x, axis=3)),
    ("concatenate", 2, [], {"axis": 0}, lambda x, _: np.concatenate(x, axis=1)),
    ("activity_regularization", 1, [], {"l1": 0.1, "l2": 0.2}, lambda x, _: x[0]),
    ("dropout", 1, [], {"rate": 0.5, "seed": 1}, lambda x, _: x[0]),
    ("gaussian_dropout", 1, [], {"rate": 0.5, "seed": 1}, lambda x, _: x[0]),
    ("gaussian_noise", 1, [], {"stddev": 0.5, "seed": 1}, lambda x, _: x[0]),
    ("random_brightness", 1, [], {"seed": 1}, lambda x, _: x[0]),
    ("random_contrast", 1, [], {"seed": 1}, lambda x, _: x[0]),
    ("random_erasing", 1, [], {"seed": 1}, lambda x, _: x[0]),
    (
        "random_crop",
        1,
        [],
        {"height": 3, "width": 4, "window": (1, 0, 3, 4), "seed": 1},
        lambda x, _: x[0][:, 1:4, :4],
    ),
    (
        "random_crop",
        1,
        [],
        {"height": 4, "width": 8, "window": (1, 0, 2, 4), "seed": 1},
        lambda x, _: enlarged(enlarged(x[0][:, 1:3, :4], 1), 2),
    ),
    ("random_flip", 1, [], {"seed": 1}, lambda x, _: x[0]),
    ("random_rotation", 1, [], {"seed": 1}, lambda x, _: x[0]),
    ("random_translation", 1, [], {"seed": 1}, lambda x, _: x[0]),
    ("random_zoom", 1, [], {"seed": 1}, lambda x, _: x[0]),
    ("global_max_pooling2d", 1, [], {}, lambda x, _: x[0].max(axis=(1, 2), keepdims=True)),
    (
        "zero_padding2d",
        1,
        [],
        {"padding": (1, 0, 2, 3)},
        lambda x, _: np.pad(x[0], ((0, 0), (1, 0), (2, 3), (0, 0))),
    ),
    ("cropping2d", 1, [], {"cropping": (1, 0, 2, 1)}, lambda x, _: x[0][:, 1:, 2:-1]),
    (
        "up_sampling2d",
        1,
        [],
        {"size": (2, 3), "interpolation": "nearest"},
        lambda x, _: x[0].repeat(2, axis=1).repeat(3, axis=2),
    ),
    (
        "up_sampling2d",
        1,
        [],
        {"size": (2, 3), "interpolation": "bilinear"},
        lambda x, _: oracle.up_sampling2d(x[0], (2, 3), "bilinear"),
    ),
    ("broadcast", 1, [], {"target_shape": (2, 4, 3, 2)}, lambda x, _: np.stack([x[0]] * 2, 1)),
    ("permute", 1, [], {"dims": (3, 1, 2)}, lambda x, _: x[0].transpose(0, 3, 1, 2)),
    (
        "average_pooling2d",
        1,
        [],
        {"pool_size": (2, 5), "strides": (2, 5), "padding": "valid"},
        lambda x, _: x[0].reshape(3, 2, 2, 1, 5, 6).mean(axis=(2, 4)),
    ),
    (
        "prelu",
        1,
        ["alpha"],
        {"shared_axes": (1, 2)},
        lambda x, p: np.where(x[0] > 0, 1, p["alpha"]) * x[0],
    ),
    ("softmax", 1, [], {"axis": 1}, lambda x, _: softmax(x[0], axis=1)),
    (
        "layer_normalization",
        1,
        ["gamma", "beta"],
        {"axis": 3, "center": True, "scale": True, "rms_scaling": False, "epsilon": 1e-3},
        lambda x, p: standardized(x[0], (3,)) * p["gamma"] + p["beta"],
    ),
    (
        "layer_normalization",
        1,
        [],
        {"axis": 1, "center": False, "scale": False, "rms_scaling": False, "epsilon": 1e-3},
        lambda x, _: standardized(x[0], (1, 2, 3)),
    ),
    (
        "layer_normalization",
        1,
        ["gamma"],
        {"axis": 3, "center": False, "scale": True, "rms_scaling": True, "epsilon": 1e-3},
        lambda x, p: standardized(x[0], (3,), rms=True) * p["gamma"],
    ),
    (
        "group_normalization",
        1,
        ["gamma", "beta"],
        {"groups": 2, "center": True, "scale": True, "epsilon": 1e-3},
        lambda x, p: group_normalized(x[0], 2) * p["gamma"] + p["beta"],
    ),
    (
        "group_normalization",
        1,
        [],
        {"groups": 6, "center": False, "scale": False, "epsilon": 1e-3},
        lambda x, _: group_normalized(x[0], 6),
    ),
    (
        "normalization",
        1,
        ["mean", "variance"],
        {"axis": (3,), "invert": False},
        lambda x, p: (x[0] - p["mean"]) / np.sqrt(p["variance"]),
    ),
    (
        "normalization",
        1,
        [],
        {"axis": (2,), "invert": True, "mean": tuple(range(5)), "variance": (4.0,) * 5},
        lambda x, _: np.arange(5)[:, None] + 2 * x[0],
    ),
    (
        "unit_normalization",
        1,
        [],
        {"axis": 2},
        lambda x, _: x[0] / np.sqrt((x[0] ** 2).sum(axis=(2, 3), keepdims=True)),
    ),
    (
        "batch_normalization",
        1,
        ["gamma", "beta", "moving_mean", "moving_variance"],
        BOTH,
        lambda x, p: normalized(x[0], p),
    ),
    (
        "batch_normalization",
        1,
        ["moving_mean", "moving_variance"],
        NEITHER,
        lambda x, p: normalized(x[0], p),
    ),
]


def test_every_operation_has_a_case() -> None:
    by_layers = {
        "activation",
        "conv2d",
        "conv2d_transpose",
        "dense",
        "depthwise_conv2d",
        "max_pooling2d",
        "rescaling",
        "reshape",
        "average_pooling1d",
        "conv1d",
        "global_max_pooling1d",
        "max_pooling1d",
        "zero_padding1d",
    }
    assert {case[0] for case in OP_CASES} | by_layers == set(OPS)


@pytest.mark.parametrize(("op", "count", "names", "attributes", "formula"), OP_CASES)
@pytest.mark.parametrize("channels_first", [False, True])
def test_operation(
    op: str,
    count: int,
    names: list[str],
    attributes: dict[str, Any],
    formula: Any,
    channels_first: bool,
    rng: Any,
) -> None:
    inputs = [rng.uniform(-2, 2, (3, 4, 5, 6)).astype(np.float32) for _ in range(count)]
    parameters = {name: rng.uniform(0.5, 2, 6).astype(np.float32) for name in names}
    expected = formula([x.astype(np.float64) for x in inputs], parameters)
    y = run_entry(op, inputs, parameters, expected.shape[1:], attributes, channels_first)
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-5)


def test_where_it_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = random_model((4,), [("Dense", {"units": 3})])
    model.export(str(tmp_path / "model.onnx"))
    assert capsys.readouterr().out == f"Saved artifact at '{tmp_path / 'model.onnx'}'.\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "tf_saved_model"}, "Unrecognized format=tf_saved_model"),
        ({"opset_version": 3}, "`opset_version=3`; the only supported value is 17"),
        ({"input_signature": []}, "does not support `input_signature"),
        ({"verbose": 2}, "`verbose`"),
    ],
)
def test_options_that_are_not_supported(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        random_model((4,), [("Dense", {"units": 3})]).export(tmp_path / "m.onnx", **options)
    assert list(tmp_path.iterdir()) == []


class Odd(layers.Flatten):
    """A layer whose operation ONNX knows nothing of, or has an attribute too many."""

    op: tuple[str, dict[str, Any]]

    def native_ops(self, input_shape: tuple[int, ...]) -> list[tuple[str, dict[str, Any]]]:
        return [self.op]


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (("lambda", {}), "'odd' cannot be exported to ONNX: nothing is known .* 'lambda'"),
        (("reshape", {"target_shape": (4,), "order": "F"}), "'odd' .* argument 'order'"),
        (("activation", {"activation": "swirl"}), "'odd' .* activation 'swirl'"),
    ],
)
def test_what_cannot_be_expressed_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, op: Any, message: str
) -> None:
    layer = Odd(name="odd")
    layer.op = ("reshape", {"target_shape": (4,)})
    model = Sequential([layers.Input((4,)), layer])
    layer.op = op
    monkeypatch.setattr("convlet._native.core.infer_op", lambda *_: ((4,), []))
    with pytest.raises(ValueError, match=message):
        model.export(tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


def test_model_that_is_not_built(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be built before export"):
        Sequential([layers.Dense(3)]).export(tmp_path / "m.onnx")


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "m.onnx"
    path.write_text("old")

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        random_model((4,), [("Dense", {"units": 3})]).export(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
