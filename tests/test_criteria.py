"""The compiled losses and metrics: values and gradients, on every instruction set."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import oracle_losses
from tolerance import EPS, assert_within

FOCAL = {"gamma": 1.5, "alpha": 0.25, "label_smoothing": 0.1}
BALANCED = {**FOCAL, "apply_class_balancing": True}
# Name, options, kind of targets, kind of predictions.
CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("mean_squared_error", {}, "real", "real"),
    ("mean_absolute_error", {}, "real", "real"),
    ("mean_absolute_percentage_error", {}, "real", "real"),
    ("mean_squared_logarithmic_error", {}, "positive", "positive"),
    ("huber", {"delta": 0.7}, "real", "real"),
    ("log_cosh", {}, "real", "real"),
    ("poisson", {}, "positive", "positive"),
    ("kl_divergence", {}, "probability", "probability"),
    ("hinge", {}, "binary", "real"),
    ("hinge", {}, "real", "real"),
    ("squared_hinge", {}, "binary", "real"),
    ("categorical_hinge", {}, "one_hot", "real"),
    ("cosine_similarity", {}, "real", "real"),
    (
        "categorical_crossentropy",
        {"from_logits": False, "label_smoothing": 0.1},
        "one_hot",
        "probability",
    ),
    ("categorical_crossentropy", {"from_logits": True, "label_smoothing": 0.2}, "one_hot", "real"),
    (
        "binary_crossentropy",
        {"from_logits": False, "label_smoothing": 0.0},
        "binary",
        "probability",
    ),
    ("binary_crossentropy", {"from_logits": True, "label_smoothing": 0.2}, "binary", "real"),
    ("binary_focal_crossentropy", {"from_logits": False, **BALANCED}, "binary", "probability"),
    ("binary_focal_crossentropy", {"from_logits": True, **BALANCED}, "binary", "real"),
    ("categorical_focal_crossentropy", {"from_logits": False, **FOCAL}, "one_hot", "probability"),
    ("categorical_focal_crossentropy", {"from_logits": True, **FOCAL}, "one_hot", "real"),
]
ROWS = 5


def values(rng: np.random.Generator, kind: str, width: int) -> np.ndarray:
    """float32 (ROWS, width); real numbers keep away from zero, where percentages explode."""
    shape = (ROWS, width)
    made = {
        "real": lambda: rng.choice([-1.0, 1.0], shape) * rng.uniform(0.1, 3.0, shape),
        "positive": lambda: rng.uniform(0.1, 3.0, shape),
        "probability": lambda: rng.uniform(0.05, 0.95, shape),
        "binary": lambda: rng.integers(0, 2, shape),
        "one_hot": lambda: np.eye(width)[rng.integers(0, width, ROWS)],
    }[kind]()
    return made.astype(np.float32)


def case_id(case: Any) -> str:
    return f"{case[0]}-{case[2]}-{case[3]}"


@pytest.mark.parametrize("width", ["2", "lanes", "lanes + 1", "37"])
@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_value_and_gradient(
    core: ModuleType, rng: np.random.Generator, case: Any, width: str
) -> None:
    name, options, targets, predictions = case
    size = {"lanes": core.LANES, "lanes + 1": core.LANES + 1}.get(width) or int(width)
    t, y = values(rng, targets, size), values(rng, predictions, size)

    def expected(p: np.ndarray) -> np.ndarray:
        return getattr(oracle_losses, name)(t.astype(np.float64), p, **options)

    actual, gradient = core.criterion(name, options, t, y)
    exact = expected(y.astype(np.float64))
    # Terms are some functions of numbers up to 3 and 1 / 0.05, and there are up to 37 of them.
    scale = 100.0 if "percentage" in name else 1.0
    assert_within(actual, exact, 16 * size**0.5 * EPS * (scale * 10.0 + np.abs(exact)))
    slope = oracle_losses.central_differences(expected, y.astype(np.float64))
    # Besides rounding: steps of 1e-6 leave 1e-6^2 times the third derivative, and 1e-16 / 1e-6.
    bound = 64 * EPS * (1.0 + np.abs(slope).max()) + 1e-6 * scale
    assert_within(gradient, slope, bound)


@pytest.mark.parametrize("case", CASES, ids=case_id)
def test_nan_stays_in_its_row(core: ModuleType, rng: np.random.Generator, case: Any) -> None:
    name, options, targets, predictions = case
    t, y = values(rng, targets, 5), values(rng, predictions, 5)
    y[1, 2] = np.nan
    actual, gradient = core.criterion(name, options, t, y)
    assert np.isnan(actual).tolist() == [row == 1 for row in range(ROWS)]
    assert np.isfinite(np.delete(gradient, 1, axis=0)).all()


@pytest.mark.parametrize("name", ["binary_crossentropy", "binary_focal_crossentropy"])
def test_large_logits(core: ModuleType, name: str) -> None:
    options = {"from_logits": True, "label_smoothing": 0.0}
    if "focal" in name:
        options |= {"gamma": 2.0, "alpha": 0.25, "apply_class_balancing": False}
    t = np.array([[0], [1], [0], [1]], np.float32)
    y = np.array([[200], [-200], [-200], [200]], np.float32)
    actual, gradient = core.criterion(name, options, t, y)
    assert actual == pytest.approx([200, 200, 0, 0])
    assert gradient[:, 0] == pytest.approx([1, -1, 0, 0])


def test_top_k(core: ModuleType) -> None:
    y = np.array([[3, 2, 2, 1], [0, 1, 2, 3], [1, np.nan, 0, 0]], np.float32)
    labels = np.array([2, 0, 0], np.int32)
    for k, expected in ((1, [0, 0, 0]), (2, [1, 0, 0]), (4, [1, 1, 0])):
        name = "sparse_top_k_categorical_accuracy"
        assert core.criterion(name, {"k": k}, labels, y)[0].tolist() == expected


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mean_cubed_error", {}, "Unknown loss or metric: 'mean_cubed_error'"),
        ("huber", {}, "Missing attribute `delta`"),
        ("top_k_categorical_accuracy", {"k": 0}, "`k` must be an integer between 1"),
    ],
)
def test_bad_criterion_is_refused(
    core: ModuleType, name: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        core.criterion(name, options, np.zeros((2, 3), np.float32), np.zeros((2, 3), np.float32))
