"""Keras's Sequential API, trained natively on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convlet._lazy import LazyNames, attach

if TYPE_CHECKING:
    from convlet import (
        activations,
        backend,
        callbacks,
        config,
        constraints,
        datasets,
        distribution,
        dtype_policies,
        initializers,
        layers,
        losses,
        metrics,
        mixed_precision,
        models,
        ops,
        optimizers,
        preprocessing,
        random,
        regularizers,
        saving,
        utils,
        viz,
    )
    from convlet._config import show_config
    from convlet._threads import get_num_threads, set_num_threads
    from convlet.dtype_policies import DTypePolicy
    from convlet.initializers import Initializer
    from convlet.layers import Input, Layer
    from convlet.layers.keras_tensor import KerasTensor
    from convlet.losses import Loss
    from convlet.metrics import Metric
    from convlet.models import Model, Sequential
    from convlet.optimizers import Optimizer
    from convlet.regularizers import Regularizer

__version__ = "0.1.0"

__all__ = [
    "DTypePolicy",
    "Initializer",
    "Input",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "__version__",
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "distribution",
    "dtype_policies",
    "get_num_threads",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "set_num_threads",
    "show_config",
    "utils",
    "version",
    "viz",
]

_NAMES = LazyNames(
    __name__,
    {
        "_config": ("show_config",),
        "_threads": ("get_num_threads", "set_num_threads"),
        "dtype_policies": ("DTypePolicy",),
        "initializers": ("Initializer",),
        "layers": ("Input", "Layer"),
        "layers.keras_tensor": ("KerasTensor",),
        "losses": ("Loss",),
        "metrics": ("Metric",),
        "models": ("Model", "Sequential"),
        "optimizers": ("Optimizer",),
        "regularizers": ("Regularizer",),
    },
)
__getattr__, __dir__ = attach(
    __name__,
    _NAMES,
    submodules=set(__all__).difference(_NAMES, ("__version__", "version")),
)


def version() -> str:
    """Returns the version of convlet."""
    return __version__
