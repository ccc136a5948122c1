"""Sequential: structure, weights, configuration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet import Input, Model, Sequential, layers, utils
from convlet.layers import Conv2D, Dense, Flatten, InputLayer, MaxPooling2D


@pytest.fixture(autouse=True)
def fresh() -> None:
    utils.clear_session()
    utils.set_random_seed(0)


def notebook_model() -> Sequential:
    """The ConvNet of the notebook, built as there."""
    model = Sequential()
    model.add(Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)))
    model.add(MaxPooling2D((2, 2)))
    model.add(Conv2D(64, (3, 3), activation="relu"))
    model.add(MaxPooling2D((2, 2)))
    model.add(Conv2D(64, (3, 3), activation="relu"))
    model.add(Flatten())
    model.add(Dense(64, activation="relu"))
    model.add(Dense(10, activation="softmax"))
    return model


def small_model() -> Sequential:
    return Sequential([Input((4,)), Dense(3, name="d"), Dense(2, name="e")])


# ---- structure ----------------------------------------------------------------------------------


def test_notebook_model_has_kerass_shapes_and_counts() -> None:
    model = notebook_model()
    assert model.built
    assert model.input_shape == (None, 28, 28, 1)
    assert model.output_shape == (None, 10)
    assert model.count_params() == 93_322
    assert [model.layer_output_shape(i) for i in range(6)] == [
        (None, 26, 26, 32),
        (None, 13, 13, 32),
        (None, 11, 11, 64),
        (None, 5, 5, 64),
        (None, 3, 3, 64),
        (None, 576),
    ]
    assert [layer.count_params() for layer in model.layers] == [
        *(320, 0, 18_496, 0, 36_928),
        *(0, 36_928, 650),
    ]
    assert [layer.name for layer in model.layers] == [
        *("conv2d", "max_pooling2d", "conv2d_1", "max_pooling2d_1", "conv2d_2"),
        *("flatten", "dense", "dense_1"),
    ]


def test_variables_have_kerass_names_and_paths() -> None:
    model = notebook_model()
    assert [variable.path for variable in model.weights[:3]] == [
        "sequential/conv2d/kernel",
        "sequential/conv2d/bias",
        "sequential/conv2d_1/kernel",
    ]
    assert [variable.name for variable in model.weights[:2]] == ["kernel", "bias"]
    assert [variable.shape for variable in model.weights[:2]] == [(3, 3, 1, 32), (32,)]


def test_layers_do_not_include_the_input() -> None:
    model = small_model()
    assert [layer.name for layer in model.layers] == ["d", "e"]
    model.layers.clear()
    assert len(model.layers) == 2


def test_input_in_every_form() -> None:
    for first in (Input((4,)), InputLayer((4,)), Input(batch_shape=(None, 4))):
        model = Sequential([first, Dense(3)])
        assert model.input_shape == (None, 4)
    assert Sequential([Dense(3, input_dim=4)]).input_shape == (None, 4)
    assert Sequential([Dense(3, input_shape=[4])]).input_shape == (None, 4)
    assert Input((4,)).shape == (None, 4)
    assert model.inputs[0].shape == (None, 4)
    assert model.outputs[0].shape == (None, 3)


def test_unbuilt_model_waits_for_its_shape() -> None:
    model = Sequential([Dense(3), Dense(2)])
    assert not model.built
    assert model.weights == []
    assert model.get_weights() == []
    for attribute in ("input_shape", "output_shape", "inputs", "outputs"):
        with pytest.raises(AttributeError, match="'sequential' has no defined"):
            getattr(model, attribute)
    with pytest.raises(ValueError, match="You tried to call `count_params` on layer 'sequential'"):
        model.count_params()
    model.build((None, 4))
    assert model.built
    assert model.count_params() == 23
    assert model.output_shape == (None, 2)


def test_data_build_an_unbuilt_model() -> None:
    model = Sequential([Flatten(), Dense(2)])
    assert model.predict(np.zeros((5, 3, 2)), verbose=0).shape == (5, 2)
    assert model.input_shape == (None, 3, 2)


def test_failed_build_leaves_no_trace() -> None:
    model = Sequential([Conv2D(2, 3), Conv2D(2, 9), Flatten()])
    with pytest.raises(ValueError, match="zero or negative"):
        model.build((None, 8, 8, 3))
    assert not model.built
    assert not any(layer.built for layer in model.layers)
    model.build((None, 12, 12, 1))
    assert model.output_shape == (None, 8)


def test_failed_add_leaves_no_trace() -> None:
    model = Sequential([Input((4, 4, 1)), Conv2D(2, 3)])
    with pytest.raises(ValueError, match="zero or negative"):
        model.add(Conv2D(2, 3))
    assert [layer.name for layer in model.layers] == ["conv2d"]
    model.add(Flatten())
    assert model.output_shape == (None, 8)


def test_pop_removes_the_last_layer() -> None:
    model = small_model()
    x = np.ones((1, 4), np.float32)
    inner = model.layers[0](x)
    assert model.predict(x, verbose=0).shape == (1, 2)
    assert model.pop().name == "e"
    assert model.output_shape == (None, 3)
    np.testing.assert_array_equal(model.predict(x, verbose=0), inner)
    model.pop()
    assert not model.built
    with pytest.raises(IndexError, match="There are no layers"):
        model.pop()


def test_get_layer() -> None:
    model = small_model()
    assert model.get_layer("e") is model.layers[1]
    assert model.get_layer(index=0) is model.layers[0]
    assert model.get_layer(index=-1) is model.layers[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "Provide either a layer name or layer index"),
        ({"name": "d", "index": 0}, "Provide only a layer name or a layer index"),
        ({"name": "x"}, r"No such layer: x. Existing layers are: \['d', 'e'\]"),
        ({"index": 2}, "layer at index 2 but model only has 2 layers"),
        ({"index": -3}, "`index`"),
        ({"index": "d"}, "`index`"),
    ],
    ids=str,
)
def test_layer_that_is_not_there(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_model().get_layer(**arguments)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (3, "Only instances of `convlet.layers.Layer` can be added"),
        (Dense, "Only instances of `convlet.layers.Layer` can be added"),
        (Dense(3, name="d"), "unique names. Name 'd' is already"),
        (Input((4,)), r"already been configured to use input shape \(None, 4\)"),
    ],
    ids=str,
)
def test_layer_that_cannot_be_added(layer: Any, message: str) -> None:
    model = small_model()
    with pytest.raises(ValueError, match=message):
        model.add(layer)
    assert len(model.layers) == 2


def test_input_must_come_first() -> None:
    with pytest.raises(ValueError, match="must be the first layer"):
        Sequential([Dense(3), Input((4,))])


def test_layer_with_weights_cannot_be_in_a_model_twice() -> None:
    layer = Dense(4)
    with pytest.raises(ValueError, match="sharing weights within a model is not supported"):
        Sequential([Input((4,)), layer, layer])
    relu = layers.ReLU()
    assert len(Sequential([Input((4,)), relu, Dense(4), relu]).layers) == 3


def test_model_cannot_be_in_itself() -> None:
    model = small_model()
    with pytest.raises(ValueError, match="cannot be a layer of itself"):
        model.add(model)


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (Sequential(name="s"), (None, 4), "model s cannot be built because it has no layers"),
        (small_model(), (None, 5), r"You cannot build it with input_shape \(None, 5\)"),
        (Sequential([Dense(3)]), None, "needs an `input_shape`"),
        (Sequential([Dense(3)]), (None, None), "Every dimension of `input_shape` but the first"),
        (Sequential([Dense(3)]), 4, "batch axis first"),
    ],
)
def test_impossible_build_is_refused(model: Sequential, shape: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model.build(shape)


def test_wrong_list_of_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="`layers` must be a list"):
        Sequential(Dense(3))  # type: ignore[arg-type]


def test_models_can_be_layers() -> None:
    inner = Sequential([Dense(3, name="a"), Dense(3, name="b")], name="inner")
    outer = Sequential([Input((4,)), inner, Dense(2, name="o")], name="outer")
    assert outer.count_params() == 15 + 12 + 8
    assert [variable.path for variable in outer.weights][:2] == [
        "outer/inner/a/kernel",
        "outer/inner/a/bias",
    ]
    x = np.random.default_rng(0).random((5, 4), np.float32)
    np.testing.assert_allclose(
        outer.predict(x, verbose=0), outer.layers[1](inner.predict(x, verbose=0)), rtol=1e-6
    )
    copy = Sequential.from_config(outer.get_config())
    assert copy.get_config() == outer.get_config()
    assert Sequential([inner, Dense(2)]).input_shape == (None, 4)


# ---- weights ------------------------------------------------------------------------------------


def test_weights_go_round() -> None:
    model = notebook_model()
    weights = model.get_weights()
    assert [weight.dtype for weight in weights] == [np.dtype(np.float32)] * 10
    other = notebook_model()
    assert not np.array_equal(other.get_weights()[0], weights[0])
    other.set_weights(weights)
    for a, b in zip(other.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(a, b)
    x = np.random.default_rng(1).random((3, 28, 28, 1), np.float32)
    np.testing.assert_array_equal(model.predict(x, verbose=0), other.predict(x, verbose=0))


def test_weights_are_copies() -> None:
    model = small_model()
    given = [np.ones_like(weight) for weight in model.get_weights()]
    model.set_weights(given)
    given[0][:] = 5
    model.get_weights()[0][:] = 7
    assert (model.get_weights()[0] == 1).all()


def test_setting_weights_after_prediction_is_seen() -> None:
    model = small_model()
    x = np.ones((1, 4), np.float32)
    model.predict(x, verbose=0)
    model.set_weights([np.ones((4, 3)), np.zeros(3), np.ones((3, 2)), np.full(2, 0.5)])
    np.testing.assert_array_equal(model.predict(x, verbose=0), [[12.5, 12.5]])
    model.layers[1].set_weights([np.zeros((3, 2)), np.ones(2)])
    np.testing.assert_array_equal(model.predict_on_batch(x), [[1, 1]])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            [np.zeros((4, 3))],
            (
                r"You called `set_weights\(weights\)` on layer 'sequential' with a weight list of "
                "length 1, but the layer was expecting 4 weights"
            ),
        ),
        (
            [np.zeros((4, 3)), np.zeros(3), np.zeros((2, 3)), np.zeros(2)],
            r"weight shape \(3, 2\) is not compatible with provided weight shape \(2, 3\)",
        ),
        (
            [np.zeros((4, 3)), np.zeros(3), np.zeros((3, 2)), np.array(["a", "b"])],
            "can only be assigned real numbers",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused(weights: list[np.ndarray], message: str) -> None:
    model = small_model()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.set_weights(weights)
    assert all(map(np.array_equal, before, model.get_weights()))


def test_layers_shared_by_two_models_have_one_value() -> None:
    shared = Dense(3, name="shared")
    first = Sequential([Input((4,)), shared])
    second = Sequential([Input((4,)), shared, Dense(2, activation="softmax")])
    x = np.random.default_rng(0).random((6, 4), np.float32)
    np.testing.assert_array_equal(first.predict(x, verbose=0), shared(x))
    before = shared.get_weights()
    second.compile("rmsprop", "sparse_categorical_crossentropy")
    second.fit(x, np.arange(6) % 2, epochs=3, verbose=0)
    assert not np.array_equal(before[0], shared.get_weights()[0])
    expected = x @ shared.get_weights()[0] + shared.get_weights()[1]
    np.testing.assert_allclose(first.predict(x, verbose=0), expected, rtol=1e-5)
    np.testing.assert_allclose(first.predict_on_batch(x), expected, rtol=1e-5)


def test_layer_added_after_training_keeps_the_values() -> None:
    model = Sequential([Input((4,)), Dense(3, activation="softmax")])
    model.compile("rmsprop", "sparse_categorical_crossentropy")
    x = np.random.default_rng(0).random((6, 4), np.float32)
    model.fit(x, np.arange(6) % 3, verbose=0)
    trained, predictions = model.get_weights(), model.predict(x, verbose=0)
    model.add(layers.ReLU())
    np.testing.assert_array_equal(model.get_weights()[0], trained[0])
    np.testing.assert_allclose(model.predict(x, verbose=0), predictions, rtol=1e-6)


def test_trainable_reaches_every_layer() -> None:
    model = small_model()
    model.trainable = False
    assert (len(model.trainable_weights), len(model.non_trainable_weights)) == (0, 4)
    model.trainable = True
    model.layers[0].trainable = False
    assert [variable.path for variable in model.trainable_weights] == [
        "sequential/e/kernel",
        "sequential/e/bias",
    ]
    assert len(model.non_trainable_weights) == 2
    assert Sequential([Dense(1)], trainable=False).trainable is False


# ---- configuration ------------------------------------------------------------------------------


def test_configuration_makes_an_equal_model() -> None:
    model = notebook_model()
    config = model.get_config()
    copy = Sequential.from_config(config)
    assert copy.get_config() == config
    assert copy.name == "sequential"
    assert copy.output_shape == (None, 10)
    assert config["build_input_shape"] == (None, 28, 28, 1)
    assert [layer["class_name"] for layer in config["layers"]][:2] == ["InputLayer", "Conv2D"]


def test_configuration_of_an_unbuilt_model() -> None:
    model = Sequential([Dense(3)], name="mine")
    copy = Sequential.from_config(model.get_config())
    assert copy.name == "mine"
    assert not copy.built


@pytest.mark.parametrize("config", [{}, {"name": "a"}, [], None], ids=str)
def test_configuration_of_another_form_is_refused(config: Any) -> None:
    with pytest.raises(ValueError, match="containing the 'name' and 'layers' keys"):
        Sequential.from_config(config)


def test_configuration_names_only_known_classes() -> None:
    config = {"name": "m", "layers": [{"class_name": "os.system", "config": {}}]}
    with pytest.raises(ValueError, match=r"Could not interpret layer identifier: os\.system"):
        Sequential.from_config(config)


def test_repr() -> None:
    model = small_model()
    assert repr(model) == "<Sequential name=sequential, built=True>"
    assert repr(model.layers[0]) == "<Dense name=d, built=True>"


def test_a_built_stack_counts_as_a_functional_model() -> None:
    """As in Keras, where it holds one; the next functional model's name tells."""

    def next_name() -> str:
        inputs = Input((3,))
        return str(Model(inputs, Dense(1)(inputs)).name)

    assert next_name() == "functional"
    stack = Sequential([Input((3,)), Dense(2), Dense(2)])  # one
    assert next_name() == "functional_2"
    stack.add(Dense(2))  # one for each layer that is added to it or taken away
    stack.pop()
    assert next_name() == "functional_5"
    late = Sequential([Dense(2)])  # none before its input is known
    assert next_name() == "functional_6"
    late.build((None, 3))
    Sequential.from_config(stack.get_config())
    assert next_name() == "functional_9"
