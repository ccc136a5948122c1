"""Every public function and class, with wrong values for each of its arguments.

The table is made from the public names: one without a row of right arguments fails the test.
"""

from __future__ import annotations

import contextlib
import inspect
import io
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convlet
from convlet import _native, callbacks, layers, losses, metrics, optimizers
from convlet.layers import Dense, Input
from convlet.models import Sequential

FLOAT = np.float32
X = np.linspace(0.1, 0.9, 8, dtype=FLOAT).reshape(2, 4)
IMAGES = np.linspace(0, 1, 144, dtype=FLOAT).reshape(2, 6, 6, 2)
ONE_HOT = np.eye(4, dtype=FLOAT)[:2]
LABELS = np.array([0, 3])
CONSTANT = {"class_name": "Constant", "config": {"value": 1.0}}


def public(module: types.ModuleType = convlet, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name in sorted(getattr(module, "__all__", ["load_data"])):
        value = getattr(module, name)
        if isinstance(value, types.ModuleType):
            yield from public(value, f"{prefix}{name}.")
        elif callable(value):
            yield f"{prefix}{name}", value


# One name an object: the others are aliases.
PUBLIC = {id(value): (name, value) for name, value in reversed(list(public()))}
TABLE = dict(sorted(PUBLIC.values()))


def small_model() -> Sequential:
    model = Sequential([Input((4,)), Dense(3)])
    model.compile("sgd", "mse")
    return model


TENSOR = Input((4,))

# Right arguments by the name of the argument...
BY_ARGUMENT: dict[str, Any] = {
    "x": X,
    "dy": X,
    "y_true": ONE_HOT,
    "y_pred": X,
    "output": X,
    "array": X,
    "filters": 4,
    "units": 3,
    "kernel_size": 2,
    "pool_size": 2,
    "rate": 0.5,
    "stddev": 0.1,
    "activation": "relu",
    "dims": (2, 1, 3),
    "target_shape": (-1,),
    "height": 3,
    "width": 3,
    "factor": 0.2,
    "height_factor": 0.1,
    "width_factor": 0.1,
    "scale": 0.5,
    "seed": 1,
    "target": 5,
    "fn": losses.mean_squared_error,
    "schedule": lambda epoch: 0.1,
    "learning_rate": 0.1,
    "monitor": "loss",
    "backup_dir": "b",
    "filename": "a.csv",
    "filepath": "a.weights.h5",
    "decay_steps": 10,
    "first_decay_steps": 10,
    "initial_learning_rate": 0.1,
    "decay_rate": 0.5,
    "boundaries": [1, 2],
    "values": [0.1, 0.2, 0.3],
    "threshold": 0.5,
    "default_value": 0.0,
    "data_format": "channels_last",
    "policy": "float32",
    "num_threads": 1,
    "img": X,
    "w": np.ones((4, 3), FLOAT),
    "obj": 3,
    "objects": {},
}
# ... or of the function, where they differ.
BY_NAME: dict[str, dict[str, Any]] = {
    "Model": {"inputs": TENSOR, "outputs": Dense(2)(TENSOR)},
    "Input": {"shape": (4,)},
    "layers.InputLayer": {"shape": (4,)},
    "models.Functional": {"inputs": TENSOR, "outputs": Dense(2)(TENSOR)},
    "layers.GroupNormalization": {"groups": 2},
    "backend.set_epsilon": {"value": 1e-7},
    "backend.set_floatx": {"value": "float32"},
    "models.clone_model": {"model": small_model()},
    "models.model_from_json": {"json_string": small_model().to_json()},
    "saving.save_weights": {"model": small_model()},
    "saving.load_weights": {"model": small_model()},
    "models.save_model": {"model": small_model(), "filepath": "a.keras"},
    "models.load_model": {"filepath": "a.keras"},
    "ops.activation": {"name": "relu"},
    "ops.activation_backward": {"name": "relu"},
    "ops.conv2d": {"x": IMAGES, "w": np.ones((2, 2, 2, 3), FLOAT)},
    "ops.conv2d_backward": {
        "x": IMAGES,
        "w": np.ones((2, 2, 2, 3), FLOAT),
        "dy": np.ones((2, 5, 5, 3), FLOAT),
    },
    "ops.dense_backward": {"dy": np.ones((2, 3), FLOAT)},
    "ops.max_pooling2d": {"x": IMAGES},
    "ops.max_pooling2d_backward": {"x": IMAGES, "dy": IMAGES[:, :3, :3]},
    "ops.rmsprop": {"w": X, "g": X, "velocity": X},
    "utils.to_categorical": {"x": LABELS},
    "activations.get": {"identifier": "relu"},
    "initializers.get": {"identifier": "zeros"},
    "losses.get": {"identifier": "mse"},
    "metrics.get": {"identifier": "mse"},
    "optimizers.get": {"identifier": "sgd"},
    "constraints.get": {"identifier": "non_neg"},
    "regularizers.get": {"identifier": "l2"},
    "dtype_policies.get": {"identifier": "float32"},
    "activations.serialize": {"activation": convlet.activations.relu},
    "constraints.serialize": {"constraint": convlet.constraints.NonNeg()},
    "dtype_policies.serialize": {"dtype_policy": convlet.DTypePolicy("float32")},
    "initializers.serialize": {"initializer": convlet.initializers.Zeros()},
    "layers.serialize": {"layer": Dense(2)},
    "losses.serialize": {"loss": losses.Huber()},
    "metrics.serialize": {"metric": metrics.Mean()},
    "optimizers.serialize": {"optimizer": optimizers.SGD()},
    "regularizers.serialize": {"regularizer": convlet.regularizers.L2()},
    "activations.deserialize": {"config": "relu"},
    "constraints.deserialize": {"config": {"class_name": "NonNeg", "config": {}}},
    "dtype_policies.deserialize": {
        "config": {"class_name": "DTypePolicy", "config": {"name": "float32"}}
    },
    "initializers.deserialize": {"config": CONSTANT},
    "layers.deserialize": {"config": {"class_name": "Dense", "config": {"units": 2}}},
    "saving.get_registered_name": {"obj": Dense},
    "saving.get_registered_object": {"name": "Custom>Mine"},
    "losses.deserialize": {"name": {"class_name": "Huber", "config": {}}},
    "metrics.deserialize": {"config": {"class_name": "Mean", "config": {}}},
    "optimizers.deserialize": {"config": {"class_name": "SGD", "config": {}}},
    "optimizers.schedules.deserialize": {
        "config": {
            "class_name": "InverseTimeDecay",
            "config": {"initial_learning_rate": 0.1, "decay_steps": 1, "decay_rate": 1},
        }
    },
    "optimizers.schedules.serialize": {
        "learning_rate_schedule": optimizers.schedules.CosineDecay(0.1, 3)
    },
    "regularizers.deserialize": {"config": {"class_name": "L2", "config": {}}},
    "saving.deserialize_keras_object": {"config": CONSTANT},
    "saving.CustomObjectScope": {"custom_objects": {"Own": int}},
}
for _name in ("add", "average", "concatenate", "maximum", "minimum", "multiply", "subtract"):
    BY_NAME[f"layers.{_name}"] = {"inputs": [Input((4,)), Input((4,))]}
for _name in TABLE:
    if "sparse_" in _name and _name.split(".")[0] in ("losses", "metrics", "ops"):
        BY_NAME[_name] = {"target" if _name.startswith("ops.") else "y_true": LABELS}
    elif _name.startswith("ops.categorical"):
        BY_NAME[_name] = {"target": ONE_HOT}
# Data sets are not there, files and Pillow may not be: their own tests call them.
ELSEWHERE = ("datasets.", "preprocessing.", "utils.get_file", "utils.load_img", "utils.save_img")
ELSEWHERE += ("distribution.DataParallel", "utils.array_to_img", "utils.plot_model", "viz.")
# There to be asked for by `isinstance`; layers make them.
ELSEWHERE += ("KerasTensor",)

WRONG: dict[str, Any] = {
    **{repr(v): v for v in (None, "abc", "", "a\0b", b"abc", [], [1, "a"], {}, {1}, (), 1j, len)},
    **{repr(v): v for v in (-1, 0, 1, 2, 1.5, 2.0, True, float("nan"), float("inf"), 10**400)},
    **{repr(v): v for v in (2**31, 2**62, 2**63, (1, 2), (0, 0), (-1, -1), (2**62, 2**62))},
    **{repr(v): v for v in ((2**31 - 1, 2**31 - 1), ((1, 2), (3, 4)), {"class_name": "Dense"})},
    "object": object(),
    "type": int,
    "lambda": lambda *_: 1,
    "layer": Dense(2),
    "NumPy integer": np.int64(2),
    "NumPy float": FLOAT(0.5),
    "rank 0": np.array(1.0),
    "object array": np.array([[None] * 4] * 2),
    "complex array": X.astype(complex),
    "dates": np.zeros((2, 4), "M8[s]"),
    "strings": np.full((2, 4), "a"),
    "rank 3": IMAGES[0],
    "byte-swapped": X.astype(">f4"),
    "stride 0": np.broadcast_to(FLOAT(1), (2, 4)),
    "negative stride": X[::-1, ::-1],
    "no rows": X[:0],
    "NaN": np.full((2, 4), np.nan, FLOAT),
}
# What is expected of a wrong value; OSError of a path.
ERRORS = (ValueError, TypeError, OSError)
# Keras's own types, and NumPy's for an array of numbers that no float holds.
OTHER_ERRORS: dict[str, type[Exception]] = {
    "fill_mode": NotImplementedError,
    "interpolation": NotImplementedError,
    "fill_value": OverflowError,
    "label_weights": OverflowError,
}


def errors_of(name: str, argument: str) -> tuple[type[Exception], ...]:
    is_function = name.rpartition(".")[2][0].islower()
    return (*ERRORS, OTHER_ERRORS.get(argument, OverflowError if is_function else ValueError))


ABSTRACT = (layers.Layer, losses.Loss, metrics.Metric, optimizers.Optimizer)
ABSTRACT += (convlet.initializers.Initializer, convlet.constraints.Constraint)
ABSTRACT += (convlet.regularizers.Regularizer, optimizers.schedules.LearningRateSchedule)


def right_arguments(name: str, function: Any) -> dict[str, Any]:
    given = BY_NAME.get(name, {})
    known = {**BY_ARGUMENT, **given}
    parameters = inspect.signature(function).parameters.values()
    needed = {p.name for p in parameters if p.default is p.empty and p.kind.name[:3] != "VAR"}
    assert needed <= set(known), f"{name} needs a row in BY_NAME for {needed - set(known)}"
    return {key: known[key] for key in needed | set(given)}


def arguments_of(function: Any) -> list[str]:
    parameters = inspect.signature(function).parameters.values()
    return [p.name for p in parameters if p.kind.name[:3] != "VAR"]


def exercise(made: Any) -> None:
    """Uses what a constructor has made, in the smallest way that reads all of its arguments."""
    if type(made) in ABSTRACT or isinstance(
        made, (layers.InputLayer, Sequential, convlet.models.Functional)
    ):
        return
    if isinstance(made, layers.Layer):
        exercise_layer(made)
    elif isinstance(made, losses.Loss):
        made(LABELS if "Sparse" in type(made).__name__ else ONE_HOT, X)
    elif type(made) in (metrics.Mean, metrics.Sum):
        made.update_state(X)
    elif isinstance(made, metrics.Metric):
        made.update_state(LABELS if "Sparse" in type(made).__name__ else ONE_HOT, X)
        made.result()
    elif isinstance(made, optimizers.Optimizer):
        model = Sequential([Input((4,)), Dense(1)])
        model.compile(made, "mse")
        model.train_on_batch(X, X[:, :1])
    elif isinstance(made, optimizers.schedules.LearningRateSchedule):
        made(3)
    elif isinstance(made, convlet.initializers.Initializer):
        made((3, 4))
    elif isinstance(made, (convlet.constraints.Constraint, convlet.regularizers.Regularizer)):
        made(X)
    elif isinstance(made, callbacks.Callback):
        small_model().fit(X, X[:, :3], verbose=0, callbacks=[made])


def exercise_layer(layer: Any) -> None:
    for shape in ((6, 6, 2), (6, 2), (4,)):
        with contextlib.suppress(ValueError):
            tensors = [Input(shape)] * (2 if isinstance(layer, MERGES) else 1)
            layer(tensors if len(tensors) > 1 else tensors[0])
            break
    else:
        raise ValueError("no shape fits")
    if layer.count_params() < 1e5 and not isinstance(layer, MERGES):
        layer(np.ones((2, *shape), FLOAT), training=True)


MERGES = tuple(
    getattr(layers, name)
    for name in ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract")
)


def attempt(
    function: Callable[..., Any], errors: tuple[type[Exception], ...], kwargs: dict[str, Any]
) -> str:
    """The message of the error that a call raises; "" if it succeeds."""
    message = ""
    try:
        exercise(function(**kwargs))
    except errors as error:
        message = str(error) or type(error).__name__
    return message


@pytest.fixture(autouse=True)
def elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[None]:
    """In an empty directory, and with the settings of the whole process put back."""
    monkeypatch.chdir(tmp_path)
    threads, interactive = convlet.get_num_threads(), convlet.config.is_interactive_logging_enabled
    was_interactive, shares = interactive(), _native.core.get_fixed_shares()
    yield
    _native.core.set_fixed_shares(shares)
    convlet.set_num_threads(threads)
    convlet.config.set_dtype_policy("float32")
    switch = "enable" if was_interactive else "disable"
    getattr(convlet.config, f"{switch}_interactive_logging")()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [name for name in TABLE if not name.startswith(ELSEWHERE)])
