"""Layers: arguments, shapes, weights, configuration. Their numbers are tested elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from convlet import Input, Sequential, activations, initializers, layers, utils
from convlet.layers import Activation, Conv2D, Dense, Flatten, InputLayer, MaxPooling2D, ReLU

# As Keras 3.15 writes it.
FLOAT32_POLICY = {
    "module": "keras",
    "class_name": "DTypePolicy",
    "config": {"name": "float32"},
    "registered_name": None,
}

# One of each: the layer, an input shape it takes, its output shape and the shapes of its weights.
CASES: dict[str, tuple[Callable[..., layers.Layer], Any, Any, Any]] = {
    "conv2d": (
        lambda **k: Conv2D(5, (3, 2), activation="relu", **k),
        (8, 7, 3),
        (6, 6, 5),
        [(3, 2, 3, 5), (5,)],
    ),
    "conv2d strided same": (
        lambda **k: Conv2D(4, 3, strides=(2, 3), padding="same", use_bias=False, **k),
        (7, 7, 1),
        (4, 3, 4),
        [(3, 3, 1, 4)],
    ),
    "conv2d dilated": (
        lambda **k: Conv2D(4, (3, 2), dilation_rate=(2, 3), **k),
        (9, 8, 2),
        (5, 5, 4),
        [(3, 2, 2, 4), (4,)],
    ),
    "conv2d in groups": (
        lambda **k: Conv2D(6, 3, groups=3, padding="same", **k),
        (5, 4, 9),
        (5, 4, 6),
        [(3, 3, 3, 6), (6,)],
    ),
    "conv2d_transpose": (
        lambda **k: layers.Conv2DTranspose(4, (3, 2), strides=2, activation="relu", **k),
        (4, 3, 5),
        (9, 6, 4),
        [(3, 2, 4, 5), (4,)],
    ),
    "conv2d_transpose padded": (
        lambda **k: layers.Conv2DTranspose(
            2, 3, strides=(3, 2), padding="same", output_padding=(2, 0), use_bias=False, **k
        ),
        (4, 3, 5),
        (12, 5, 2),
        [(3, 3, 2, 5)],
    ),
    "depthwise_conv2d": (
        lambda **k: layers.DepthwiseConv2D(
            (3, 2), strides=2, depth_multiplier=2, activation="relu", **k
        ),
        (7, 6, 3),
        (3, 3, 6),
        [(3, 2, 3, 2), (6,)],
    ),
    "depthwise_conv2d dilated": (
        lambda **k: layers.DepthwiseConv2D(
            3, padding="same", dilation_rate=2, use_bias=False, depthwise_initializer="ones", **k
        ),
        (5, 4, 3),
        (5, 4, 3),
        [(3, 3, 3, 1)],
    ),
    "separable_conv2d": (
        lambda **k: layers.SeparableConv2D(
            4,
            (3, 2),
            strides=2,
            padding="same",
            depth_multiplier=2,
            pointwise_initializer="ones",
            depthwise_constraint="non_neg",
            **k,
        ),
        (7, 6, 3),
        (4, 3, 4),
        [(3, 2, 3, 2), (1, 1, 6, 4), (4,)],
    ),
    "separable_conv2d without bias": (
        lambda **k: layers.SeparableConv2D(
            5, 2, dilation_rate=2, activation="relu", use_bias=False, **k
        ),
        (4, 5, 2),
        (2, 3, 5),
        [(2, 2, 2, 1), (1, 1, 2, 5)],
    ),
    "conv1d": (
        lambda **k: layers.Conv1D(5, 3, padding="causal", strides=2, activation="relu", **k),
        (8, 3),
        (4, 5),
        [(3, 3, 5), (5,)],
    ),
    "conv1d with dilation, in groups": (
        lambda **k: layers.Conv1D(6, 3, padding="causal", dilation_rate=2, groups=2, **k),
        (8, 4),
        (8, 6),
        [(3, 2, 6), (6,)],
    ),
    "conv1d with dilation": (
        lambda **k: layers.Conv1D(3, 3, dilation_rate=3, activation="relu", **k),
        (9, 2),
        (3, 3),
        [(3, 2, 3), (3,)],
    ),
    "conv1d in bfloat16": (
        lambda **k: layers.Conv1D(5, [3], padding="same", dtype="mixed_bfloat16", **k),
        (8, 3),
        (8, 5),
        [(3, 3, 5), (5,)],
    ),
    "max_pooling1d": (layers.MaxPooling1D, (7, 2), (3, 2), []),
    "average_pooling1d": (
        lambda **k: layers.AveragePooling1D(3, strides=2, padding="same", **k),
        (7, 2),
        (4, 2),
        [],
    ),
    "global_average_pooling1d": (layers.GlobalAveragePooling1D, (5, 3), (3,), []),
    "global_max_pooling1d": (
        lambda **k: layers.GlobalMaxPooling1D(keepdims=True, **k),
        (5, 3),
        (1, 3),
        [],
    ),
    "max_pooling2d": (MaxPooling2D, (7, 6, 2), (3, 3, 2), []),
    "max_pooling2d same": (
        lambda **k: MaxPooling2D(3, strides=2, padding="same", **k),
        (7, 6, 2),
        (4, 3, 2),
        [],
    ),
    "average_pooling2d": (
        lambda **k: layers.AveragePooling2D(3, strides=2, padding="same", **k),
        (7, 6, 2),
        (4, 3, 2),
        [],
    ),
    "global_average_pooling2d": (layers.GlobalAveragePooling2D, (5, 4, 3), (3,), []),
    "global_max_pooling2d": (
        lambda **k: layers.GlobalMaxPooling2D(keepdims=True, **k),
        (5, 4, 3),
        (1, 1, 3),
        [],
    ),
    "dropout": (
        lambda **k: layers.Dropout(0.5, noise_shape=(None, 1, 1, 3), seed=3, **k),
        (5, 4, 3),
        (5, 4, 3),
        [],
    ),
    "spatial_dropout2d": (
        lambda **k: layers.SpatialDropout2D(0.5, seed=3, **k),
        (5, 4, 3),
        (5, 4, 3),
        [],
    ),
    "activity_regularization": (
        lambda **k: layers.ActivityRegularization(0.1, 0.2, **k),
        (4, 3),
        (4, 3),
        [],
    ),
    "dense with a penalty": (
        lambda **k: Dense(6, activity_regularizer="l2", **k),
        (5,),
        (6,),
        [(5, 6), (6,)],
    ),
    "gaussian_noise": (lambda **k: layers.GaussianNoise(0.5, **k), (4,), (4,), []),
    "gaussian_dropout": (lambda **k: layers.GaussianDropout(0.5, seed=1, **k), (4,), (4,), []),
    "batch_normalization": (layers.BatchNormalization, (4, 3, 5), (4, 3, 5), [(5,)] * 4),
    "batch_normalization of vectors": (
        lambda **k: layers.BatchNormalization(
            axis=1, scale=False, momentum=0.5, moving_mean_initializer="ones", **k
        ),
        (5,),
        (5,),
        [(5,)] * 3,
    ),
    "layer_normalization": (layers.LayerNormalization, (4, 3, 5), (4, 3, 5), [(5,)] * 2),
    "layer_normalization of all": (
        lambda **k: layers.LayerNormalization((2, 1, 3), scale=False, **k),
        (4, 3, 5),
        (4, 3, 5),
        [(4, 3, 5)],
    ),
    "group_normalization": (
        lambda **k: layers.GroupNormalization(3, beta_regularizer="l2", **k),
        (4, 6),
        (4, 6),
        [(6,)] * 2,
    ),
    "group_normalization of channels": (
        lambda **k: layers.GroupNormalization(-1, 3, center=False, **k),
        (4, 3, 5),
        (4, 3, 5),
        [(5,)],
    ),
    "random_flip": (lambda **k: layers.RandomFlip("vertical", **k), (5, 4, 3), (5, 4, 3), []),
    "random_translation": (
        lambda **k: layers.RandomTranslation(0.1, (0, 0.2), "wrap", seed=3, **k),
        (5, 4, 3),
        (5, 4, 3),
        [],
    ),
    "random_rotation": (
        lambda **k: layers.RandomRotation((-0.1, 0.3), "constant", fill_value=2.0, **k),
        (5, 4, 3),
        (5, 4, 3),
        [],
    ),
    "random_zoom": (
        lambda **k: layers.RandomZoom(0.1, interpolation="nearest", **k),
        (5, 4, 3),
        (5, 4, 3),
        [],
    ),
    "random_contrast": (
        lambda **k: layers.RandomContrast((0.1, 0.3), (0, 1), 3, **k),
        (5, 4, 3),
        (5, 4, 3),
        [],
    ),
    "random_brightness": (
        lambda **k: layers.RandomBrightness(0.2, **k),
        (5, 4, 3),
        (5, 4, 3),
        [],
    ),
    "random_crop": (lambda **k: layers.RandomCrop(3, 2, **k), (5, 4, 3), (3, 2, 3), []),
    "random_crop of small images": (
        lambda **k: layers.RandomCrop(7, 2, seed=1, **k),
        (5, 4, 3),
        (7, 2, 3),
        [],
    ),
    "random_erasing": (
        lambda **k: layers.RandomErasing((0.1, 0.9), 0.5, [1, 2, 3], **k),
        (5, 4, 3),
        (5, 4, 3),
        [],
    ),
    "normalization": (layers.Normalization, (4, 3, 5), (4, 3, 5), [(5,), (5,), ()]),
    "normalization back": (
        lambda **k: layers.Normalization((1, -1), invert=True, **k),
        (4, 3, 5),
        (4, 3, 5),
        [(4, 5), (4, 5), ()],
    ),
    "normalization given": (
        lambda **k: layers.Normalization(None, mean=2, variance=3.5, **k),
        (4, 3, 5),
        (4, 3, 5),
        [],
    ),
    "unit_normalization": (
        lambda **k: layers.UnitNormalization(axis=[1, 2], **k),
        (4, 3),
        (4, 3),
        [],
    ),
    "flatten": (Flatten, (4, 3, 2), (24,), []),
    "reshape": (lambda **k: layers.Reshape((3, -1, 2), **k), (4, 3, 2), (3, 4, 2), []),
    "zero_padding2d": (layers.ZeroPadding2D, (4, 3, 2), (6, 5, 2), []),
    "zero_padding2d of sides": (
        lambda **k: layers.ZeroPadding2D(((1, 0), 2), **k),
        (4, 3, 2),
        (5, 7, 2),
        [],
    ),
    "cropping2d": (layers.Cropping2D, (4, 3, 2), (4, 3, 2), []),
    "cropping2d of sides": (
        lambda **k: layers.Cropping2D((1, [0, 2]), **k),
        (4, 3, 2),
        (2, 1, 2),
        [],
    ),
    "up_sampling2d": (layers.UpSampling2D, (4, 3, 2), (8, 6, 2), []),
    "up_sampling2d bilinear": (
        lambda **k: layers.UpSampling2D((3, 1), interpolation="bilinear", **k),
        (4, 3, 2),
        (12, 3, 2),
        [],
    ),
    "permute": (lambda **k: layers.Permute((3, 1, 2), **k), (4, 3, 2), (2, 4, 3), []),
    "identity": (layers.Identity, (4, 3, 2), (4, 3, 2), []),
    "dense": (lambda **k: Dense(6, "tanh", **k), (5,), (6,), [(5, 6), (6,)]),
    "dense on a map": (lambda **k: Dense(6, use_bias=False, **k), (4, 3), (4, 6), [(3, 6)]),
    "activation": (lambda **k: Activation("sigmoid", **k), (4, 3), (4, 3), []),
    "re_lu": (ReLU, (4,), (4,), []),
    "re_lu with options": (lambda **k: ReLU(2.0, 0.1, 0.5, **k), (4,), (4,), []),
    "leaky_re_lu": (layers.LeakyReLU, (4,), (4,), []),
    "elu": (lambda **k: layers.ELU(0.5, **k), (4,), (4,), []),
    "p_re_lu": (lambda **k: layers.PReLU("ones", **k), (4, 3), (4, 3), [(4, 3)]),
    "p_re_lu shared": (
        lambda **k: layers.PReLU(shared_axes=[1, 2], **k),
        (4, 3, 2),
        (4, 3, 2),
        [(1, 1, 2)],
    ),
    "layer as activation": (
        lambda **k: Dense(3, activation=layers.LeakyReLU(0.1), **k),
        (4,),
        (3,),
        [(4, 3), (3,)],
    ),
    "glu": (lambda **k: Activation("glu", **k), (4, 6), (4, 3), []),
    "sparsemax": (lambda **k: Activation("sparsemax", **k), (4, 6), (4, 6), []),
    "softmax": (layers.Softmax, (4,), (4,), []),
    "softmax of columns": (lambda **k: layers.Softmax(axis=1, **k), (4, 3), (4, 3), []),
}
each_case = pytest.mark.parametrize("case", CASES)


@pytest.fixture(autouse=True)
def fresh() -> None:
    utils.clear_session()
    utils.set_random_seed(0)


@each_case
def test_shapes(case: str) -> None:
    make, input_shape, output_shape, weight_shapes = CASES[case]
    layer = make()
    assert layer.compute_output_shape((None, *input_shape)) == (None, *output_shape)
    assert not layer.built
    assert layer.weights == []
    layer.build((None, *input_shape))
    assert layer.built
    assert [weight.shape for weight in layer.weights] == weight_shapes
    assert layer.count_params() == sum(int(np.prod(shape)) for shape in weight_shapes)
    assert layer.compute_output_shape((9, *input_shape)) == (9, *output_shape)


@each_case
def test_call_on_an_array(case: str, rng: np.random.Generator) -> None:
    make, input_shape, output_shape, _ = CASES[case]
    layer = make()
    x = rng.random((3, *input_shape), np.float32)
    y = layer(x, training=False)
    assert y.dtype == np.float32
    assert y.shape == (3, *output_shape)
    model = Sequential([Input(input_shape), layer])
    np.testing.assert_array_equal(model.predict(x, verbose=0), y)
    np.testing.assert_array_equal(layer(x.astype(np.float64), training=False), y)


@each_case
def test_weights_are_attributes(case: str) -> None:
    make, input_shape, *_ = CASES[case]
    layer = make()
    names = [] if isinstance(layer, layers.Normalization) else list(layer.initializers())
    for name in names:
        with pytest.raises(AttributeError, match=f"build the layer before accessing `{name}`"):
            getattr(layer, name)
    layer.build((None, *input_shape))
    weights = {weight.name: weight for weight in layer.weights}
    for name in names:
        assert getattr(layer, name) is weights.get(name)


@each_case
def test_configuration_makes_an_equal_layer(case: str) -> None:
    make, input_shape, output_shape, _ = CASES[case]
    config = layers.serialize(make(name="mine", trainable=False))
    assert config["module"] == "keras.layers"
    copy = layers.deserialize(config)
    assert layers.serialize(copy) == config
    assert (copy.name, copy.trainable) == ("mine", False)
    assert copy.compute_output_shape((None, *input_shape)) == (None, *output_shape)


def test_values_of_an_activation_layer() -> None:
    x = np.array([[-1.0, 0.0, 2.0]], np.float32)
    np.testing.assert_allclose(layers.Softmax()(x), activations.softmax(x), rtol=1e-6)
    np.testing.assert_array_equal(ReLU()(x), [[0, 0, 2]])


def test_layers_as_activations_have_their_own_arguments(rng: np.random.Generator) -> None:
    x = rng.normal(size=(9, 5)).astype(np.float32)
    for layer in (layers.LeakyReLU(0.1), layers.ReLU(max_value=0.5), layers.ELU(0.7)):
        config = Activation(layer).get_config()["activation"]
        assert config["class_name"] == type(layer).__name__
        for activation in (layer, config):
            y = Activation(activation)(x)
            np.testing.assert_array_equal(y, layer(x))
    with pytest.raises(ValueError, match="cannot be an activation"):
        Dense(2, activation=layers.PReLU())


def test_automatic_names_are_kerass() -> None:
    made = [
        Conv2D(1, 1),
        MaxPooling2D(),
        Flatten(),
        Dense(1),
        ReLU(),
        layers.Softmax(),
        Conv2D(1, 1),
    ]
    assert [layer.name for layer in made] == [
        "conv2d",
        "max_pooling2d",
        "flatten",
        "dense",
        "re_lu",
        "softmax",
        "conv2d_1",
    ]
    assert (Activation("relu").name, InputLayer((1,)).name) == ("activation", "input_layer")
    assert [Sequential().name for _ in range(3)] == ["sequential", "sequential_1", "sequential_2"]
    assert Dense(1, name="dense").name == "dense"
    assert Dense(1).name == "dense_1"
    utils.clear_session()
    assert Dense(1).name == "dense"


def test_defaults_are_kerass() -> None:
    assert Conv2D(32, 3).get_config() == {
        "name": "conv2d",
        "trainable": True,
        "dtype": "float32",
        "filters": 32,
        "kernel_size": (3, 3),
        "strides": (1, 1),
        "padding": "valid",
        "data_format": "channels_last",
        "dilation_rate": (1, 1),
        "groups": 1,
        "activation": "linear",
        "use_bias": True,
        "kernel_initializer": initializers.serialize(initializers.GlorotUniform()),
        "bias_initializer": initializers.serialize(initializers.Zeros()),
        "kernel_regularizer": None,
        "bias_regularizer": None,
        "activity_regularizer": None,
        "kernel_constraint": None,
        "bias_constraint": None,
    }
    pooling = MaxPooling2D((3, 2)).get_config()
    assert (pooling["pool_size"], pooling["strides"], pooling["padding"]) == (
        (3, 2),
        (3, 2),
        "valid",
    )


def test_configuration_written_by_keras_is_read() -> None:
    """As Keras 3.15 writes it."""
    initializer = {
        "module": "keras.initializers",
        "class_name": "GlorotUniform",
        "config": {"seed": None, "input_axes": None, "output_axes": None},
        "registered_name": None,
    }
    config = {
        "module": "keras.layers",
        "class_name": "Dense",
        "registered_name": None,
        "build_config": {"input_shape": [None, 64]},
        "config": {
            "name": "d",
            "trainable": True,
            "dtype": FLOAT32_POLICY,
            "units": 10,
            "activation": "softmax",
            "use_bias": True,
            "kernel_initializer": initializer,
            "kernel_regularizer": None,
            "bias_regularizer": None,
            "kernel_constraint": None,
            "bias_constraint": None,
            "quantization_config": None,
        },
    }
    layer = layers.deserialize(config)
    assert isinstance(layer, Dense)
    assert (layer.name, layer.units, layer.activation) == ("d", 10, activations.softmax)


def test_initializers_of_a_layer_are_used() -> None:
    layer = Dense(3, kernel_initializer="ones", bias_initializer=initializers.Constant(2))
    layer.build((None, 2))
    kernel, bias = layer.get_weights()
    assert (kernel == 1).all()
    assert (bias == 2).all()


def test_initializer_that_returns_another_shape_is_refused() -> None:
    layer = Dense(3, kernel_initializer=lambda shape, dtype=None: np.zeros(3))
    with pytest.raises(ValueError, match=r"`kernel` of layer 'dense' returned .* \(3,\)"):
        layer.build((None, 2))
    assert not layer.built


def test_trainable_reaches_the_variables() -> None:
    layer = Dense(3)
    layer.build((None, 2))
    assert (len(layer.trainable_weights), len(layer.non_trainable_weights)) == (2, 0)
    layer.trainable = False
    assert (len(layer.trainable_weights), len(layer.non_trainable_weights)) == (0, 2)
    assert Dense(3, trainable=False).trainable is False


def test_building_twice_keeps_the_weights() -> None:
    layer = Dense(3)
    layer.build((None, 2))
    kernel = layer.get_weights()[0]
    layer.build((None, 2))
    np.testing.assert_array_equal(kernel, layer.get_weights()[0])
    with pytest.raises(ValueError, match="incompatible with layer 'dense': its kernel has shape"):
        layer.build((None, 4))
    with pytest.raises(ValueError, match="incompatible with layer 'dense'"):
        layer(np.zeros((1, 4), np.float32))


BAD_ARGUMENTS = {
    "unknown": (
        lambda: Conv2D(4, 3, pading="same"),
        "Unrecognized keyword arguments passed to Conv2D: {'pading': 'same'}",
    ),
    "several unknown": (
        lambda: Dense(3, foo=1, bar=2),
        "Unrecognized keyword arguments passed to Dense: {'foo': 1, 'bar': 2}",
    ),
    "unknown of Flatten": (lambda: Flatten(foo=1), "passed to Flatten: {'foo': 1}"),
    "activation": (
        lambda: Conv2D(4, 3, activation="rleu"),
        "Could not interpret activation function identifier: rleu. Did you mean 'relu'?",
    ),
    "initializer": (
        lambda: Conv2D(4, 3, kernel_initializer="glorot"),
        "Could not interpret initializer identifier: glorot",
    ),
    "filters 0": (lambda: Conv2D(0, 3), "`filters`"),
    "filters text": (lambda: Conv2D("a", 3), "`filters`"),
    "filters float": (lambda: Conv2D(4.0, 3), "`filters`"),
    "filters True": (lambda: Conv2D(True, 3), "`filters`"),
    "kernel 0": (
        lambda: Conv2D(4, 0),
        (
            "`kernel_size` argument must be a tuple of 2 integers. Received kernel_size=0, including "
            "values {0} that do not satisfy `value > 0`"
        ),
    ),
    "kernel of rank 3": (
        lambda: Conv2D(4, (3, 3, 3)),
        "`kernel_size` argument must be a tuple of 2 integers. Received kernel_size=(3, 3, 3)",
    ),
    "kernel text": (lambda: Conv2D(4, "aa"), "`kernel_size`"),
    "kernel float": (lambda: Conv2D(4, 3.0), "`kernel_size`"),
    "kernel empty": (lambda: Conv2D(4, ()), "`kernel_size`"),
    "strides": (lambda: Conv2D(4, 3, strides=(1, -1)), "`strides`"),
    "padding": (
        lambda: Conv2D(4, 3, padding="sam"),
        "Received: padding='sam'. Did you mean 'same'",
    ),
    "padding number": (lambda: Conv2D(4, 3, padding=1), "`padding`"),
    "dilation": (lambda: Conv2D(4, 3, dilation_rate=0), "`dilation_rate`"),
    "dilation and strides": (
        lambda: Conv2D(4, 3, strides=(1, 2), dilation_rate=(2, 1)),
        (
            "`strides > 1` not supported in conjunction with `dilation_rate > 1`. "
            "Received: strides=(1, 2) and dilation_rate=(2, 1)"
        ),
    ),
    "groups": (lambda: Conv2D(4, 3, groups=0), "`groups`"),
    "groups of filters": (
        lambda: Conv2D(4, 3, groups=3),
        (
            "The number of filters must be evenly divisible by the number of groups. "
            "Received: groups=3, filters=4."
        ),
    ),
    "data format": (
        lambda: Conv2D(4, 3, data_format="channels_first"),
        (
            "Conv2D does not support `data_format='channels_first'`; the only supported value is "
            "'channels_last'"
        ),
    ),
    "regularizer": (
        lambda: Conv2D(4, 3, kernel_regularizer="l3"),
        "Could not interpret regularizer identifier: l3",
    ),
    "constraint": (
        lambda: Dense(4, bias_constraint="non_ng"),
        "Could not interpret constraint identifier: non_ng. Did you mean 'non_neg'",
    ),
    "activity": (
        lambda: Dense(4, activity_regularizer="orthogonal_regularizer"),
        "Dense does not support `activity_regularizer='orthogonal_regularizer'`",
    ),
    "lora": (lambda: Dense(4, lora_rank=2), "`lora_rank=2`"),
    "use_bias": (lambda: Dense(4, use_bias="no"), "`use_bias`"),
    "units": (lambda: Dense(-1), "`units`"),
    "pool_size": (lambda: MaxPooling2D(0), "`pool_size`"),
    "output_padding": (
        lambda: layers.Conv2DTranspose(4, 3, strides=(2, 1), output_padding=1),
        (
            "`output_padding` must be strictly less than `strides` for all dimensions. At "
            "dimension 1, `output_padding` is 1 but `strides` is 1. Received: "
            "output_padding=(1, 1), strides=(2, 1)"
        ),
    ),
    "output_padding negative": (
        lambda: layers.Conv2DTranspose(4, 3, strides=2, output_padding=(-1, 0)),
        (
            "The `output_padding` argument must be a tuple of 2 integers. Received "
            "output_padding=(-1, 0), including values {-1} that do not satisfy `value >= 0`"
        ),
    ),
    "transposed dilation and strides": (
        lambda: layers.Conv2DTranspose(4, 3, strides=2, dilation_rate=2),
        "`strides > 1` not supported in conjunction with `dilation_rate > 1`",
    ),
    "transposed format": (
        lambda: layers.Conv2DTranspose(4, 3, data_format="channels_first"),
        "Conv2DTranspose does not support `data_format='channels_first'`",
    ),
    "depth_multiplier": (
        lambda: layers.DepthwiseConv2D(3, depth_multiplier=0),
        "`depth_multiplier` must be an integer of at least 1. Received: depth_multiplier=0",
    ),
    "depthwise format": (
        lambda: layers.DepthwiseConv2D(3, data_format="channels_first"),
        "DepthwiseConv2D does not support `data_format='channels_first'`",
    ),
    "depthwise initializer": (
        lambda: layers.DepthwiseConv2D(3, depthwise_initializer="glorot"),
        "Could not interpret initializer identifier: glorot",
    ),
    "separable multiplier": (
        lambda: layers.SeparableConv2D(4, 3, depth_multiplier=1.5),
        "`depth_multiplier`",
    ),
    "separable activity": (
        lambda: layers.SeparableConv2D(4, 3, activity_regularizer="l1"),
        "SeparableConv2D does not support `activity_regularizer='l1'`",
    ),
    "average pool_size": (lambda: layers.AveragePooling2D(0), "`pool_size`"),
    "average format": (
        lambda: layers.AveragePooling2D(2, data_format="channels_first"),
        "AveragePooling2D does not support `data_format='channels_first'`",
    ),
    "global format": (
        lambda: layers.GlobalMaxPooling2D("channels_first"),
        "GlobalMaxPooling2D does not support `data_format='channels_first'`",
    ),
    "keepdims": (lambda: layers.GlobalAveragePooling2D(keepdims=1), "`keepdims`"),
    "target number": (lambda: layers.Reshape(3), "`target_shape` must be a tuple of integers"),  # type: ignore[arg-type]
    "target open": (lambda: layers.Reshape((None, 3)), "target_shape=(None, 3)"),  # type: ignore[list-item]
    "target negative": (
        lambda: layers.Reshape((2, -2)),
        (
            "Each dimension in `target_shape` must be a non-negative integer, or `-1` for a single "
            "unknown dimension. Received: target_shape=(2, -2)."
        ),
    ),
    "target unknown twice": (
        lambda: layers.Reshape((-1, 2, -1)),
        (
            "There must be at most one unknown dimension (-1) in `target_shape`. "
            "Received: target_shape=(-1, 2, -1)."
        ),
    ),
    "padding negative": (
        lambda: layers.ZeroPadding2D(-1),
        "`padding` cannot be negative. Received: padding=-1.",
    ),
    "padding of one side negative": (
        lambda: layers.ZeroPadding2D((1, (0, -1))),
        (
            "The `2nd entry of padding` argument must be a tuple of 2 integers. Received 2nd entry "
            "of padding=(0, -1), including values {-1} that do not satisfy `value >= 0`"
        ),
    ),
    "padding float": (
        lambda: layers.ZeroPadding2D(1.5),  # type: ignore[arg-type]
        (
            "`padding` should be either an int, a tuple of 2 ints (symmetric_height_crop, "
            "symmetric_width_crop), or a tuple of 2 tuples of 2 ints ((top_crop, bottom_crop), "
            "(left_crop, right_crop)). Received: padding=1.5."
        ),
    ),
    "cropping of rank 3": (
        lambda: layers.Cropping2D((1, 2, 3)),
        "`cropping` should have two elements. Received: cropping=(1, 2, 3).",
    ),
    "cropping format": (
        lambda: layers.Cropping2D(1, "channels_first"),
        "Cropping2D does not support `data_format='channels_first'`",
    ),
    "size": (
        lambda: layers.UpSampling2D(0),
        (
            "The `size` argument must be a tuple of 2 integers. Received size=0, including values "
            "{0} that do not satisfy `value > 0`"
        ),
    ),
    "interpolation of Keras": (
        lambda: layers.UpSampling2D(2, interpolation="bicubic"),
        "UpSampling2D does not support `interpolation='bicubic'`",
    ),
    "interpolation": (
        lambda: layers.UpSampling2D(2, interpolation="linear"),
        "Received: interpolation='linear'. Did you mean 'bilinear'?",
    ),
    "dims from 0": (
        lambda: layers.Permute((0, 1)),
        (
            "Invalid permutation argument `dims` for Permute Layer. The set of indices in `dims` "
            "must be consecutive and start from 1. Received dims=(0, 1)"
        ),
    ),
    "dims number": (lambda: layers.Permute(1), "argument `dims` for Permute"),  # type: ignore[arg-type]
    "dims of rank 5": (
        lambda: layers.Permute((2, 1, 3, 4, 5)),
        "Permute does not support `dims=(2, 1, 3, 4, 5)`; at most 4 axes are supported",
    ),
    "kernel of conv1d": (
        lambda: layers.Conv1D(3, (2, 2)),
        "`kernel_size` argument must be a tuple of 1 integers. Received kernel_size=(2, 2)",
    ),
    "padding of conv1d": (
        lambda: layers.Conv1D(3, 2, padding="casual"),
        "Received: padding='casual'. Did you mean 'causal'?",
    ),
    "causal in two dimensions": (lambda: Conv2D(3, 2, padding="causal"), "`padding`"),
    "dilation of conv1d": (
        lambda: layers.Conv1D(3, 2, strides=2, dilation_rate=2),
        "`strides > 1` not supported in conjunction with `dilation_rate > 1`",
    ),
    "groups of conv1d": (
        lambda: layers.Conv1D(3, 2, groups=2),
        "must be evenly divisible by the number of groups. Received: groups=2, filters=3",
    ),
    "pool_size of sequences": (
        lambda: layers.MaxPooling1D(0),
        (
            "The `pool_size` argument must be a tuple of 1 integers. Received pool_size=0, "
            "including values {0} that do not satisfy `value > 0`"
        ),
    ),
    "rate": (
        lambda: layers.Dropout(1.5),
        (
            "Invalid value received for argument `rate`. Expected a float value between 0 and 1. "
            "Received: rate=1.5"
        ),
    ),
    "rate nan": (lambda: layers.Dropout(float("nan")), "`rate`"),
    "rate text": (lambda: layers.SpatialDropout2D("a"), "`rate`"),
    "rate 1": (lambda: layers.GaussianDropout(1), "`rate` must be below 1"),
    "stddev": (lambda: layers.GaussianNoise(-0.5), "argument `stddev`"),
    "seed": (lambda: layers.Dropout(0.5, seed="a"), "`seed` must be an integer"),
    "noise_shape": (
        lambda: layers.Dropout(0.5, noise_shape=3),
        "argument `noise_shape`. Expected an iterable of integers",
    ),
    "noise_shape of the batch": (
        lambda: layers.Dropout(0.5, noise_shape=(1, 1, 3)),
        "Dropout does not support `noise_shape=(1, 1, 3)`; the first entry",
    ),
    "spatial format": (
        lambda: layers.SpatialDropout2D(0.5, data_format="channels_first"),
        "`data_format='channels_first'`",
    ),
    "renorm": (lambda: layers.BatchNormalization(renorm=True), "`renorm=True`"),
    "epsilon": (lambda: layers.BatchNormalization(epsilon=-1), "`epsilon`"),
    "momentum": (lambda: layers.BatchNormalization(momentum=None), "`momentum`"),
    "axis": (lambda: layers.BatchNormalization(axis="last"), "`axis`"),
    "layer normalization epsilon": (lambda: layers.LayerNormalization(epsilon="a"), "`epsilon`"),  # type: ignore[arg-type]
    "layer normalization no axis": (lambda: layers.LayerNormalization([]), "at least one axis"),
    "layer normalization constraint": (
        lambda: layers.LayerNormalization(gamma_constraint="non_ng"),
        "Could not interpret constraint identifier: non_ng",
    ),
    "group count": (
        lambda: layers.GroupNormalization(0),
        (
            "Received an invalid value for argument `groups`, expected a positive integer (or `-1` "
            "for instance normalization). Received: groups=0"
        ),
    ),
    "group axis": (lambda: layers.GroupNormalization(3, axis="a"), "`axis`"),  # type: ignore[arg-type]
    "unit axes": (lambda: layers.UnitNormalization(axis=["a"]), "`axis`"),  # type: ignore[list-item]
    "mean alone": (
        lambda: layers.Normalization(mean=3),
        (
            "When setting values directly, both `mean` and `variance` must be set. "
            "Received: mean=3 and variance=None"
        ),
    ),
    "mean of another shape": (
        lambda: layers.Normalization(mean=[3, 4], variance=1),
        (
            "`mean` and `variance` must have the same shape. Received: mean shape (2,) and "
            "variance shape ()"
        ),
    ),
    "rank of mean": (
        lambda: layers.Normalization(None, mean=[3, 4], variance=[1, 2]),
        (
            "The rank of `mean` must be less than or equal to the number of axes (0). "
            "Received: mean shape (2,) for axis ()"
        ),
    ),
    "mean text": (lambda: layers.Normalization(mean="a", variance=1), "`mean` must be finite"),
    "normalization axis": (lambda: layers.Normalization("a"), "`axis`"),  # type: ignore[arg-type]
    "pool padding": (lambda: MaxPooling2D(2, padding="full"), "`padding`"),
    "name": (lambda: Dense(3, name="a/b"), "cannot contain character `/`. Received: name=a/b"),
    "name number": (lambda: Dense(3, name=3), "Argument `name` must be a string"),
    "dtype": (lambda: Dense(3, dtype="float16"), "DTypePolicy does not support `name='float16'`"),
    "trainable": (lambda: Dense(3, trainable="a"), "Expected `trainable` to be a boolean"),
    "input_shape": (lambda: Dense(3, input_shape=(0,)), "`input_shape`"),
    "input_dim": (lambda: Dense(3, input_dim=-2), "`input_dim`"),
    "relu max": (
        lambda: ReLU(max_value=-6),
        "max_value of a ReLU layer cannot be a negative value. Received: max_value=-6",
    ),
    "relu slope": (
        lambda: ReLU(negative_slope=-0.1),
        (
            "negative_slope of a ReLU layer cannot be None or a negative value. "
            "Received: negative_slope=-0.1"
        ),
    ),
    "relu threshold": (
        lambda: ReLU(threshold=None),
        "threshold of a ReLU layer cannot be None or a negative value. Received: threshold=None",
    ),
    "leaky_relu slope": (
        lambda: layers.LeakyReLU(-1.0),
        (
            "The negative_slope value of a Leaky ReLU layer cannot be None or negative value. "
            "Expected a float. Received: negative_slope=-1.0"
        ),
    ),
    "elu alpha": (lambda: layers.ELU("a"), "`alpha` must be a finite number"),  # type: ignore[arg-type]
    "prelu axes": (lambda: layers.PReLU(shared_axes=[0]), "`shared_axes` must be an integer"),
    "softmax axes": (lambda: layers.Softmax(axis=[1, 2]), "Softmax does not support several axes"),
    "activation that needs arguments": (
        lambda: Activation("threshold"),
        "`threshold` cannot be the activation of a layer",
    ),
    "python function": (
        lambda: Dense(3, activation=lambda x: x),
        "The Python function `<lambda>` cannot be an activation",
    ),
    "no shape": (Input, "You must pass a `shape` argument."),
    "scalar shape": (lambda: Input(3), "`shape` must be a tuple of positive integers"),
    "open shape": (lambda: Input((None, 3)), "Every dimension of `shape` must be known"),
    "negative shape": (lambda: Input((-1,)), "`shape`"),
    "two shapes": (lambda: Input((3,), batch_shape=(None, 3)), "both `shape` and `batch_shape`"),
    "batch size": (lambda: Input((3,), batch_size=4), "`batch_size=4`"),
    "sparse": (lambda: Input((3,), sparse=True), "`sparse=True`"),
    "tensor": (lambda: Input((3,), tensor=np.zeros(3)), "`tensor="),
    "unknown class": (
        lambda: layers.deserialize({"class_name": "Lambda", "config": {}}),
        "Could not interpret layer identifier: Lambda",
    ),
    "no class": (lambda: layers.deserialize({"config": {}}), "'class_name'"),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_argument_is_refused_by_name(case: str) -> None:
    make, message = BAD_ARGUMENTS[case]
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


BAD_INPUTS = {
    "output size zero": (Conv2D(1, 3), (None, 2, 2, 1), "zero or negative"),
    "pooled to nothing": (MaxPooling2D(3), (None, 2, 2, 1), "zero or negative"),
    "rank of conv2d": (
        Conv2D(1, 3),
        (None, 4, 4),
        r"Layer 'conv2d\w*' cannot take .* images of shape",
    ),
    "dilated too far": (
        Conv2D(1, 3, dilation_rate=2),
        (None, 4, 5, 1),
        r"zero or negative.*`dilation_rate=\(2, 2\)`",
    ),
    "transposed to nothing": (
        layers.Conv2DTranspose(1, 2, padding="same", output_padding=0),
        (None, 1, 4, 1),
        "zero or negative",
    ),
    "groups of channels": (
        Conv2D(4, 3, groups=2),
        (None, 4, 5, 3),
        (
            r"The number of input channels must be evenly divisible by the number of groups. Received "
            r"groups=2, but the input has 3 channels \(full input shape is \(None, 4, 5, 3\)\)"
        ),
    ),
    "rank of pooling": (MaxPooling2D(2), (None, 4), r"Layer 'max_pooling2d\w*' cannot take"),
    "axis not last": (
        layers.BatchNormalization(axis=1),
        (None, 4, 4, 3),
        "BatchNormalization does not support `axis=1`; the only supported value is -1",
    ),
    "axis of normalization": (
        layers.Normalization(axis=3),
        (None, 4, 3),
        (
            r"All `axis` values must be in the range \[-ndim, ndim\). "
            r"Received inputs with ndim=3, while axis=\(3,\)"
        ),
    ),
    "batch axis of normalization": (
        layers.Normalization(axis=(0, 1)),
        (None, 4, 3),
        r"Normalization does not support `axis=\(0, 1\)`",
    ),
    "mean that does not stretch": (
        layers.Normalization(mean=[1, 2], variance=[1, 2]),
        (None, 4, 3),
        r"`mean` must have a shape that can be stretched to \(3,\)",
    ),
    "axis of layer normalization": (
        layers.LayerNormalization(axis=[1, 2]),
        (None, 4, 4, 3),
        r"LayerNormalization does not support `axis=\[1, 2\]`",
    ),
    "axis of the batch": (layers.UnitNormalization(axis=0), (None, 4), "without that of the batch"),
    "axis out of bounds": (
        layers.LayerNormalization(axis=3),
        (None, 4, 4),
        r"Axis 3 is out of bounds for input shape \(None, 4, 4\). Received: axis=3",
    ),
    "axis of group normalization": (
        layers.GroupNormalization(2, axis=1),
        (None, 4, 4, 3),
        "GroupNormalization does not support `axis=1`; the only supported value is -1",
    ),
    "too many groups": (
        layers.GroupNormalization(),
        (None, 4, 4, 3),
        r"Number of groups \(32\) cannot be more than the number of channels \(3\).",
    ),
    "groups of different sizes": (
        layers.GroupNormalization(2),
        (None, 4, 4, 3),
        r"Number of groups \(2\) must be a multiple of the number of channels \(3\).",
    ),
    "noise_shape of another rank": (
        layers.Dropout(0.5, noise_shape=(None, 3)),
        (None, 4, 3),
        "`noise_shape` must have 3 entries",
    ),
    "noise_shape of other size": (
        layers.Dropout(0.5, noise_shape=(None, 1, 2)),
        (None, 4, 3),
        "`noise_shape` must have, for each axis",
    ),
    "size of reshape": (
        layers.Reshape((2, 5)),
        (None, 3),
        r"total size of the tensor must be unchanged. .* input_shape=\(3,\), target_shape=\(2, 5\)",
    ),
    "size of reshape with a rest": (
        layers.Reshape((2, -1)),
        (None, 3),
        r"unchanged, however, the input size cannot by divided .* target_shape=\(2, -1\)",
    ),
    "cropped to nothing": (
        layers.Cropping2D(((2, 2), (1, 0))),
        (None, 4, 9, 1),
        r"smaller than .* input_shape=\(None, 4, 9, 1\), cropping=\(\(2, 2\), \(1, 0\)\)",
    ),
    "rank of conv1d": (
        layers.Conv1D(3, 2),
        (None, 4, 4, 1),
        r"Expected sequences of shape \(None, steps, channels\)",
    ),
    "steps of conv1d": (
        layers.Conv1D(3, 5),
        (None, 4, 1),
        r"zero or negative. Received `inputs shape=\(None, 4, 1\)`, `kernel_size=\(5,\)`",
    ),
    "steps of conv1d with dilation": (
        layers.Conv1D(3, 3, dilation_rate=2),
        (None, 4, 1),
        (
            r"zero or negative. Received `inputs shape=\(None, 4, 1\)`, `kernel_size=\(3,\)`, "
            r"`dilation_rate=\(2,\)`"
        ),
    ),
    "rank of up-sampling": (layers.UpSampling2D(), (None, 4), "Expected images of shape"),
    "up-sampled too much": (
        layers.UpSampling2D(2**15),
        (None, 4, 4, 1),
        "At most 2147483647 elements",
    ),
    "rank of permute": (
        layers.Permute((2, 1)),
        (None, 4, 9, 1),
        r"expected ndim=3, found ndim=4. Full shape received: \(None, 4, 9, 1\)",
    ),
    "rank of padding": (layers.ZeroPadding2D(), (None, 4), "Expected images of shape"),
    "padded too much": (
        layers.ZeroPadding2D(2**30),
        (None, 4, 4, 1),
        "At most 2147483647 elements",
    ),
    "padded by more": (layers.ZeroPadding2D(2**31), (None, 4, 4, 1), "`padding` must be four"),
    "rank of global pooling": (layers.GlobalMaxPooling2D(), (None, 4), "cannot take"),
    "open dimension": (Dense(3), (None, None), "Every dimension of `input_shape` but the first"),
    "no rows": (Dense(3), (None,), "batch axis first"),
    "not a shape": (Dense(3), 7, "batch axis first"),
    "dimension zero": (Dense(3), (None, 0), "`input_shape`"),
}


@pytest.mark.parametrize("case", BAD_INPUTS)
def test_input_shape_that_does_not_fit_is_refused(case: str) -> None:
    layer, shape, message = BAD_INPUTS[case]
    for method in (layer.compute_output_shape, layer.build):
        with pytest.raises(ValueError, match=message):
            method(shape)
    assert not layer.built


def test_symbolic_tensors_and_arrays_do_not_mix() -> None:
    with pytest.raises(ValueError, match="not on both at once"):
        layers.Add()([Input((4,)), np.zeros((2, 4), np.float32)])
    with pytest.raises(ValueError, match="can only be called on a list of symbolic tensors"):
        layers.Add()([np.zeros((2, 4), np.float32)] * 2)


def test_equal_values_of_unsupported_arguments_are_accepted() -> None:
    layer = Conv2D(4, 3, dilation_rate=2, groups=1, data_format="channels_last")
    assert layer.get_config()["dilation_rate"] == (2, 2)
    assert Conv2D(4, [3, 3], dilation_rate=[1, 1]).kernel_size == (3, 3)
    assert Conv2D(4, np.int64(3), padding="SAME").padding == "same"


def test_other_names_of_the_classes() -> None:
    assert layers.MaxPool2D is MaxPooling2D
    assert layers.Convolution2D is Conv2D
    assert layers.Convolution2DTranspose is layers.Conv2DTranspose
    assert layers.SeparableConvolution2D is layers.SeparableConv2D
    assert layers.Convolution1D is layers.Conv1D
    assert layers.MaxPool1D is layers.MaxPooling1D
    assert layers.AvgPool1D is layers.AveragePooling1D
    assert layers.GlobalAvgPool1D is layers.GlobalAveragePooling1D
    assert layers.GlobalMaxPool1D is layers.GlobalMaxPooling1D
    assert layers.AvgPool2D is layers.AveragePooling2D
    assert layers.GlobalAvgPool2D is layers.GlobalAveragePooling2D
    assert layers.GlobalMaxPool2D is layers.GlobalMaxPooling2D


def test_weights_of_a_separable_convolution_have_names_and_rules_of_their_own() -> None:
    layer = layers.SeparableConv2D(
        3,
        2,
        depthwise_initializer="ones",
        pointwise_initializer=initializers.Constant(2),
        depthwise_regularizer="l2",
        pointwise_constraint="non_neg",
    )
    layer.build((None, 4, 4, 5))
    depthwise, pointwise, bias = layer.weights
    assert [v.name for v in layer.weights] == ["depthwise_kernel", "pointwise_kernel", "bias"]
    assert (depthwise.numpy() == 1).all()
    assert (pointwise.numpy() == 2).all()
    assert depthwise.regularizer is layer.depthwise_regularizer
    assert pointwise.regularizer is bias.regularizer is None
    assert pointwise.constraint is layer.pointwise_constraint
    assert depthwise.constraint is bias.constraint is None
    with pytest.raises(ValueError, match="its depthwise_kernel has shape"):
        layer.compute_output_shape((None, 4, 4, 6))


def test_weights_of_batch_normalization() -> None:
    """Kept by the layer, not by the optimizer: not trainable, whatever the layer is."""
    layer = layers.BatchNormalization()
    layer.build((None, 3))
    for trainable in (False, True):
        layer.trainable = trainable
        names = [[v.name for v in layer.trainable_weights]]
        names.append([v.name for v in layer.non_trainable_weights])
        moving = ["moving_mean", "moving_variance"]
        expected = [["gamma", "beta"], moving] if trainable else [[], ["gamma", "beta", *moving]]
        assert names == expected


@pytest.mark.parametrize("axis", ["a", 1.5, None])
@pytest.mark.parametrize("make", [layers.LayerNormalization, layers.UnitNormalization])
def test_axis_that_is_no_integer_is_kerass_error(make: Any, axis: Any) -> None:
    with pytest.raises(TypeError, match=r"an int or a list/tuple of ints.*eceived"):
        make(axis=axis)


def test_rms_scaling_warns_and_has_no_beta() -> None:
    with pytest.warns(UserWarning, match="rms_scaling=True"):
        layer = layers.LayerNormalization(scale=False, rms_scaling=True)
    layer.build((None, 3))
    assert [weight.name for weight in layer.weights] == ["gamma"]
    assert layer.get_config()["rms_scaling"] is True


def test_unit_normalization_of_zeros_is_zeros() -> None:
    x = np.array([[0, 0], [3, 4]], np.float32)
    np.testing.assert_allclose(layers.UnitNormalization()(x), [[0, 0], [0.6, 0.8]], rtol=1e-6)


@pytest.mark.parametrize("axis", [-1, (1, 2), None])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_adapt_finds_mean_and_variance(axis: Any, dtype: str, rng: np.random.Generator) -> None:
    """Of 600 rows: more than are read at once; the sums are of float64."""
    x = rng.integers(0, 256, (600, 3, 4)).astype(dtype)
    axes = {-1: (0, 1), (1, 2): (0,), None: (0, 1, 2)}[axis]
    exact = x.astype(np.float64)
    expected = [exact.mean(axis=axes), exact.var(axis=axes)]
    for data in (x, [x[:7], (x[7:500], None), x[500:]]):
        layer = layers.Normalization(axis)
        layer.adapt(data)
        for value, wanted in zip(layer.get_weights(), [*expected, np.zeros(())], strict=True):
            np.testing.assert_allclose(value, wanted, rtol=1e-7, atol=1e-30)
    y = layer(x[:5])
    np.testing.assert_allclose(y, (exact[:5] - expected[0]) / expected[1] ** 0.5, atol=1e-5)
    assert layer.trainable_weights == []


def test_adapt_reaches_a_model_that_has_been_used(rng: np.random.Generator) -> None:
    model = Sequential([Input((3,)), layers.Normalization()])
    x = rng.normal(2.0, 3.0, (50, 3)).astype(np.float32)
    np.testing.assert_array_equal(model.predict(x, verbose=0), x)
    model.layers[0].adapt(x)
    y = model.predict(x, verbose=0)
    np.testing.assert_allclose(y.mean(axis=0), 0.0, atol=1e-6)
    np.testing.assert_allclose(y.std(axis=0), 1.0, rtol=1e-6)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (7, TypeError, "Unsupported data type: <class 'int'>"),
        ([[1.0]], TypeError, "Got an element of type list"),
        ([], ValueError, "empty iterable"),
        (np.zeros((0, 3)), ValueError, "empty"),
        (np.zeros((2, 4)), ValueError, r"data.shape=\(2, 4\)|incompatible"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], ValueError, r"data.shape=\(2, 4\)"),
        (np.array([["a"] * 3]), ValueError, "`data` must be real numbers"),
    ],
)
def test_data_that_cannot_be_adapted_to(data: Any, error: Any, message: str) -> None:
    layer = layers.Normalization()
    layer.build((None, 3))
    before = layer.get_weights()
    with pytest.raises(error, match=message):
        layer.adapt(data)
    for value, expected in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_adapt_is_refused_where_the_mean_was_given() -> None:
    with pytest.raises(ValueError, match="was given `mean` and `variance`"):
        layers.Normalization(mean=1, variance=2).adapt(np.zeros((2, 3)))


def test_bilinear_nan_reaches_its_neighbours_alone() -> None:
    """As in Keras 3.15; with an odd size some outputs lie on one pixel and see no other."""
    x = np.array([1.0, 2.0, np.nan, 3.0], np.float32).reshape(1, 1, 4, 1)
    twice, thrice = (
        np.isnan(layers.UpSampling2D((1, size), interpolation="bilinear")(x)).ravel()
        for size in (2, 3)
    )
    assert twice.nonzero()[0].tolist() == [3, 4, 5, 6]
    assert thrice.nonzero()[0].tolist() == [5, 6, 7, 8, 9]


def test_dropout_scales_what_it_keeps() -> None:
    x = np.ones((50, 4, 4, 8), np.float32)
    layer = layers.Dropout(0.25, seed=1)
    np.testing.assert_array_equal(layer(x), x)
    y = layer(x, training=True)
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert (layer(x, training=True) != y).any()
    np.testing.assert_array_equal(layers.Dropout(0.25, seed=1)(x, training=True), y)
    by_channel = layers.SpatialDropout2D(0.5, seed=1)(x, training=True)
    np.testing.assert_array_equal(by_channel, np.broadcast_to(by_channel[:, :1, :1], x.shape))
    assert (layers.Dropout(1.0)(x, training=True) == 0).all()
    np.testing.assert_array_equal(layers.Dropout(0.0)(x, training=True), x)


def test_dropout_without_a_seed_draws_one_from_the_global_generator() -> None:
    def mask() -> np.ndarray:
        return layers.Dropout(0.5)(np.ones((9, 9), np.float32), training=True)

    first, second = mask(), mask()
    assert (first != second).any()
    utils.set_random_seed(0)
    np.testing.assert_array_equal(mask(), first)
