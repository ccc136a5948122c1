"""The runs whose numbers are golden.

Every run takes the package as its first argument, `keras` or `convlet`: the code that makes the
golden numbers is the code that checks them. Inputs come from fixed formulas (numpy's
`default_rng`), so that only results are stored; `fingerprint` shows whether the formulas still
give the same inputs.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

STEPS = 50
BATCH = 64
PREDICTED = 32

RMSPROP_VARIANTS: dict[str, dict[str, Any]] = {
    "default": {},
    "momentum": {"momentum": 0.9},
    "centered": {"centered": True},
    "momentum_centered": {"momentum": 0.5, "centered": True},
    "rho_epsilon": {"learning_rate": 0.01, "rho": 0.5, "epsilon": 1e-3},
}

# Small networks around one layer each: input shape, then the layers as (class name, arguments).
LAYER_CASES: dict[str, tuple[tuple[int, ...], list[tuple[str, dict[str, Any]]]]] = {
    "conv2d_same": (
        (5, 7, 2),
        [("Conv2D", {"filters": 3, "kernel_size": (3, 2), "padding": "same"})],
    ),
    "conv2d_same_strides": (
        (7, 6, 3),
        [("Conv2D", {"filters": 5, "kernel_size": (4, 3), "strides": (2, 3), "padding": "same"})],
    ),
    "conv2d_valid_strides_no_bias": (
        (9, 8, 1),
        [("Conv2D", {"filters": 4, "kernel_size": (2, 5), "strides": (3, 2), "use_bias": False})],
    ),
    "conv2d_relu": (
        (6, 6, 2),
        [("Conv2D", {"filters": 7, "kernel_size": 3, "activation": "relu"})],
    ),
    "conv2d_dilated_same": (
        (7, 6, 3),
        [("Conv2D", {"filters": 5, "kernel_size": (3, 2), "dilation_rate": 2, "padding": "same"})],
    ),
    "conv2d_groups_strides": (
        (7, 6, 4),
        [("Conv2D", {"filters": 6, "kernel_size": 3, "groups": 2, "strides": (2, 1)})],
    ),
    "depthwise_conv2d_same_strides": (
        (7, 6, 3),
        [
            (
                "DepthwiseConv2D",
                {"kernel_size": (3, 2), "strides": 2, "depth_multiplier": 2, "padding": "same"},
            )
        ],
    ),
    "depthwise_conv2d_dilated_strides": (
        (9, 8, 3),
        [
            (
                "DepthwiseConv2D",
                {"kernel_size": 3, "strides": 2, "dilation_rate": 2, "activation": "relu"},
            )
        ],
    ),
    "conv2d_transpose_same_strides": (
        (4, 3, 3),
        [
            (
                "Conv2DTranspose",
                {"filters": 4, "kernel_size": (4, 3), "strides": (2, 3), "padding": "same"},
            )
        ],
    ),
    "conv2d_transpose_output_padding": (
        (4, 3, 3),
        [
            (
                "Conv2DTranspose",
                {
                    "filters": 2,
                    "kernel_size": 3,
                    "strides": (3, 2),
                    "padding": "same",
                    "output_padding": (2, 0),
                },
            )
        ],
    ),
    "conv2d_transpose_valid_wide_strides": (
        (3, 4, 2),
        [
            (
                "Conv2DTranspose",
                {"filters": 3, "kernel_size": 2, "strides": (3, 2), "activation": "relu"},
            )
        ],
    ),
    "conv2d_transpose_dilated": (
        (5, 4, 2),
        [
            (
                "Conv2DTranspose",
                {"filters": 3, "kernel_size": 3, "dilation_rate": 2, "padding": "same"},
            )
        ],
    ),
    "separable_conv2d": (
        (7, 6, 3),
        [
            (
                "SeparableConv2D",
                {"filters": 5, "kernel_size": 3, "depth_multiplier": 2, "padding": "same"},
            )
        ],
    ),
    "max_pooling2d_valid_odd": ((5, 7, 3), [("MaxPooling2D", {"pool_size": (2, 2)})]),
    "max_pooling2d_same": (
        (5, 7, 2),
        [("MaxPooling2D", {"pool_size": (3, 2), "strides": (2, 1), "padding": "same"})],
    ),
    "conv2d_relu_max_pooling2d": (
        (8, 9, 2),
        [
            ("Conv2D", {"filters": 6, "kernel_size": 3, "activation": "relu"}),
            ("MaxPooling2D", {"pool_size": (2, 2)}),
        ],
    ),
    "average_pooling2d_same": (
        (5, 7, 2),
        [("AveragePooling2D", {"pool_size": (3, 2), "strides": (2, 1), "padding": "same"})],
    ),
    "global_average_pooling2d": ((5, 7, 3), [("GlobalAveragePooling2D", {})]),
    "global_max_pooling2d": ((5, 7, 3), [("GlobalMaxPooling2D", {"keepdims": True})]),
    "zero_padding2d_cropping2d": (
        (3, 4, 2),
        [
            ("ZeroPadding2D", {"padding": ((1, 2), (0, 3))}),
            ("Cropping2D", {"cropping": ((0, 1), (2, 1))}),
        ],
    ),
    "up_sampling2d": ((2, 3, 2), [("UpSampling2D", {"size": (3, 2)})]),
    "up_sampling2d_bilinear": (
        (2, 3, 2),
        [("UpSampling2D", {"size": (3, 2), "interpolation": "bilinear"})],
    ),
    "permute": ((2, 3, 4), [("Permute", {"dims": (3, 1, 2)})]),
    "conv1d_causal": (
        (7, 2),
        [("Conv1D", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "causal"})],
    ),
    "conv1d_same_relu": (
        (6, 3),
        [
            ("Conv1D", {"filters": 4, "kernel_size": 2, "padding": "same", "activation": "relu"}),
            ("MaxPooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}),
        ],
    ),
    "average_pooling1d": ((5, 3), [("AveragePooling1D", {"pool_size": 2})]),
    "global_average_pooling1d": ((5, 3), [("GlobalAveragePooling1D", {"keepdims": True})]),
    "global_max_pooling1d": ((5, 3), [("GlobalMaxPooling1D", {})]),
    "reshape_identity": (
        (4, 6, 2),
        [("Reshape", {"target_shape": (3, -1, 4)}), ("Identity", {}), ("Dense", {"units": 3})],
    ),
    "conv2d_batch_normalization": (
        (6, 6, 2),
        [
            ("Conv2D", {"filters": 5, "kernel_size": 3}),
            ("BatchNormalization", {"epsilon": 0.01}),
            ("ReLU", {}),
            ("Dropout", {"rate": 0.5}),
            ("GaussianNoise", {"stddev": 0.5}),
            ("GaussianDropout", {"rate": 0.5}),
            ("SpatialDropout2D", {"rate": 0.5}),
        ],
    ),
    "layer_normalization_of_all": (
        (4, 3, 5),
        [("LayerNormalization", {"axis": [1, 2, 3], "epsilon": 0.1, "scale": False})],
    ),
    "normalization": (
        (3, 2, 4),
        [
            ("Normalization", {}),
            ("Normalization", {"axis": (1, 3)}),
            ("Normalization", {"axis": None, "invert": True}),
        ],
    ),
    "normalization_given": (
        (3, 2, 4),
        [
            ("Normalization", {"axis": (1, 3), "mean": [1, 2, 3, 4], "variance": [4, 1, 0, 2]}),
            ("Normalization", {"axis": (2, -1), "mean": [[0.5], [1]], "variance": [[2], [3]]}),
            ("Normalization", {"axis": None, "mean": 1.5, "variance": 2, "invert": True}),
        ],
    ),
    "unit_normalization": ((4, 3, 5), [("UnitNormalization", {"axis": [2, 3]})]),
    "dense_map": ((3, 4, 5), [("Dense", {"units": 6, "activation": "tanh"})]),
    "dense_sigmoid": ((7,), [("Dense", {"units": 4, "activation": "sigmoid"})]),
    "dense_softmax": ((7,), [("Dense", {"units": 4, "activation": "softmax"})]),
    "flatten": (
        (3, 2, 4),
        [("Flatten", {}), ("Dense", {"units": 3, "activation": "linear"})],
    ),
}

# Layers that training tells something about that inference does not: as LAYER_CASES, behind a Dense
# layer for vectors and a Conv2D for images, in front of a classifier.
TRAINING_CASES: dict[str, tuple[tuple[int, ...], list[tuple[str, dict[str, Any]]]]] = {
    "conv2d_dilated": (
        (7, 6, 2),
        [("Conv2D", {"filters": 3, "kernel_size": 3, "dilation_rate": (2, 1)})],
    ),
    "depthwise_conv2d": (
        (5, 6, 2),
        [("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 3, "activation": "relu"})],
    ),
    "depthwise_conv2d_dilated": (
        (5, 6, 2),
        [
            (
                "DepthwiseConv2D",
                {"kernel_size": 2, "dilation_rate": 2, "padding": "same", "use_bias": False},
            )
        ],
    ),
    "conv2d_transpose": (
        (3, 4, 2),
        [
            (
                "Conv2DTranspose",
                {"filters": 5, "kernel_size": 3, "strides": 2, "activation": "relu"},
            )
        ],
    ),
    "conv2d_transpose_dilated": (
        (3, 4, 2),
        [("Conv2DTranspose", {"filters": 3, "kernel_size": 2, "dilation_rate": 2})],
    ),
    "separable_conv2d": (
        (6, 7, 2),
        [
            (
                "SeparableConv2D",
                {"filters": 5, "kernel_size": 3, "strides": 2, "activation": "relu"},
            )
        ],
    ),
    "conv2d_groups": (
        (5, 6, 2),
        [("Conv2D", {"filters": 6, "kernel_size": 2, "groups": 2, "activation": "relu"})],
    ),
    "average_pooling2d_same": (
        (7, 6, 2),
        [("AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same"})],
    ),
    "global_average_pooling2d": ((5, 6, 2), [("GlobalAveragePooling2D", {"keepdims": True})]),
    "global_max_pooling2d": ((5, 6, 2), [("GlobalMaxPooling2D", {})]),
    "zero_padding2d": ((5, 6, 2), [("ZeroPadding2D", {"padding": (1, 2)})]),
    "cropping2d": ((5, 6, 2), [("Cropping2D", {"cropping": (1, (2, 0))})]),
    "up_sampling2d": ((4, 5, 2), [("UpSampling2D", {"size": (1, 3)})]),
    "up_sampling2d_bilinear": (
        (3, 4, 2),
        [("UpSampling2D", {"size": (2, 3), "interpolation": "bilinear"})],
    ),
    "permute": ((5, 6, 2), [("Permute", {"dims": (2, 3, 1)})]),
    "conv1d_causal": (
        (4, 3, 2),
        [
            ("Reshape", {"target_shape": (-1, 4)}),
            ("Conv1D", {"filters": 5, "kernel_size": 3, "padding": "causal", "activation": "relu"}),
            ("MaxPooling1D", {}),
            ("AveragePooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}),
        ],
    ),
    "global_pooling1d": (
        (4, 3, 2),
        [
            ("Reshape", {"target_shape": (6, 8)}),
            ("Conv1D", {"filters": 5, "kernel_size": 2}),
            ("GlobalMaxPooling1D", {"keepdims": True}),
            ("GlobalAveragePooling1D", {}),
        ],
    ),
    "reshape": ((5, 6, 2), [("Reshape", {"target_shape": (-1, 8)}), ("Identity", {})]),
    "batch_normalization": ((5, 6, 2), [("BatchNormalization", {"momentum": 0.8})]),
    "batch_normalization_relu": (
        (7,),
        [("BatchNormalization", {"scale": False, "epsilon": 0.1}), ("ReLU", {})],
    ),
    "batch_normalization_frozen": (
        (5, 6, 2),
        [("BatchNormalization", {"center": False, "trainable": False})],
    ),
    "normalization": ((7,), [("Normalization", {})]),
    "layer_normalization": ((5, 6, 2), [("LayerNormalization", {})]),
    "layer_normalization_rms": (
        (7,),
        [("LayerNormalization", {"rms_scaling": True, "epsilon": 0.1})],
    ),
    "group_normalization": (
        (5, 6, 2),
        [("GroupNormalization", {"groups": 2, "gamma_regularizer": "l2"})],
    ),
    "instance_normalization": (
        (5, 6, 2),
        [("GroupNormalization", {"groups": -1, "center": False, "gamma_constraint": "non_neg"})],
    ),
    "unit_normalization": ((7,), [("UnitNormalization", {})]),
    "dropout_of_nothing": ((7,), [("Dropout", {"rate": 0.0})]),
}

# Graphs of layers, each from images (6, 5, 2) to 3 classes; see `graph`.
GRAPH_CASES = ["residual", "elementwise", "broadcast", "concatenate", "nested"]

# The last layers and the loss. Keras on TensorFlow computes the loss of a softmax layer from its
# logits; a Flatten behind it hides them, so that the formula for probabilities is used.
LOSS_CASES: dict[str, tuple[list[str], str, bool]] = {
    "softmax": (["softmax"], "CategoricalCrossentropy", False),
    "logits": (["linear"], "CategoricalCrossentropy", True),
    "softmax_probabilities": (["softmax", "Flatten"], "CategoricalCrossentropy", False),
    "sigmoid_probabilities": (["sigmoid", "Flatten"], "CategoricalCrossentropy", False),
    "sparse_softmax": (["softmax"], "SparseCategoricalCrossentropy", False),
    "sparse_logits": (["linear"], "SparseCategoricalCrossentropy", True),
    "sparse_softmax_probabilities": (
        ["softmax", "Flatten"],
        "SparseCategoricalCrossentropy",
        False,
    ),
    "sparse_sigmoid_probabilities": (
        ["sigmoid", "Flatten"],
        "SparseCategoricalCrossentropy",
        False,
    ),
}


# ---- Inputs -----------------------------------------------------------------------------------


def glorot_weights(shapes: list[tuple[int, ...]], seed: int = 0) -> list[np.ndarray]:
    """Kernels from U(-l, l), l = sqrt(6 / (fan_in + fan_out)), one generator for all; zero biases.

    Fans include the receptive field: a kernel (kh, kw, ic, oc) has fan_in = kh kw ic and
    fan_out = kh kw oc.
    """
    generator = np.random.default_rng(seed)
    weights = []
    for shape in shapes:
        if len(shape) == 1:
            weights.append(np.zeros(shape, np.float32))
            continue
        field = int(np.prod(shape[:-2]))
        limit = np.sqrt(6.0 / (field * (shape[-2] + shape[-1])))
        weights.append(generator.uniform(-limit, limit, shape).astype(np.float32))
    return weights


def synthetic_images(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy bars on black in a round window, one direction per class.

    Images are float32 (count, 28, 28, 1) in [0, 1], labels int32 (count,). Pixels are whole
    multiples of 1/255, so that the last bit of a sine does not matter; most are 0, as in MNIST, so
    that few maxima are close enough for rounding to tip them.
    """
    generator = np.random.default_rng(7)
    labels = generator.integers(0, 10, count).astype(np.int32)
    angle = (np.pi / 10.0 * labels)[:, None, None]
    phase = generator.uniform(0.0, 2.0 * np.pi, (count, 1, 1))
    noise = generator.uniform(-0.4, 0.4, (count, 28, 28))
    row, column = np.mgrid[-13.5:14.5, -13.5:14.5]
    wave = np.sin(0.7 * (column * np.cos(angle) + row * np.sin(angle)) + phase)
    window = row**2 + column**2 < 100.0
    pixels = np.rint(255.0 * (wave - 0.5 + noise).clip(0.0, 1.0) * window)
    return (pixels / 255.0).astype(np.float32)[..., None], labels


