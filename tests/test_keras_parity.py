"""Same numbers as Keras: against golden numbers, and against Keras itself where it is installed.

Rounding tips a ReLU or a maximum sooner or later, so trajectories part even between Keras's own
back ends: by 1e-7 over 10 steps, and by up to 9 % somewhere in 50.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convlet
from golden import runs

GOLDEN = json.loads((Path(__file__).parent / "golden" / "golden.json").read_text(encoding="utf-8"))
IMAGE_SETS = ["synthetic", "mnist"]

# Keras and TensorFlow warn of their own affairs.
live = [pytest.mark.keras, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def image_sets() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The images, float32 (n, 28, 28, 1) in [0, 1], and labels of IMAGE_SETS."""
    count = runs.STEPS * runs.BATCH
    (images, labels), _ = convlet.datasets.mnist.load_data()
    mnist = images[:count, ..., None].astype(np.float32) / 255, labels[:count]
    return {"synthetic": runs.synthetic_images(count), "mnist": mnist}


def assert_same_predictions(actual: Any, expected: Any) -> None:
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


def assert_same_losses(actual: list[float], expected: list[float]) -> None:
    """1e-5 over the first ten steps, 2 % on average over all."""
    relative = np.abs(np.subtract(actual, expected)) / np.abs(expected)
    assert relative[:10].max() <= 1e-5
    assert relative.mean() <= 0.02


def assert_same_numbers(actual: Any, expected: Any) -> None:
    """Equal trees of dictionaries whose numbers agree to 1e-5."""
    assert type(actual) is type(expected)
    if isinstance(actual, dict):
        assert actual.keys() == expected.keys()
        for key, value in actual.items():
            assert_same_numbers(value, expected[key])
    else:
        np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5)


def inputs_of(k: Any, inputs: Any) -> Any:
    return k.layers.Conv2D(4, 3, padding="same")(inputs)


def preprocessing(k: Any) -> Any:
    """Images changed at random, normalized as in other images, then models within models."""
    layers = k.layers
    augmentation = k.Sequential(
        [
            layers.RandomFlip("horizontal", seed=1),
            layers.RandomTranslation(0.1, (-0.2, 0.1), fill_mode="nearest"),
            layers.RandomRotation(0.1, interpolation="nearest"),
            layers.RandomZoom((-0.1, 0.2), fill_mode="constant", fill_value=0.5),
            layers.RandomContrast(0.2),
            layers.RandomBrightness(0.1, value_range=(0, 1)),
            layers.RandomErasing(0.3, scale=(0.02, 0.1)),
        ],
        name="augmentation",
    )
    adapted = layers.Normalization()
    adapted.adapt(3 * np.random.default_rng(0).normal(size=(10, 8, 7, 2)) + 1)
    inner_inputs, outer_inputs, inputs = (k.Input((8, 7, 2)) for _ in range(3))
    x = layers.Conv2D(2, 3, padding="same", name="inside")(inner_inputs)
    inner = k.Model(inner_inputs, layers.add([x, inner_inputs]), name="inner")
    x = layers.BatchNormalization()(inner(outer_inputs))
    outer = k.Model(outer_inputs, x, name="outer")
    x = outer(adapted(augmentation(inputs)))
    x = layers.Normalization(mean=[0.5, 0.2], variance=[2.0, 3.0])(x)
    x = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    model = k.Model(inputs, x)
    rng = np.random.default_rng(1)
    for weight in model.weights:
        if not weight.path.startswith("normalization/"):
            weight.assign(rng.random(weight.shape))
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def test_inputs_are_those_of_the_golden_numbers() -> None:
    assert runs.fingerprint() == GOLDEN["fingerprint"]


# Layer and factors; nothing lies so between two pixels that rounding decides which is nearer.
AUGMENTATIONS: list[tuple[Any, ...]] = [
    ("RandomTranslation", 0.13, 0.13),
    ("RandomTranslation", -0.77, 0.31),
    ("RandomTranslation", 1.0, -0.95),
    ("RandomRotation", 0.11),
    ("RandomRotation", -0.37),
    ("RandomZoom", 0.43, -0.29),
    ("RandomZoom", 0.97, 0.63),
    ("RandomZoom", -0.6, None),
]


# ---- Golden -------------------------------------------------------------------------------------


