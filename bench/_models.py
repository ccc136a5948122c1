"""The models that are timed, in Keras's words: a new model is one entry of MODELS.

Every contender builds from these entries: those with Keras's API as they stand, PyTorch by the
table in workers/pytorch.py, the inference engines from what PyTorch exports.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

BATCH_SIZE = 64


class Layer(NamedTuple):
    """A layer by the name of Keras's class, and its arguments."""

    kind: str
    config: dict[str, Any]


class Model(NamedTuple):
    """A Sequential classifier for images of a data set (see _data.py), batch 64, RMSprop."""

    title: str
    data: str
    input_shape: tuple[int, ...]
    layers: list[Layer]
    accuracy: float  # on the test images, exceeded after a full run's epochs

    @property
    def drops_out(self) -> bool:
        """Whether training draws random numbers, so that losses of different packages differ."""
        return any(layer.kind == "Dropout" for layer in self.layers)

    @property
    def normalizes(self) -> bool:
        """Whether there are biases that normalization takes away again.

        Their gradient is rounding error, which RMSprop brings to the size of any other: Keras's
        own backends differ by some 2e-4 of the loss after two steps.
        """
        return any(layer.kind == "BatchNormalization" for layer in self.layers)


def conv(filters: int, size: int, padding: str = "valid", activation: str | None = "relu") -> Layer:
    kernel = {"filters": filters, "kernel_size": (size, size), "padding": padding}
    return Layer("Conv2D", {**kernel, "activation": activation})


def normalized_conv(filters: int) -> list[Layer]:
    """A 3x3 convolution, batch normalization, ReLU."""
    return [
        conv(filters, 3, padding="same", activation=None),
        Layer("BatchNormalization", {}),
        Layer("ReLU", {}),
    ]


def dropout(rate: float) -> Layer:
    return Layer("Dropout", {"rate": rate})


def pool(size: int = 2) -> Layer:
    return Layer("MaxPooling2D", {"pool_size": (size, size)})


def flatten() -> Layer:
    return Layer("Flatten", {})


def dense(units: int, activation: str = "relu") -> Layer:
    return Layer("Dense", {"units": units, "activation": activation})


MODELS = {
    "mnist_convnet": Model(
        "ConvNet of the notebook",
        "mnist",
        (28, 28, 1),
        [
            conv(32, 3),
            pool(),
            conv(64, 3),
            pool(),
            conv(64, 3),
            flatten(),
            dense(64),
            dense(10, "softmax"),
        ],
        0.96,
    ),
    "lenet5": Model(
        "LeNet-5",
        "mnist",
        (28, 28, 1),
        [
            conv(6, 5, padding="same"),
            pool(),
            conv(16, 5),
            pool(),
            flatten(),
            dense(120),
            dense(84),
            dense(10, "softmax"),
        ],
        0.96,
    ),
    "mlp": Model(
        "MLP 784-512-512-10",
        "mnist",
        (28, 28, 1),
        [flatten(), dense(512), dense(512), dense(10, "softmax")],
        0.96,
    ),
    "cifar_convnet": Model(
        "ConvNet for CIFAR",
        "tinted_digits",
        (32, 32, 3),
        [
            conv(32, 3, padding="same"),
            conv(32, 3),
            pool(),
            dropout(0.25),
            conv(64, 3, padding="same"),
            conv(64, 3),
            pool(),
            dropout(0.25),
            flatten(),
            dense(512),
            dropout(0.5),
            dense(10, "softmax"),
        ],
        0.8,
    ),
    "vgg_like": Model(
        "VGG-like net with batch normalization",
        "tinted_digits",
        (32, 32, 3),
        [
            *normalized_conv(64),
            pool(),
            *normalized_conv(128),
            pool(),
            *normalized_conv(256),
            Layer("GlobalAveragePooling2D", {}),
            dense(10, "softmax"),
        ],
        0.3,  # its moving statistics follow slowly
    ),
}


def build(k: Any, name: str) -> Any:
    """The compiled model; `k` is convlet or keras."""
    model = k.Sequential([k.Input(MODELS[name].input_shape)])
    for kind, config in MODELS[name].layers:
        model.add(getattr(k.layers, kind)(**config))
    model.compile(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["accuracy"])
    return model


class Flops(NamedTuple):
    """Of one image, if every product is computed: two for each weight and output position."""

    predict: float
    train: float


def dense_flops(name: str) -> Flops:
    """Training: forward, weight gradients, and input gradients of all layers but the first."""
    import convlet

    model = build(convlet, name)
    forward = []
    shape: tuple[int | None, ...] = model.input_shape
    for layer in model.layers:
        shape = layer.compute_output_shape(shape)
        forward += [
            2.0 * math.prod(weight.shape) * math.prod(n for n in shape[1:-1] if n is not None)
            for weight in layer.weights
            if len(weight.shape) > 1
        ]
    return Flops(sum(forward), 3 * sum(forward) - forward[0])


def save_initial_weights(directory: Path, name: str, seed: int = 0) -> None:
    """Writes NAME.npz, from which all contenders start: Keras's initializers, drawn by convlet."""
    import convlet

    convlet.utils.set_random_seed(seed)
    np.savez(directory / f"{name}.npz", *build(convlet, name).get_weights())


def load_initial_weights(directory: Path, name: str) -> list[np.ndarray]:
    """What save_initial_weights wrote, in the order of Keras's `get_weights`."""
    with np.load(directory / f"{name}.npz") as weights:
        return [weights[key] for key in weights.files]
