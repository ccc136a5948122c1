"""Training runs with every loss and metric, whose numbers are golden.

As in `runs.py` every run takes the package as its first argument, `keras` or `convlet`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

ROWS = 23

# The last activation, the arguments of `compile` and the kind of targets; an argument that depends
# on the package is a function of it.
Case = tuple[str | None, dict[str, Any], str]


def _object(module: str, name: str, **options: Any) -> Callable[[Any], Any]:
    return lambda k: getattr(getattr(k, module), name)(**options)


def _loss(name: str, **options: Any) -> Callable[[Any], Any]:
    return _object("losses", name, **options)


def _metrics(*specs: tuple[str, dict[str, Any]]) -> Callable[[Any], Any]:
    return lambda k: [getattr(k.metrics, name)(**options) for name, options in specs]


_ACCURATE = {"metrics": ["accuracy"]}
_DENSE_LOSSES = [
    "mae",
    "mape",
    "MSLE",
    "huber",
    "log_cosh",
    "poisson",
    "kld",
    "hinge",
    "squared_hinge",
    "categorical_hinge",
    "cosine_similarity",
    "categorical_focal_crossentropy",
    "KLDivergence",
    "crossentropy",
]
_STREAMING = [
    ("AUC", {"name": "roc"}),
    ("AUC", {"curve": "PR", "name": "pr"}),
    ("AUC", {"multi_label": True, "summation_method": "minoring", "name": "by_label"}),
    ("Precision", {"name": "precision"}),
    ("Recall", {"class_id": 1, "name": "recall"}),
    ("Precision", {"top_k": 1, "name": "first"}),
    ("F1Score", {"average": "macro"}),
    ("TruePositives", {"name": "tp"}),
    ("FalseNegatives", {"thresholds": 0.3, "name": "fn"}),
]

CASES: dict[str, Case] = {
    **{name: ("softmax", {"loss": name, **_ACCURATE}, "one_hot") for name in _DENSE_LOSSES},
    "softmax": (
        "softmax",
        {
            "loss": "categorical_crossentropy",
            "metrics": ["acc", "mse", "categorical_crossentropy", "TopKCategoricalAccuracy"],
        },
        "one_hot",
    ),
    "weighted_sparse": (
        "softmax",
        {
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["acc"],
            "weighted_metrics": ["acc", "sparse_categorical_crossentropy"],
        },
        "weighted_labels",
    ),
    # Keras on TensorFlow takes what goes into the last softmax or sigmoid, whichever it is.
    "categorical_behind_sigmoid": (
        "sigmoid",
        {"loss": "categorical_crossentropy", "metrics": ["binary_crossentropy"]},
        "one_hot",
    ),
    "binary_behind_softmax": (
        "softmax",
        {"loss": "bce", "metrics": ["categorical_crossentropy", "binary_accuracy"]},
        "binary",
    ),
    "metric_of_logits": (
        "softmax",
        {"loss": "mse", "metrics": ["categorical_crossentropy", "accuracy"]},
        "one_hot",
    ),
    "binary": ("sigmoid", {"loss": "binary_crossentropy", "metrics": ["bce"]}, "binary"),
    "binary_focal": (
        "sigmoid",
        {
            "loss": _loss("BinaryFocalCrossentropy", apply_class_balancing=True, gamma=1.5),
            **_ACCURATE,
        },
        "binary",
    ),
    "binary_logits": (
        None,
        {"loss": _loss("BinaryCrossentropy", from_logits=True, label_smoothing=0.2)},
        "binary",
    ),
    "smoothed": (
        "softmax",
        {"loss": _loss("CategoricalCrossentropy", label_smoothing=0.2)},
        "one_hot",
    ),
    "streaming": (
        "softmax",
        {
            "loss": "categorical_crossentropy",
            "metrics": _metrics(*_STREAMING),
            "weighted_metrics": _metrics(
                ("AUC", {"name": "weighted_roc"}),
                ("F1Score", {"average": "weighted", "name": "weighted_f1"}),
                ("RootMeanSquaredError", {}),
            ),
        },
        "weighted_one_hot",
    ),
    "regression": (
        None,
        {
            "loss": "mse",
            "metrics": ["mae", "mape", "msle", "RootMeanSquaredError", "cosine_similarity"],
        },
        "numbers",
    ),
    "regression_column": (None, {"loss": "mse", "metrics": ["log_cosh_error"]}, "column"),
    "one_probability": (
        "sigmoid",
        {"loss": "binary_crossentropy", "metrics": ["accuracy", "AUC"]},
        "bits",
    ),
    "class_weight": (
        "softmax",
        {
            "loss": "sparse_categorical_crossentropy",
            "metrics": ["accuracy"],
            "weighted_metrics": ["accuracy"],
        },
        "labels_by_class",
    ),
    "loss_weight": (None, {"loss": "mse", "loss_weights": [0.5], "metrics": ["mae"]}, "one_hot"),
    "ignored_class": (
        "softmax",
        {"loss": _loss("SparseCategoricalCrossentropy", ignore_class=-1)},
        "gappy_labels",
    ),
    **{
        f"{reduction}_{targets}": (
            None,
            {"loss": _loss("MeanSquaredError", reduction=reduction)},
            targets,
        )
        for reduction in ("sum", "mean_with_sample_weight")
        for targets in ("one_hot", "weighted_one_hot")
    },
}


def _targets(kind: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Targets, and the arguments of `fit` that go with them."""
    generator = np.random.default_rng(11)
    labels = generator.integers(0, 3, ROWS).astype(np.int32)
    weights = generator.uniform(0.0, 2.0, ROWS).astype(np.float32)
    numbers = generator.normal(size=ROWS).astype(np.float32)
    targets = {
        "labels": labels,
        "one_hot": np.eye(3, dtype=np.float32)[labels],
        "binary": generator.integers(0, 2, (ROWS, 3)).astype(np.float32),
        "numbers": numbers,
        "column": numbers[:, None],
        "bits": (numbers > 0).astype(np.int32),
        "labels_by_class": labels,
        "gappy_labels": np.where(np.arange(ROWS) % 4 == 0, -1, labels),
    }
    if kind.startswith("weighted_"):
        return targets[kind.removeprefix("weighted_")], {"sample_weight": weights}
    by_class = {"class_weight": {0: 0.5, 2: 3.0}} if kind == "labels_by_class" else {}
    return targets[kind], by_class