@pytest.mark.parametrize("image_set", IMAGE_SETS)
def test_initial_predictions(
    image_sets: dict[str, tuple[np.ndarray, np.ndarray]], image_set: str
) -> None:
    images, _ = image_sets[image_set]
    actual = runs.initial_predictions(convlet, images)
    assert_same_predictions(actual, GOLDEN[image_set]["predictions"])


@pytest.mark.parametrize("image_set", IMAGE_SETS)
def test_losses_of_consecutive_batches(
    image_sets: dict[str, tuple[np.ndarray, np.ndarray]], image_set: str
) -> None:
    actual = runs.batch_losses(convlet, *image_sets[image_set])
    assert_same_losses(actual, GOLDEN[image_set]["losses"])


def test_fit_and_evaluate() -> None:
    assert_same_numbers(runs.fit_and_evaluate(convlet), GOLDEN["fit_and_evaluate"])


@pytest.mark.parametrize("variant", runs.RMSPROP_VARIANTS)
def test_rmsprop(variant: str) -> None:
    assert_same_numbers(runs.rmsprop(convlet, variant), GOLDEN["rmsprop"][variant])


@pytest.mark.parametrize("case", runs.LOSS_CASES)
def test_loss(case: str) -> None:
    assert_same_numbers(runs.loss(convlet, case), GOLDEN["loss"][case])


@pytest.mark.parametrize("case", runs.LAYER_CASES)
def test_layer(case: str) -> None:
    assert_same_numbers(runs.layer(convlet, case), GOLDEN["layer"][case])


@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
@pytest.mark.parametrize("case", runs.TRAINING_CASES)
def test_layer_training(case: str) -> None:
    assert_same_numbers(runs.layer_training(convlet, case), GOLDEN["training"][case])


@pytest.mark.parametrize("case", runs.GRAPH_CASES)
def test_graph_training(case: str) -> None:
    assert_same_numbers(runs.graph_training(convlet, case), GOLDEN["graph"][case])


def test_freezing() -> None:
    assert runs.freezing(convlet) == GOLDEN["freezing"]


# ---- Live ---------------------------------------------------------------------------------------


