"""Metrics: running means on numpy arrays, and what a name in `compile` stands for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet import losses, metrics

PREDICTIONS = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3]], np.float32)
LABELS = np.array([0, 2, 0])
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]
CATEGORICAL = losses.CategoricalCrossentropy()
SPARSE = losses.SparseCategoricalCrossentropy()


def test_values() -> None:
    assert metrics.categorical_accuracy(ONE_HOT, PREDICTIONS).tolist() == [1, 1, 0]
    assert metrics.sparse_categorical_accuracy(LABELS, PREDICTIONS).tolist() == [1, 1, 0]
    assert metrics.sparse_categorical_accuracy(LABELS[:, None], PREDICTIONS).tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("metric", "targets"),
    [(metrics.CategoricalAccuracy(), ONE_HOT), (metrics.SparseCategoricalAccuracy(), LABELS)],
    ids=["categorical", "sparse"],
)
def test_running_mean(metric: metrics.Metric, targets: np.ndarray) -> None:
    assert metric.result() == 0.0
    assert metric(targets, PREDICTIONS) == pytest.approx(2 / 3)
    assert metric(targets[:1], PREDICTIONS[:1]) == pytest.approx(3 / 4)
    metric.reset_state()
    metric.update_state(targets, PREDICTIONS, sample_weight=[1, 1, 6])
    assert metric.result() == pytest.approx(2 / 8)


@pytest.mark.parametrize("name", ["accuracy", "acc", "ACC"])
def test_accuracy_follows_the_loss_and_keeps_the_name_it_was_given(name: str) -> None:
    categorical = metrics.resolve(name, CATEGORICAL)
    sparse = metrics.resolve(name, SPARSE)
    assert type(categorical) is metrics.CategoricalAccuracy
    assert type(sparse) is metrics.SparseCategoricalAccuracy
    assert categorical.name == sparse.name == name


def test_names_of_other_metrics() -> None:
    assert metrics.resolve("CategoricalAccuracy", CATEGORICAL).name == "CategoricalAccuracy"
    assert metrics.resolve(metrics.CategoricalAccuracy(), CATEGORICAL).name == (
        "categorical_accuracy"
    )
    named = metrics.CategoricalAccuracy(name="right")
    assert metrics.resolve(named, CATEGORICAL) is named


def test_every_identifier_makes_the_class() -> None:
    for name in ("CategoricalAccuracy", "SparseCategoricalAccuracy"):
        known = getattr(metrics, name)
        function = getattr(metrics, known.IDENTIFIER)
        config = {"class_name": name, "config": known(name="mine").get_config()}
        for identifier in (name, known.IDENTIFIER, function, known(), config):
            assert type(metrics.get(identifier)) is known
        assert metrics.get(config).name == "mine"


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("acuracy", "Could not interpret metric identifier: acuracy. Did you mean 'accuracy'"),
        ("kld", "Could not interpret metric identifier: kld"),
        ("ce", "Could not interpret metric identifier: ce"),
        (int, "Could not interpret metric identifier"),
        ("sparse_categorical_accuracy", "need different targets"),
        (metrics.SparseCategoricalAccuracy(), "need different targets"),
    ],
)
def test_metric_that_cannot_be_had_is_refused(identifier: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.resolve(identifier, CATEGORICAL)


def test_accuracy_alone_is_equality() -> None:
    assert type(metrics.get("accuracy")) is metrics.Accuracy
    with pytest.raises(ValueError, match="only inside `compile"):
        metrics.get("acc")


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="same shape"):
        metrics.categorical_accuracy(LABELS, PREDICTIONS)
    with pytest.raises(ValueError, match="without its last axis"):
        metrics.sparse_categorical_accuracy(ONE_HOT, PREDICTIONS)
    with pytest.raises(ValueError, match="dtype"):
        metrics.CategoricalAccuracy(dtype="float64")


@pytest.mark.parametrize(
    "make",
    [
        metrics.Mean,
        metrics.Sum,
        metrics.BinaryAccuracy,
        lambda: metrics.Precision(thresholds=[0.3, 0.6]),
        metrics.AUC,
        lambda: metrics.AUC(multi_label=True, num_labels=3),
        lambda: metrics.F1Score("weighted"),
    ],
)
def test_state_goes_on_in_another_object(make: Any) -> None:
    """As a training does that was interrupted within an epoch."""
    rng = np.random.default_rng(0)
    truth, predictions = np.eye(3, dtype=np.float32)[np.arange(12) % 3], rng.random((12, 3))
    batches: list[Any] = [(truth[:5], predictions[:5]), (truth[5:], predictions[5:])]
    if make in (metrics.Mean, metrics.Sum):
        batches = [(p,) for _, p in batches]
    whole, first, second = make(), make(), make()
    for batch in batches:
        whole.update_state(*batch)
    first.update_state(*batches[0])
    second.set_state(first.get_state())
    assert not np.array_equal(second.result(), whole.result())
    second.update_state(*batches[1])
    np.testing.assert_array_equal(second.result(), whole.result())


@pytest.mark.parametrize(("k", "expected"), [(1, [1, 0, 0]), (2, [1, 1, 0]), (5, [1, 1, 0])])
def test_top_k_of_sorted_ids(k: int, expected: list[float]) -> None:
    best_first = [[3, 1, 2], [0, 2, 1], [4, 1, 1]]
    for labels in ([3, 2, 0], [[3], [2], [0]]):
        found = metrics.sparse_top_k_categorical_accuracy(
            labels, best_first, k=k, from_sorted_ids=True
        )
        np.testing.assert_array_equal(found, expected)
