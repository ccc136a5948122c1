"""Winograd's F(2x2, 3x3) in Conv2D + ReLU + MaxPooling2D: its error bound, and the switch that turns it off."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import oracle
from convlet import ops
from tolerance import EPS, assert_within

# Absolute values of the transforms of Lavin and Gray, 2015.
INPUT = np.abs([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]])
KERNEL = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [0, 0, 1]])
OUTPUT = np.abs([[1, 1, 1, 0], [0, 1, -1, -1]])

CHANNELS = [(8, 5), (9, 16), (15, 33), (16, 32), (17, 7), (33, 40)]


def conv_pool_network(core: ModuleType, shape: tuple[int, ...], filters: int, padding: str) -> Any:
    convolution = {
        "filters": filters,
        "kernel_size": (3, 3),
        "strides": (1, 1),
        "padding": padding,
        "use_bias": True,
    }
    pooling = {"pool_size": (2, 2), "strides": (2, 2), "padding": "valid"}
    return core.Network(
        shape,
        [
            ("conv2d", convolution, [0]),
            ("activation", {"activation": "relu"}, [1]),
            ("max_pooling2d", pooling, [2]),
        ],
    )


def random_case(
    rng: np.random.Generator, channels: int, filters: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = rng.standard_normal((3, 9, 8, channels)).astype(np.float32)
    w = rng.standard_normal((3, 3, channels, filters)).astype(np.float32)
    return x, w, rng.standard_normal(filters).astype(np.float32)


def run(network: Any, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    network.set_parameter(0, w)
    network.set_parameter(1, b)
    y = np.empty((len(x), *network.output_shape), np.float32)
    network.predict(x, y, 0, len(x))
    return y


def bound(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The bound of kernels/winograd.hpp for each 2x2 tile's four outputs: (n, tiles, tiles, 2, 2, filters)."""
    n, height, width, channels = x.shape
    tiles = np.empty((n, (height - 2) // 2, (width - 2) // 2, 4, 4, channels))
    for i in range(tiles.shape[1]):
        for j in range(tiles.shape[2]):
            tiles[:, i, j] = np.abs(x[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4])
    data = np.einsum("ad,nijdec,be->nijabc", INPUT, tiles, INPUT)
    kernel = np.einsum("ad,decf,be->abcf", KERNEL, np.abs(w).astype(np.float64), KERNEL)
    products = np.einsum("nijabc,abcf->nijabf", data, kernel)
    magnitude = np.einsum("ya,nijabf,zb->nijyzf", OUTPUT, products, OUTPUT)
    return (channels + 18) * EPS * magnitude


@pytest.mark.parametrize(("channels", "filters"), CHANNELS)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_error_is_within_the_documented_bound(
    core: ModuleType, rng: np.random.Generator, channels: int, filters: int, padding: str
) -> None:
    x, w, b = random_case(rng, channels, filters)
    actual = run(conv_pool_network(core, x.shape[1:], filters, padding), x, w, b)
    expected = oracle.max_pooling2d(
        oracle.relu(oracle.conv2d(x, w, b, (1, 1), padding)), (2, 2), (2, 2), "valid"
    )
    if padding == "same":
        x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    # The maximum of four errs by at most their largest error, and is rounded with the bias.
    allowed = bound(x, w).max(axis=(3, 4)) + EPS * np.abs(expected)
    assert_within(actual, expected, allowed)


def test_switched_off_it_is_the_direct_convolution(
    core: ModuleType, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, w, b = random_case(rng, 16, 32)
    direct = ops.max_pooling2d(ops.relu(ops.conv2d(x, w, b)))
    winograd = run(conv_pool_network(core, x.shape[1:], 32, "valid"), x, w, b)
    monkeypatch.setenv("CONVLET_WINOGRAD", "0")
    off = run(conv_pool_network(core, x.shape[1:], 32, "valid"), x, w, b)
    np.testing.assert_array_equal(off, direct)
    assert not np.array_equal(winograd, direct)


def test_nan_reaches_the_windows_that_see_it(core: ModuleType, rng: np.random.Generator) -> None:
    x, w, b = random_case(rng, 16, 8)
    x[1, 4, 3, 2] = np.nan
    y = run(conv_pool_network(core, x.shape[1:], 8, "valid"), x, w, b)
    expected = oracle.max_pooling2d(
        oracle.conv2d(x, w, b, (1, 1), "valid"), (2, 2), (2, 2), "valid"
    )
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
