"""Winograd's F(2x2, 3x3) to F(5x5, 3x3), forward with and without pooling and in the gradient: error bound, and the switch."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import oracle
from convlet import ops
from tolerance import EPS, assert_within

CHANNELS = [(8, 5), (9, 16), (15, 33), (16, 32), (17, 7), (33, 40)]


CONV, RELU, POOL = 1, 2, 3  # how many ops of the network there are


def network_of(
    core: ModuleType,
    ops: int,
    shape: tuple[int, ...],
    filters: int,
    padding: str,
    kernel_size: int = 3,
) -> Any:
    convolution = {
        "filters": filters,
        "kernel_size": (kernel_size, kernel_size),
        "strides": (1, 1),
        "padding": padding,
        "use_bias": True,
    }
    pooling = {"pool_size": (2, 2), "strides": (2, 2), "padding": "valid"}
    all_ops = [
        ("conv2d", convolution, [0]),
        ("activation", {"activation": "relu"}, [1]),
        ("max_pooling2d", pooling, [2]),
    ]
    return core.Network(shape, all_ops[:ops])


def conv_network(
    core: ModuleType, shape: tuple[int, ...], filters: int, padding: str, kernel_size: int = 3
) -> Any:
    return network_of(core, CONV, shape, filters, padding, kernel_size)


def conv_relu_network(core: ModuleType, shape: tuple[int, ...], filters: int, padding: str) -> Any:
    return network_of(core, RELU, shape, filters, padding)


def conv_pool_network(core: ModuleType, shape: tuple[int, ...], filters: int, padding: str) -> Any:
    return network_of(core, POOL, shape, filters, padding)


def random_case(
    rng: np.random.Generator, channels: int, filters: int, size: tuple[int, int] = (9, 8)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = rng.standard_normal((3, *size, channels)).astype(np.float32)
    w = rng.standard_normal((3, 3, channels, filters)).astype(np.float32)
    return x, w, rng.standard_normal(filters).astype(np.float32)


def run(network: Any, x: np.ndarray, w: np.ndarray, b: np.ndarray) -> np.ndarray:
    network.set_parameter(0, w)
    network.set_parameter(1, b)
    y = np.empty((len(x), *network.output_shape), np.float32)
    network.predict(x, y, 0, len(x))
    return y


def bound(x: np.ndarray, w: np.ndarray, side: int) -> np.ndarray:
    """The bound of kernels/winograd.hpp for each output of a "valid" convolution, in tiles of that side."""
    oh, ow = x.shape[1] - 2, x.shape[2] - 2
    x = np.pad(np.abs(x), ((0, 0), (0, -oh % side), (0, -ow % side), (0, 0)))
    of = oracle.WINOGRAD[side]
    kernel = np.abs(w).astype(np.float64)
    factors = np.einsum("ad,decf,be->abcf", of.kernel, kernel, of.kernel)
    n, height, width, channels = x.shape
    magnitude = np.empty((n, height - 2, width - 2, w.shape[3]))
    for top in range(0, height - 2, side):
        for left in range(0, width - 2, side):
            patch = x[:, top : top + side + 2, left : left + side + 2]
            data = np.einsum("ad,ndec,be->nabc", of.input, patch, of.input)
            products = np.einsum("nabc,abcf->nabf", data, factors)
            tile = np.einsum("ya,nabf,zb->nyzf", of.output, products, of.output)
            magnitude[:, top : top + side, left : left + side] = tile
    return (channels + of.roundings) * EPS * magnitude[:, :oh, :ow]


def plain_bound(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Without pooling; the last rows and columns may be part of a tile."""
    return bound(x, w, oracle.winograd_side(x.shape[1] - 2, x.shape[2] - 2))


# Of images for convolutions without pooling. Together with either padding, tiles of all sides,
# whole and in part.
SIZES = [(9, 8), (10, 13), (5, 5), (12, 10), (19, 15), (16, 7), (12, 9)]


def test_sizes_make_tiles_of_all_sides() -> None:
    shapes = [(h - less, w - less) for h, w in SIZES for less in (0, 2)]
    for side in (3, 4):
        of = [shape for shape in shapes if oracle.winograd_side(*shape) == side]
        remainders = {size % side for shape in of for size in shape}
        assert {0, side - 1} <= remainders, (side, of)


