"""Losses and metrics in Python, outputs of more axes, and data that come in batches."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from convlet import Input, Sequential, layers, losses, metrics, optimizers, utils
from convlet.optimizers import RMSprop

RNG = np.random.default_rng(3)
X = RNG.normal(size=(20, 4)).astype(np.float32)
Y = RNG.normal(size=(20, 3)).astype(np.float32)
WEIGHTS = RNG.uniform(0, 2, 20).astype(np.float32)


def compiled(loss: Any = "mse", **arguments: Any) -> Sequential:
    utils.set_random_seed(0)
    model = Sequential([Input((4,)), layers.Dense(6, activation="tanh"), layers.Dense(3)])
    model.compile(RMSprop(0.01), loss, **arguments)
    return model


def squared(y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    error = y_pred - y_true
    return (error**2).mean(axis=-1), 2 * error / error.shape[-1]


def squared_of_batch(y_true: np.ndarray, y_pred: np.ndarray) -> tuple[float, np.ndarray]:
    values, gradient = squared(y_true, y_pred)
    return float(values.mean()), gradient / len(values)


class Squared(losses.Loss):
    def call(self, y_true: Any, y_pred: Any) -> Any:
        return squared(y_true, y_pred)[0]

    def gradient(self, y_true: Any, y_pred: Any) -> Any:
        return squared(y_true, y_pred)[1]


def assert_same_training(first: Sequential, second: Sequential, **fit: Any) -> None:
    arguments = {"batch_size": 8, "epochs": 2, "shuffle": False, "verbose": 0, **fit}
    histories = [model.fit(X, Y, **arguments).history for model in (first, second)]
    assert histories[0] == {key: pytest.approx(v, rel=1e-5) for key, v in histories[1].items()}
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


# ---- Losses and metrics in Python ---------------------------------------------------------------


@pytest.mark.parametrize("loss", [squared, squared_of_batch, Squared(), Squared], ids=str)
def test_loss_in_python_trains_like_the_compiled_one(loss: Any) -> None:
    arguments = {"metrics": ["mae", "accuracy"], "loss_weights": 0.5}
    assert_same_training(compiled(loss, **arguments), compiled(**arguments), validation_data=(X, Y))


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
def test_weights_and_reductions_of_a_loss_in_python(reduction: str) -> None:
    assert_same_training(
        compiled(Squared(reduction=reduction), weighted_metrics=["mae"]),
        compiled(losses.MeanSquaredError(reduction=reduction), weighted_metrics=["mae"]),
        sample_weight=WEIGHTS,
    )


IMAGES = RNG.normal(size=(40, 6, 6, 1)).astype(np.float32)
SIZES = RNG.normal(size=(40, 3)).astype(np.float32)


def deep(loss: Any, frozen: int | None = None) -> Sequential:
    """Whole-batch statistics, random masks, penalties, frozen layers, a schedule, scaled losses."""
    utils.set_random_seed(0)
    model = Sequential(
        [
            Input((6, 6, 1)),
            layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.Dropout(0.3, seed=5),
            layers.ActivityRegularization(l1=0.002, l2=0.001),
            layers.Conv2D(4, 3),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    if frozen is not None:
        model.layers[frozen].trainable = False
    rate = optimizers.schedules.ExponentialDecay(0.02, 2, 0.5)
    # Not one that divides by the gradient: that of a bias before a normalization is only rounding.
    model.compile(optimizers.SGD(rate, momentum=0.9, loss_scale_factor=8.0), loss)
    return model


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("frozen", [None, 0, 4])
def test_halves_of_a_step_make_the_whole_one(
    core: ModuleType, threads: int, frozen: int | None
) -> None:
    core.set_num_threads(threads)
    fit = {"batch_size": 16, "epochs": 3, "shuffle": False, "verbose": 0}
    first, second = deep(squared, frozen), deep("mse", frozen)
    histories = [model.fit(IMAGES, SIZES, **fit).history["loss"] for model in (first, second)]
    np.testing.assert_allclose(*histories, rtol=1e-5)
    losses_of = [model.evaluate(IMAGES, SIZES, verbose=0) for model in (first, second)]
    np.testing.assert_allclose(*losses_of, rtol=1e-4)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    assert first.optimizer.iterations == 9


def test_training_between_the_halves_is_refused() -> None:
    """The rows of the first half are gone then."""

    def loss(y_true: np.ndarray, y_pred: np.ndarray) -> Any:
        model(X[:3], training=True)
        return squared(y_true, y_pred)

    model = compiled(loss)
    before = model.get_weights()
    with pytest.raises(ValueError, match="must have the rows of the last train_forward"):
        model.train_on_batch(X[:7], Y[:7])
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_large_batch_is_given_to_python_as_a_whole() -> None:
    rows: list[int] = []

    def loss(y_true: np.ndarray, y_pred: np.ndarray) -> Any:
        rows.append(len(y_pred))
        return squared(y_true, y_pred)

    x, y = np.tile(X, (400, 1)), np.tile(Y, (400, 1))
    first, second = compiled(loss), compiled()
    for model in (first, second):
        model.fit(x, y, batch_size=8000, epochs=2, shuffle=False, verbose=0)
    assert rows == [8000, 8000]
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_loss_that_raises_stops_training_and_leaves_a_usable_model() -> None:
    def loss(y_true: np.ndarray, y_pred: np.ndarray) -> Any:
        if len(y_pred) < 8:
            raise RuntimeError("out of luck")
        return squared(y_true, y_pred)

    model = compiled(loss)
    with pytest.raises(RuntimeError, match="out of luck"):
        model.fit(X, Y, batch_size=8, verbose=0)
    assert model.optimizer is not None
    assert model.optimizer.iterations == 2
    assert np.isfinite(model.predict(X, verbose=0)).all()
    model.fit(X[:16], Y[:16], batch_size=8, verbose=0)


def test_model_may_be_used_inside_of_its_loss() -> None:
    def loss(y_true: np.ndarray, y_pred: np.ndarray) -> Any:
        np.testing.assert_allclose(model.predict_on_batch(X[: len(y_pred)]), y_pred, rtol=1e-5)
        return squared(y_true, y_pred)

    model = compiled(loss)
    model.train_on_batch(X[:7], Y[:7])


@pytest.mark.parametrize(
    ("loss", "extra", "message"),
    [
        (lambda t, y: (y - t).mean(axis=-1), {}, r"must return a tuple \(values, gradient\)"),
        (lambda t, y: (np.zeros(3), y), {}, "one value for each row"),
        (lambda t, y: (np.zeros(len(y)), y[:, :1]), {}, "must have the shape of the predictions"),
        (squared_of_batch, {"sample_weight": WEIGHTS}, "sample or class weights have no meaning"),
    ],
)
def test_loss_that_returns_something_else_is_refused(loss: Any, extra: Any, message: str) -> None:
    model = compiled(loss)
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y, verbose=0, **extra)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_loss_without_gradient_can_be_evaluated() -> None:
    model = compiled(lambda t, y: ((y - t) ** 2).mean(axis=-1))
    expected = compiled().evaluate(X, Y, verbose=0)
    assert model.evaluate(X, Y, batch_size=8, verbose=0) == pytest.approx(expected, rel=1e-5)


def test_metrics_in_python() -> None:
    sizes: list[int] = []

    def largest(y_true: np.ndarray, y_pred: np.ndarray) -> float:
        sizes.append(len(y_pred))
        return float(np.abs(y_true - y_pred).max())

    def by_row(y_true: np.ndarray, y_pred: np.ndarray) -> np.ndarray:
        return np.abs(y_true - y_pred)

    model = compiled(metrics=["mae", largest, by_row], weighted_metrics=[by_row])
    assert model.metrics_names == ["loss", "mae", "largest", "by_row", "weighted_by_row"]
    results = model.evaluate(X, Y, batch_size=8, sample_weight=WEIGHTS, verbose=0, return_dict=True)
    assert isinstance(results, dict)
    assert sizes == [8, 8, 4]
    assert results["by_row"] == pytest.approx(results["mae"], rel=1e-5)
    errors = np.abs(model.predict(X, verbose=0) - Y)
    assert results["weighted_by_row"] == pytest.approx(
        np.average(errors.mean(axis=1), weights=WEIGHTS), rel=1e-5
    )
    assert results["largest"] == pytest.approx(
        np.mean([errors[begin : begin + 8].max() for begin in (0, 8, 16)]), rel=1e-5
    )
    history = model.fit(X, Y, batch_size=8, verbose=0).history
    assert history["by_row"] == pytest.approx(history["mae"], rel=1e-5)


def test_a_subclass_is_not_computed_natively() -> None:
    class Doubled(metrics.MeanSquaredError):
        def result(self) -> float:
            return 2 * super().result()

    loss, doubled = compiled(metrics=[Doubled()]).evaluate(X, Y, verbose=0)  # type: ignore[misc]
    assert doubled == pytest.approx(2 * loss, rel=1e-5)


# ---- Outputs of more axes -----------------------------------------------------------------------


def test_loss_of_positions() -> None:
    labels = RNG.integers(0, 3, (6, 2, 5))
    model = Sequential([Input((2, 5, 4)), layers.Dense(3, activation="softmax")])
    model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"])
    x = RNG.normal(size=(6, 2, 5, 4)).astype(np.float32)
    predictions = model.predict(x, verbose=0)
    rows = losses.sparse_categorical_crossentropy(labels, predictions)
    by_position = RNG.uniform(size=(6, 2, 5)).astype(np.float32)
    for weights in (None, by_position[:, 0, 0], by_position):
        loss, accuracy = model.evaluate(x, labels[..., None], sample_weight=weights, verbose=0)  # type: ignore[misc]
        weighted = rows * (
            1.0
            if weights is None
            else weights.reshape(6, *rows.shape[1:])
            if weights.ndim == 3
            else weights[:, None, None]
        )
        assert loss == pytest.approx(weighted.mean(), rel=1e-5)
        assert accuracy == pytest.approx((predictions.argmax(axis=-1) == labels).mean())
    first = model.fit(x, labels, sample_weight=by_position, epochs=5, verbose=0).history["loss"]
    assert first[-1] < first[0]


# ---- Batches ------------------------------------------------------------------------------------


def batches(count: int = 3) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for index in range(count):
        rows = slice(8 * index % 24, 8 * index % 24 + 8)
        yield X[rows], Y[rows]


class DataSet(utils.PyDataset):
    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        return X[8 * index : 8 * index + 8], Y[8 * index : 8 * index + 8]


class Again:
    """Can be iterated over again and again, and does not tell how long it is."""

    def __iter__(self) -> Any:
        return batches()


SOURCES = [batches, DataSet, lambda: DataSet(workers=3), Again, lambda: iter([*batches()])]


@pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")
@pytest.mark.parametrize("make", SOURCES, ids=["generator", "set", "threads", "iterable", "iter"])
def test_batches_train_evaluate_and_predict_like_arrays(make: Any) -> None:
    arrays, fed = compiled(metrics=["mae"]), compiled(metrics=["mae"])
    first = arrays.fit(X, Y, batch_size=8, shuffle=False, verbose=0).history
    second = fed.fit(make(), shuffle=False, verbose=0, validation_data=make()).history
    assert {key: second[key] for key in first} == first
    for a, b in zip(arrays.get_weights(), fed.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    expected = arrays.evaluate(X, Y, verbose=0)
    assert fed.evaluate(make(), verbose=0) == pytest.approx(expected, rel=1e-6)
    assert [second["val_loss"][0], second["val_mae"][0]] == pytest.approx(expected, rel=1e-6)
    np.testing.assert_array_equal(fed.predict(make(), verbose=0), arrays.predict(X, verbose=0))
    np.testing.assert_array_equal(
        fed.predict(make(), steps=2, verbose=0), arrays.predict(X[:16], verbose=0)
    )


def test_data_set_is_shuffled_by_pythons_generator() -> None:
    import random

    seen: list[int] = []

    class Seen(DataSet):
        def __getitem__(self, index: int) -> Any:
            seen.append(index)
            return super().__getitem__(index)

    model = compiled()
    random.seed(5)
    model.fit(Seen(), epochs=2, verbose=0)
    random.seed(5)
    expected = []
    for _ in range(2):
        indices = [0, 1, 2]
        random.shuffle(indices)
        expected += indices
    assert seen == expected


def test_generator_is_read_once() -> None:
    model = compiled()
    with pytest.warns(UserWarning, match="Your input ran out of data; interrupting training"):
        history = model.fit(batches(5), epochs=4, steps_per_epoch=2, shuffle=False, verbose=0)
    assert history.epoch == [0, 1, 2]
    assert model.optimizer is not None
    assert model.optimizer.iterations == 5
    assert history.params == {"verbose": 0, "epochs": 4, "steps": 2}


@pytest.mark.parametrize(
    ("arguments", "rows"), [({"steps": 2}, 20), ({"steps": 2, "batch_size": 4}, 8)]
)
def test_steps_limit_arrays(arguments: dict[str, int], rows: int) -> None:
    model = compiled()
    expected = model.evaluate(X[:rows], Y[:rows], verbose=0)
    assert model.evaluate(X, Y, verbose=0, **arguments) == pytest.approx(expected, rel=1e-6)
    assert len(model.predict(X, verbose=0, **arguments)) == rows


@pytest.mark.parametrize(
    ("data", "arguments", "message"),
    [
        (batches, {"y": Y}, "When providing `x` as a generator, `y` should not be passed"),
        (DataSet, {"sample_weight": WEIGHTS}, "as a PyDataset, `sample_weights` should not be"),
        (batches, {"class_weight": {0: 1.0}}, "`class_weight` is not supported for Python gen"),
        (batches, {"validation_split": 0.5}, "only supported for tensors or NumPy arrays"),
        (lambda: batches(0), {}, "must yield at least one batch. Received an empty generator"),
        (lambda: iter([3]), {}, "must return a tuple"),
        (lambda: iter([(X, Y, WEIGHTS, X)]), {}, "must return a tuple"),
        (lambda: iter([(X, Y[:3])]), {}, "Data cardinality is ambiguous"),
    ],
)
def test_bad_batches_are_refused_before_anything_happens(
    data: Any, arguments: dict[str, Any], message: str
) -> None:
    model = compiled()
    with pytest.raises(ValueError, match=message):
        model.fit(data(), shuffle=False, verbose=0, **arguments)
    assert model.history is None


def test_ignored_shuffling_is_said() -> None:
    with pytest.warns(UserWarning, match="`shuffle=True` was passed, but will be ignored"):
        compiled().fit(batches(), verbose=0)


def test_unknown_number_of_steps_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    compiled().fit(batches(), shuffle=False, verbose=2)
    assert capsys.readouterr().out.startswith("3/3 - 0s")


def test_threads_pass_exceptions_on_and_end() -> None:
    import threading

    class Failing(DataSet):
        def __getitem__(self, index: int) -> Any:
            if index == 2:
                raise KeyError("no such batch")
            return super().__getitem__(index)

    before = threading.active_count()
    with pytest.raises(KeyError, match="no such batch"):
        compiled().fit(Failing(workers=2), shuffle=False, verbose=0)
    assert threading.active_count() == before


def test_processes_are_refused() -> None:
    with pytest.raises(ValueError, match="`use_multiprocessing=True`"):
        DataSet(use_multiprocessing=True)
