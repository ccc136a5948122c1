"""`serialize_keras_object` and `deserialize_keras_object`, alone and with Keras."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import convlet
from convlet import layers, saving, utils
from convlet.models import model_from_json
from convlet.saving import deserialize_keras_object, serialize_keras_object
from golden import file_cases, optimizer_runs

# One of each kind, made with convlet or Keras.
OBJECTS: dict[str, Callable[[Any], Any]] = {
    "layer": lambda k: k.layers.Conv2D(
        2, 3, name="a", kernel_regularizer="l2", bias_constraint="non_neg", activation="elu"
    ),
    "optimizer": lambda k: k.optimizers.Adam(0.5, amsgrad=True, clipnorm=0.25),
    "scheduled": lambda k: k.optimizers.SGD(k.optimizers.schedules.CosineDecay(0.5, 3)),
    "schedule": lambda k: k.optimizers.schedules.PiecewiseConstantDecay([1, 2], [0.5, 0.25, 0.125]),
    "loss": lambda k: k.losses.CategoricalCrossentropy(from_logits=True),
    "metric": lambda k: k.metrics.SparseCategoricalAccuracy(name="acc"),
    "initializer": lambda k: k.initializers.RandomNormal(0.5, 0.25, seed=3),
    "regularizer": lambda k: k.regularizers.L1L2(0.5, 0.25),
    "constraint": lambda k: k.constraints.MaxNorm(3, axis=[0, 1]),
}
each_object = pytest.mark.parametrize("make", OBJECTS.values(), ids=list(OBJECTS))


def through_json(config: Any) -> Any:
    return json.loads(json.dumps(config))


def arguments(obj: Any) -> Any:
    return through_json(obj.get_config())


@each_object
def test_object_comes_back_equal(make: Callable[[Any], Any]) -> None:
    obj = make(convlet)
    config = through_json(serialize_keras_object(obj))
    assert config.keys() == {"module", "class_name", "config", "registered_name"}
    again = deserialize_keras_object(config)
    assert type(again) is type(obj)
    assert arguments(again) == arguments(obj)
    del config["module"]  # the class alone tells, unless there is a loss and a metric of that name
    if hasattr(convlet.losses, type(obj).__name__) and hasattr(convlet.metrics, type(obj).__name__):
        with pytest.raises(ValueError, match="is the name of a loss and of a metric"):
            deserialize_keras_object(config)
    else:
        assert arguments(deserialize_keras_object(config)) == arguments(obj)


def test_model_comes_back_compiled() -> None:
    model = file_cases.make(convlet, "residual")
    again = deserialize_keras_object(through_json(serialize_keras_object(model)))
    assert again.to_json() == model.to_json()
    again.set_weights(model.get_weights())
    assert file_cases.train(again, "residual", 3) == file_cases.train(model, "residual", 3)


def test_what_is_no_object() -> None:
    structure = {"a": [1, 2.5, None, True], "b": ("text", layers.ReLU(name="r"))}
    again = deserialize_keras_object(serialize_keras_object(structure))
    assert again["a"] == structure["a"]
    assert again["b"][0] == "text"
    assert again["b"][1].name == "r"
    assert serialize_keras_object(np.float32(0.5)) == 0.5
    config = serialize_keras_object(convlet.activations.gelu)
    assert deserialize_keras_object(config) is convlet.activations.gelu


class Mine(layers.Flatten):
    """A layer of the caller's own."""


def test_custom_objects() -> None:
    config = serialize_keras_object(Mine(name="m"))
    assert config["registered_name"] == "Mine"
    with pytest.raises(ValueError, match="Could not interpret identifier: Mine"):
        deserialize_keras_object(config)
    assert type(deserialize_keras_object(config, {"Mine": Mine})) is Mine
    function = serialize_keras_object(through_json)
    assert deserialize_keras_object(function, {"through_json": through_json}) is through_json


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"class_name": "Evil", "config": {}}, "Could not interpret identifier: Evil"),
        ({"module": "os", "class_name": "Dense", "config": {"units": 1}}, "is not Keras's Dense"),
        ({"module": "keras.layers", "class_name": "L2", "config": {}}, "layer identifier: L2"),
        ({"class_name": "function", "config": "system", "module": "os"}, "activation function"),
        ({"class_name": "Dense", "config": {"units": 1, "unts": 2}}, "does not support `unts=2`"),
        ({"class_name": "Dense", "config": {}}, "cannot be used"),
        ({"class_name": 3, "config": {}}, "Could not interpret identifier: 3"),
    ],
)
def test_bad_configuration(config: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        deserialize_keras_object(config)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="has no configuration"):
        serialize_keras_object(object())
    with pytest.raises(ValueError, match="`safe_mode=False`"):
        deserialize_keras_object({}, safe_mode=False)


def test_utils_have_them_too() -> None:
    assert utils.serialize_keras_object is saving.serialize_keras_object
    assert utils.deserialize_keras_object is saving.deserialize_keras_object


# ---- Live Keras ---------------------------------------------------------------------------------


@pytest.mark.keras
@pytest.mark.filterwarnings("default")
class TestLive:
    """Each reads what the other has made."""

    @each_object
    def test_object(self, keras: Any, make: Callable[[Any], Any]) -> None:
        ours, theirs = make(convlet), make(keras)
        theirs_config = through_json(keras.saving.serialize_keras_object(theirs))
        ours_config = through_json(serialize_keras_object(ours))
        for key in ("module", "class_name", "registered_name"):
            assert ours_config[key] == theirs_config[key]
        assert arguments(deserialize_keras_object(theirs_config)) == arguments(ours)
        read = keras.saving.deserialize_keras_object(ours_config)
        assert arguments(read) == arguments(theirs)

    @pytest.mark.parametrize("name", ["residual", "rule-max_norm_bias", "schedule-cosine_warmup"])
    def test_json_of_models(self, keras: Any, name: str) -> None:
        ours, theirs = file_cases.make(convlet, name), file_cases.make(keras, name)
        theirs.set_weights(ours.get_weights())
        x, _ = optimizer_runs.data()
        expected = ours.predict(x, verbose=0)
        for model in (
            model_from_json(theirs.to_json()),
            keras.models.model_from_json(ours.to_json()),
        ):
            model.set_weights(ours.get_weights())
            np.testing.assert_allclose(model.predict(x, verbose=0), expected, atol=1e-5)
            assert model.optimizer.get_config().keys() >= {"learning_rate", "clipnorm"}