@pytest.mark.parametrize(("channels", "filters"), [*CHANNELS, (130, 129)])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", SIZES)
def test_error_without_pooling_is_within_the_documented_bound(
    core: ModuleType,
    rng: np.random.Generator,
    channels: int,
    filters: int,
    padding: str,
    size: tuple[int, int],
) -> None:
    x, w, b = random_case(rng, channels, filters, size)
    actual = run(conv_network(core, x.shape[1:], filters, padding), x, w, b)
    expected = oracle.conv2d(x, w, b, (1, 1), padding)
    x = oracle.pad(x, (3, 3), (1, 1), padding, 0.0)
    assert_within(actual, expected, plain_bound(x, w) + EPS * np.abs(expected))


@pytest.mark.parametrize(("channels", "filters"), [*CHANNELS, (130, 129)])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", SIZES)
def test_error_of_the_data_gradient_is_within_the_documented_bound(
    core: ModuleType,
    rng: np.random.Generator,
    channels: int,
    filters: int,
    padding: str,
    size: tuple[int, int],
) -> None:
    x, w, _ = random_case(rng, channels, filters, size)
    network = conv_network(core, x.shape[1:], filters, padding)
    network.set_parameter(0, w)
    dy = rng.standard_normal((len(x), *network.output_shape)).astype(np.float32)
    dx, _ = network.vector_jacobian_product(x, dy)
    before = 2 if padding == "valid" else 1
    dy = np.pad(dy, ((0, 0), (before, before), (before, before), (0, 0)))
    turned = w[::-1, ::-1].transpose(0, 1, 3, 2)
    expected = oracle.conv2d(dy, turned, np.zeros(channels), (1, 1), "valid")
    assert_within(dx, expected, plain_bound(dy, turned) + EPS * np.abs(expected))


