"""pickle and copy.deepcopy of models, layers, optimizers, losses and metrics."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import convlet
from convlet import initializers, layers, losses, metrics, optimizers, regularizers
from convlet.optimizers import schedules

RNG = np.random.default_rng(7)
X = RNG.standard_normal((24, 6), np.float32)
Y = X.sum(axis=1, keepdims=True)
COPIES = [lambda value: pickle.loads(pickle.dumps(value)), copy.deepcopy]
COPY = pytest.mark.parametrize("copied", COPIES, ids=["pickle", "deepcopy"])


def hidden_layers():
    return [
        layers.Dense(5, activation="relu", kernel_regularizer=regularizers.L2(0.01)),
        layers.BatchNormalization(),
        layers.Dropout(0.3),
        layers.Dense(1),
    ]


def sequential():
    return convlet.Sequential([convlet.Input((6,)), *hidden_layers()])


def functional():
    inputs = convlet.Input((6,))
    x = inputs
    for layer in hidden_layers():
        x = layer(x)
    return convlet.Model(inputs, layers.Add()([x, layers.Dense(1)(inputs)]))


def nested():
    inner = convlet.Sequential([layers.Dense(5), layers.Dropout(0.5)])
    return convlet.Sequential([convlet.Input((6,)), inner, layers.Dense(1)])


def train(model, epochs=2):
    return model.fit(X, Y, batch_size=8, epochs=epochs, shuffle=False, verbose=0).history


def assert_equal_weights(one, other):
    assert [w.shape for w in one.weights] == [w.shape for w in other.weights]
    for mine, theirs in zip(one.weights, other.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


@COPY
@pytest.mark.parametrize("make", [sequential, functional, nested])
def test_training_goes_on_with_the_same_numbers(make, copied):
    model = make()
    rate = schedules.ExponentialDecay(0.01, 3, 0.9)
    model.compile(optimizers.Adam(rate, weight_decay=0.1), "mse", metrics=["mae"])
    model.optimizer.exclude_from_weight_decay(model.weights[:1], ["bias"])
    train(model)
    twin = copied(model)
    assert type(twin) is type(model)
    assert_equal_weights(model, twin)
    assert int(twin.optimizer.iterations) == 6
    before = model.weights[0].numpy()
    assert train(twin) == train(model)
    assert_equal_weights(model, twin)
    assert (model.weights[0].numpy() != before).any()
    assert twin.to_json() == model.to_json()


@COPY
@pytest.mark.parametrize("option", [{"use_ema": True}, {"gradient_accumulation_steps": 2}])
def test_state_of_options(option, copied):
    model = sequential()
    model.compile(optimizers.Nadam(0.01, **option), "mse")
    train(model)
    twin = copied(model)
    assert train(twin) == train(model)
    assert_equal_weights(model, twin)


@COPY
def test_copy_is_independent(copied):
    model = sequential()
    model.compile("sgd", "mse")
    train(model)
    twin, before = copied(model), model.get_weights()
    train(twin)
    for value, weight in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(value, weight)


@COPY
def test_models_that_are_not_built_or_compiled(copied):
    open_ended = convlet.Sequential([layers.Dense(3)], name="open")
    twin = copied(open_ended)
    assert (twin.name, twin.built, twin.compiled) == ("open", False, False)
    twin.build((None, 2))
    open_ended.compile("adam", "mse", metrics=["mae"])
    twin = copied(open_ended)
    assert (twin.built, twin.compiled, type(twin.optimizer)) == (False, True, optimizers.Adam)


class Ones(initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return np.ones(shape, dtype)


class Squares(losses.Loss):
    def call(self, y_true, y_pred):
        return np.square(y_true - y_pred).mean(axis=-1)

    def gradient(self, y_true, y_pred):
        return 2 * (y_pred - y_true) / y_pred.shape[-1]


def bias(y_true, y_pred):
    return np.mean(y_pred - y_true, axis=-1)


@COPY
def test_objects_of_the_caller(copied):
    model = convlet.Sequential(
        [convlet.Input((6,)), layers.Dense(1, kernel_initializer=Ones(), name="d")]
    )
    model.compile("sgd", Squares(), metrics=[bias])
    train(model)
    twin = copied(model)
    assert isinstance(twin.loss, Squares)
    assert isinstance(twin.get_layer("d").kernel_initializer, Ones)
    assert train(twin) == train(model)


class Tower(convlet.Sequential):
    pass


@COPY
def test_subclass_of_sequential(copied):
    model = Tower([convlet.Input((6,)), layers.Dense(1)])
    twin = copied(model)
    assert type(twin) is Tower
    np.testing.assert_array_equal(twin.predict(X, verbose=0), model.predict(X, verbose=0))


@COPY
def test_layer_alone(copied):
    model = functional()
    model.compile("adam", "mse")
    train(model)
    for layer in model.layers[1:-2]:
        twin = copied(layer)
        assert twin.get_config() == layer.get_config()
        assert_equal_weights(layer, twin)
        with pytest.raises(AttributeError, match="never been called"):
            twin.output  # noqa: B018
    twin = copied(model.layers[1])
    np.testing.assert_array_equal(twin(X), model.layers[1](X))
    twin.kernel.assign(np.zeros((6, 5)))
    assert model.layers[1].kernel.numpy().any()
    with pytest.raises(ValueError, match="read-only"):
        twin.kernel.value[0] = 1.0
    assert copied(model.layers[0]).output.shape == (None, 6)


@COPY
@pytest.mark.parametrize("name", ["adam", "nadam", "sgd"])
def test_optimizer_alone(name, copied):
    model = sequential()
    model.compile(name, "mse")
    train(model)
    twin = copied(model.optimizer)
    assert twin.get_config() == model.optimizer.get_config()
    state, expected = twin.get_state(), model.optimizer.get_state()
    assert len(state) == len(expected) > 1
    for mine, theirs in zip(state, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    twin.learning_rate = 0.5
    assert float(model.optimizer.learning_rate) != 0.5
    other = sequential()
    other.compile(twin, "mse")
    train(other)
    assert int(twin.iterations) == 12
    assert int(model.optimizer.iterations) == 6


@COPY
def test_losses_and_metrics(copied):
    loss = copied(losses.Huber(delta=2.0, name="h"))
    assert loss.get_config() == losses.Huber(delta=2.0, name="h").get_config()
    metric = metrics.AUC(num_thresholds=5)
    metric.update_state([0, 1, 1], [0.1, 0.4, 0.9])
    twin = copied(metric)
    assert twin.result() == metric.result()
    twin.reset_state()
    assert metric.result() > 0.0


def test_several_outputs_are_refused():
    inputs = convlet.Input((4,))
    hidden = layers.Dense(2)(inputs)
    model = convlet.Model(inputs, [hidden, layers.Dense(3)(hidden)])
    with pytest.raises(ValueError, match="several outputs and cannot be saved or copied"):
        pickle.dumps(model)


@pytest.mark.parametrize("ending", ["keras", "h5"])
def test_files_are_never_unpickled(tmp_path, monkeypatch, ending):
    model = sequential()
    model.compile("adam", "mse")
    train(model)
    path = tmp_path / f"model.{ending}"
    model.save(path)

    def refuse(*args, **kwargs):
        raise AssertionError("a file was unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    assert_equal_weights(convlet.models.load_model(path), model)
