"""Weights that the threads of a training pack, together or each for itself."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from convlet import optimizers


def convolution(filters: int) -> dict[str, Any]:
    return {
        "filters": filters,
        "kernel_size": (3, 3),
        "strides": (1, 1),
        "padding": "same",
        "use_bias": True,
    }


def begin_training(network: Any, learning_rate: float) -> None:
    """From the same weights each time."""
    values = np.random.default_rng(1)
    for i, (_, _, view) in enumerate(network.parameters()):
        network.set_parameter(i, 0.1 * values.standard_normal(view.shape).astype(np.float32))
    network.configure_training(
        "sparse_categorical_crossentropy",
        {"from_logits": True},
        "sgd",
        optimizers.SGD().native_attributes(),
        [],
    )
    network.learning_rate = learning_rate


def training_network(core: ModuleType) -> Any:
    """A ConvNet of which each thread packs all weights for itself, but for the wide Dense layer's."""
    ops = [
        ("conv2d", convolution(16), [0]),
        ("activation", {"activation": "relu"}, [1]),
        ("conv2d", convolution(16), [2]),
        ("reshape", {"target_shape": (1152,)}, [3]),
        ("dense", {"units": 8, "use_bias": True}, [4]),
    ]
    network = core.Network((8, 9, 3), ops)
    begin_training(network, 0.05)
    return network


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_weights_that_each_thread_packs_are_up_to_date(core: ModuleType, threads: int) -> None:
    """Over calls of many batches and of one, after weights are set, frozen and freed."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((96, 8, 9, 3)).astype(np.float32)
    labels = (np.arange(96) % 8).astype(np.int32)
    trained = []
    for count in (1, threads):
        core.set_num_threads(count)
        network = training_network(core)
        states = []
        frozen = [False, False, True, True, True]
        for trainable in ([True] * 5, frozen, [True] * 5):
            network.set_trainable(trainable)
            for batch in (32, 96, 24):
                network.train(x, labels, None, 0, 96, batch, None)
                states.append([np.array(view) for _, _, view in network.parameters()])
            network.set_parameter(2, states[-1][2] + np.float32(0.01))
        trained.append(states)
        fresh = training_network(core)
        for i, (_, _, view) in enumerate(network.parameters()):
            fresh.set_parameter(i, np.array(view))
        outputs = np.empty((2, 96, 8), np.float32)
        for each, out in zip((network, fresh), outputs, strict=True):
            each.predict(x, out, 0, 96)
        np.testing.assert_array_equal(*outputs)
    for alone, together in zip(*trained, strict=True):
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_allclose(b, a, rtol=0, atol=2e-5)


@pytest.mark.parametrize("threads", [2, 3, 5])
@pytest.mark.parametrize("size", [9, 16])
def test_threads_pack_parts_of_a_vector(core: ModuleType, size: int, threads: int) -> None:
    """After a step each thread transforms the weights of its share of 21 input channels."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((24, size, size, 21)).astype(np.float32)
    labels = (np.arange(24) % 8).astype(np.int32)
    trained = []
    for count in (1, threads):
        core.set_num_threads(count)
        ops = [("conv2d", convolution(filters), [i]) for i, filters in enumerate((21, 8))]
        network = core.Network(
            x.shape[1:],
            [*ops, ("global_max_pooling2d", {}, [2]), ("reshape", {"target_shape": (8,)}, [3])],
        )
        begin_training(network, 0.1)
        for _ in range(3):
            network.train(x, labels, None, 0, 24, 24, None)
        trained.append([np.array(view) for _, _, view in network.parameters()])
    for alone, together in zip(*trained, strict=True):
        np.testing.assert_allclose(together, alone, rtol=0, atol=2e-5)