def adjoint_bound(w: np.ndarray, dy: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The bound of winograd_add_data_gradient in kernels/winograd.hpp; the tiles cover dy."""
    _, oh, ow, filters = dy.shape
    side = oracle.winograd_side(oh, ow)
    of = oracle.WINOGRAD[side]
    kernel = np.einsum("ad,decf,be->abcf", of.kernel, np.abs(w).astype(np.float64), of.kernel)
    magnitude = np.zeros(shape)
    for top in range(0, oh, side):
        for left in range(0, ow, side):
            tile = np.abs(dy[:, top : top + side, left : left + side])
            factors = np.einsum("ya,nyzf,zb->nabf", of.output, tile, of.output)
            products = np.einsum("nabf,abcf->nabc", factors, kernel)
            patch = np.einsum("ay,nabc,bz->nyzc", of.input, products, of.input)
            magnitude[:, top : top + side + 2, left : left + side + 2] += patch
    overlapping = 4
    return (filters + of.roundings + overlapping) * EPS * magnitude


@pytest.mark.parametrize(("channels", "filters"), [*CHANNELS, (130, 129)])
@pytest.mark.parametrize("size", [(5, 5), (8, 8), (8, 5), (6, 6), (10, 6), (6, 14)])
def test_error_of_the_adjoint_is_within_the_documented_bound(
    core: ModuleType,
    rng: np.random.Generator,
    channels: int,
    filters: int,
    size: tuple[int, int],
) -> None:
    """Gradients of small images that are not padded, whose outputs are whole tiles."""
    x, w, _ = random_case(rng, channels, filters, size)
    network = conv_network(core, x.shape[1:], filters, "valid")
    network.set_parameter(0, w)
    dy = rng.standard_normal((len(x), *network.output_shape)).astype(np.float32)
    for _ in range(2):  # nothing is left over from the first time
        dx, _ = network.vector_jacobian_product(x, dy)
        expected = oracle.conv2d_backward(x, w, dy, (1, 1), "valid")[0]
        assert_within(dx, expected, adjoint_bound(w, dy, x.shape) + EPS * np.abs(expected))


@pytest.mark.parametrize(("channels", "filters"), [*CHANNELS, (130, 129)])
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("threads", [1, 3])
def test_error_of_the_weight_gradient_is_within_the_documented_bound(
    core: ModuleType,
    rng: np.random.Generator,
    channels: int,
    filters: int,
    padding: str,
    size: tuple[int, int],
    threads: int,
) -> None:
    x, w, _ = random_case(rng, channels, filters, size)
    core.set_num_threads(threads)
    network = conv_network(core, x.shape[1:], filters, padding)
    dy = rng.standard_normal((len(x), *network.output_shape)).astype(np.float32)
    _, (dw, _) = network.vector_jacobian_product(x, dy)
    _, expected, _ = oracle.conv2d_backward(x, w, dy, (1, 1), padding)
    bound = oracle.winograd_gradient_bound(x, dy, padding, EPS)
    assert_within(dw, expected, bound + threads * EPS * np.abs(expected))


# Of images for convolutions with pooling: after either padding, windows of tiles of all sides,
# whole and in part, among them such as lie in two tiles and in four.
POOLED = [(4, 9), (13, 12), (32, 22), (6, 12), (12, 18), (20, 11)]


def test_pooled_sizes_make_tiles_of_all_sides() -> None:
    shapes = [((h - less) // 2 * 2, (w - less) // 2 * 2) for h, w in POOLED for less in (0, 2)]
    of = {shape: oracle.winograd_side(*shape, pool=True) for shape in shapes}
    assert set(of.values()) == {2, 4, 5}
    assert {size % 4 for shape in shapes if of[shape] == 4 for size in shape} == {0, 2}


def pooled_bound(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The maximum of four errs by at most their largest error."""
    oh, ow = ((size - 2) // 2 * 2 for size in x.shape[1:3])
    pixels = bound(x[:, : oh + 2, : ow + 2], w, oracle.winograd_side(oh, ow, pool=True))
    return pixels.reshape(len(x), oh // 2, 2, ow // 2, 2, -1).max(axis=(2, 4))


@pytest.mark.parametrize(("channels", "filters"), CHANNELS)
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", POOLED)
def test_error_with_pooling_is_within_the_documented_bound(
    core: ModuleType,
    rng: np.random.Generator,
    channels: int,
    filters: int,
    padding: str,
    size: tuple[int, int],
) -> None:
    x, w, b = random_case(rng, channels, filters, size)
    actual = run(conv_pool_network(core, x.shape[1:], filters, padding), x, w, b)
    expected = oracle.max_pooling2d(
        oracle.relu(oracle.conv2d(x, w, b, (1, 1), padding)), (2, 2), (2, 2), "valid"
    )
    x = oracle.pad(x, (3, 3), (1, 1), padding, 0.0)
    # It is rounded once more with the bias.
    assert_within(actual, expected, pooled_bound(x, w) + EPS * np.abs(expected))


@pytest.mark.parametrize("size", [(62, 62), (72, 66)])
def test_threads_share_the_pooled_tiles_of_one_image(
    core: ModuleType, rng: np.random.Generator, size: tuple[int, int]
) -> None:
    """Four tiles with windows in common go to one thread."""
    x, w, b = random_case(rng, 16, 24, size)
    results = []
    for threads in (1, 2, 3):
        core.set_num_threads(threads)
        results.append(run(conv_pool_network(core, x.shape[1:], 24, "valid"), x[:1], w, b))
    np.testing.assert_array_equal(results[1], results[0])
    np.testing.assert_array_equal(results[2], results[0])


@pytest.mark.parametrize("pool", [False, True])
@pytest.mark.parametrize("size", [(6, 6), (8, 8), (12, 12), (22, 12)])
def test_outputs_that_see_only_zeros_are_the_bias(
    core: ModuleType, rng: np.random.Generator, size: tuple[int, int], pool: bool
) -> None:
    """To the bit, as in a direct sum: beside a stroke a ReLU must not find a little more than 0."""
    make = conv_pool_network if pool else conv_network
    for channels in (16, 21):
        x, w, b = random_case(rng, channels, 24, size)
        x[0, :, 3:] = 0
        x[1, 2:] = 0
        x[2] = 0
        x[2, 1, 1, channels - 1] = 1
        seen = oracle.conv2d(x != 0, np.ones_like(w), np.zeros(24), (1, 1), "valid")
        if pool:
            seen = oracle.max_pooling2d(seen, (2, 2), (2, 2), "valid")
        y = run(make(core, x.shape[1:], 24, "valid"), x, w, b)
        plain = np.maximum(b, 0) if pool else b
        blank = np.broadcast_to(plain, y.shape)
        assert (seen == 0).any()
        np.testing.assert_array_equal(y[seen == 0], blank[seen == 0])
        assert (y[seen != 0] != blank[seen != 0]).any()


Gradients = tuple[np.ndarray, np.ndarray, np.ndarray]  # dx, dw, db


def gradients_of_close_calls(
    core: ModuleType,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[..., Any],
    channels: int,
    filters: int,
    size: tuple[int, int],
) -> tuple[Gradients, Gradients]:
    """Without Winograd and with it, where pixels see the same, and of whole numbers, whose sums are
    exact, often equal, often zero."""
    x, w, b = random_case(rng, channels, filters, size)
    x[1] = x[1, 0, 0]  # blank but for two strokes
    x[1, 2:-3, 3] += 1
    x[1, 4, 2:-1] += 1
    x[2], w[..., 1:], b = np.rint(x[2]), np.rint(w[..., 1:]), np.rint(b)

    def gradients(winograd: str) -> Gradients:
        monkeypatch.setenv("CONVLET_WINOGRAD", winograd)
        network = make(core, x.shape[1:], filters, "valid")
        network.set_parameter(0, w)
        network.set_parameter(1, b)
        dy = np.ones((len(x), *network.output_shape), np.float32)
        dx, (dw, db) = network.vector_jacobian_product(x, dy)
        return dx, dw, db

    return gradients("0"), gradients("1")


@pytest.mark.parametrize(("channels", "filters"), [(16, 24), (21, 9)])
@pytest.mark.parametrize("size", [(18, 14), (22, 12)])
def test_close_calls_of_pooling_are_those_of_the_direct_sums(
    core: ModuleType,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    channels: int,
    filters: int,
    size: tuple[int, int],
) -> None:
    """With the same pixels in all windows, and the same ReLUs, the gradients are the same bits."""
    direct, winograd = gradients_of_close_calls(
        core, rng, monkeypatch, conv_pool_network, channels, filters, size
    )
    for of_direct, of_winograd in zip(direct, winograd, strict=True):
        np.testing.assert_array_equal(of_winograd, of_direct)


@pytest.mark.parametrize(("channels", "filters"), [(16, 24), (21, 9)])
@pytest.mark.parametrize("size", [(8, 11), (10, 10)])
def test_close_calls_of_a_relu_are_those_of_the_direct_sums(
    core: ModuleType,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    channels: int,
    filters: int,
    size: tuple[int, int],
) -> None:
    """A bias's gradient is the number of pixels that pass."""
    (_, _, direct), (_, _, winograd) = gradients_of_close_calls(
        core, rng, monkeypatch, conv_relu_network, channels, filters, size
    )
    np.testing.assert_array_equal(winograd, direct)


def test_switched_off_it_is_the_direct_convolution(
    core: ModuleType, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, w, b = random_case(rng, 16, 32)
    # Weights of zero around a kernel change no bit of a direct sum, and 5x5 kernels have no other.
    padded_x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    padded_w = np.pad(w, ((1, 1), (1, 1), (0, 0), (0, 0)))
    plain = run(conv_network(core, padded_x.shape[1:], 32, "valid", 5), padded_x, padded_w, b)
    pooled = ops.max_pooling2d(ops.relu(plain))
    for network, direct in [(conv_network, plain), (conv_pool_network, pooled)]:
        monkeypatch.delenv("CONVLET_WINOGRAD", raising=False)
        assert not np.array_equal(run(network(core, x.shape[1:], 32, "valid"), x, w, b), direct)
        monkeypatch.setenv("CONVLET_WINOGRAD", "0")
        off = run(network(core, x.shape[1:], 32, "valid"), x, w, b)
        np.testing.assert_array_equal(off, direct)


def test_nan_reaches_the_windows_that_see_it(core: ModuleType, rng: np.random.Generator) -> None:
    x, w, b = random_case(rng, 16, 8)
    x[1, 4, 3, 2] = np.nan
    y = run(conv_pool_network(core, x.shape[1:], 8, "valid"), x, w, b)
    expected = oracle.max_pooling2d(
        oracle.conv2d(x, w, b, (1, 1), "valid"), (2, 2), (2, 2), "valid"
    )
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))