class TestLive:
    """The same runs with Keras in this process."""

    pytestmark = live

    @pytest.mark.parametrize("image_set", IMAGE_SETS)
    def test_initial_predictions(
        self, keras: Any, image_sets: dict[str, tuple[np.ndarray, np.ndarray]], image_set: str
    ) -> None:
        images, _ = image_sets[image_set]
        assert_same_predictions(*(runs.initial_predictions(k, images) for k in (convlet, keras)))

    @pytest.mark.parametrize("image_set", IMAGE_SETS)
    def test_losses_of_consecutive_batches(
        self, keras: Any, image_sets: dict[str, tuple[np.ndarray, np.ndarray]], image_set: str
    ) -> None:
        assert_same_losses(
            *(runs.batch_losses(k, *image_sets[image_set]) for k in (convlet, keras))
        )

    def test_fit_and_evaluate(self, keras: Any) -> None:
        assert_same_numbers(*(runs.fit_and_evaluate(k) for k in (convlet, keras)))

    @pytest.mark.parametrize("variant", runs.RMSPROP_VARIANTS)
    def test_rmsprop(self, keras: Any, variant: str) -> None:
        assert_same_numbers(*(runs.rmsprop(k, variant) for k in (convlet, keras)))

    @pytest.mark.parametrize("case", runs.LOSS_CASES)
    def test_loss(self, keras: Any, case: str) -> None:
        assert_same_numbers(*(runs.loss(k, case) for k in (convlet, keras)))

    @pytest.mark.parametrize("case", runs.LAYER_CASES)
    def test_layer(self, keras: Any, case: str) -> None:
        assert_same_numbers(*(runs.layer(k, case) for k in (convlet, keras)))

    @pytest.mark.parametrize("case", runs.TRAINING_CASES)
    def test_layer_training(self, keras: Any, case: str) -> None:
        assert_same_numbers(*(runs.layer_training(k, case) for k in (convlet, keras)))

    @pytest.mark.parametrize("case", runs.GRAPH_CASES)
    def test_graph_training(self, keras: Any, case: str) -> None:
        assert_same_numbers(*(runs.graph_training(k, case) for k in (convlet, keras)))

    @pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
    @pytest.mark.parametrize("fill_mode", ["reflect", "wrap", "constant", "nearest"])
    def test_images_seen_through_a_map(
        self, keras: Any, fill_mode: str, interpolation: str
    ) -> None:
        """Of which nothing is random: the lowest number is the highest."""
        sampling = {"fill_mode": fill_mode, "interpolation": interpolation, "fill_value": 0.7}
        x = np.random.default_rng(0).normal(size=(2, 7, 9, 3)).astype(np.float32)
        for name, *factors in AUGMENTATIONS:
            bounds = [None if factor is None else (factor, factor) for factor in factors]
            ours, theirs = (
                np.asarray(getattr(k.layers, name)(*bounds, **sampling)(x, training=True))
                for k in (convlet, keras)
            )
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)

    @pytest.mark.parametrize("size", [(7, 9), (7, 4), (5, 12), (20, 20), (10, 5)])
    def test_cropped_images_that_are_not_larger(self, keras: Any, size: tuple[int, int]) -> None:
        """Of which nothing is random."""
        x = np.random.default_rng(0).normal(size=(2, 7, 9, 3)).astype(np.float32)
        ours, theirs = (
            np.asarray(k.layers.RandomCrop(*size)(x, training=True)) for k in (convlet, keras)
        )
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)

    @pytest.mark.parametrize(
        ("name", "factor"), [("RandomContrast", 0.0), ("RandomBrightness", [0.4, 0.4])]
    )
    def test_images_of_another_color(self, keras: Any, name: str, factor: Any) -> None:
        """Of which nothing is random: the lowest number is the highest."""
        x = np.random.default_rng(0).normal(size=(2, 7, 9, 3)).astype(np.float32)
        ours, theirs = (
            np.asarray(getattr(k.layers, name)(factor, (-1.0, 1.5), 3)(x, training=True))
            for k in (convlet, keras)
        )
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)

    @pytest.mark.parametrize("case", runs.GRAPH_CASES)
    def test_configuration_of_a_graph(self, keras: Any, case: str) -> None:
        """Each makes the other's model, layer by layer."""
        models = []
        for k in (convlet, keras):
            inputs = k.Input((6, 5, 2), name="images")
            models.append(k.Model(inputs, runs.graph(k, case, inputs_of(k, inputs))))
        ours, theirs = models
        assert [type(a).__name__ for a in ours.layers] == [type(b).__name__ for b in theirs.layers]
        assert [w.shape for w in ours.weights] == [tuple(w.shape) for w in theirs.weights]
        config = json.loads(json.dumps(theirs.get_config()))
        read = convlet.models.Functional.from_config(config)
        assert [a.name for a in read.layers] == [b.name for b in theirs.layers]
        written = keras.Model.from_config(json.loads(json.dumps(ours.get_config())))
        x = np.ones((2, 6, 5, 2), np.float32)
        weights = ours.get_weights()
        for model in (theirs, read, written):
            model.set_weights(weights)
            assert_same_predictions(model.predict(x, verbose=0), ours.predict(x, verbose=0))

    @pytest.mark.parametrize("has_all", [True, False])
    def test_weights_are_attributes(self, keras: Any, has_all: bool) -> None:
        bias, scale = {"use_bias": has_all}, {"center": has_all, "scale": has_all}
        cases: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
            ("Dense", (2,), bias, "kernel bias"),
            ("Conv2D", (2, 3), bias, "kernel bias"),
            ("Conv2DTranspose", (2, 3), bias, "kernel bias"),
            ("DepthwiseConv2D", (3,), bias, "kernel bias"),
            ("SeparableConv2D", (2, 3), bias, "depthwise_kernel pointwise_kernel bias"),
            ("BatchNormalization", (), scale, "gamma beta moving_mean moving_variance"),
            ("LayerNormalization", (), scale, "gamma beta"),
            ("PReLU", (), {}, "alpha"),
        ]
        for name, arguments, options, weights in cases:
            shapes = []
            for k in (convlet, keras):
                layer = getattr(k.layers, name)(*arguments, **options)
                layer.build((None, 6, 5, 4))
                values = [getattr(layer, weight) for weight in weights.split()]
                shapes.append([value if value is None else tuple(value.shape) for value in values])
            assert shapes[0] == shapes[1], name

    def test_files_of_convolutions(self, keras: Any, tmp_path: Path) -> None:
        """Each reads the other's, rules of the weights and all."""
        models = [runs.convolutions(k) for k in (convlet, keras)]
        ours, theirs = models
        x = np.random.default_rng(0).normal(size=(2, 8, 7, 4))
        expected = theirs.predict(x, verbose=0)
        assert_same_predictions(ours.predict(x, verbose=0), expected)
        assert [v.name for v in ours.weights] == [v.name for v in theirs.weights]
        assert sum(ours.losses) == pytest.approx(float(sum(theirs.losses)), rel=1e-5)
        ours.save(tmp_path / "ours.keras")
        theirs.save(tmp_path / "theirs.keras")
        read = convlet.models.load_model(tmp_path / "theirs.keras")
        written = keras.models.load_model(tmp_path / "ours.keras")
        for model in (read, written):
            assert_same_predictions(model.predict(x, verbose=0), expected)
            assert float(sum(model.losses)) == pytest.approx(float(sum(theirs.losses)), rel=1e-5)
        for a, b in zip(ours.layers, theirs.layers, strict=True):
            assert a.get_config().keys() == b.get_config().keys()

    def test_files_of_layers_as_activations(self, keras: Any, tmp_path: Path) -> None:
        x = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype(np.float32)
        models = {}
        for k in (convlet, keras):
            layers = k.layers
            k.utils.clear_session()
            models[k] = k.Sequential(
                [
                    k.Input((6, 6, 2)),
                    layers.Conv2D(4, 3, activation=layers.LeakyReLU(0.1)),
                    layers.Conv2D(4, 3, activation=layers.ReLU(max_value=1.0)),
                    layers.Flatten(),
                    layers.Dense(3, activation=layers.ELU(0.5)),
                    layers.Dense(2, activation=layers.LeakyReLU()),
                ]
            )
        ours, theirs = models.values()
        assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
        theirs.set_weights(ours.get_weights())
        expected = theirs.predict(x, verbose=0)
        assert_same_predictions(ours.predict(x, verbose=0), expected)
        for kind in ("keras", "h5"):
            for k, model in models.items():
                model.save(tmp_path / f"{k.__name__}.{kind}")
            for k in models:
                for reader in models:
                    read = reader.models.load_model(tmp_path / f"{k.__name__}.{kind}")
                    assert_same_predictions(read.predict(x, verbose=0), expected)

    def test_files_of_preprocessing_and_nested_models(self, keras: Any, tmp_path: Path) -> None:
        """Each reads the other's: configurations, adapted statistics and weights at any depth.

        (Keras itself cannot write these models as .h5.)
        """
        x = np.random.default_rng(2).normal(size=(4, 8, 7, 2)).astype(np.float32)
        models = {k: preprocessing(k) for k in (convlet, keras)}
        for k, model in models.items():
            model.train_on_batch(x, np.array([0, 1, 2, 0]))
            kinds = ["keras", "weights.h5", "h5"][: 3 if k is convlet else 2]
            for kind in kinds:
                path = tmp_path / f"{k.__name__}.{kind}"
                (model.save_weights if kind == "weights.h5" else model.save)(path)
            for reader in (convlet, keras):
                for kind in kinds:
                    path = tmp_path / f"{k.__name__}.{kind}"
                    if kind == "weights.h5":
                        read = preprocessing(reader)
                        read.load_weights(path)
                    else:
                        read = reader.models.load_model(path)
                        assert int(read.optimizer.iterations) == 1
                    for weight, expected in zip(read.weights, model.weights, strict=True):
                        np.testing.assert_array_equal(np.asarray(weight), np.asarray(expected))
                    assert_same_predictions(read.predict(x, verbose=0), model.predict(x, verbose=0))
        read = convlet.models.load_model(tmp_path / "keras.keras")
        configurations = [
            json.loads(json.dumps([layer.get_config() for layer in model.layers[1].layers]))
            for model in (read, models[convlet])
        ]
        assert configurations[0] == configurations[1]

    def test_freezing(self, keras: Any) -> None:
        assert runs.freezing(convlet) == runs.freezing(keras)
