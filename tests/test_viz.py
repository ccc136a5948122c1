"""Pictures show the numbers they say they show."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import convlet
from convlet import Input, Model, Sequential, layers, utils, viz

pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install 'convlet[plot]'")

RNG = np.random.default_rng(0)
IMAGES = RNG.random((12, 8, 8, 1), np.float32)
LABELS = RNG.integers(3, size=12)


@pytest.fixture
def model() -> Sequential:
    utils.clear_session()
    utils.set_random_seed(0)
    model = Sequential(
        [
            Input((8, 8, 1)),
            layers.Conv2D(5, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def texts(figure: Any) -> list[str]:
    """All that is written in a figure."""
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(lambda each: hasattr(each, "get_text"))]


def tiles(axes: Any, count: int, size: tuple[int, int], gap: int) -> np.ndarray:
    """The tiles of a mosaic that is shown, row by row."""
    picture = np.ma.filled(axes.images[0].get_array(), np.nan)
    columns = (picture.shape[1] + gap) // (size[1] + gap)
    corners = [
        (i // columns * (size[0] + gap), i % columns * (size[1] + gap)) for i in range(count)
    ]
    return np.stack([picture[y : y + size[0], x : x + size[1]] for y, x in corners])


def test_history(model: Sequential) -> None:
    history = model.fit(
        IMAGES, LABELS, epochs=4, validation_split=0.25, validation_freq=2, verbose=0
    )
    figure = viz.plot_history(history)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss", "accuracy"]
    for axes, name in zip(figure.axes, ("loss", "accuracy"), strict=True):
        training, validation = axes.lines
        np.testing.assert_array_equal(training.get_ydata(), history.history[name])
        np.testing.assert_array_equal(training.get_xdata(), [1, 2, 3, 4])
        np.testing.assert_array_equal(validation.get_ydata(), history.history[f"val_{name}"])
        assert len({line.get_linestyle() for line in axes.lines}) == 2  # without color, too
    assert len(viz.plot_history({"loss": [1.0], "a": [1.0], "b": [2.0]}).axes) == 3
    with pytest.raises(ValueError, match="at least one epoch"):
        viz.plot_history({})


def test_filters_of_one_channel(model: Sequential) -> None:
    figure = viz.plot_filters(model.layers[0])
    (axes,) = figure.axes
    kernel = model.layers[0].get_weights()[0]
    shown = tiles(axes, 5, (3, 3), gap=1)
    np.testing.assert_array_equal(shown, np.moveaxis(kernel[:, :, 0], -1, 0))
    low, high = axes.images[0].get_clim()
    assert low == -high == -np.abs(kernel).max()
    assert axes.get_title(loc="left") == "conv2d: 5 filters of 3x3"


@pytest.mark.parametrize(
    ("layer", "channels", "title"),
    [
        (layers.Conv2D(20, 2, name="a"), 18, "a: 16 of 20 filters of 2x2, 16 of 18 channels each"),
        (layers.DepthwiseConv2D(2, depth_multiplier=2, name="b"), 2, "b: 4 filters of 2x2"),
        (layers.Conv2DTranspose(4, 2, name="c"), 2, "c: 4 filters of 2x2, 2 channels each"),
        (layers.Conv2D(4, 2, name="d"), 3, "d: 4 filters of 2x2"),
    ],
)
def test_filters(layer: Any, channels: int, title: str) -> None:
    layer.build((None, 6, 6, channels))
    (axes,) = viz.plot_filters(layer).axes
    assert axes.get_title(loc="left") == title
    kernel = layer.get_weights()[0]
    if layer.name == "a":
        expected = np.transpose(kernel[..., :16, :16], (3, 2, 0, 1)).reshape(-1, 2, 2)
        np.testing.assert_array_equal(tiles(axes, 256, (2, 2), 1), expected)
    if layer.name == "c":
        expected = np.transpose(kernel, (2, 3, 0, 1)).reshape(-1, 2, 2)
        np.testing.assert_array_equal(tiles(axes, 8, (2, 2), 1), expected)
    if layer.name == "d":  # in color: each filter from 0 to 1
        first = np.asarray(axes.images[0].get_array())[:2, :2]
        weights = kernel[..., 0]
        scaled = (weights - weights.min()) / (weights.max() - weights.min())
        np.testing.assert_allclose(first, scaled, rtol=1e-6)


def test_response_maps(model: Sequential) -> None:
    figure = viz.plot_response_maps(model, IMAGES[3])
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        "image  (8x8x1)",
        "conv2d  Conv2D (6x6x5)",
        "max_pooling2d  MaxPooling2D (3x3x5)",
        "flatten  Flatten (45)",
        "dense  Dense (3)",
    ]
    expected = Model(model.inputs[0], model.layers[0].output).predict(IMAGES[3:4], verbose=0)[0]
    shown = tiles(figure.axes[1], 5, (6, 6), gap=1)
    np.testing.assert_array_equal(shown, np.moveaxis(expected, -1, 0))
    assert [text.get_text() for text in figure.axes[1].texts] == ["0", "1", "2", "3", "4"]
    heights = [bar.get_height() for bar in figure.axes[-1].patches]
    np.testing.assert_array_equal(heights, model.predict(IMAGES[3:4], verbose=0)[0])
    for same in (IMAGES[3, ..., 0], IMAGES[3:4]):
        again = viz.plot_response_maps(model, same, max_maps=2)
        assert "conv2d  Conv2D (6x6x5), 2 of 5 maps" in texts(again)


def test_response_maps_of_a_graph() -> None:
    inputs = Input((6, 6, 2))
    x = layers.Conv2D(2, 3, padding="same", name="one")(inputs)
    model = Model(inputs, layers.Add(name="sum")([x, inputs]))
    image = RNG.random((6, 6, 2), np.float32)
    figure = viz.plot_response_maps(model, image)
    expected = model.predict(image[None], verbose=0)[0]
    np.testing.assert_array_equal(
        tiles(figure.axes[-1], 2, (6, 6), 1), np.moveaxis(expected, -1, 0)
    )


def test_wrong_images_are_refused(model: Sequential) -> None:
    with pytest.raises(ValueError, match=r"one image of shape \(8, 8, 1\). Received: shape=\(7, 8"):
        viz.plot_response_maps(model, np.zeros((7, 8)))
    with pytest.raises(ValueError, match="has not been built"):
        viz.plot_response_maps(Sequential([layers.Dense(2)]), np.zeros((7, 8)))
    with pytest.raises(ValueError, match="filters of two dimensions"):
        viz.plot_filters(model.layers[-1])


@pytest.mark.parametrize("normalize", [False, True])
def test_confusion_matrix(normalize: bool) -> None:
    true, predicted = [0, 0, 0, 2, 2], [0, 1, 1, 2, 0]
    figure = viz.plot_confusion_matrix(true, np.eye(4)[predicted], normalize=normalize)
    (axes,) = figure.axes
    shares = np.zeros((4, 4))
    shares[0, :2], shares[2, [0, 2]] = (1 / 3, 2 / 3), (1 / 2, 1 / 2)
    np.testing.assert_allclose(axes.images[0].get_array(), shares)
    written = [text.get_text() for text in axes.texts]
    assert written == (["0.33", "0.67", "0.50", "0.50"] if normalize else ["1", "2", "1", "1"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [0]), "same number of rows"),
        (([], []), "at least one"),
        (([0.5], [0]), "`y_true` must be class indices"),
        (([0], [-1]), "`y_pred` must not be negative"),
        (([0], [2], ["a", "b"]), "each of the 3 classes"),
    ],
)
def test_wrong_confusions_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        viz.plot_confusion_matrix(*arguments)


def test_mistakes(model: Sequential) -> None:
    probabilities = model.predict(IMAGES, verbose=0)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != LABELS)
    order = wrong[np.argsort(-probabilities[wrong].max(axis=1), kind="stable")][:4]
    assert len(wrong) > 4
    figure = viz.plot_mistakes(model, IMAGES, LABELS, count=4, class_names=["a", "b", "c"])
    assert len(figure.axes) == 4
    for axes, row in zip(figure.axes, order, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), IMAGES[row, ..., 0])
        true, taken = "abc"[LABELS[row]], "abc"[probabilities[row].argmax()]
        sure = f"{probabilities[row].max():.1%}"
        assert axes.get_title() == f"{true} taken for {taken}\n{sure} sure"
    assert f"{len(wrong)} of 12 are wrong" in texts(figure)
    right = probabilities.argmax(axis=1)
    assert not viz.plot_mistakes(model, IMAGES, right).axes
    with pytest.raises(ValueError, match="same number of rows"):
        viz.plot_mistakes(model, IMAGES, LABELS[:3])


def test_model_boxes(model: Sequential) -> None:
    written = texts(viz.plot_model(model, show_layer_activations=True, show_trainable=True))
    assert "conv2d  (Conv2D)" in written
    assert "(None, 6, 6, 5)   50 weights" in written
    assert written.count("trainable") == 5
    assert "activation: softmax" in written
    plain = texts(viz.plot_model(model, show_shapes=False, show_layer_names=False))
    assert [text for text in plain if text] == [
        "InputLayer",
        "Conv2D",
        "MaxPooling2D",
        "Flatten",
        "Dense",
    ]
    assert "?" in texts(viz.plot_model(Sequential([layers.Dense(2)])))
    with pytest.raises(ValueError, match="no layers"):
        viz.plot_model(Sequential())


def test_arrows_of_a_graph() -> None:
    from matplotlib.patches import FancyArrowPatch

    inputs = Input((4,))
    x = layers.Dense(4)(inputs)
    model = Model(inputs, layers.Add()([x, layers.Dense(4)(layers.Dense(4)(x)), inputs]))
    figure = viz.plot_model(model)
    arrows = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == 6


@pytest.mark.parametrize("extension", ["png", "svg"])
def test_files(model: Sequential, extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{extension}"
    utils.plot_model(model, path, show_shapes=True, dpi=50)
    content = path.read_bytes()
    if extension == "svg":
        assert ET.fromstring(content).tag == "{http://www.w3.org/2000/svg}svg"
    else:
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_wrong_files_are_refused(model: Sequential, tmp_path: Path) -> None:
    for arguments, message in (
        ({"to_file": tmp_path / "m.gif"}, "must end in .png, .svg, .pdf"),
        ({"rankdir": "LR"}, "`rankdir='LR'`"),
        ({"expand_nested": True}, "`expand_nested=True`"),
        ({"dpi": 0}, "`dpi`"),
    ):
        with pytest.raises(ValueError, match=message):
            utils.plot_model(model, **{"to_file": tmp_path / "m.png", **arguments})
    assert not list(tmp_path.iterdir())


def test_notebooks_show_figures(model: Sequential) -> None:
    figure: Any = viz.plot_model(model)
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )


def test_names() -> None:
    assert all(callable(getattr(convlet.viz, name)) for name in convlet.viz.__all__)
    with pytest.raises(AttributeError, match="no attribute 'plot_everything'"):
        convlet.viz.plot_everything  # noqa: B018
