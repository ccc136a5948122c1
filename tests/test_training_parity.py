"""Every loss, metric and way to feed data trains as in Keras: golden numbers, and Keras itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convlet
from golden import training_runs

GOLDEN = json.loads(
    (Path(__file__).parent / "golden" / "training.json").read_text(encoding="utf-8")
)
# Sums and means in another order; four epochs of steps on weights of the size of 1.
TOLERANCE = 1e-5

# Keras and TensorFlow warn of their own affairs.
live = [pytest.mark.keras, pytest.mark.filterwarnings("default")]

each_case = pytest.mark.parametrize("case", training_runs.CASES)
each_feed = pytest.mark.parametrize("feed", training_runs.FEEDS)


def assert_same(actual: Any, expected: Any, path: str = "") -> None:
    """Equal trees; numbers agree to TOLERANCE."""
    if isinstance(expected, dict):
        assert list(actual) == list(expected), path
        for key in expected:
            assert_same(actual[key], expected[key], f"{path}/{key}")
    elif isinstance(expected, list):
        assert len(actual) == len(expected), path
        for i, (a, e) in enumerate(zip(actual, expected, strict=True)):
            assert_same(a, e, f"{path}/{i}")
    elif isinstance(expected, float):
        np.testing.assert_allclose(actual, expected, TOLERANCE, TOLERANCE, err_msg=path)
    else:
        assert actual == expected, path


@each_case
def test_training(case: str) -> None:
    assert_same(training_runs.training(convlet, case), GOLDEN["training"][case])


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
@each_feed
def test_feeding(feed: str) -> None:
    assert_same(training_runs.feeding(convlet, feed), GOLDEN["feeding"][feed])


class TestLive:
    """The same runs with Keras in this process."""

    pytestmark = live

    @each_case
    def test_training(self, keras: Any, case: str) -> None:
        assert_same(*(training_runs.training(k, case) for k in (convlet, keras)))

    @each_feed
    def test_feeding(self, keras: Any, feed: str) -> None:
        assert_same(*(training_runs.feeding(k, feed) for k in (convlet, keras)))