def test_wrong_arguments(name: str) -> None:
    if name == "callbacks.TensorBoard":
        pytest.importorskip("tensorboard", reason="pip install 'convlet[tensorboard]'")
    function = TABLE[name]
    if name.startswith(("saving.load", "models.load")):
        small_model().save_weights("a.weights.h5")
        small_model().save("a.keras")
    right = right_arguments(name, function)
    exercise(function(**right))
    for argument in arguments_of(function):
        for value in WRONG.values():
            attempt(function, errors_of(name, argument), {**right, argument: value})


def test_elsewhere_is_not_out_of_date() -> None:
    for prefix in ELSEWHERE:
        assert any(name.startswith(prefix) for name, _ in public())


# ---- What a message says ------------------------------------------------------------------------

SIZES = ("filters", "kernel_size", "strides", "pool_size", "dilation_rate", "groups", "units")
OPTIONS = ("padding", "data_format", "rate", "use_bias", "size", "cropping", "dims", "epsilon")
LAYERS = [name for name in TABLE if name.startswith("layers.") and name[7].isupper()]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LAYERS)
def test_messages_name_the_argument(name: str) -> None:
    function = TABLE[name]
    right = right_arguments(name, function)
    for argument in arguments_of(function):
        if argument not in (*SIZES, *OPTIONS):
            continue
        # GroupNormalization takes -1 for as many groups as channels.
        for value in (-3, "abc", 1j, object()):
            message = attempt(function, ERRORS, {**right, argument: value})
            assert argument in message, f"{argument}={value!r}: {message or 'accepted'}"


