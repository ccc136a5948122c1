"""Callbacks: which hooks run when, and what they see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet import Input, Sequential, callbacks, layers
from convlet.callbacks import Callback, CallbackList, History, LambdaCallback

X = np.random.default_rng(0).random((10, 4), np.float32)
Y = np.arange(10) % 3
HOOKS = [name for name in vars(Callback) if name.startswith("on_")]


class Recorder(Callback):
    """Writes down every hook but those of batches."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.logs: list[dict[str, Any]] = []

    def note(self, text: str, logs: dict[str, Any] | None) -> None:
        self.seen.append(text)
        self.logs.append(dict(logs or {}))

    def on_train_begin(self, logs: Any = None) -> None:
        self.note("train {", logs)

    def on_train_end(self, logs: Any = None) -> None:
        self.note("train }", logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.note(f"epoch {epoch} {{", logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.note(f"epoch {epoch} }}", logs)

    def on_test_begin(self, logs: Any = None) -> None:
        self.note("test {", logs)

    def on_test_end(self, logs: Any = None) -> None:
        self.note("test }", logs)

    def on_predict_begin(self, logs: Any = None) -> None:
        self.note("predict {", logs)

    def on_predict_end(self, logs: Any = None) -> None:
        self.note("predict }", logs)


class BatchRecorder(Recorder):
    """Writes down those of batches too."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.note(f"batch {batch} {{", logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.note(f"batch {batch} }}", logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.note(f"test batch {batch} {{", logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self.note(f"test batch {batch} }}", logs)

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.note(f"predict batch {batch} {{", logs)

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        self.note(f"predict batch {batch} }}", logs)


@pytest.fixture
def model() -> Sequential:
    model = Sequential([Input((4,)), layers.Dense(3, activation="softmax")])
    model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_order_of_the_hooks_of_fit(model: Sequential) -> None:
    recorder = Recorder()
    model.fit(X, Y, epochs=2, verbose=0, validation_split=0.3, callbacks=[recorder])
    assert recorder.seen == [
        "train {",
        "epoch 0 {",
        "test {",
        "test }",
        "epoch 0 }",
        "epoch 1 {",
        "test {",
        "test }",
        "epoch 1 }",
        "train }",
    ]


def test_order_of_the_hooks_of_batches(model: Sequential) -> None:
    recorder = BatchRecorder()
    model.fit(X, Y, batch_size=4, verbose=0, callbacks=recorder)
    assert recorder.seen[2:-2] == [f"batch {i} {side}" for i in range(3) for side in "{}"]
    recorder.seen.clear()
    model.evaluate(X, Y, batch_size=4, verbose=0, callbacks=[recorder])
    assert recorder.seen[1:-1] == [f"test batch {i} {side}" for i in range(3) for side in "{}"]
    recorder.seen.clear()
    model.predict(X, batch_size=4, verbose=0, callbacks=[recorder])
    assert recorder.seen[1:-1] == [f"predict batch {i} {side}" for i in range(3) for side in "{}"]


def test_steps_per_execution_spaces_the_hooks_of_batches(model: Sequential) -> None:
    model.compile("rmsprop", "sparse_categorical_crossentropy", steps_per_execution=2)
    recorder = BatchRecorder()
    model.fit(X, Y, batch_size=4, verbose=0, callbacks=[recorder])
    # As in Keras, the number of the last call is that of a full one.
    assert recorder.seen[2:-2] == ["batch 0 {", "batch 1 }", "batch 2 {", "batch 3 }"]


def test_logs_are_sorted_python_floats(model: Sequential) -> None:
    recorder = BatchRecorder()
    model.fit(X, Y, batch_size=4, verbose=0, validation_split=0.3, callbacks=[recorder])
    logs = dict(zip(recorder.seen, recorder.logs, strict=True))
    assert list(logs["batch 1 }"]) == ["accuracy", "loss"]
    assert list(logs["test }"]) == ["accuracy", "loss"]
    assert list(logs["epoch 0 }"]) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert logs["train }"] == logs["epoch 0 }"]
    assert logs["train {"] == logs["epoch 0 {"] == logs["batch 0 {"] == {}
    for values in logs.values():
        assert all(type(value) is float for value in values.values())


def test_logs_of_a_batch_are_means_over_the_epoch(model: Sequential) -> None:
    model.optimizer.learning_rate = 0.0  # type: ignore[union-attr]
    recorder = BatchRecorder()
    model.evaluate(X, Y, batch_size=4, verbose=0, callbacks=[recorder])
    logs = dict(zip(recorder.seen, recorder.logs, strict=True))
    for batch, rows in enumerate((4, 8, 10)):
        expected = model.evaluate(X[:rows], Y[:rows], verbose=0, return_dict=True)
        assert logs[f"test batch {batch} }}"] == pytest.approx(expected)


def test_outputs_are_in_the_logs_of_predict(model: Sequential) -> None:
    recorder = BatchRecorder()
    predictions = model.predict(X, batch_size=4, verbose=0, callbacks=[recorder])
    logs = dict(zip(recorder.seen, recorder.logs, strict=True))
    np.testing.assert_array_equal(logs["predict batch 2 }"]["outputs"], predictions[8:])


def test_old_names_of_the_batch_hooks_work(model: Sequential) -> None:
    seen = []

    class Old(Callback):
        def on_batch_begin(self, batch: int, logs: Any = None) -> None:
            seen.append(batch)

        def on_batch_end(self, batch: int, logs: Any = None) -> None:
            seen.append(batch)

    model.fit(X, Y, batch_size=5, verbose=0, callbacks=[Old()])
    assert seen == [0, 0, 1, 1]


def test_python_is_left_alone_without_batch_hooks() -> None:
    hooks = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    assert not CallbackList([History(), Recorder()]).overrides(*hooks)
    assert CallbackList([BatchRecorder()]).overrides(*hooks)
    assert CallbackList([LambdaCallback(on_batch_end=print)]).overrides(*hooks)
    assert not CallbackList([LambdaCallback(on_epoch_end=print)]).overrides(*hooks)


def test_params_and_model(model: Sequential) -> None:
    callback = Callback()
    model.fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=[callback])
    assert callback.params == {"verbose": 0, "epochs": 3, "steps": 3}
    assert callback.model is model


def test_what_a_callback_adds_to_the_logs_comes_last(model: Sequential) -> None:
    class Adder(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            logs["a_number"] = 1.5

    history = model.fit(X, Y, verbose=0, callbacks=[Adder()])
    assert list(history.history) == ["accuracy", "loss", "a_number"]
    assert history.history["a_number"] == [1.5]


def test_stop_training_ends_the_epoch_or_the_training(model: Sequential) -> None:
    class Stopper(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            assert self.model is not None
            self.model.stop_training = epoch == 1

    class BatchStopper(Callback):
        batches = 0

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            assert self.model is not None
            self.batches += 1
            self.model.stop_training = True

    assert model.fit(X, Y, epochs=5, verbose=0, callbacks=[Stopper()]).epoch == [0, 1]
    stopper = BatchStopper()
    history = model.fit(X, Y, epochs=5, batch_size=2, verbose=0, callbacks=[stopper])
    assert (history.epoch, stopper.batches) == ([0], 1)


def test_history_object_of_the_caller_is_used(model: Sequential) -> None:
    history = History()
    assert model.fit(X, Y, verbose=0, callbacks=[history]) is history
    assert model.history is history


def test_callback_may_use_the_model(model: Sequential) -> None:
    """`evaluate` inside of an epoch must not disturb what is recorded of the epoch."""
    losses = []

    class Tester(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            assert self.model is not None
            losses.append(self.model.evaluate(X[:3], Y[:3], verbose=0)[0])
            self.model.predict(X, verbose=0)

    history = model.fit(X, Y, epochs=2, verbose=0, validation_split=0.2, callbacks=[Tester()])
    assert len(losses) == 2
    assert len(history.history["val_loss"]) == 2


@pytest.mark.parametrize("name", HOOKS)
def test_lambda_callback_takes_every_hook(name: str) -> None:
    def function(*_: Any) -> None: ...

    assert getattr(LambdaCallback(**{name: function}), name) is function


def test_lambda_callback_refuses_what_is_not_a_hook() -> None:
    with pytest.raises(ValueError, match=r"on_epoch_edn\. Did you mean 'on_epoch_end'"):
        LambdaCallback(on_epoch_edn=print)
    with pytest.raises(ValueError, match="`on_epoch_end` must be a function"):
        LambdaCallback(on_epoch_end=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [[3], 3, [callbacks.Callback], "history"], ids=str)
def test_what_is_not_a_callback_is_refused(model: Sequential, bad: Any) -> None:
    weights = model.get_weights()
    with pytest.raises(ValueError, match="`callbacks` must be a list"):
        model.fit(X, Y, verbose=0, callbacks=bad)
    assert all(map(np.array_equal, weights, model.get_weights()))
