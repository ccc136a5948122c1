"""How tests compare float32 results with the oracle: every tolerance is a formula."""

from __future__ import annotations

from typing import Any

import numpy as np

EPS = float(np.finfo(np.float32).eps)
TINY = float(np.finfo(np.float32).tiny)


def assert_within(actual: Any, expected: np.ndarray, bound: Any) -> None:
    """Each element is within its bound; actual is float32 and nothing is NaN."""
    assert isinstance(actual, np.ndarray)
    assert actual.dtype == np.float32
    assert actual.shape == expected.shape
    error = np.abs(actual.astype(np.float64) - expected)
    within = error <= np.broadcast_to(bound, expected.shape)  # False for NaN
    if not within.all():
        worst = np.unravel_index(np.where(within, -1.0, error).argmax(), within.shape)
        raise AssertionError(
            f"{np.count_nonzero(~within)} of {within.size} elements out of bounds, the worst at "
            f"{tuple(map(int, worst))}: got {actual[worst]}, expected {expected[worst]}, "
            f"allowed {np.broadcast_to(bound, expected.shape)[worst]:.3g}"
        )


def assert_sum_of_products(
    actual: Any, expected: np.ndarray, magnitude: np.ndarray, length: int
) -> None:
    """|error| <= 2 k eps sum|a||b| for sums of k products, in any order, with or without FMA."""
    assert_within(actual, expected, 2 * length * EPS * magnitude)


def assert_same_specials(actual: np.ndarray, expected: np.ndarray) -> None:
    """NaN, +inf and -inf are where the oracle has them."""
    np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))
    np.testing.assert_array_equal(np.isposinf(actual), np.isposinf(expected))
    np.testing.assert_array_equal(np.isneginf(actual), np.isneginf(expected))
