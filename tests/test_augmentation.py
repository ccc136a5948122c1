"""Layers that change images at random: what they draw, when they are active, what they refuse."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import oracle
from convlet import Input, Sequential, layers, utils

ROWS = 2000
FIRST_CALL = 2**63 + 1  # the step that numbers of a layer's first call belong to


@pytest.fixture(autouse=True)
def fresh() -> None:
    utils.clear_session()
    utils.set_random_seed(0)


def assert_uniform(values: np.ndarray, lower: float, upper: float) -> None:
    """Within the bounds, and mean and variance are six standard errors off at most."""
    width = upper - lower
    assert values.min() >= lower - 1e-4 * width
    assert values.max() <= upper + 1e-4 * width
    assert abs(values.mean() - (lower + upper) / 2) <= 6 * width / np.sqrt(12 * values.size)
    assert abs(values.var() - width**2 / 12) <= 6 * width**2 * np.sqrt(1 / (180 * values.size))


def ramps(h: int, w: int) -> np.ndarray:
    """Images whose first channel is the row and whose second channel is the column."""
    rows, columns = np.mgrid[0.0:h, 0.0:w]
    return np.broadcast_to(np.stack([rows, columns], -1), (ROWS, h, w, 2)).astype(np.float32)


@pytest.mark.parametrize("mode", ["horizontal", "vertical", "horizontal_and_vertical"])
def test_half_of_the_images_are_flipped_wholly(mode: str, rng: np.random.Generator) -> None:
    x = rng.normal(size=(ROWS, 3, 4, 2)).astype(np.float32)
    y = layers.RandomFlip(mode, seed=5)(x)
    flipped = (y != x).any(axis=(1, 2, 3))
    np.testing.assert_array_equal(flipped, oracle.flips(ROWS, 5, FIRST_CALL))
    mirrored = oracle.flipped(x, flipped, mode != "vertical", mode != "horizontal")
    np.testing.assert_array_equal(y, mirrored)
    assert abs(flipped.mean() - 0.5) <= 6 * 0.5 / np.sqrt(ROWS)


def test_translations_are_uniform_between_their_bounds() -> None:
    """In the middle of a ramp the shift can be read off."""
    layer = layers.RandomTranslation((-0.2, 0.4), 0.3, fill_mode="nearest", seed=1)
    y = layer(ramps(21, 31))[:, 10, 15]
    assert_uniform(10 - y[:, 0], -0.2 * 21, 0.4 * 21)
    assert_uniform(15 - y[:, 1], -0.3 * 31, 0.3 * 31)
    assert abs(np.corrcoef(y.T)[0, 1]) <= 6 / np.sqrt(ROWS)


def test_rotations_are_uniform_between_their_bounds() -> None:
    y = layers.RandomRotation((-0.1, 0.2), seed=2)(ramps(9, 9))
    down, right = y[:, 4, 6, 0] - 4.0, y[:, 4, 6, 1] - 4.0
    assert_uniform(np.arctan2(down, right) / (2 * np.pi), -0.1, 0.2)
    np.testing.assert_allclose(np.hypot(down, right), 2.0, rtol=1e-5)


def test_zooms_are_uniform_between_their_bounds() -> None:
    x = ramps(21, 21)
    y = layers.RandomZoom((-0.5, 0.25), (0.0, 0.75), seed=3)(x)[:, 12, 12] - 10.0
    assert_uniform(y[:, 0] / 2, 0.5, 1.25)
    assert_uniform(y[:, 1] / 2, 1.0, 1.75)
    assert abs(np.corrcoef(y.T)[0, 1]) <= 6 / np.sqrt(ROWS)
    both = layers.RandomZoom(0.5, seed=3)(x)[:, 12, 12] - 10.0
    np.testing.assert_allclose(both[:, 0], both[:, 1], rtol=1e-5)


def test_contrasts_are_uniform_between_their_bounds() -> None:
    x = np.broadcast_to(np.float32([[-1], [1]])[:, None], (ROWS, 2, 1, 1))
    y = layers.RandomContrast((0.5, 0.25), (-9, 9), seed=4)(x)
    assert_uniform(y[:, 1].ravel(), 0.75, 1.5)  # sorted, as in Keras
    one_sided = layers.RandomContrast(0.5, (-9, 9), seed=4)(x)
    assert_uniform(one_sided[:, 1].ravel(), 1.0, 1.5)


def test_brightnesses_are_uniform_between_their_bounds() -> None:
    x = np.full((ROWS, 2, 3, 1), 100, np.float32)
    y = layers.RandomBrightness((-0.3, 0.1), (0, 200), seed=4)(x)
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1, :1], y.shape))
    assert_uniform(y[:, 0, 0, 0], 100 - 60, 100 + 20)
    clipped = layers.RandomBrightness((-1, 1), (110, 50), seed=4)(x)
    assert clipped.min() >= 50
    assert clipped.max() == 110


def test_a_batch_is_cropped_at_one_place_anywhere() -> None:
    x = ramps(9, 7)[:3]
    layer = layers.RandomCrop(4, 5, seed=6)
    places = []
    for call in range(300):
        y = layer(x)
        top, left = y[0, 0, 0].astype(int)
        np.testing.assert_array_equal(y, x[:, top : top + 4, left : left + 5])
        assert (top, left, 4, 5) == oracle.crop_window((9, 7), (4, 5), 6, FIRST_CALL + call)
        places.append((top, left))
    assert set(places) == {(top, left) for top in range(6) for left in range(3)}


@pytest.mark.parametrize(
    ("size", "window"),
    [((4, 5), (2, 0, 5, 7)), ((3, 2), (0, 0, 9, 6)), ((9, 7), (0, 0, 9, 7))],
)
def test_inference_sees_the_largest_window(size: Any, window: Any) -> None:
    x = ramps(9, 7)[:3]
    y = layers.RandomCrop(*size)(x, training=False)
    expected = oracle.cropping_matrix(9, 7, window, size) @ x.reshape(3, 63, 2)
    np.testing.assert_allclose(y, expected.reshape(3, *size, 2), rtol=0, atol=1e-5)


def test_rectangles_are_erased() -> None:
    """A third of the images, on average; the sides are drawn apart."""
    x = ramps(30, 40)
    layer = layers.RandomErasing((0.2, 0.4), (0.04, 0.25), 77, seed=8)
    y = layer(x)
    is_erased = (y == 77).all(axis=-1)
    np.testing.assert_array_equal(y[~is_erased], x[~is_erased])
    u = oracle.uniform_numbers(ROWS, 6, 8, FIRST_CALL)
    for row in range(0, ROWS, 40):
        box = oracle.erased_box((30, 40), (0.04, 0.25), (0.2, 0.4), u[row])
        assert is_erased[row].sum() == is_erased[row][box].size
        assert is_erased[row][box].all()
    erased = is_erased.any(axis=(1, 2))
    assert abs(erased.mean() - 0.3) <= 6 * np.sqrt(0.3 * 0.7 / ROWS)
    heights = is_erased.any(axis=2).sum(axis=1)[erased]
    assert 0.2 * 30 - 1 <= heights.min() < heights.max() <= 0.5 * 30 + 1


def test_noise_is_normal_and_clipped() -> None:
    x = np.full((50, 20, 20, 3), -1, np.float32)
    y = layers.RandomErasing((1, 1), (1, 1), value_range=(-1.5, 0.5), seed=8)(x)
    assert y.min() == -1.5
    assert y.max() == 0.5
    inside = y[(y > -1.5) & (y < 0.5)] / 0.5  # within -3 and 1 standard deviations
    assert abs((y == 0.5).mean() - 0.1587) < 6 * np.sqrt(0.1587 / y.size)
    assert abs((inside > 0).mean() - 0.3413 / 0.84) < 6 * np.sqrt(0.25 / inside.size)


LAYERS: dict[str, Any] = {
    "brightness": lambda seed=None: layers.RandomBrightness(0.3, (-9, 9), seed=seed),
    "contrast": lambda seed=None: layers.RandomContrast(0.3, (-9, 9), seed=seed),
    "erasing": lambda seed=None: layers.RandomErasing(1.0, (0.3, 0.5), 0.5, seed=seed),
    "flip": lambda seed=None: layers.RandomFlip(seed=seed),
    "translation": lambda seed=None: layers.RandomTranslation(0.3, 0.3, seed=seed),
    "rotation": lambda seed=None: layers.RandomRotation(0.3, seed=seed),
    "zoom": lambda seed=None: layers.RandomZoom(0.3, seed=seed),
}
each_layer = pytest.mark.parametrize("name", LAYERS)


@each_layer
def test_numbers_depend_on_seed_call_and_row(
    core: ModuleType, rng: np.random.Generator, name: str
) -> None:
    x = rng.normal(size=(50, 6, 5, 2)).astype(np.float32)
    core.set_num_threads(1)
    layer = LAYERS[name](seed=1)
    first, second = layer(x), layer(x)
    assert (first != second).any()
    for threads in (2, 7):
        core.set_num_threads(threads)
        again = LAYERS[name](seed=1)
        np.testing.assert_array_equal(again(x), first)
        np.testing.assert_array_equal(again(x), second)
    np.testing.assert_array_equal(LAYERS[name](seed=1)(x[:3]), first[:3])
    assert (LAYERS[name](seed=2)(x) != first).any()
    utils.set_random_seed(0)
    drawn = LAYERS[name]()(x)
    assert (LAYERS[name]()(x) != drawn).any()
    utils.set_random_seed(0)
    np.testing.assert_array_equal(LAYERS[name]()(x), drawn)


@each_layer
def test_inference_does_nothing(rng: np.random.Generator, name: str) -> None:
    x = rng.normal(size=(9, 6, 5, 2)).astype(np.float32)
    layer = LAYERS[name]()
    np.testing.assert_array_equal(layer(x, training=False), x)
    model = Sequential([Input((6, 5, 2)), layer])
    np.testing.assert_array_equal(model.predict(x, verbose=0), x)
    np.testing.assert_array_equal(model(x, training=False), x)
    assert (model(x, training=True) != x).any()


@each_layer
def test_single_image(rng: np.random.Generator, name: str) -> None:
    x = rng.normal(size=(6, 5, 2)).astype(np.float32)
    layer, same = LAYERS[name](seed=3), LAYERS[name](seed=3)
    np.testing.assert_array_equal(layer(x), same(x[None])[0])
    np.testing.assert_array_equal(layer(x, training=False), x)


def test_call_without_training_is_what_each_layer_makes_of_it(rng: np.random.Generator) -> None:
    """As in Keras: images are changed, nothing is dropped, the statistics are the moving ones."""
    x = rng.normal(size=(40, 6, 5, 2)).astype(np.float32)
    normalization = layers.BatchNormalization(epsilon=0.0)
    augment = [Input((6, 5, 2)), layers.RandomFlip(seed=4)]
    model = Sequential([*augment, layers.Dropout(0.5), normalization, layers.GaussianNoise(0.5)])
    before = normalization.get_weights()
    np.testing.assert_array_equal(model(x), layers.RandomFlip(seed=4)(x))
    for value, expected in zip(normalization.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, expected)
    np.testing.assert_array_equal(model(x, training=False), x)
    model(x, training=True)
    assert (normalization.get_weights()[-1] != before[-1]).all()


@pytest.mark.parametrize("first", ["rescaling", "augmentation"])
@each_layer
def test_bytes_are_their_values(rng: np.random.Generator, name: str, first: str) -> None:
    x = rng.integers(0, 256, (9, 6, 5, 2), dtype=np.uint8)
    outputs = []
    for data in (x, x.astype(np.float32)):
        stack = [layers.Rescaling(1 / 255), LAYERS[name](seed=1)]
        if first == "augmentation":
            stack.reverse()
        outputs.append(Sequential([Input((6, 5, 2)), *stack])(data))
    np.testing.assert_array_equal(*outputs)
    if name not in {"brightness", "contrast", "erasing"}:  # which have a range of values
        alone = LAYERS[name](seed=1)(x / np.float32(255))
        np.testing.assert_allclose(outputs[0], alone, atol=1e-6)


def test_training_through_them_learns(rng: np.random.Generator) -> None:
    """With a trained layer below, too."""
    x = rng.normal(size=(32, 6, 5, 2)).astype(np.float32)
    y = rng.integers(0, 3, 32)
    augment = [make() for make in LAYERS.values()]
    model = Sequential(
        [Input((6, 5, 2)), layers.Conv2D(3, 1), *augment, layers.Flatten(), layers.Dense(3)]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    before = model.get_weights()
    history = model.fit(x, y, 8, epochs=2, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert all((a != b).any() for a, b in zip(model.get_weights(), before, strict=True))


# ---- Arguments ----------------------------------------------------------------------------------

BAD_ARGUMENTS: dict[str, tuple[Any, type[Exception], str]] = {
    "mode": (lambda: layers.RandomFlip("diagonal"), ValueError, "`mode`"),
    "seed": (lambda: layers.RandomFlip(seed=-1), ValueError, "`seed`"),
    "data format": (
        lambda: layers.RandomFlip(data_format="channels_first"),
        ValueError,
        "RandomFlip does not support `data_format='channels_first'`",
    ),
    "bounding boxes": (
        lambda: layers.RandomZoom(0.1, bounding_box_format="xyxy"),
        ValueError,
        "RandomZoom does not support `bounding_box_format='xyxy'`",
    ),
    "fill mode": (
        lambda: layers.RandomRotation(0.1, fill_mode="mirror"),
        NotImplementedError,
        ("Unknown `fill_mode` mirror. Expected of one ('reflect', 'wrap', 'constant', 'nearest')."),
    ),
    "interpolation": (
        lambda: layers.RandomTranslation(0.1, 0.1, interpolation="bicubic"),
        NotImplementedError,
        "Unknown `interpolation` bicubic. Expected of one ('nearest', 'bilinear').",
    ),
    "fill value": (
        lambda: layers.RandomZoom(0.1, fill_value="a"),  # type: ignore[arg-type]
        ValueError,
        "`fill_value`",
    ),
    "rotation": (
        lambda: layers.RandomRotation(1.5),
        ValueError,
        (
            "The `factor` argument should be a number (or a list of two numbers) in the range "
            "[-1, 1]. Received: factor=1.5"
        ),
    ),
    "rotation of three": (lambda: layers.RandomRotation([0, 0, 1]), ValueError, "`factor`"),
    "rotation by text": (lambda: layers.RandomRotation("a"), ValueError, "`factor`"),  # type: ignore[arg-type]
    "translation": (
        lambda: layers.RandomTranslation(0.1, (0.1, 1.5)),
        ValueError,
        "in the range [-1.0, 1.0]. Received: input_number=1.5",
    ),
    "translation by text": (
        lambda: layers.RandomTranslation("a", 0.1),  # type: ignore[arg-type]
        ValueError,
        "in the range [-1.0, 1.0]. Received: height_factor=a",
    ),
    "contrast": (
        lambda: layers.RandomContrast(-0.5),
        ValueError,
        "in the range [0, 1]. Received: factor=-0.5",
    ),
    "brightness": (lambda: layers.RandomBrightness(-1.5), ValueError, "factor=-1.5"),
    "value range": (
        lambda: layers.RandomBrightness(0.5, 255),  # type: ignore[arg-type]
        ValueError,
        ("The `value_range` argument should be a list of two numbers. Received: value_range=255"),
    ),
    "value range of contrast": (
        lambda: layers.RandomContrast(0.5, [0, 1, 2]),
        ValueError,
        "`value_range`",
    ),
    "crop": (lambda: layers.RandomCrop(0, 3), ValueError, "`height`"),
    "erasing": (lambda: layers.RandomErasing(2), ValueError, "factor=2"),
    "scale": (
        lambda: layers.RandomErasing(scale=2),
        ValueError,
        "The `scale` argument should be a number",
    ),
    "fill of two": (
        lambda: layers.RandomErasing(fill_value=[1, 2]),
        ValueError,
        "The `fill_value` argument should be a number (or a list of three numbers)",
    ),
    "zoom": (
        lambda: layers.RandomZoom(-1.0),
        ValueError,
        (
            "The `height_factor` and `width_factor` arguments should be a number (or a list of two "
            "numbers) in the range (-1.0, 1.0]. Received: input_number=-1.0"
        ),
    ),
    "zoom of three": (
        lambda: layers.RandomZoom(0.1, [0, 0, 1]),
        ValueError,
        "Received: width_factor=[0, 0, 1]",
    ),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_argument_is_refused_by_name(case: str) -> None:
    make, error, message = BAD_ARGUMENTS[case]
    with pytest.raises(error, match=re.escape(message)):
        make()


@each_layer
def test_rows_that_are_no_images_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="expects images of shape"):
        LAYERS[name]()(np.zeros((2, 3), np.float32))
