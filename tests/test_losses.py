"""Losses: the formulas on numpy arrays, names and options."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet import losses

PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3]], np.float32)
LABELS = np.array([0, 2, 0])
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]
LOSSES = -np.log([0.7, 0.8, 0.3])


def test_values() -> None:
    np.testing.assert_allclose(
        losses.categorical_crossentropy(ONE_HOT, PROBABILITIES), LOSSES, rtol=1e-6
    )
    np.testing.assert_allclose(
        losses.sparse_categorical_crossentropy(LABELS, PROBABILITIES), LOSSES, rtol=1e-6
    )
    np.testing.assert_allclose(
        losses.sparse_categorical_crossentropy(LABELS[:, None], PROBABILITIES), LOSSES, rtol=1e-6
    )


def test_logits() -> None:
    logits = np.log(PROBABILITIES) + np.array([[5.0], [-90.0], [200.0]], np.float32)
    np.testing.assert_allclose(
        losses.categorical_crossentropy(ONE_HOT, logits, from_logits=True), LOSSES, rtol=1e-4
    )


def test_probabilities_are_normalized_and_clipped() -> None:
    np.testing.assert_allclose(
        losses.categorical_crossentropy(ONE_HOT, 5 * PROBABILITIES), LOSSES, rtol=1e-6
    )
    certain_and_wrong = np.array([[0.0, 1.0]], np.float32)
    assert losses.sparse_categorical_crossentropy([0], certain_and_wrong)[0] == pytest.approx(
        16.118, abs=1e-3
    )


def test_mean_is_over_rows_and_not_over_weights() -> None:
    weights = [1.0, 0.0, 3.0]
    loss = losses.CategoricalCrossentropy()
    assert loss(ONE_HOT, PROBABILITIES) == pytest.approx(LOSSES.mean(), rel=1e-6)
    assert loss(ONE_HOT, PROBABILITIES, sample_weight=weights) == pytest.approx(
        (LOSSES * weights).sum() / 3, rel=1e-6
    )


@pytest.mark.parametrize("name", ["CategoricalCrossentropy", "SparseCategoricalCrossentropy"])
def test_every_identifier_makes_the_class(name: str) -> None:
    known = getattr(losses, name)
    instance = known(from_logits=True)
    function = getattr(losses, instance.IDENTIFIER)
    config = {"class_name": name, "config": instance.get_config()}
    for identifier in (name, instance.IDENTIFIER, function, instance, config):
        assert type(losses.get(identifier)) is known
    assert losses.get(config).from_logits
    assert losses.get(instance) is instance
    assert not losses.get(name).from_logits


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("categorical_crossentropi", "Did you mean 'categorical_crossentropy'"),
        ("logcosh", "Could not interpret loss identifier: logcosh"),
        (int, "Could not interpret loss identifier"),
        ("ce", "only inside `compile"),
        (None, "Could not interpret loss identifier: None"),
    ],
)
def test_unknown_identifier_is_refused(identifier: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        losses.get(identifier)


@pytest.mark.parametrize(
    ("loss", "option"),
    [
        (losses.CategoricalCrossentropy, {"label_smoothing": 1.5}),
        (losses.CategoricalCrossentropy, {"axis": 1}),
        (losses.CategoricalCrossentropy, {"reduction": "average"}),
        (losses.CategoricalCrossentropy, {"dtype": "float16"}),
        (losses.SparseCategoricalCrossentropy, {"ignore_class": 0.5}),
        (losses.CosineSimilarity, {"axis": 0}),
        (losses.Huber, {"delta": "far"}),
        (losses.SparseCategoricalCrossentropy, {"axis": 0}),
        (losses.SparseCategoricalCrossentropy, {"from_logits": "yes"}),
    ],
    ids=str,
)
def test_unsupported_option_is_refused_by_name(loss: Any, option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(option))):
        loss(**option)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1], "shape of `y_pred` without its last axis"),
        ([0, 1, 3], r"must be in \[0, 3\)"),
        ([-1, 1, 2], r"must be in \[0, 3\)"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        losses.sparse_categorical_crossentropy(labels, PROBABILITIES)


def test_targets_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="same shape"):
        losses.categorical_crossentropy(LABELS, PROBABILITIES)