# ---- Methods of models --------------------------------------------------------------------------

METHODS: dict[str, dict[str, Any]] = {
    "fit": {"x": X, "y": X[:, :3], "verbose": 0},
    "evaluate": {"x": X, "y": X[:, :3], "verbose": 0},
    "predict": {"x": X, "verbose": 0},
    "predict_on_batch": {"x": X},
    "train_on_batch": {"x": X, "y": X[:, :3]},
    "test_on_batch": {"x": X, "y": X[:, :3]},
    "compile": {"optimizer": "sgd", "loss": "mse"},
    "set_weights": {"weights": [np.ones((4, 3), FLOAT), np.ones(3, FLOAT)]},
    "summary": {"print_fn": lambda *_, **__: None},
    "get_layer": {"index": 0},
    "add": {"layer": Dense(2)},
    "build": {"input_shape": (None, 4)},
    "save": {"filepath": "a.keras"},
    "save_weights": {"filepath": "a.weights.h5"},
    "load_weights": {"filepath": "a.weights.h5"},
    "__call__": {"inputs": X},
}


def state_of(model: Sequential) -> bytes:
    """The bytes of weights and optimizer, with what they belong to."""
    optimizer: Any = model.optimizer
    content = io.BytesIO()
    for array in (*model.get_weights(), *optimizer.get_state()):
        content.write(f"{np.asarray(array).shape}".encode() + np.asarray(array).tobytes())
    named = [layer.name for layer in model.layers]
    content.write(repr((named, model.metrics_names, id(optimizer), id(model.loss))).encode())
    return content.getvalue()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("method", METHODS)