def training(k: Any, case: str) -> dict[str, Any]:
    """Two epochs in order with a smaller last batch, then `evaluate`: results and weights."""
    activation, arguments, kind = CASES[case]
    y, extra = _targets(kind)
    units = 1 if kind in ("numbers", "column", "bits") else 3
    x, model = _model(k, activation, units)
    made = {name: value(k) if callable(value) else value for name, value in arguments.items()}
    model.compile(k.optimizers.RMSprop(0.01), **made)
    history = model.fit(x, y, 8, epochs=2, shuffle=False, verbose=0, **extra).history
    weights = {"sample_weight": extra["sample_weight"]} if "sample_weight" in extra else {}
    return {
        "history": {name: [float(v) for v in values] for name, values in history.items()},
        "keys": list(history),
        "evaluate": model.evaluate(x, y, 8, verbose=0, return_dict=True, **weights),
        "weights": np.concatenate([w.ravel() for w in model.get_weights()]).tolist(),
    }


def _model(k: Any, activation: str | None, units: int) -> tuple[np.ndarray, Any]:
    generator = np.random.default_rng(12)
    x = generator.normal(size=(ROWS, 4)).astype(np.float32)
    model = k.Sequential(
        [
            k.Input((4,)),
            k.layers.Dense(6, activation="tanh"),
            k.layers.Dense(units, activation=activation),
        ]
    )
    weights = [generator.normal(size=w.shape).astype(np.float32) for w in model.get_weights()]
    model.set_weights(weights)
    return x, model


# ---- Feeds --------------------------------------------------------------------------------------

FEEDS = [
    "arrays",
    "arrays_fewer_steps",
    "arrays_sized_by_steps",
    "arrays_two_steps_a_call",
    "validation",
    "endless_generator",
    "data_set",
    "data_set_fewer_steps",
]


def feeding(k: Any, feed: str) -> dict[str, Any]:
    """What callbacks see and `fit` returns for data that come in one of the FEEDS."""
    y, _ = _targets("one_hot")
    x, model = _model(k, "softmax", 3)
    calls = 2 if feed == "arrays_two_steps_a_call" else 1
    model.compile("rmsprop", "mse", metrics=["accuracy"], steps_per_execution=calls)
    seen: list[list[Any]] = []
    data, arguments = _fed(k, feed, x, y, seen)
    history = model.fit(
        *data, epochs=3, shuffle=False, verbose=0, callbacks=[_recorder(k, seen)], **arguments
    )
    return {
        "seen": seen,
        "history": {name: [float(v) for v in values] for name, values in history.history.items()},
        "params": {key: value for key, value in history.params.items() if value is not None},
        "epoch": history.epoch,
    }


def _fed(
    k: Any, feed: str, x: np.ndarray, y: np.ndarray, seen: list[Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    def generator() -> Any:
        while True:
            for begin in range(0, ROWS, 8):
                yield x[begin : begin + 8], y[begin : begin + 8]

    class DataSet(k.utils.PyDataset):  # type: ignore[misc]
        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> Any:
            rows = slice(8 * index, 8 * index + 8)
            return x[rows], y[rows]

        def on_epoch_begin(self) -> None:
            seen.append(["data set", "begin"])

        def on_epoch_end(self) -> None:
            seen.append(["data set", "end"])

    arrays = (x, y)
    return {
        "arrays": (arrays, {"batch_size": 8}),
        "arrays_fewer_steps": (arrays, {"batch_size": 8, "steps_per_epoch": 2}),
        "arrays_sized_by_steps": (arrays, {"steps_per_epoch": 2}),
        "arrays_two_steps_a_call": (arrays, {"batch_size": 8}),
        "validation": (
            arrays,
            {
                "batch_size": 8,
                "validation_data": (x, y),
                "validation_steps": 2,
                "validation_batch_size": 5,
                "validation_freq": 2,
            },
        ),
        "endless_generator": ((generator(),), {"steps_per_epoch": 2}),
        "data_set": ((DataSet(),), {"validation_data": DataSet()}),
        "data_set_fewer_steps": ((DataSet(),), {"steps_per_epoch": 2}),
    }[feed]


def _recorder(k: Any, seen: list[Any]) -> Any:
    """A callback that writes down every call: its name, its number and the keys of its logs."""
    hooks = ["train_begin", "train_end", "epoch_begin", "epoch_end", "test_begin", "test_end"]
    hooks += [f"{kind}_batch_{end}" for kind in ("train", "test") for end in ("begin", "end")]

    def hook(name: str) -> Callable[..., None]:
        def record(_: Any, *arguments: Any, **named: Any) -> None:
            values = [*arguments, *named.values()]
            seen.append([name, *(list(v) if isinstance(v, dict) else v for v in values)])

        return record

    methods = {f"on_{name}": hook(name) for name in hooks}
    return type("Recorder", (k.callbacks.Callback,), methods)()
