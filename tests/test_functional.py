"""Models made of symbolic tensors: structure, configuration, errors. Numbers: test_keras_parity."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convlet
from convlet import Input, Model, Sequential, layers, utils
from convlet.models import Functional


@pytest.fixture(autouse=True)
def fresh() -> None:
    utils.clear_session()
    utils.set_random_seed(0)


def residual() -> Functional:
    inputs = Input((6, 6, 2), name="images")
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    y = layers.ReLU()(layers.BatchNormalization()(x))
    y = layers.Conv2D(4, 3, padding="same")(y)
    z = layers.Flatten()(layers.Add()([x, y]))
    return Model(inputs, layers.Dense(3, activation="softmax")(z))


X = np.random.default_rng(0).random((9, 6, 6, 2), np.float32)


def test_model_from_config() -> None:
    class Doubled(layers.Dense):
        pass

    inputs = Input((4,))
    model = Model(inputs, Doubled(2, name="twice")(inputs))
    again = Model.from_config(model.get_config(), {"Doubled": Doubled})
    assert isinstance(again, Functional)
    assert type(again.get_layer("twice")) is Doubled
    with pytest.raises(ValueError, match="Doubled"):
        Model.from_config(model.get_config())


def test_structure_is_kerass() -> None:
    model = residual()
    assert isinstance(model, Functional)
    assert isinstance(model, Model)
    assert isinstance(Sequential(), Model)
    assert model.name == "functional"
    names = [
        "images",
        "conv2d",
        "batch_normalization",
        "re_lu",
        "conv2d_1",
        "add",
        "flatten",
        "dense",
    ]
    assert [layer.name for layer in model.layers] == names
    assert (model.input_shape, model.output_shape) == ((None, 6, 6, 2), (None, 3))
    assert model.weights[0].path == "conv2d/kernel"
    assert model.get_layer("add").output.shape == (None, 6, 6, 4)
    assert model.built


def test_summary_tells_the_connections() -> None:
    lines: list[str] = []
    residual().summary(print_fn=lines.append, line_length=120)
    assert "Connected to" in lines[0]
    assert "conv2d[0][0], conv2d_1[0]" in lines[0]
    chain = Input((3,))
    model = Model(chain, layers.Dense(2)(chain))
    model.summary(print_fn=lines.append)
    assert "Connected to" not in lines[1]
    assert "input_layer (InputLayer)" in lines[1]


def test_configuration_makes_an_equal_model() -> None:
    model = residual()
    config = json.loads(json.dumps(model.get_config()))
    assert (config["input_layers"], config["output_layers"]) == (["images", 0, 0], ["dense", 0, 0])
    copy = Functional.from_config(config)
    assert json.loads(json.dumps(copy.get_config())) == config
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy.predict(X, verbose=0), model.predict(X, verbose=0))


def test_weights_file(tmp_path: Path) -> None:
    model, other = residual(), residual()
    model.save_weights(tmp_path / "a.weights.h5")
    other.load_weights(tmp_path / "a.weights.h5")
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_fit_learns_and_frozen_layers_stay() -> None:
    model = residual()
    model.compile("rmsprop", "sparse_categorical_crossentropy")
    model.layers[1].trainable = False
    before = model.get_weights()
    model.fit(X, np.arange(9) % 3, verbose=0)
    assert [bool((a != b).any()) for a, b in zip(before, model.get_weights(), strict=True)] == [
        *[False] * 2,
        *[True] * 8,
    ]


def test_layers_of_a_sequential_model_can_be_looked_into() -> None:
    model = Sequential([Input((6, 6, 2)), layers.Conv2D(3, 3, activation="relu"), layers.Flatten()])
    features = Model(model.inputs, model.layers[0].output)
    np.testing.assert_array_equal(
        features.predict(X, verbose=0).reshape(9, -1), model.predict(X, verbose=0)
    )
    assert features.layers[1] is model.layers[0]


def test_features_share_their_weights_with_the_model_they_come_from() -> None:
    model = residual()
    features = Model(model.inputs, model.get_layer("add").output)
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = features.predict(X, verbose=0)
    model.fit(X, np.arange(9) % 3, verbose=0)
    after = features.predict(X, verbose=0)
    assert (before != after).any()
    probabilities = model.layers[-1](model.layers[-2](after))
    np.testing.assert_allclose(probabilities, model.predict(X, verbose=0), rtol=0, atol=1e-6)


def test_several_outputs_show_what_layers_make() -> None:
    model = residual()
    names = ["conv2d", "add", "flatten", "dense"]
    outputs = [model.get_layer(name).output for name in names]
    features = Model(model.inputs, outputs)
    assert isinstance(features, Functional)
    assert (features.name, repr(features)) == (
        "functional_1",
        "<Functional name=functional_1, built=True>",
    )
    assert [layer.name for layer in features.layers] == [layer.name for layer in model.layers]
    assert features.layers[1] is model.layers[1]
    assert features.output_shape == [(None, 6, 6, 4), (None, 6, 6, 4), (None, 144), (None, 3)]
    assert features.outputs == outputs
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(X, np.arange(9) % 3, verbose=0)
    expected = [Model(model.inputs, output).predict(X, verbose=0) for output in outputs]
    for results in (features.predict(X, verbose=0), features.predict_on_batch(X), features(X)):
        for result, single in zip(results, expected, strict=True):
            np.testing.assert_array_equal(result, single)
    batches = features.predict(iter([X[:4], X[4:]]), verbose=0)
    np.testing.assert_array_equal(batches[1], expected[1])
    named = Model(model.inputs, {"features": outputs[1], "probabilities": outputs[3]})
    results = named.predict(X, verbose=0)
    assert list(results) == list(named.output) == ["features", "probabilities"]
    np.testing.assert_array_equal(results["features"], expected[1])
    assert layers.Flatten().name == "flatten_1"  # no name was used up


def test_several_outputs_in_training() -> None:
    inputs = Input((8,))
    dropped = layers.Dropout(0.5, seed=1)(inputs)
    first, second = Model(inputs, [dropped, layers.Rescaling(3.0)(dropped)])(
        np.ones((5, 8), np.float32), training=True
    )
    assert set(first.ravel().tolist()) == {0.0, 2.0}
    np.testing.assert_array_equal(second, 3 * first)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.compile("sgd", "mse"), "cannot be compiled"),
        (lambda model: model.get_config(), "cannot be saved or copied"),
        (lambda model: model.save("a.keras"), "cannot be saved or copied"),
        (lambda model: model.export("a.onnx"), "cannot be exported"),
        (lambda model: model(Input((6, 6, 2))), "cannot be called on symbolic tensors"),
        (lambda model: model.fit(X, X), "must call `compile"),
    ],
    ids=["compile", "config", "save", "export", "layer", "fit"],
)
def test_several_outputs_only_predict(call: Callable[[Any], Any], message: str) -> None:
    model = residual()
    with pytest.raises(ValueError, match=message):
        call(Model(model.input, [model.output, model.layers[1].output]))


def test_operators_of_symbolic_tensors_are_merge_layers() -> None:
    inputs = Input((6,))
    x = layers.Dense(6)(inputs)
    rows = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    y = np.asarray(Model(inputs, x).predict(rows, verbose=0))
    for tensor, expected in ((inputs + x, rows + y), (x - inputs, y - rows), (x * x, y * y)):
        model = Model(inputs, tensor)
        np.testing.assert_allclose(model.predict(rows, verbose=0), expected, rtol=1e-6, atol=1e-6)
    assert model.layers[-1].name == "multiply"
    with pytest.raises(TypeError, match="unsupported operand"):
        _ = x * 2.0
    with pytest.raises(ValueError, match=r"incompatible shapes.*\(6,\) and \(2,\)"):
        _ = x + Input((2,))


@pytest.mark.parametrize(
    ("gate_shape", "merge"),
    [((1, 1, 3), "Multiply"), ((4, 5, 1), "Multiply"), ((3,), "Add"), ((5, 1), "Maximum")],
)
def test_merged_shapes_are_broadcast(gate_shape: tuple[int, ...], merge: str) -> None:
    """A block like that of squeeze-and-excitation networks, against numpy."""
    inputs = Input((4, 5, 3))
    size = int(np.prod(gate_shape))
    gate = layers.Reshape(gate_shape)(layers.Dense(size)(layers.Flatten()(inputs)))
    for pair in ([inputs, gate], [gate, inputs]):
        model = Model(inputs, getattr(layers, merge)()(pair))
        assert model.output_shape == (None, 4, 5, 3)
        rows = np.random.default_rng(0).random((7, 4, 5, 3), np.float32)
        kernel, bias = model.get_weights()
        factors = (rows.reshape(7, -1) @ kernel + bias).reshape(7, *gate_shape)
        factors = factors.reshape(7, *(1,) * (3 - len(gate_shape)), *gate_shape)
        function = {"Multiply": np.multiply, "Add": np.add, "Maximum": np.maximum}[merge]
        expected = function(rows, factors)
        np.testing.assert_allclose(model.predict(rows, verbose=0), expected, rtol=1e-4, atol=1e-5)
        copy = Functional.from_config(model.get_config())
        copy.set_weights(model.get_weights())
        np.testing.assert_array_equal(copy.predict(rows, verbose=0), model.predict(rows, verbose=0))


def test_models_within_models() -> None:
    block = residual()
    sequential = Sequential([Input((6, 6, 2)), block, layers.Dense(2)])
    assert len(sequential.weights) == len(block.weights) + 2
    inputs = Input((6, 6, 2))
    functional = Model(inputs, sequential.layers[1](block(inputs)))
    np.testing.assert_array_equal(
        functional.predict(X, verbose=0), sequential.predict(X, verbose=0)
    )
    config = json.loads(json.dumps(sequential.get_config()))
    assert config["layers"][1]["class_name"] == "Functional"
    copy = Sequential.from_config(config)
    copy.set_weights(sequential.get_weights())
    np.testing.assert_array_equal(copy.predict(X, verbose=0), sequential.predict(X, verbose=0))


def test_calls_of_a_model_are_numbered_as_in_keras() -> None:
    """From 0 where a layer reads it, from 1 where it is what the model returns."""
    inside = Input((4,))
    block = Model(inside, layers.ReLU()(inside), name="block")
    inputs = Input((4,))
    behind = Model(inputs, layers.Add()([block(inputs), inputs])).get_config()
    sources = behind["layers"][-1]["inbound_nodes"][0]["args"][0]
    assert sources[0]["config"]["keras_history"] == ["block", 0, 0]
    last = Model(inputs, block(inputs)).get_config()
    assert last["output_layers"] == ["block", 1, 0]
    for config in (behind, last):
        assert Functional.from_config(config).get_config() == config


def test_layer_without_weights_can_be_used_twice() -> None:
    inputs = Input((4,))
    relu = layers.ReLU()
    x = layers.Dense(3)(relu(inputs))
    model = Model(inputs, layers.Add()([relu(x), x]))
    config = json.loads(json.dumps(model.get_config()))
    copy = Functional.from_config(config)
    copy.set_weights(model.get_weights())
    rows = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_array_equal(copy.predict(rows, verbose=0), model.predict(rows, verbose=0))


def _twice() -> Any:
    inputs = Input((4,))
    dense = layers.Dense(4)
    return Model(inputs, dense(dense(inputs)))


def _same_names() -> Any:
    inputs = Input((4,), name="a")
    return Model(inputs, layers.Dense(2, name="a")(inputs))


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "several inputs": (
        lambda: Model([Input((2,)), Input((2,))], Input((2,))),
        "does not support several `inputs`",
    ),
    "several outputs": (
        lambda: Functional(i := Input((2,)), [layers.ReLU()(i), i]),
        "does not support several `outputs`",
    ),
    "several arrays": (
        lambda: Model(i := Input((2,)), [i, np.zeros(3)]),
        "All `outputs` values must be KerasTensors",
    ),
    "no named outputs": (lambda: Model(Input((2,)), {}), "`outputs` argument cannot be empty"),
    "no inputs": (lambda: Model([], Input((2,))), "`inputs` argument cannot be empty"),
    "array": (lambda: Model(Input((2,)), np.zeros(3)), "values must be KerasTensors"),
    "disconnected": (
        lambda: Model(Input((2,)), layers.Dense(2)(Input((2,)))),
        "not connected to `inputs`",
    ),
    "shared weights": (_twice, "'dense' is called more than once; sharing weights"),
    "names": (_same_names, 'The name "a" is used 2 times in the model'),
    "one tensor": (lambda: layers.Add()(Input((2,))), "should be called on a list of inputs"),
    "shapes": (
        lambda: layers.Add()([Input((2,)), Input((3,))]),
        "Inputs have incompatible shapes. Received shapes (2,) and (3,)",
    ),
    "subtract": (lambda: layers.Subtract()([Input((2,))]), "exactly 2 inputs"),
    "concatenate": (
        lambda: layers.Concatenate(axis=1)([Input((2, 3)), Input((2, 4))]),
        "requires inputs with matching shapes",
    ),
    "axis of the batch": (
        lambda: layers.Concatenate(axis=0)([Input((2,)), Input((2,))]),
        "Concatenate does not support `axis=0`",
    ),
    "list": (lambda: layers.Dense(2)([Input((2,)), Input((2,))]), "expects 1 input(s), but"),
    "never called": (
        lambda: layers.Dense(2).output,
        "never been called and thus has no defined output",
    ),
    "no input": (
        lambda: layers.Dense(2).input,
        "never been called and thus has no defined input",
    ),
    "configuration": (lambda: Functional.from_config({"name": "a"}), "'layers'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_graph_is_refused(case: str) -> None:
    make, message = BAD[case]
    with pytest.raises((ValueError, AttributeError)) as caught:
        make()
    assert message in str(caught.value)


def test_model_is_in_keras_places() -> None:
    assert convlet.Model is convlet.models.Model
    for name in ("add", "average", "concatenate", "maximum", "minimum", "multiply", "subtract"):
        pair = [Input((2,)), Input((2,))]
        assert getattr(layers, name)(pair).shape == (None, 4 if name == "concatenate" else 2)