def test_wrong_arguments_of_methods_change_nothing(method: str) -> None:
    """A call that fails leaves weights, optimizer and what was compiled to the byte."""
    model, right = small_model(), METHODS[method]
    model.train_on_batch(X, X[:, :3])
    model.save_weights("a.weights.h5")
    getattr(small_model(), method)(**right)
    for argument in arguments_of(getattr(model, method)):
        if argument == "epochs":
            continue  # 2**31 of them are none too many
        for key, value in WRONG.items():
            before = state_of(model)
            with contextlib.suppress(*ERRORS, FileExistsError):
                getattr(model, method)(**{**right, argument: value})
                model = small_model()
                model.train_on_batch(X, X[:, :3])
                continue
            assert state_of(model) == before, f"{method}({argument}={key})"


def test_models_that_are_not_built_or_compiled() -> None:
    unbuilt = Sequential([Dense(3)])
    for method in ("summary", "get_weights"):
        getattr(unbuilt, method)()
    for call in (unbuilt.count_params, lambda: unbuilt.save("a.keras")):
        with pytest.raises(ValueError, match="built"):
            call()
    uncompiled = Sequential([Input((4,)), Dense(3)])
    for method in ("fit", "evaluate", "train_on_batch", "test_on_batch"):
        with pytest.raises(ValueError, match="compile"):
            getattr(uncompiled, method)(X, X[:, :3])
    assert uncompiled.predict(X, verbose=0).shape == (2, 3)


