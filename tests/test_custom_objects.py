"""Objects of the caller's that configurations name: `custom_objects` and `custom_object_scope`."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import convlet
from convlet import (
    activations,
    constraints,
    dtype_policies,
    initializers,
    layers,
    losses,
    metrics,
    optimizers,
    regularizers,
    saving,
    utils,
)
from convlet.optimizers import schedules


class MyLayer(layers.Dense):
    pass


class MyLoss(losses.Loss):
    def call(self, y_true, y_pred):
        return np.abs(y_true - y_pred).mean(axis=-1)


class MyMetric(metrics.Mean):
    pass


class MyInitializer(initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return np.full(shape, 2.0, dtype)


class MyOptimizer(optimizers.SGD):
    pass


class MySchedule(schedules.ExponentialDecay):
    pass


def spread(y_true, y_pred):
    return np.max(np.abs(y_true - y_pred), axis=-1)


def twos(shape, dtype=None):
    return np.full(shape, 2.0, dtype)


DECAY = {"initial_learning_rate": 0.1, "decay_steps": 2, "decay_rate": 0.5}
OWN = [
    (layers, MyLayer, {"units": 2}),
    (losses, MyLoss, {}),
    (metrics, MyMetric, {}),
    (initializers, MyInitializer, {}),
    (optimizers, MyOptimizer, {}),
    (schedules, MySchedule, DECAY),
]


@pytest.mark.parametrize(("module", "known", "arguments"), OWN)
def test_deserialize_uses_the_callers_class(module, known, arguments):
    config = {"class_name": known.__name__, "config": arguments}
    with pytest.raises(ValueError, match=known.__name__.lower() + "|" + known.__name__):
        module.deserialize(config)
    assert type(module.deserialize(config, {known.__name__: known})) is known
    assert type(module.deserialize(config, custom_objects={known.__name__: known})) is known
    with utils.custom_object_scope({known.__name__: known}):
        assert type(module.deserialize(config)) is known
    with pytest.raises(ValueError, match=known.__name__.lower() + "|" + known.__name__):
        module.deserialize(config)  # the scope is over


@pytest.mark.parametrize("module", [losses, metrics, initializers, optimizers])
def test_get_by_name(module):
    known = next(known for each, known, _ in OWN if each is module)
    with saving.CustomObjectScope({known.__name__: known}):
        assert type(module.get(known.__name__)) is known


def test_functions_by_name():
    given = {"spread": spread, "twos": twos}
    y_true, y_pred = np.zeros((2, 2), np.float32), np.array([[1, 3], [5, 1]], np.float32)
    assert losses.deserialize("spread", given)(y_true, y_pred) == 4.0
    assert metrics.deserialize("spread", given)(y_true, y_pred) == 4.0
    assert initializers.deserialize("twos", given) is twos
    assert activations.deserialize("mine", {"mine": activations.relu}) is activations.relu
    with pytest.raises(ValueError, match="compiled code"):
        activations.deserialize("spread", given)
    with utils.custom_object_scope(given):
        model = convlet.Sequential(
            [convlet.Input((2,)), layers.Dense(1, kernel_initializer="twos", use_bias=False)]
        )
        model.compile("sgd", "spread", metrics=["spread"])
    np.testing.assert_array_equal(model.layers[0].kernel.numpy(), np.full((2, 1), 2.0))
    # rows 1, 2 and 3, 4: outputs 6 and 14, targets 0
    loss, _ = model.evaluate(np.array([[1, 2], [3, 4]]), np.zeros((2, 1)), verbose=0)
    assert loss == 10.0


@pytest.mark.parametrize(
    ("module", "base"), [(regularizers, regularizers.L2), (constraints, constraints.NonNeg)]
)
def test_what_only_compiled_code_does_is_not_the_callers(module, base):
    own = type("Own", (base,), {})
    for config in ({"class_name": "Own", "config": {}}, "Own"):
        with pytest.raises(ValueError, match="caller's own"):
            module.deserialize(config, {"Own": own})
    assert type(module.deserialize("Alias", {"Alias": base})) is base


def test_names_and_nonsense():
    assert isinstance(initializers.deserialize("zeros"), initializers.Zeros)
    assert isinstance(regularizers.deserialize("l2"), regularizers.L2)
    assert isinstance(constraints.deserialize("max_norm"), constraints.MaxNorm)
    for module in (layers, optimizers, schedules):
        with pytest.raises(ValueError, match="must be a dictionary"):
            module.deserialize("Dense")
    with pytest.raises(ValueError, match="custom_objects"):
        losses.deserialize("mse", ["mse"])
    with pytest.raises(ValueError, match="custom_objects"):
        dtype_policies.deserialize({"class_name": "DTypePolicy", "config": {}}, {"a": int})


def test_scopes_nest_and_can_be_used_again():
    scope = utils.CustomObjectScope({"MyLoss": MyLoss})
    with scope as entered, scope, utils.CustomObjectScope({"MyMetric": MyMetric}):
        assert entered is scope
        assert type(losses.get("MyLoss")) is MyLoss
        assert type(metrics.get("MyMetric")) is MyMetric
    with pytest.raises(ValueError, match="MyLoss"):
        losses.get("MyLoss")


@pytest.fixture
def registry():
    """The dictionary of registered objects, as it was after the test."""
    objects = saving.get_custom_objects()
    before = dict(objects)
    yield objects
    objects.clear()
    objects.update(before)


@pytest.mark.parametrize(("module", "known", "arguments"), OWN)
def test_registered_classes_need_no_custom_objects(registry, module, known, arguments):
    assert saving.register_keras_serializable("mine")(known) is known
    name = f"mine>{known.__name__}"
    assert registry[name] is known
    assert saving.get_registered_name(known) == name
    assert saving.get_registered_object(name) is known
    config = module.serialize(known(**arguments)) if module is not initializers else None
    if config is not None:
        assert config["registered_name"] == name
        assert config["class_name"] == known.__name__
        assert type(module.deserialize(config)) is known
    without_package = {"class_name": known.__name__, "config": arguments}
    with pytest.raises(ValueError, match=f"(?i){known.__name__}"):
        module.deserialize(without_package)  # another package's may be meant


def test_a_registered_name_never_stands_for_convlets_own(registry):
    @saving.register_keras_serializable(name="Dense")
    class Mine(layers.Dense):
        pass

    assert saving.get_registered_name(Mine) == "Custom>Dense"
    config = {"class_name": "Dense", "config": {"units": 1}}
    assert type(layers.deserialize(config)) is layers.Dense
    assert type(layers.deserialize({**config, "registered_name": "Custom>Dense"})) is Mine


def test_models_with_registered_objects_are_saved_and_loaded(registry, tmp_path):
    saving.register_keras_serializable("mine")(MyLayer)
    saving.register_keras_serializable("mine")(MyLoss)
    saving.register_keras_serializable("mine", name="range")(spread)
    saving.register_keras_serializable()(MyInitializer)
    model = convlet.Sequential(
        [convlet.Input((2,)), MyLayer(1, kernel_initializer=MyInitializer())]
    )
    model.compile("sgd", MyLoss(), metrics=["mine>range"])
    x, y = np.array([[1, 2], [3, 4]], np.float32), np.zeros((2, 1), np.float32)
    expected = model.evaluate(x, y, verbose=0)
    assert expected == [10.0, 10.0]
    for name in ("net.keras", "net.h5"):
        model.save(tmp_path / name)
        loaded = convlet.models.load_model(tmp_path / name)
        assert type(loaded.layers[0]) is MyLayer
        assert type(loaded.loss) is MyLoss
        assert type(loaded.layers[0].kernel_initializer) is MyInitializer
        assert loaded.evaluate(x, y, verbose=0) == expected
    registry.clear()
    with pytest.raises(ValueError, match="MyLayer"):
        convlet.models.load_model(tmp_path / "net.keras")


def test_live_dictionary_and_order_of_lookup(registry):
    assert utils.get_custom_objects() is registry
    registry["mine"] = spread
    assert losses.get("mine").fn is spread
    with utils.custom_object_scope({"mine": twos}):
        assert saving.get_registered_object("mine") is twos
    assert saving.get_registered_object("mine", {"mine": twos}) is spread
    assert saving.get_registered_object("other", {"other": twos}) is twos
    assert saving.get_registered_object("other", None, {"other": twos}) is twos
    assert saving.get_registered_object("other") is None
    assert saving.get_registered_name(layers.Dense) == "Dense"


def test_what_cannot_be_registered(registry):
    with pytest.raises(ValueError, match="get_config"):
        saving.register_keras_serializable()(int)
    with pytest.raises(ValueError, match="classes and functions"):
        saving.register_keras_serializable()(3)
    with pytest.raises(ValueError, match="package"):
        saving.register_keras_serializable(3)
    with pytest.raises(ValueError, match="name"):
        saving.register_keras_serializable(name=3)
    assert registry == {}


def test_argument_names_are_those_of_keras():
    modules = [layers, metrics, initializers, optimizers, schedules, regularizers, constraints]
    for module in [*modules, activations, dtype_policies]:
        assert list(inspect.signature(module.deserialize).parameters) == [
            "config",
            "custom_objects",
        ]
    assert list(inspect.signature(losses.deserialize).parameters) == ["name", "custom_objects"]
    assert list(inspect.signature(utils.custom_object_scope).parameters) == ["custom_objects"]


def test_top_level_names():
    assert convlet.version() == convlet.__version__
    assert convlet.Layer is layers.Layer
    assert convlet.Loss is losses.Loss
    assert convlet.Metric is metrics.Metric
    assert convlet.Optimizer is optimizers.Optimizer
    assert convlet.Initializer is initializers.Initializer
    assert convlet.Regularizer is regularizers.Regularizer
    assert isinstance(convlet.Input((2,)), convlet.KerasTensor)