def one_hot(labels: np.ndarray, classes: int = 10) -> np.ndarray:
    """float32 (n, classes) of integer labels (n,)."""
    return np.eye(classes, dtype=np.float32)[labels]


def _table(rows: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, *shape)).astype(np.float32)


def fingerprint() -> int:
    """CRC-32 of what the formulas above give."""
    images, labels = synthetic_images(64)
    weights = glorot_weights([(3, 3, 1, 32), (32,), (576, 64)])
    arrays = [images, labels, *weights, _table(4, (3,), 2)]
    return zlib.crc32(b"".join(array.tobytes() for array in arrays))


# ---- Models -----------------------------------------------------------------------------------


def convnet(k: Any) -> Any:
    """The notebook's ConvNet with the weights of `glorot_weights`, compiled as in the notebook."""
    model = k.Sequential(
        [
            k.Input((28, 28, 1)),
            k.layers.Conv2D(32, (3, 3), activation="relu"),
            k.layers.MaxPooling2D((2, 2)),
            k.layers.Conv2D(64, (3, 3), activation="relu"),
            k.layers.MaxPooling2D((2, 2)),
            k.layers.Conv2D(64, (3, 3), activation="relu"),
            k.layers.Flatten(),
            k.layers.Dense(64, activation="relu"),
            k.layers.Dense(10, activation="softmax"),
        ]
    )
    _initialize(model)
    model.compile(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def _classifier(k: Any, activation: str = "softmax", *behind: str) -> Any:
    model = k.Sequential(
        [
            k.Input((5,)),
            k.layers.Dense(8, activation="tanh"),
            k.layers.Dense(3, activation=activation),
            *(getattr(k.layers, name)() for name in behind),
        ]
    )
    _initialize(model)
    return model


def _initialize(model: Any, seed: int = 0) -> None:
    model.set_weights(glorot_weights([w.shape for w in model.get_weights()], seed))


def _classifier_data() -> tuple[np.ndarray, np.ndarray]:
    x = _table(16, (5,), 2)
    return x, (np.arange(16) % 3).astype(np.int32)


# ---- Runs -------------------------------------------------------------------------------------


def initial_predictions(k: Any, images: np.ndarray) -> list[list[float]]:
    """Class probabilities of the untrained ConvNet for the first images."""
    return convnet(k).predict(images[:PREDICTED], verbose=0).tolist()


def batch_losses(k: Any, images: np.ndarray, labels: np.ndarray) -> list[float]:
    """Losses of consecutive `train_on_batch` calls on the first STEPS batches."""
    model = convnet(k)
    losses = []
    for step in range(STEPS):
        rows = slice(step * BATCH, (step + 1) * BATCH)
        logs = model.train_on_batch(images[rows], one_hot(labels[rows]), return_dict=True)
        losses.append(float(logs["loss"]))
    return losses


def fit_and_evaluate(k: Any) -> dict[str, Any]:
    """Two epochs on 150 images in order with a partial batch and a validation tail; `evaluate`."""
    images, labels = synthetic_images(200)
    model = convnet(k)
    history = model.fit(
        images, one_hot(labels), 64, epochs=2, validation_split=0.25, shuffle=False, verbose=0
    )
    weight = np.linspace(0.0, 2.0, 200, dtype=np.float32)
    return {
        "history": {key: [float(v) for v in values] for key, values in history.history.items()},
        "evaluate": model.evaluate(images, one_hot(labels), 64, verbose=0, return_dict=True),
        "weighted": model.evaluate(
            images, one_hot(labels), 64, sample_weight=weight, verbose=0, return_dict=True
        ),
    }


def rmsprop(k: Any, variant: str) -> dict[str, list[float]]:
    """Twenty steps on a small classifier: losses, and all weights at the end."""
    model = _classifier(k)
    optimizer = k.optimizers.RMSprop(**RMSPROP_VARIANTS[variant])
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy")
    return _trajectory(model, *_classifier_data(), steps=20)


def loss(k: Any, case: str) -> dict[str, list[float]]:
    """Five steps with one of the LOSS_CASES; weights so large that some outputs are clipped."""
    last_layers, loss_class, from_logits = LOSS_CASES[case]
    model = _classifier(k, *last_layers)
    model.set_weights([12.0 * w for w in model.get_weights()])
    model.compile(
        optimizer=k.optimizers.RMSprop(0.01),
        loss=getattr(k.losses, loss_class)(from_logits=from_logits),
    )
    x, labels = _classifier_data()
    y = labels if loss_class.startswith("Sparse") else one_hot(labels, 3)
    return _trajectory(model, x, y, steps=5)


def _trajectory(model: Any, x: np.ndarray, y: np.ndarray, steps: int) -> dict[str, list[float]]:
    losses = [float(model.train_on_batch(x, y, return_dict=True)["loss"]) for _ in range(steps)]
    weights = np.concatenate([w.ravel() for w in model.get_weights()])
    return {"losses": losses, "weights": [float(w) for w in weights]}


def layer(k: Any, case: str) -> list[Any]:
    """Output of one of the LAYER_CASES for two rows; biases are not zero."""
    input_shape, layers = LAYER_CASES[case]
    model = k.Sequential(
        [k.Input(input_shape), *(getattr(k.layers, name)(**kwargs) for name, kwargs in layers)]
    )
    _set_weights(model)
    return model.predict(_table(2, input_shape, 4), verbose=0).tolist()


def layer_training(k: Any, case: str) -> dict[str, list[float]]:
    """Three steps through one of the TRAINING_CASES: losses, and all weights at the end.

    With so large an epsilon RMSprop's steps are nearly the gradients themselves.
    """
    input_shape, layers = TRAINING_CASES[case]
    below = (
        k.layers.Dense(6)
        if len(input_shape) == 1
        else k.layers.Conv2D(4, 3, padding="same", activation="relu")
    )
    model = k.Sequential(
        [
            k.Input(input_shape),
            below,
            *(getattr(k.layers, name)(**kwargs) for name, kwargs in layers),
            k.layers.Flatten(),
            k.layers.Dense(3, activation="softmax"),
        ]
    )
    _set_weights(model)
    model.compile(k.optimizers.RMSprop(0.1, epsilon=1.0), "sparse_categorical_crossentropy")
    return _trajectory(model, _table(7, input_shape, 5), np.arange(7) % 3, steps=3)


def graph_training(k: Any, case: str) -> dict[str, list[float]]:
    """Three steps through one of the GRAPH_CASES, as `layer_training`."""
    inputs = k.Input((6, 5, 2))
    x = graph(k, case, k.layers.Conv2D(4, 3, padding="same")(inputs))
    outputs = k.layers.Dense(3, activation="softmax")(k.layers.GlobalAveragePooling2D()(x))
    model = k.Model(inputs, outputs)
    _set_weights(model)
    model.compile(k.optimizers.RMSprop(0.1, epsilon=1.0), "sparse_categorical_crossentropy")
    return _trajectory(model, _table(7, (6, 5, 2), 5), np.arange(7) % 3, steps=3)


def graph(k: Any, case: str, x: Any) -> Any:
    layers = k.layers
    if case == "residual":
        y = layers.ReLU()(layers.BatchNormalization()(x))
        y = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(y))
        return layers.ReLU()(layers.Add()([x, y]))
    if case == "elementwise":
        y = layers.Conv2D(4, 1, activation="tanh")(x)
        z = layers.Average()([x, y, layers.Multiply()([x, y])])
        return layers.Maximum()([layers.Subtract()([z, y]), layers.Minimum()([x, z])])
    if case == "broadcast":
        y = layers.GlobalAveragePooling2D(keepdims=True)(x)
        y = layers.multiply([x, layers.Dense(4, activation="sigmoid")(y)])
        z = layers.Conv2D(1, 3, padding="same")(x)
        return layers.add([y, z, layers.GlobalMaxPooling2D()(x)])
    if case == "concatenate":
        y = layers.concatenate([layers.MaxPooling2D(2)(x), layers.AveragePooling2D(2)(x)], axis=1)
        return layers.Concatenate()([y, layers.Dense(3)(y), y])
    inner = k.Sequential([layers.Conv2D(4, 3, padding="same"), layers.ReLU()])
    source = k.Input((6, 5, 4))
    block = k.Model(source, layers.add([source, layers.BatchNormalization()(source)]))
    return block(inner(x))


