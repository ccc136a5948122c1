"""Estimators for scikit-learn: its own checks, its tools around them, and what is ours."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convlet
from convlet import Input, Sequential, callbacks, layers, optimizers
from convlet.utils.random_state import generator

REASON = "scikit-learn is not installed: pip install 'convlet[sklearn]'"
sklearn = pytest.importorskip("sklearn", reason=REASON, exc_type=ImportError)

import joblib
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from convlet.sklearn import ConvNetClassifier, ConvNetRegressor

EXAMPLE = Path(__file__).parents[1] / "examples" / "grid_search_dask.py"

# A weight of 2 is a row twice only for one batch of all rows, and exactly only in exact arithmetic.
NOT_FOR_BATCHES = {
    "check_sample_weight_equivalence_on_dense_data": (
        "rows repeated or left out change the batches; a weight does not"
    ),
}


@parametrize_with_checks(
    [ConvNetClassifier(), ConvNetRegressor()], expected_failed_checks=lambda _: NOT_FOR_BATCHES
)
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """600 images of 8x8 numbers from 0 to 16, as rows, and what they show."""
    x, y = load_digits(return_X_y=True)
    some = np.random.default_rng(0).permutation(len(x))[:600]
    return x[some], y[some]


def small(**parameters: Any) -> ConvNetClassifier:
    settings = {"input_shape": (8, 8, 1), "filters": (8,), "hidden": (16,), "epochs": 4}
    settings |= {"learning_rate": 0.01, "random_state": 0}
    return ConvNetClassifier(**{**settings, **parameters})


def perceptron(
    input_shape: tuple[int, ...], outputs: int, units: int = 16, loss: str | None = None
) -> Sequential:
    """A function for `model`; with a loss, the model is compiled."""
    model = Sequential([Input(input_shape), layers.Flatten(), layers.Dense(units, "relu")])
    one_of_two = loss == "binary_crossentropy"
    model.add(layers.Dense(1, "sigmoid") if one_of_two else layers.Dense(outputs, "softmax"))
    if loss is not None:
        model.compile("adam", loss)
    return model


def weights_of(estimator: Any) -> list[np.ndarray]:
    weights: list[np.ndarray] = estimator.model_.get_weights()
    return weights


def assert_same_bits(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


# In scikit-learn's hands


def test_pipeline_learns_digits(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    names = np.array([f"digit {k}" for k in range(10)])
    pipeline = make_pipeline(MinMaxScaler(), small(epochs=15)).fit(x[:500], names[y[:500]])
    assert pipeline.score(x[500:], names[y[500:]]) >= 0.9
    np.testing.assert_array_equal(pipeline.classes_, names)
    assert pipeline.n_features_in_ == 64
    probabilities = pipeline.predict_proba(x[500:])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(
        pipeline.predict(x[500:]), pipeline.classes_[probabilities.argmax(axis=1)]
    )


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_grid_search(backend: str, digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    grid = {"hidden": [(4,), (16,)], "learning_rate": [0.01, 0.0]}
    search = GridSearchCV(small(), grid, cv=2, n_jobs=2)
    with joblib.parallel_config(backend=backend):
        search.fit(x / 16, y)
    assert search.best_params_ == {"hidden": (16,), "learning_rate": 0.01}
    alone = GridSearchCV(small(), grid, cv=2).fit(x / 16, y)
    # Workers may have fewer threads, whose sums round differently: a row or two.
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"], atol=2 / 300
    )


def test_parameters_of_the_models_function_are_searched(
    digits: tuple[np.ndarray, np.ndarray],
) -> None:
    x, y = digits
    estimator = ConvNetClassifier(perceptron, epochs=4, random_state=0)
    search = GridSearchCV(estimator, {"model_params": [{"units": 1}, {"units": 32}]}, cv=2)
    search.fit(x / 16, y)
    assert search.best_params_ == {"model_params": {"units": 32}}
    assert search.best_estimator_.model_.layers[1].units == 32


def test_clone_is_untrained_and_equal(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    rate = optimizers.schedules.ExponentialDecay(0.01, 10, 0.9)
    estimator = small(optimizer=optimizers.SGD(rate), callbacks=[callbacks.TerminateOnNaN()])
    estimator.fit(x / 16, y)
    assert estimator.optimizer.iterations == 0  # training used a copy
    copy = clone(estimator)
    with pytest.raises(NotFittedError):
        copy.predict(x)
    assert_same_bits(weights_of(copy.fit(x / 16, y)), weights_of(estimator))


def test_pickle_goes_on_with_the_same_bits(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    estimator = small(dropout=0.25).fit(x / 16, y)
    copy = pickle.loads(pickle.dumps(estimator))
    np.testing.assert_array_equal(copy.predict_proba(x), estimator.predict_proba(x))
    for each in (estimator, copy):
        each.partial_fit(x / 16, y)
    assert_same_bits(weights_of(copy), weights_of(estimator))


def test_dask_example() -> None:
    pytest.importorskip(
        "distributed",
        reason="dask is not installed: pip install 'convlet[dask]'",
        exc_type=ImportError,
    )
    command = [sys.executable, str(EXAMPLE), "--images", "600", "--epochs", "2"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    assert "Workers: 2\n" in result.stdout
    assert "Best: {'filters': " in result.stdout
    assert float(result.stdout.split("Test accuracy: ")[1]) >= 0.75


# Training


def test_partial_fit_and_warm_start_are_a_longer_fit(
    digits: tuple[np.ndarray, np.ndarray],
) -> None:
    x, y = digits
    whole = small(epochs=3, dropout=0.25).fit(x / 16, y)
    parts = small(dropout=0.25)
    warm = small(epochs=1, dropout=0.25, warm_start=True)
    for _ in range(3):
        parts.partial_fit(x / 16, y, classes=range(10))
        warm.fit(x / 16, y)
    assert_same_bits(weights_of(parts), weights_of(whole))
    assert_same_bits(weights_of(warm), weights_of(whole))
    assert parts.history_ == warm.history_ == whole.history_
    assert len(whole.history_["loss"]) == 3


def test_partial_fit_needs_all_classes_first(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    with pytest.raises(ValueError, match="`classes` must be passed on the first call"):
        small().partial_fit(x, y)
    estimator = small().partial_fit(x[y < 5], y[y < 5], classes=range(10))
    assert estimator.predict_proba(x).shape == (600, 10)
    with pytest.raises(ValueError, match="`classes` must be those of the first call"):
        estimator.partial_fit(x, y, classes=range(11))
    with pytest.raises(ValueError, match=r"not among the classes .*: \[77\]"):
        estimator.partial_fit(x, np.where(y == 3, 77, y))


def test_sample_weight(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    wrong = np.arange(600) % 2 == 1
    labels = np.where(wrong, (y + 1) % 10, y)
    for estimator in (small(epochs=10), small(epochs=10, loss="categorical_crossentropy")):
        estimator.fit(x / 16, labels, sample_weight=np.where(wrong, 0.0, 1.0))
        assert estimator.score(x / 16, y) >= 0.9
        assert estimator.score(x / 16, labels, sample_weight=wrong) <= 0.1


def test_random_state_is_the_estimators_own(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    convlet.utils.set_random_seed(1)
    untouched = generator().bit_generator.state
    first = weights_of(small().fit(x / 16, y))
    assert generator().bit_generator.state == untouched
    assert_same_bits(weights_of(small().fit(x / 16, y)), first)
    others = weights_of(small(random_state=1).fit(x / 16, y))
    assert not np.array_equal(others[0], first[0])
    # Threads that train at the same time do not draw from each other's generator.
    at_once: list[Any] = [small(), small()]
    threads = [threading.Thread(target=each.fit, args=(x / 16, y)) for each in at_once]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in at_once:
        assert_same_bits(weights_of(each), first)


def test_random_state_none_follows_the_seed_of_the_process(
    digits: tuple[np.ndarray, np.ndarray],
) -> None:
    x, y = digits
    runs = []
    for _ in range(2):
        convlet.utils.set_random_seed(5)
        runs.append(weights_of(small(random_state=None).fit(x / 16, y)))
    assert_same_bits(*runs)


def test_callbacks_and_validation(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    stopping = callbacks.EarlyStopping("val_accuracy", min_delta=10.0, patience=1)
    estimator = small(callbacks=[stopping], validation_split=0.2, metrics=["accuracy"])
    estimator.fit(x / 16, y)
    assert stopping.stopped_epoch == 0  # a copy was used
    assert len(estimator.history_["val_accuracy"]) == 2


# Models


def test_images_as_they_come(digits: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = digits
    rows = small().fit(x / 16, y)
    for shape in ((8, 8, 1), (8, 8)):
        images = small(input_shape=None).fit((x / 16).reshape(-1, *shape), y)
        assert images.n_features_in_ == 64
        np.testing.assert_array_equal(
            images.predict_proba((x / 16).reshape(-1, *shape)), rows.predict_proba(x / 16)
        )
    kinds = [type(layer).__name__ for layer in rows.model_.layers]
    assert kinds == ["Conv2D", "MaxPooling2D", "Flatten", "Dense", "Dense"]
    assert np.mean(cross_val_score(small(), (x / 16).reshape(-1, 8, 8, 1), y, cv=2)) >= 0.5


def test_default_network_fits_the_shape() -> None:
    x, y = np.eye(12, dtype=np.float32), np.arange(12) % 3
    flat = ConvNetClassifier(hidden=(5, 4), dropout=0.5, epochs=1).fit(x, y)
    kinds = [type(layer).__name__ for layer in flat.model_.layers]
    assert kinds == ["Dense", "Dense", "Dropout", "Dense"]
    narrow = ConvNetClassifier(input_shape=(2, 6, 1), epochs=1).fit(x, y)
    kinds = [type(layer).__name__ for layer in narrow.model_.layers]
    assert kinds == ["Conv2D", "MaxPooling2D", "Conv2D", "Flatten", "Dense", "Dense"]


@pytest.mark.parametrize(
    "loss",
    [None, "sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy"],
)
def test_models_of_the_callers(loss: str | None) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)).astype(np.float32)
    y = np.where(x[:, 0] > 0, "yes", "no")
    params = {"loss": loss}
    estimator = ConvNetClassifier(perceptron, model_params=params, random_state=0).fit(x, y)
    assert estimator.score(x, y) >= 0.9
    probabilities = estimator.predict_proba(x)
    assert probabilities.shape == (300, 2)
    np.testing.assert_array_equal(estimator.predict(x) == "yes", probabilities[:, 1] > 0.5)
    np.testing.assert_allclose(
        probabilities[:, -1], estimator.model_.predict(x, verbose=0)[:, -1], rtol=1e-6
    )


def test_single_sigmoid_that_is_not_compiled() -> None:
    x = np.linspace(-1, 1, 200, dtype=np.float32)[:, None]
    estimator = ConvNetClassifier(
        lambda shape, _: Sequential([Input(shape), layers.Dense(1, "sigmoid")]),
        learning_rate=0.1,
        random_state=0,
    )
    assert estimator.fit(x, x[:, 0] > 0).score(x, x[:, 0] > 0) >= 0.95
    assert estimator.model_.loss == "binary_crossentropy"


def test_regressor_with_several_targets() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 5))
    y = np.stack([x[:, 0] + x[:, 1], x[:, 2] * 0.5], axis=1)
    estimator = ConvNetRegressor(learning_rate=0.003, random_state=0).fit(x, y)
    assert estimator.predict(x).shape == (400, 2)
    assert estimator.score(x, y) >= 0.95
    single = ConvNetRegressor(learning_rate=0.003, random_state=0)
    for _ in range(20):
        single.partial_fit(x, y[:, 0])
    assert single.predict(x).shape == (400,)
    assert single.score(x, y[:, 0]) >= 0.95


def logits(shape: Any, outputs: int) -> Sequential:
    model = Sequential([Input(shape), layers.Dense(outputs)])
    model.compile("sgd", convlet.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"input_shape": (3, 3)}, "`input_shape` must be a shape of 4 numbers"),
        ({"input_shape": (2, -2)}, "`input_shape` must be an integer of at least 1"),
        ({"model": lambda *_: "model"}, "`model` must return a convlet model"),
        ({"model": lambda shape, _: perceptron(shape, 7)}, "`model` must have 3 outputs a row"),
        ({"model": perceptron, "hidden": (8,)}, r"does not support `hidden=\(8,\)`"),
        ({"model": logits}, "does not support `from_logits=True`"),
        ({"model": logits, "learning_rate": 1.0}, "compiled `model` does not support `learning_"),
        ({"model_params": {"units": 8}}, "without a `model` does not support `model_params="),
        ({"optimizer": "adamm"}, "Could not interpret optimizer identifier: adamm"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"epochs": 1.5}, "`epochs` must be an integer"),
        ({"batch_size": 0}, "`batch_size` must be an integer"),
        ({"warm_start": "yes"}, "`warm_start` to be a boolean"),
    ],
)
def test_bad_parameters_are_named(parameters: dict[str, Any], message: str) -> None:
    estimator = ConvNetClassifier(**parameters)
    with pytest.raises(ValueError, match=message):
        estimator.fit(np.eye(4), [0, 1, 2, 0])
    assert not hasattr(estimator, "model_")


def test_missing_scikit_learn_is_said() -> None:
    code = "import sys; sys.modules['sklearn'] = None; import convlet.sklearn"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "pip install 'convlet[sklearn]'" in result.stderr
