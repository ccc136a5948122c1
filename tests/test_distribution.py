"""Models that several processes train together come to the numbers of one process.

Threads stand for the processes; `test_mpi.py` has real ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import convlet
from convlet import Input, Sequential, callbacks, layers, losses, metrics, optimizers
from thread_processes import run_together

ROWS = 61
EPOCHS = 10  # of six batches or more
RNG = np.random.default_rng(0)
X = RNG.random((ROWS, 8, 8, 2), np.float32)
Y = RNG.integers(0, 3, ROWS)
ONE_HOT = np.eye(3, dtype=np.float32)[Y]
WEIGHTS = RNG.random(ROWS).astype(np.float32)


def conv_net(**arguments: Any) -> Sequential:
    """With a convolution, pooling, dropout, and a Dense layer with many weights."""
    convlet.utils.set_random_seed(1)
    return Sequential(
        [
            Input((8, 8, 2)),
            layers.Conv2D(6, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(40, activation="relu", **arguments),
            layers.Dense(3, activation="softmax"),
        ]
    )


def normalized(synchronized: bool) -> Sequential:
    """With batch normalization behind a convolution and behind a Dense layer."""
    convlet.utils.set_random_seed(1)
    return Sequential(
        [
            Input((8, 8, 2)),
            layers.Conv2D(6, 3, use_bias=False),
            layers.BatchNormalization(synchronized=synchronized),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(10),
            layers.BatchNormalization(synchronized=synchronized, scale=False),
            layers.Dense(3, activation="softmax"),
        ]
    )


def own_loss(y_true: Any, y_pred: Any) -> Any:
    """A mean of squares, computed in Python."""
    return np.square(y_pred - y_true).mean(axis=-1), 2 * (y_pred - y_true) / y_true.shape[-1]


class OwnAccuracy(metrics.Metric):
    """Looks at each batch as a whole."""

    def __init__(self) -> None:
        super().__init__(name="own")
        self.sizes: list[int] = []

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        assert sample_weight is None
        self.sizes.append(len(y_true))

    def result(self) -> float:
        return float(np.mean(self.sizes))

    def reset_state(self) -> None:
        self.sizes = []


CASES: dict[str, Any] = {
    "sgd": (conv_net, {"optimizer": "sgd"}, {}),
    "rmsprop": (conv_net, {"optimizer": optimizers.RMSprop(1e-4, epsilon=1e-3)}, {}),
    "global-clipnorm": (
        conv_net,
        {"optimizer": optimizers.SGD(0.05, momentum=0.9, global_clipnorm=0.5)},
        {},
    ),
    "accumulated": (
        conv_net,
        {"optimizer": optimizers.SGD(0.05, gradient_accumulation_steps=3, use_ema=True)},
        {},
    ),
    "rules": (
        lambda: conv_net(
            kernel_regularizer="orthogonal_regularizer",
            bias_regularizer="l2",
            kernel_constraint=convlet.constraints.MaxNorm(0.9),
        ),
        {"optimizer": "sgd"},
        {},
    ),
    "weights": (
        conv_net,
        {"optimizer": "sgd", "weighted_metrics": ["accuracy"]},
        {"sample_weight": WEIGHTS},
    ),
    "weighted-mean": (
        conv_net,
        {
            "optimizer": "sgd",
            "loss": losses.CategoricalCrossentropy(reduction="mean_with_sample_weight"),
        },
        {"sample_weight": WEIGHTS},
    ),
    "sum": (
        conv_net,
        {
            "optimizer": optimizers.SGD(0.001),
            "loss": losses.CategoricalCrossentropy(reduction="sum"),
        },
        {},
    ),
    "own-loss": (conv_net, {"optimizer": "sgd", "loss": own_loss}, {}),
    "own-metric": (conv_net, {"optimizer": "sgd", "metrics": [OwnAccuracy]}, {}),
    "confusion": (conv_net, {"optimizer": "sgd", "metrics": ["f1_score", "auc"]}, {}),
    "synchronized": (lambda: normalized(True), {"optimizer": "sgd"}, {}),
    "steps": (conv_net, {"optimizer": "sgd"}, {"steps_per_epoch": 3}),
    "hooks": (
        conv_net,
        {"optimizer": "sgd", "steps_per_execution": 2},
        {
            "callbacks": lambda: [
                callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
            ]
        },
    ),
}


def copied(value: Any) -> Any:
    """A new optimizer or metric like this one."""
    if isinstance(value, optimizers.Optimizer | losses.Loss):
        return type(value).from_config(value.get_config())
    if isinstance(value, list):
        return [item() if isinstance(item, type) else item for item in value]
    return value


def compiled(make: Any, compile_arguments: Any, distribution: Any = None) -> Sequential:
    model: Sequential = make()
    arguments = {"loss": "categorical_crossentropy", "metrics": ["accuracy"], **compile_arguments}
    arguments = {name: copied(value) for name, value in arguments.items()}
    model.compile(**arguments, distribution=distribution)
    return model


def train(model: Sequential, x: Any = X, y: Any = ONE_HOT, **arguments: Any) -> dict[str, Any]:
    """Trains, evaluates and predicts."""
    made = arguments.get("callbacks")
    arguments["callbacks"] = made() if made else None
    options = {"batch_size": 12, "epochs": EPOCHS, "shuffle": False, "verbose": 0, **arguments}
    history = model.fit(x, y, validation_data=(X[:7], ONE_HOT[:7]), **options)
    return {
        "weights": model.get_weights(),
        "state": model.optimizer.get_state(),
        **history.history,
        "evaluation": model.evaluate(x, y, verbose=0),
        "predictions": model.predict(X[:10], verbose=0),
    }


def arrays(results: Any) -> dict[str, Any]:
    """All that `train` returns, each array by a name."""
    return {
        f"{name}-{i}": np.asarray(value)
        for name, values in results.items()
        for i, value in enumerate(values if isinstance(values, list) else [values])
    }


def assert_close(actual: Any, expected: Any) -> None:
    actual, expected = arrays(actual), arrays(expected)
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(actual[name], value, rtol=1e-5, atol=1e-6, err_msg=name)


def assert_same(results: Any, names: Any = None) -> None:
    """Of all processes, to the bit."""
    first, *others = map(arrays, results)
    for other in others:
        for name, value in first.items():
            if names is None or name.startswith(names):
                np.testing.assert_array_equal(value, other[name], err_msg=name)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_processes_train_as_one(case: Any, size: int) -> None:
    make, compile_arguments, fit_arguments = case
    expected = train(compiled(make, compile_arguments), **fit_arguments)
    models = [make() for _ in range(size)]

    def program(processes: Any) -> Any:
        model = compiled(lambda: models[processes.rank], compile_arguments, processes)
        return train(model, **fit_arguments)

    results = run_together(size, program)
    assert_close(results[0], expected)
    assert_same(results)


class Batches(convlet.utils.PyDataset):
    """The batches of shards: of each some rows, as long as there are any."""

    def __init__(self, shards: Any, sizes: Any) -> None:
        super().__init__()
        self.shards, self.sizes = shards, sizes

    def __len__(self) -> int:
        return max(-(-len(s) // n) for s, n in zip(self.shards, self.sizes, strict=True))

    def __getitem__(self, index: int) -> Any:
        rows = np.concatenate(
            [s[index * n : (index + 1) * n] for s, n in zip(self.shards, self.sizes, strict=True)]
        )
        return X[rows], ONE_HOT[rows], WEIGHTS[rows]


@pytest.mark.parametrize("as_batches", [False, True], ids=["arrays", "batches"])
@pytest.mark.parametrize(
    "name", ["sgd", "weighted-mean", "own-loss", "own-metric", "synchronized", "rules"]
)
def test_rows_of_their_own(name: str, as_batches: bool) -> None:
    """Shards of different sizes, of which one ends before the others."""
    make, compile_arguments, _ = CASES[name]
    shards, sizes = [np.arange(9), np.arange(9, 40), np.arange(40, ROWS)], [4, 4, 4]
    data = {"epochs": 3, "batch_size": None}
    expected = train(compiled(make, compile_arguments), Batches(shards, sizes), None, **data)
    models = [make() for _ in shards]

    def program(processes: Any) -> Any:
        own = shards[processes.rank]
        model = compiled(lambda: models[processes.rank], compile_arguments, processes)
        if as_batches:
            return train(model, Batches([own], [4]), None, **data)
        return train(
            model, X[own], ONE_HOT[own], sample_weight=WEIGHTS[own], epochs=3, batch_size=12
        )

    # Validation data are other rows in each process here, and the three have them thrice.
    names = ("weights", "state", "accuracy", "loss", "own")
    results = [
        {k: v for k, v in result.items() if k in names}
        for result in run_together(3, program, is_sharded=True)
    ]
    assert_close(results[0], {k: v for k, v in expected.items() if k in names})
    assert_same(results)


def test_own_statistics() -> None:
    """Without `synchronized` each process has those of its rows; the moving ones are means."""
    parts = [slice(0, 20), slice(20, 40)]
    alone = []
    for part in parts:
        model = compiled(lambda: normalized(False), {"optimizer": "sgd"})
        model.train_on_batch(X[part], ONE_HOT[part])
        alone.append(model.get_weights())
    models = [normalized(False) for _ in parts]

    def program(processes: Any) -> Any:
        model = compiled(lambda: models[processes.rank], {"optimizer": "sgd"}, processes)
        model.train_on_batch(X[:40], ONE_HOT[:40])
        return {"weights": model.get_weights()}

    results = run_together(2, program)
    assert_same(results)
    # A step of SGD is linear in the gradient.
    for actual, *both in zip(results[0]["weights"], *alone, strict=True):
        np.testing.assert_allclose(actual, np.mean(both, axis=0), rtol=1e-5, atol=1e-7)


def test_the_first_ones_weights_are_everyones() -> None:
    models = []
    for seed in range(2):
        convlet.utils.set_random_seed(seed)
        models.append(Sequential([Input((4,)), layers.Dense(3, activation="softmax")]))
    at_first = models[0].get_weights()
    x = RNG.random((9, 4), np.float32)

    def program(processes: Any) -> Any:
        model = compiled(lambda: models[processes.rank], {}, processes)
        return model.predict(x, verbose=0)

    predicted = run_together(2, program)
    np.testing.assert_array_equal(*predicted)
    for actual, expected in zip(models[1].get_weights(), at_first, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_only_the_first_prints_and_writes(
    tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    models = [conv_net() for _ in range(2)]

    def program(processes: Any) -> Any:
        folder = tmp_path / str(processes.rank)
        folder.mkdir()
        model = compiled(lambda: models[processes.rank], {}, processes)
        model.summary()
        written = [
            callbacks.ModelCheckpoint(folder / "a.keras"),
            callbacks.CSVLogger(folder / "a.csv"),
            callbacks.BackupAndRestore(folder / "backup", delete_checkpoint=False),
        ]
        model.fit(X, ONE_HOT, verbose=2, callbacks=written)
        model.save(folder / "b.keras")
        model.save_weights(folder / "b.weights.h5")
        return sorted(path.name for path in folder.iterdir())

    first, second = run_together(2, program)
    assert first == ["a.csv", "a.keras", "b.keras", "b.weights.h5", "backup"]
    assert second == []
    written = capsys.readouterr().out
    assert written.count("Total params") == written.count("loss: ") == 1


def test_a_callback_of_one_process_ends_all() -> None:
    models = [conv_net() for _ in range(2)]

    class Stop(callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.stop_training = epoch == 1

    def program(processes: Any) -> int:
        model = compiled(lambda: models[processes.rank], {}, processes)
        own = [Stop()] if processes.rank == 1 else []
        return len(model.fit(X, ONE_HOT, epochs=5, verbose=0, callbacks=own).epoch)

    assert run_together(2, program) == [2, 2]


def test_goes_on_after_an_interruption(tmp_path: Any) -> None:
    def models() -> Any:
        return [conv_net() for _ in range(2)]

    class Interruption(callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if batch == 2 and self.model.optimizer.iterations > 8:
                raise InterruptedError

    def program(own: Any, *interruption: Any) -> Any:
        def run(processes: Any) -> Any:
            arguments = {"optimizer": optimizers.Adam(0.01)}
            model = compiled(lambda: own[processes.rank], arguments, processes)
            saving = [callbacks.BackupAndRestore(tmp_path, save_freq=4), callbacks.History()]
            return train(model, callbacks=lambda: [*saving, *(i() for i in interruption)])

        return run

    expected = run_together(2, program(models()))
    with pytest.raises(InterruptedError):
        run_together(2, program(models(), Interruption))
    assert any(tmp_path.iterdir())
    results = run_together(2, program(models()))
    for name in ("weights", "state", "evaluation"):
        for one, other in zip(results[0][name], expected[0][name], strict=True):
            np.testing.assert_array_equal(one, other)
    assert_same(results, ("weights", "state"))


def test_a_failure_of_the_exchange_is_raised() -> None:
    """In the middle of a step; nothing of it is left in the next one."""
    model, other = normalized(False), normalized(False)

    class Failing(convlet.distribution.processes.Processes):
        size, calls = 2, 0

        def sum(self, array: Any) -> None:
            self.calls += array.dtype == np.float32
            if self.calls == 3:
                raise ConnectionError("gone")

    for each in (model, other):
        compiled(lambda each=each: each, {"optimizer": "sgd"}, Failing())
    with pytest.raises(ConnectionError, match="gone"):
        model.fit(X, ONE_HOT, batch_size=8, shuffle=False, verbose=0)
    assert model.optimizer.iterations == 2
    other.set_weights(model.get_weights())
    for each in (model, other):
        each.train_on_batch(X[:9], ONE_HOT[:9])
    assert_same([{"weights": each.get_weights()} for each in (model, other)])


def test_batches_without_a_row_for_someone_are_refused() -> None:
    def program(processes: Any) -> None:
        model = compiled(lambda: models[processes.rank], {}, processes)
        with pytest.raises(ValueError, match=r"at least their number\. Received: batch_size=2"):
            model.fit(X, ONE_HOT, batch_size=2, verbose=0)

    models = [conv_net() for _ in range(3)]
    run_together(3, program, is_sharded=True)


@pytest.mark.parametrize("distribution", ["data_parallel", object(), 2])
def test_what_is_no_distribution_is_refused(distribution: Any) -> None:
    model = conv_net()
    with pytest.raises(ValueError, match=r"must be a `convlet\.distribution\.DataParallel`"):
        model.compile(loss="mse", distribution=distribution)
    assert not model.compiled


@pytest.mark.parametrize("name", ["device_mesh", "devices"])
def test_unsupported_arguments_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"does not support `{name}`"):
        convlet.distribution.DataParallel(**{name: ["cpu:0"]})
