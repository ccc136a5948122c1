"""Properties of random models, layer after layer with random options."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convlet import layers, losses, optimizers
from convlet.models import Sequential, load_model

hypothesis = pytest.importorskip("hypothesis", reason="pip install 'convlet[test]'")
st = pytest.importorskip("hypothesis.strategies")

few = hypothesis.settings(
    max_examples=40, derandomize=True, deadline=None, database=None, print_blob=False
)

ACTIVATIONS = st.sampled_from([None, "relu", "tanh", "sigmoid", "elu", "softplus", "gelu"])
PADDINGS = st.sampled_from(["valid", "same"])
OPTIMIZERS = ["SGD", "RMSprop", "Adam", "AdamW", "Nadam", "Adagrad", "Adadelta", "Adamax", "Lion"]
RATES = st.floats(0, 0.9)


def small(largest: int) -> Any:
    return st.integers(1, largest)


def layer(known: Any, **options: Any) -> Any:
    return st.builds(known, **options)


IMAGE_LAYERS = [
    layer(
        layers.Conv2D,
        filters=small(9),
        kernel_size=st.tuples(small(4), small(4)),
        strides=small(3),
        padding=PADDINGS,
        activation=ACTIVATIONS,
        use_bias=st.booleans(),
    ),
    layer(
        layers.DepthwiseConv2D, kernel_size=small(3), depth_multiplier=small(2), padding=PADDINGS
    ),
    layer(layers.Conv2DTranspose, filters=small(4), kernel_size=small(3), strides=small(2)),
    layer(layers.MaxPooling2D, pool_size=small(3), strides=small(3), padding=PADDINGS),
    layer(layers.AveragePooling2D, pool_size=small(3), padding=PADDINGS),
    layer(layers.ZeroPadding2D, padding=st.tuples(small(2), small(2))),
    layer(layers.UpSampling2D, size=small(2)),
    layer(layers.SpatialDropout2D, rate=RATES),
]
ANY_LAYERS = [
    layer(layers.Dense, units=small(20), activation=ACTIVATIONS, use_bias=st.booleans()),
    layer(layers.BatchNormalization, momentum=RATES, center=st.booleans(), scale=st.booleans()),
    layer(layers.LayerNormalization, center=st.booleans(), scale=st.booleans()),
    layer(layers.Dropout, rate=RATES),
    layer(layers.GaussianNoise, stddev=RATES),
    layer(layers.Activation, activation=ACTIVATIONS),
    layer(layers.LeakyReLU, negative_slope=RATES),
    layer(layers.PReLU),
]


@st.composite
def models(draw: Any) -> Sequential:
    """A model that may be built: layers that do not fit where they are drawn are left out."""
    model = Sequential([layers.Input((draw(small(9)), draw(small(9)), draw(small(4))))])
    for chosen in draw(st.lists(st.one_of(*IMAGE_LAYERS, *ANY_LAYERS), max_size=5)):
        before = len(model.layers)
        try:
            model.add(chosen)
        except ValueError:
            assert len(model.layers) == before
    model.add(layers.Flatten())
    for chosen in draw(st.lists(st.one_of(*ANY_LAYERS), max_size=2)):
        model.add(chosen)
    model.add(layers.Dense(3, activation="softmax"))
    return model


def assert_same_bits(one: Any, other: Any) -> None:
    for a, b in zip(one, other, strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@few
@hypothesis.given(
    models(), st.sampled_from(OPTIMIZERS), st.sampled_from(["keras", "h5"]), small(9), small(9)
)
def test_a_saved_model_is_the_same_to_the_bit(
    model: Sequential, optimizer: str, kind: str, rows: int, batch_size: int
) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, *model.input_shape[1:])).astype(np.float32)
    y = rng.integers(0, 3, rows)
    model.compile(getattr(optimizers, optimizer)(), losses.SparseCategoricalCrossentropy())
    history = model.fit(x, y, batch_size=batch_size, epochs=2, verbose=0)
    assert len(history.history["loss"]) == 2
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / f"model.{kind}")
        loaded = load_model(Path(folder) / f"model.{kind}")
    assert loaded.get_config() == model.get_config()
    assert_same_bits(loaded.get_weights(), model.get_weights())
    assert_same_bits(loaded.optimizer.get_state(), model.optimizer.get_state())
    predicted = model.predict(x, verbose=0)
    assert predicted.shape == (rows, 3)
    assert_same_bits([loaded.predict(x, verbose=0)], [predicted])
    # Each row alone as well as among the others.
    assert_same_bits([loaded.predict(x[:1], verbose=0)], [model.predict(x[:1], verbose=0)])


@few
@hypothesis.given(models(), st.lists(st.integers(0, 12), max_size=5), st.integers(0, 5))
def test_rows_of_another_shape_are_refused(
    model: Sequential, shape: list[int], labels: int
) -> None:
    wanted = model.input_shape[1:]
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = model.get_weights()
    row = tuple(shape[1:])
    fits = row in (wanted, wanted[:-1] if wanted[-1] == 1 else wanted)
    hypothesis.assume(not fits)
    x = np.zeros(shape, np.float32)
    for call in (
        lambda: model.predict(x, verbose=0),
        lambda: model.fit(x, np.zeros(labels), verbose=0),
        lambda: model.train_on_batch(x, np.zeros(labels)),
    ):
        with pytest.raises(ValueError, match=r"`x`|inputs|cardinality|rows|shape"):
            call()
    assert_same_bits(model.get_weights(), before)
