"""utils: to_categorical, set_random_seed, clear_session."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from convlet import utils
from convlet.utils.naming import to_snake_case
from convlet.utils.random_state import generator


def test_to_categorical() -> None:
    encoded = utils.to_categorical([0, 2, 1])
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float64])
def test_to_categorical_takes_every_real_type(dtype: Any) -> None:
    labels = np.array([0, 1, 1], dtype)
    assert utils.to_categorical(labels, 3).tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]


@pytest.mark.parametrize(
    ("shape", "result"),
    [((4,), (4, 5)), ((4, 1), (4, 5)), ((2, 2), (2, 2, 5)), ((1,), (1, 5)), ((), (5,))],
    ids=str,
)
def test_to_categorical_shapes(shape: tuple[int, ...], result: tuple[int, ...]) -> None:
    assert utils.to_categorical(np.zeros(shape, int), 5).shape == result


@pytest.mark.parametrize(
    ("x", "classes", "message"),
    [
        ([0, 3], 3, r"class index in \[0, 3\). Received: 3"),
        ([-1, 0], None, "Received: -1"),
        ([], None, "must not be empty"),
        (["a"], None, "must hold numbers"),
        ([0.5], None, "whole number"),
        ([np.nan], None, "whole number"),
        ([np.inf], None, "whole number"),
        ([0], 0, "`num_classes`"),
        ([0], 2.5, "`num_classes`"),
    ],
    ids=str,
)
def test_to_categorical_refuses_what_is_no_class(x: Any, classes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        utils.to_categorical(x, classes)


def test_seed_is_that_of_every_generator() -> None:
    def draw() -> list[float]:
        return [random.random(), float(np.random.random()), float(generator().random())]  # noqa: NPY002

    utils.set_random_seed(7)
    first = draw()
    assert draw() != first
    utils.set_random_seed(7)
    assert draw() == first


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "a", None, True])
def test_seed_that_is_none_is_refused(seed: Any) -> None:
    with pytest.raises(ValueError, match="`seed` must be an integer from 0 to 4294967295"):
        utils.set_random_seed(seed)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Conv2D", "conv2d"),
        ("MaxPooling2D", "max_pooling2d"),
        ("GlobalAveragePooling2D", "global_average_pooling2d"),
        ("BatchNormalization", "batch_normalization"),
        ("ReLU", "re_lu"),
        ("LeakyReLU", "leaky_re_lu"),
        ("RMSprop", "rm_sprop"),
        ("AdamW", "adam_w"),
        ("ELU", "elu"),
        ("InputLayer", "input_layer"),
    ],
)
def test_snake_case_is_kerass(name: str, expected: str) -> None:
    assert to_snake_case(name) == expected