def test_a_layer_in_two_models_has_the_same_weights_in_both() -> None:
    shared = Dense(3)
    one, other = (Sequential([Input((4,)), shared]) for _ in range(2))
    one.compile("sgd", "mse")
    one.fit(X, X[:, :3], verbose=0)
    np.testing.assert_array_equal(other.predict(X, verbose=0), one.predict(X, verbose=0))
    with pytest.raises(ValueError, match="already in the model"):
        Sequential([Input((4,)), shared, shared])


def test_nan_and_infinity_go_through() -> None:
    for value in (np.nan, np.inf):
        x = X.copy()
        x[1, 2] = value
        model = small_model()
        assert np.isfinite(model.predict(x, verbose=0)[0]).all()
        assert not np.isfinite(model.predict(x, verbose=0)[1]).any()
        stop = callbacks.TerminateOnNaN()
        history = model.fit(x, X[:, :3], epochs=3, verbose=0, callbacks=[stop])
        assert len(history.epoch) == 1
        assert not np.isfinite(history.history["loss"]).any()


def test_labels_out_of_range_are_not_among_the_largest() -> None:
    """As TensorFlow's in_top_k has it."""
    labels = np.array([-1, 4])
    found = metrics.sparse_top_k_categorical_accuracy(labels, X, k=4)
    np.testing.assert_array_equal(found, [0, 0])