def convolutions(k: Any) -> Any:
    """A model of the relatives of Conv2D, each with arguments that are not its defaults."""
    layers = k.layers
    model = k.Sequential(
        [
            k.Input((8, 7, 4)),
            layers.Conv2D(6, 3, dilation_rate=2, padding="same", kernel_regularizer="l2"),
            layers.Conv2D(4, (2, 3), strides=(1, 2), groups=2, activation="relu"),
            layers.DepthwiseConv2D(
                2, depth_multiplier=2, padding="same", depthwise_constraint="max_norm"
            ),
            layers.Conv2DTranspose(
                3, 3, strides=2, padding="same", output_padding=(1, 0), bias_regularizer="l1"
            ),
            layers.SeparableConv2D(
                5, 3, depth_multiplier=2, pointwise_regularizer="l2", depthwise_constraint="non_neg"
            ),
        ]
    )
    _set_weights(model)
    model.set_weights([w / 8 for w in model.get_weights()])  # outputs below 1
    return model


def freezing(k: Any) -> dict[str, list[bool]]:
    """Which weights change, in an order of compile, evaluate, fit and `trainable`."""
    model = k.Sequential(
        [
            k.Input((3,)),
            k.layers.Dense(4),
            k.layers.BatchNormalization(),
            k.layers.Dense(3, activation="softmax"),
        ]
    )
    x, y = _table(8, (3,), 6), np.arange(8) % 3

    def changed(train: Any) -> list[bool]:
        before = model.get_weights()
        train()
        return [bool((a != b).any()) for a, b in zip(before, model.get_weights(), strict=True)]

    def fit() -> None:
        model.fit(x, y, shuffle=False, verbose=0)

    results = {"called in training": changed(lambda: model(x, training=True))}
    model.compile("rmsprop", "sparse_categorical_crossentropy")
    model.evaluate(x, y, verbose=0)
    model.layers[0].trainable = model.layers[1].trainable = False
    results["frozen behind evaluate"] = changed(fit)
    results["called frozen"] = changed(lambda: model(x, training=True))
    model.layers[0].trainable = True
    results["thawed behind fit"] = changed(fit)
    model.compile("rmsprop", "sparse_categorical_crossentropy")
    results["compiled again"] = changed(fit)
    return results


def _set_weights(model: Any) -> None:
    """Numbers from `_table`: positive ones for what is called a variance, 0 for a count."""
    tables = [_table(1, w.shape, 3 + i)[0] for i, w in enumerate(model.weights)]
    model.set_weights(
        [
            np.abs(table) + 0.5 if "variance" in w.name else table * (w.name != "count")
            for table, w in zip(tables, model.weights, strict=True)
        ]
    )
    for layer in model.layers:  # Keras's Normalization does not use new weights before this
        getattr(layer, "finalize_state", lambda: None)()
