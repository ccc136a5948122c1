"""The callbacks that come with convlet, one by one; and Keras's where it is installed."""

from __future__ import annotations

import json
import math
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convlet
from convlet import Input, Sequential, callbacks, config, layers, utils

X = np.random.default_rng(0).random((24, 4), np.float32)
Y = np.arange(24) % 3


def make_model(**arguments: Any) -> Sequential:
    model = Sequential([Input((4,)), layers.Dense(5, "tanh"), layers.Dense(3, "softmax")])
    model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"], **arguments)
    return model


@pytest.fixture
def model() -> Sequential:
    utils.clear_session()
    utils.set_random_seed(0)
    return make_model()


class FakeOptimizer:
    learning_rate = 0.5


class FakeModel:
    """As much of a model as callbacks that watch results need."""

    def __init__(self, optimizer: Any = None) -> None:
        self.optimizer = optimizer or FakeOptimizer()
        self.stop_training = False
        self.epoch = -1
        self.restored: Any = None
        self.saved: list[str] = []
        self.compiled_metrics: Sequence[Any] = ()
        self.metrics: Sequence[Any] = ()

    def get_weights(self) -> list[np.ndarray]:
        return [np.array(self.epoch)]

    def set_weights(self, weights: Any) -> None:
        self.restored = int(weights[0])

    def save(self, path: str, overwrite: bool) -> None:
        assert overwrite
        self.saved.append(path)

    save_weights = save


def drive(callback: Any, results: Sequence[float | None], model: Any, key: str = "val_loss") -> Any:
    """Hands a callback the results of one epoch after the other, as `fit` does."""
    callback.set_model(model)
    callback.set_params({"epochs": len(results), "steps": 1, "verbose": 0})
    callback.on_train_begin({})
    rates = []
    for epoch, result in enumerate(results):
        model.epoch = epoch
        callback.on_epoch_begin(epoch, {})
        logs = {} if result is None else {key: result}
        callback.on_epoch_end(epoch, logs)
        rates.append(logs.get("learning_rate"))
        if model.stop_training:
            break
    callback.on_train_end({})
    return rates


# ---- EarlyStopping ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "results", "stopped", "restored"),
    [
        ({}, [1.0, 2.0, 0.5], 1, None),
        ({"patience": 2}, [1.0, 2.0, 0.5, 0.6, 0.7, 0.1], 4, None),
        ({"patience": 1, "restore_best_weights": True}, [3.0, 1.0, 2.0], 2, 1),
        ({"patience": 5, "restore_best_weights": True}, [3.0, 1.0, 2.0], 0, 1),
        ({"patience": 1, "min_delta": 0.5}, [3.0, 2.8, 2.6], 1, None),
        ({"mode": "max", "patience": 1}, [1.0, 2.0, 1.5], 2, None),
        ({"baseline": 0.5, "patience": 2}, [1.0, 0.9, 0.8, 0.7], 0, None),
        ({"start_from_epoch": 3}, [1.0, 2.0, 3.0, 4.0, 5.0], 4, None),
    ],
)
def test_early_stopping(
    arguments: dict[str, Any], results: list[float], stopped: int, restored: int | None
) -> None:
    callback, fake = callbacks.EarlyStopping(**arguments), FakeModel()
    drive(callback, results, fake)
    assert (callback.stopped_epoch, fake.restored) == (stopped, restored)
    fake.stop_training = False
    drive(callback, results, fake)  # it can be used again
    assert callback.stopped_epoch == stopped


def test_early_stopping_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    drive(callbacks.EarlyStopping(verbose=1, restore_best_weights=True), [1.0, 2.0], FakeModel())
    assert capsys.readouterr().out == (
        "Epoch 2: early stopping\nRestoring model weights from the end of the best epoch: 1.\n"
    )


def test_early_stopping_without_its_result_warns() -> None:
    with pytest.warns(UserWarning, match="conditioned on metric `val_loss` which is not available"):
        drive(callbacks.EarlyStopping(), [None], FakeModel())


@pytest.mark.parametrize("name", ["EarlyStopping", "ReduceLROnPlateau", "ModelCheckpoint"])
def test_unknown_result_is_an_error_at_the_end_of_the_epoch(
    model: Sequential, name: str, tmp_path: Path
) -> None:
    """As in Keras: `val_acc` where the metric is called `accuracy`."""
    path = [tmp_path / "a.keras"] if name == "ModelCheckpoint" else []
    callback = getattr(callbacks, name)(*path, monitor="val_acc")
    with pytest.raises(ValueError, match=f"{name} callback received monitor=val_acc"):
        model.fit(X, Y, verbose=0, validation_split=0.5, callbacks=[callback])
    assert not path or not path[0].exists()


def test_direction_goes_with_the_metric(model: Sequential) -> None:
    callback = callbacks.EarlyStopping("accuracy", patience=100)
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[callback])
    assert callback.is_improvement(1.0, 0.5)
    assert not callback.is_improvement(0.5, 1.0)
    unknown = callbacks.EarlyStopping("val_happiness")
    unknown.set_model(model)
    with pytest.raises(ValueError, match="monitor=val_happiness, but it cannot be determined"):
        unknown.is_improvement(1.0, None)
    with pytest.warns(UserWarning, match="mode 'most' is unknown, fallback to auto mode"):
        callbacks.EarlyStopping(mode="most")


# ---- Learning rates -----------------------------------------------------------------------------


def test_reduce_lr_on_plateau(capsys: pytest.CaptureFixture[str]) -> None:
    callback = callbacks.ReduceLROnPlateau(
        factor=0.5, patience=2, cooldown=1, min_lr=0.1, verbose=1
    )
    rates = drive(callback, [1.0] * 12, FakeModel())
    assert rates == [0.5, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.1, 0.1, 0.1, 0.1, 0.1]
    assert capsys.readouterr().out.startswith(
        "\nEpoch 3: ReduceLROnPlateau reducing learning rate to 0.25.\n"
    )
    with pytest.raises(ValueError, match=r"a factor >= 1\.0\. Received factor=1\.5"):
        callbacks.ReduceLROnPlateau(factor=1.5)


def test_learning_rate_scheduler(model: Sequential, capsys: pytest.CaptureFixture[str]) -> None:
    both = callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2, verbose=1)
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[both])
    assert list(history.history) == ["accuracy", "loss", "learning_rate"]
    assert history.history["learning_rate"] == pytest.approx([5e-4, 2.5e-4])
    assert "\nEpoch 1: LearningRateScheduler setting learning rate to 0.0005" in (
        capsys.readouterr().out
    )
    alone = callbacks.LearningRateScheduler(lambda epoch: 0.1 * (epoch + 1))
    history = model.fit(X, Y, epochs=2, verbose=0, callbacks=[alone])
    assert history.history["learning_rate"] == pytest.approx([0.1, 0.2])
    with pytest.raises(ValueError, match=r"should be a float\. Got: 1"):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch: 1)])


def test_type_error_of_a_schedule_is_its_own() -> None:
    def broken(epoch: int, rate: float) -> float:
        return rate + "x"  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand"):
        drive(callbacks.LearningRateScheduler(broken), [1.0], FakeModel())


# ---- Files --------------------------------------------------------------------------------------


def test_csv_logger(model: Sequential, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[callbacks.CSVLogger(path)])
    lines = path.read_text().splitlines()
    assert lines[0] == "epoch,accuracy,loss,val_accuracy,val_loss"
    assert [line.split(",")[0] for line in lines[1:]] == ["0", "1"]
    assert lines[1].endswith(",NA,NA")
    logger = callbacks.CSVLogger(path, append=True)
    model.fit(X, Y, verbose=0, validation_split=0.25, callbacks=[logger])
    assert len(path.read_text().splitlines()) == 4
    logger = callbacks.CSVLogger(path, separator=";")
    model.fit(X, Y, verbose=0, validation_split=0.25, callbacks=[logger])
    assert path.read_text().splitlines()[0] == "epoch;accuracy;loss;val_accuracy;val_loss"


@pytest.mark.parametrize(
    ("arguments", "results", "saved"),
    [
        ({}, [1.0, 2.0], ["1-1.0", "2-2.0"]),
        ({"save_best_only": True}, [1.0, 2.0, 0.5], ["1-1.0", "3-0.5"]),
        ({"save_best_only": True, "mode": "max"}, [1.0, 2.0, 0.5], ["1-1.0", "2-2.0"]),
        ({"save_best_only": True, "initial_value_threshold": 0.7}, [1.0, 0.6], ["2-0.6"]),
    ],
)
def test_model_checkpoint(
    tmp_path: Path, arguments: dict[str, Any], results: list[float], saved: list[str]
) -> None:
    fake = FakeModel()
    template = str(tmp_path / "new" / "{epoch}-{val_loss}.keras")
    drive(callbacks.ModelCheckpoint(template, **arguments), results, fake)
    assert fake.saved == [str(tmp_path / "new" / f"{name}.keras") for name in saved]
    assert (tmp_path / "new").is_dir()


def test_model_checkpoint_says_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    callback = callbacks.ModelCheckpoint("a.keras", save_best_only=True, verbose=1)
    drive(callback, [1.0, 2.0], FakeModel())
    assert capsys.readouterr().out == (
        "\nEpoch 1: val_loss improved from None to 1.00000, saving model to a.keras\n"
        "\nEpoch 1: finished saving model to a.keras\n"
        "\nEpoch 2: val_loss did not improve from 1.00000\n"
    )


def test_model_checkpoint_of_weights(model: Sequential, tmp_path: Path) -> None:
    path = tmp_path / "best.weights.h5"
    callback = callbacks.ModelCheckpoint(path, monitor="loss", save_weights_only=True)
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[callback])
    copy = make_model()
    copy.prepare_training()
    copy.load_weights(path)
    assert all(map(np.array_equal, copy.get_weights(), model.get_weights()))


def test_model_checkpoint_counts_batches(model: Sequential, tmp_path: Path) -> None:
    path = tmp_path / "{epoch}-{batch}.weights.h5"
    callback = callbacks.ModelCheckpoint(path, save_weights_only=True, save_freq=4)
    model.fit(X, Y, batch_size=4, epochs=2, verbose=0, callbacks=[callback])
    names = sorted(path.name.split(".")[0] for path in tmp_path.iterdir())
    assert names == ["1-4", "2-2", "2-6"]


def test_batch_hooks_are_there_only_when_needed() -> None:
    hooks = ("on_train_batch_begin", "on_train_batch_end", "on_batch_end")

    def needs(callback: callbacks.Callback) -> bool:
        return callbacks.CallbackList([callback]).overrides(*hooks)

    assert not needs(callbacks.ModelCheckpoint("a.keras"))
    assert needs(callbacks.ModelCheckpoint("a.keras", save_freq=3))
    assert not needs(callbacks.BackupAndRestore("a"))
    assert needs(callbacks.BackupAndRestore("a", save_freq=3))
    assert not needs(callbacks.EarlyStopping())
    assert needs(callbacks.TerminateOnNaN())


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "weights ending": (
        lambda: callbacks.ModelCheckpoint("a.keras", save_weights_only=True),
        "When using `save_weights_only=True` in `ModelCheckpoint`, the filepath provided must end",
    ),
    "ending": (
        lambda: callbacks.ModelCheckpoint("a"),
        "The filepath provided must end in `.keras`",
    ),
    "frequency": (
        lambda: callbacks.ModelCheckpoint("a.keras", save_freq="batch"),
        "Unrecognized save_freq: batch",
    ),
    "backup": (lambda: callbacks.BackupAndRestore(""), "Empty `backup_dir` argument passed"),
    "backup frequency": (
        lambda: callbacks.BackupAndRestore("a", save_freq="batch"),
        "Invalid value for argument `save_freq`",
    ),
    "patience": (lambda: callbacks.EarlyStopping(patience=-1), "`patience` must be an integer"),
    "schedule": (lambda: callbacks.LearningRateScheduler(3), "`schedule` must be a function"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_refused(case: str) -> None:
    make, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        make()


def test_checkpoint_paths_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="Failed to format this callback filepath"):
        drive(callbacks.ModelCheckpoint("{mape}.keras"), [1.0], FakeModel())
    (tmp_path / "a.keras").mkdir()
    with pytest.raises(IsADirectoryError, match="Please specify a non-directory filepath"):
        drive(callbacks.ModelCheckpoint(tmp_path / "a.keras"), [1.0], FakeModel())
    with pytest.warns(UserWarning, match="Can save best model only with val_loss available"):
        drive(callbacks.ModelCheckpoint("a.keras", save_best_only=True), [None], FakeModel())


# ---- BackupAndRestore ---------------------------------------------------------------------------


class Killed(Exception):
    """What a power cut is to a training."""


class Killer(callbacks.Callback):
    """Ends the process, as far as the training can tell, after a batch of an epoch."""

    def __init__(self, epoch: int, batch: int | None = None) -> None:
        super().__init__()
        self.at, self.batch, self.epoch = epoch, batch, 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = epoch
        if self.batch is None and epoch == self.at:
            raise Killed

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if (self.epoch, batch) == (self.at, self.batch):
            raise Killed


def train(directory: Path, extra: Sequence[Any] = (), **arguments: Any) -> Any:
    """A whole run of a program: the same seed, model and callbacks each time."""
    utils.clear_session()
    utils.set_random_seed(7)
    model = make_model()
    early = callbacks.EarlyStopping("loss", patience=50, restore_best_weights=True)
    plateau = callbacks.ReduceLROnPlateau("accuracy", patience=1, factor=0.7, cooldown=1)
    noise = callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: np.random.random(),  # noqa: NPY002
        on_train_batch_end=lambda batch, logs: np.random.random(),  # noqa: NPY002
    )
    backup = callbacks.BackupAndRestore(directory, **arguments)
    history = model.fit(
        X, Y, batch_size=4, epochs=6, verbose=0, callbacks=[backup, noise, early, plateau, *extra]
    )
    return model, early, plateau, history


@pytest.mark.parametrize(
    ("killer", "save_freq"),
    [((3,), "epoch"), ((2, 4), "epoch"), ((2, 4), 1), ((4, 3), 4), ((0, 2), 2), ((3, 5), 6)],
)
def test_interrupted_training_ends_as_the_whole_one(
    tmp_path: Path, killer: tuple[int, ...], save_freq: Any
) -> None:
    whole, early, plateau, history = train(tmp_path / "whole", save_freq=save_freq)
    expected_random = np.random.random()  # noqa: NPY002
    with pytest.raises(Killed):
        train(tmp_path / "cut", [Killer(*killer)], save_freq=save_freq)
    assert (tmp_path / "cut" / "training_metadata.json").exists()
    model, early_again, plateau_again, rest = train(tmp_path / "cut", save_freq=save_freq)
    assert np.random.random() == expected_random  # noqa: NPY002
    for mine, wanted in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, wanted)
    states = zip(model.optimizer.get_state(), whole.optimizer.get_state(), strict=True)
    for mine, wanted in states:
        np.testing.assert_array_equal(mine, wanted)
    assert rest.epoch[-1] == history.epoch[-1]
    assert rest.history["loss"][-1] == history.history["loss"][-1]
    assert (early_again.best, early_again.best_epoch) == (early.best, early.best_epoch)
    assert plateau_again.get_state() == plateau.get_state()
    assert not (tmp_path / "cut").exists()


def test_backup_keeps_what_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    train(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_backup_can_be_kept_and_is_one(tmp_path: Path) -> None:
    train(tmp_path, delete_checkpoint=False)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["backup-6.npz", "backup-6.weights.h5", "training_metadata.json"]
    metadata = json.loads((tmp_path / "training_metadata.json").read_text())
    assert (metadata["epoch"], metadata["batch"]) == (6, 0)
    *_, history = train(tmp_path, delete_checkpoint=False)
    assert history.epoch == []


def test_broken_backup(tmp_path: Path) -> None:
    whole, *_ = train(tmp_path / "whole")
    for double in (False, True):
        directory = tmp_path / str(double)
        with pytest.raises(Killed):
            train(directory, [Killer(4)], double_checkpoint=double)
        (directory / "backup-4.weights.h5").write_bytes(b"broken")
        if not double:
            with pytest.raises(ValueError, match="not a readable HDF5 file"):
                train(directory)
            continue
        model, *_ = train(directory, double_checkpoint=True)
        assert all(map(np.array_equal, model.get_weights(), whole.get_weights()))


def test_backup_that_names_a_file_elsewhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(tmp_path / "cut", [Killer(1)])
    path = tmp_path / "cut" / "training_metadata.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "stem": "../secret"}))
    with pytest.raises(ValueError, match="names a file elsewhere"):
        train(tmp_path / "cut")


def test_damaged_backup_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(tmp_path / "cut", [Killer(1)])
    path = tmp_path / "cut" / "training_metadata.json"
    whole = path.read_text()
    spoilt = {**json.loads(whole), "epoch": "1"}
    for text in ("", "{}", "[]", "3", "[" * 10**5, whole[:-9], json.dumps(spoilt)):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"training_metadata\.json: not the description"):
            train(tmp_path / "cut")
    path.write_text(whole)
    (arrays,) = (tmp_path / "cut").glob("*.npz")
    content = arrays.read_bytes()
    for data in (b"", b"PK", content[:-9], content[:99], b"\x93NUMPY" + content, bytes(99)):
        arrays.write_bytes(data)
        with pytest.raises(ValueError, match=r"\.npz: not the arrays of a backup"):
            train(tmp_path / "cut")


RANDOM_DAMAGE: dict[str, Callable[[Any], object]] = {
    "empty": lambda state: state.clear(),
    "text": lambda state: state.update(numpy="abc"),
    "no place": lambda state: state["numpy"]["state"].update(pos=625),
    "place before": lambda state: state["numpy"]["state"].update(pos=-1),
    "short key": lambda state: state["numpy"]["state"].update(key=[1, 2]),
    "other generator": lambda state: state["convlet"].update(bit_generator="MT19937"),
    "number": lambda state: state["convlet"]["state"].update(state="1"),
    "negative": lambda state: state["convlet"]["state"].update(inc=-1),
    "python": lambda state: state.update(python=[3, [1, 2], None]),
    "python's place": lambda state: state["python"][1].append(9999),
}
DAMAGE: dict[str, Callable[[Any], object]] = {
    **{
        f"{key}, {name}": lambda data, key=key, change=change: change(data[key])
        for key in ("random", "epoch_random")
        for name, change in RANDOM_DAMAGE.items()
    },
    "random": lambda data: data.pop("random"),
    "epoch_random": lambda data: data.update(epoch_random=None),
    "batch": lambda data: data.update(batch=-1),
    "no results": lambda data: data.update(results=[]),
    "results": lambda data: data.update(results=[{"rows": "many"}]),
    "callbacks": lambda data: data.update(callbacks=[["EarlyStopping", "abc"]]),
    "callback": lambda data: data.update(callbacks=[["EarlyStopping"]]),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_backup_changes_nothing(tmp_path: Path, damage: str) -> None:
    """It is noticed before the model's weights are read."""
    with pytest.raises(Killed):
        train(tmp_path, [Killer(2, 4)], save_freq=2)
    path = tmp_path / "training_metadata.json"
    metadata = json.loads(path.read_text())
    assert metadata["batch"] > 0
    DAMAGE[damage](metadata)
    path.write_text(json.dumps(metadata))
    model = make_model()
    weights, numbers = model.get_weights(), random.getstate()
    backup = callbacks.BackupAndRestore(tmp_path, save_freq=2)
    with pytest.raises(ValueError, match=r"training_metadata\.json: "):
        model.fit(X, Y, verbose=0, callbacks=[callbacks.EarlyStopping("loss"), backup])
    assert random.getstate() == numbers
    for mine, wanted in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(mine, wanted)


# ---- The others ---------------------------------------------------------------------------------


@pytest.mark.parametrize("raise_error", [False, True])
def test_terminate_on_nan(
    model: Sequential, raise_error: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    x = X.copy()
    x[10] = np.nan
    callback = callbacks.TerminateOnNaN(raise_error)
    arguments: dict[str, Any] = {"batch_size": 4, "epochs": 3, "verbose": 0, "shuffle": False}
    if raise_error:
        with pytest.raises(RuntimeError, match="NaN or Inf loss encountered at batch 2"):
            model.fit(x, Y, callbacks=[callback], **arguments)
        return
    assert model.fit(x, Y, callbacks=[callback], **arguments).epoch == [0]
    assert capsys.readouterr().out == "Batch 2: Invalid loss, terminating training\n"


def test_progbar_logger(model: Sequential, capsys: pytest.CaptureFixture[str]) -> None:
    logger = callbacks.ProgbarLogger()
    logger.set_params({"verbose": 2, "epochs": 2, "steps": 3})
    logger.on_train_begin({})
    for epoch in range(2):
        logger.on_epoch_begin(epoch, {})
        logger.on_train_batch_end(2, {"loss": 1.0})
        logger.on_test_begin({})
        logger.on_test_end({"loss": 9.0})
        logger.on_epoch_end(epoch, {"loss": 0.5})
    logger.on_train_end({})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0::2] == ["Epoch 1/2", "Epoch 2/2"]
    assert all(
        line.startswith("3/3 - 0s") and line.endswith("loss: 0.5000") for line in lines[1::2]
    )


def test_progress_bar_of_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    hooks = callbacks.CallbackList(add_progbar=True, verbose=2, epochs=1, steps=3)
    assert [type(each) for each in hooks.callbacks] == [callbacks.ProgbarLogger]
    hooks.on_train_begin()
    hooks.on_epoch_begin(0)
    hooks.on_train_batch_end(2, {"loss": 1.0})
    hooks.on_epoch_end(0, {"loss": 0.5})
    hooks.on_train_end()
    assert capsys.readouterr().out.endswith("loss: 0.5000\n")
    own = callbacks.ProgbarLogger()
    assert callbacks.CallbackList([own], add_progbar=True).callbacks == [own]


def test_messages_go_to_the_log_when_nobody_watches(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, model: Sequential
) -> None:
    config.disable_interactive_logging()
    try:
        assert not config.is_interactive_logging_enabled()
        model.fit(X, Y, verbose=1)
        drive(callbacks.EarlyStopping(verbose=1), [1.0, 2.0], FakeModel())
    finally:
        config.enable_interactive_logging()
    assert capsys.readouterr().out == ""
    assert "Epoch 2: early stopping" in caplog.text


class FakeVariable:
    def __init__(self, name: str, value: float) -> None:
        self.name = self.path = name
        self.value = value

    def numpy(self) -> float:
        return self.value

    def assign(self, value: float) -> None:
        self.value = value


def test_swap_ema_weights() -> None:
    weight, average = FakeVariable("m/w", 1.0), FakeVariable("m_w_average", 2.0)
    fake: Any = FakeModel(FakeOptimizer())
    fake.trainable_weights = [weight]
    fake.optimizer.variables = [average]
    callback = callbacks.SwapEMAWeights()
    callback.set_model(fake)
    with pytest.raises(ValueError, match="SwapEMAWeights must be used when `use_ema=True` is set"):
        callback.on_test_begin({})
    fake.optimizer.use_ema = True
    for begin, end in [
        (callback.on_test_begin, callback.on_test_end),
        (callback.on_predict_begin, callback.on_predict_end),
    ]:
        begin({})
        assert (weight.value, average.value) == (2.0, 1.0)
        end({})
        assert (weight.value, average.value) == (1.0, 2.0)
    callback = callbacks.SwapEMAWeights(swap_on_epoch=True)
    callback.set_model(fake)
    callback.set_params({"epochs": 2})
    callback.on_epoch_begin(0)
    callback.on_epoch_end(0)
    assert (weight.value, average.value) == (2.0, 1.0)
    callback.on_epoch_begin(1)
    assert (weight.value, average.value) == (1.0, 2.0)
    callback.on_epoch_end(1)
    assert (weight.value, average.value) == (2.0, 2.0)


# ---- TensorBoard --------------------------------------------------------------------------------


def with_tensor_board(library: Any, folder: Path, **arguments: Any) -> Any:
    """The results of a training, a validation in each epoch, and an evaluation."""
    inputs = library.Input((3,))
    model = library.Model(inputs, library.layers.Dense(2, kernel_initializer="ones")(inputs))
    model.compile(library.optimizers.SGD(0.01), "mse", metrics=["mae"])
    x = np.random.default_rng(0).normal(size=(10, 3))
    y = x[:, :2] ** 2
    callback = library.callbacks.TensorBoard(str(folder), **arguments)
    fitting = {"batch_size": 4, "epochs": 2, "validation_data": (x[:4], y[:4]), "shuffle": False}
    history = model.fit(x, y, verbose=0, callbacks=[callback], **fitting)
    model.evaluate(x, y, verbose=0, callbacks=[callback])
    return history


def test_tensor_board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Any] = []

    class Recorder:
        def __init__(self, directory: Path) -> None:
            self.name = directory.name

        def write(self, numbers: dict[str, float], step: int) -> None:
            written.append((self.name, numbers, step))

    monkeypatch.setattr("convlet.callbacks.tensor_board.EventFile", Recorder)
    history = with_tensor_board(convlet, tmp_path, update_freq=2).history
    assert list(tmp_path.iterdir()) == []
    assert [(name, list(numbers), step) for name, numbers, step in written] == [
        ("train", ["batch_loss", "batch_mae"], 2),
        ("validation", ["evaluation_loss_vs_iterations", "evaluation_mae_vs_iterations"], 3),
        ("train", ["epoch_learning_rate", "epoch_loss", "epoch_mae"], 0),
        ("validation", ["epoch_loss", "epoch_mae"], 0),
        ("train", ["batch_loss", "batch_mae"], 4),
        ("train", ["batch_loss", "batch_mae"], 6),
        ("validation", ["evaluation_loss_vs_iterations", "evaluation_mae_vs_iterations"], 6),
        ("train", ["epoch_learning_rate", "epoch_loss", "epoch_mae"], 1),
        ("validation", ["epoch_loss", "epoch_mae"], 1),
        ("validation", ["evaluation_loss_vs_iterations", "evaluation_mae_vs_iterations"], 6),
    ]
    assert written[7][1]["epoch_loss"] == history["loss"][1]
    assert written[8][1]["epoch_mae"] == history["val_mae"][1]
    assert written[7][1]["epoch_learning_rate"] == float(np.float32(0.01))


@pytest.mark.parametrize(
    "argument",
    [
        {"histogram_freq": 1},
        {"write_images": True},
        {"write_steps_per_second": True},
        {"profile_batch": (1, 2)},
        {"embeddings_freq": 1},
        {"update_freq": 0},
        {"update_freq": "epochs"},
    ],
    ids=str,
)
def test_tensor_board_refuses_by_name(argument: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"`{next(iter(argument))}"):
        callbacks.TensorBoard(**argument)


def test_tensor_board_names_the_package_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(ImportError, match=r"pip install 'convlet\[tensorboard\]'"):
        callbacks.TensorBoard()


# ---- Live Keras ---------------------------------------------------------------------------------


@pytest.mark.keras
@pytest.mark.filterwarnings("default")
class TestLive:
    """The same results handed to both."""

    @pytest.mark.parametrize("seed", range(20))
    def test_early_stopping(
        self, keras: Any, seed: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rng = np.random.default_rng(seed)
        arguments: dict[str, Any] = {
            "patience": int(rng.integers(0, 4)),
            "min_delta": float(rng.choice([0.0, 0.1])),
            "mode": str(rng.choice(["min", "max", "auto"])),
            "baseline": rng.choice([None, 0.5]),
            "restore_best_weights": bool(rng.integers(2)),
            "start_from_epoch": int(rng.integers(3)),
            "verbose": 1,
        }
        results = [*rng.random(10).tolist(), math.nan, *rng.random(5).tolist()]
        outcomes = []
        for library in (convlet, keras):
            fake = FakeModel()
            callback = library.callbacks.EarlyStopping(**arguments)
            drive(callback, results, fake)
            printed = capsys.readouterr().out
            state = (callback.stopped_epoch, callback.best_epoch, callback.wait, fake.restored)
            outcomes.append((state, printed))
        assert outcomes[0] == outcomes[1]

    @pytest.mark.parametrize("seed", range(10))
    def test_reduce_lr_on_plateau(
        self, keras: Any, seed: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        rng = np.random.default_rng(seed)
        arguments = {
            "factor": 0.5,
            "patience": int(rng.integers(1, 3)),
            "cooldown": int(rng.integers(0, 3)),
            "min_lr": 0.05,
            "min_delta": float(rng.choice([1e-4, 0.1])),
            "verbose": 1,
        }
        results = rng.random(25).tolist()
        outcomes = []
        for library in (convlet, keras):
            fake = FakeModel(library.optimizers.RMSprop(0.5))
            rates = drive(library.callbacks.ReduceLROnPlateau(**arguments), results, fake)
            outcomes.append((rates, capsys.readouterr().out))
        assert outcomes[0] == outcomes[1]

    @pytest.mark.parametrize("save_best_only", [False, True])
    def test_model_checkpoint(
        self, keras: Any, save_best_only: bool, capsys: pytest.CaptureFixture[str]
    ) -> None:
        results = np.random.default_rng(1).random(10).tolist()
        outcomes = []
        for library in (convlet, keras):
            fake = FakeModel()
            callback = library.callbacks.ModelCheckpoint(
                "{epoch:02d}-{val_loss:.2f}.keras", save_best_only=save_best_only, verbose=1
            )
            drive(callback, results, fake)
            outcomes.append((fake.saved, capsys.readouterr().out))
        assert outcomes[0] == outcomes[1]

    @pytest.mark.parametrize("validate", [False, True])
    def test_csv_logger(self, keras: Any, validate: bool, tmp_path: Path) -> None:
        texts = []
        for library in (convlet, keras):
            path = tmp_path / f"{library.__name__}.csv"
            callback = library.callbacks.CSVLogger(str(path))
            callback.set_model(FakeModel())
            callback.on_train_begin({})
            for epoch in range(3):
                logs = {"loss": 1.5 / (epoch + 1), "accuracy": 0.5}
                callback.on_epoch_end(epoch, {**logs, **({"val_loss": 0.25} if validate else {})})
            callback.on_train_end({})
            texts.append(path.read_bytes().replace(b"\r\n", b"\n"))
        assert texts[0] == texts[1]

    @pytest.mark.parametrize("update_freq", ["epoch", "batch"])
    def test_tensor_board(self, keras: Any, update_freq: str, tmp_path: Path) -> None:
        """TensorFlow reads the same numbers at the same steps from both."""
        pytest.importorskip("tensorboard", reason="Keras's own callback needs tensorboard")
        import tensorflow as tf

        found: list[dict[Any, float]] = []
        for library in (convlet, keras):
            folder = tmp_path / library.__name__
            with_tensor_board(library, folder, update_freq=update_freq, write_graph=False)
            numbers: dict[Any, float] = {}
            paths = folder.glob("*/events.out.tfevents.*")
            for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns):
                for event in tf.compat.v1.train.summary_iterator(str(path)):
                    for value in event.summary.value:
                        assert value.metadata.plugin_data.plugin_name == "scalars"
                        key = path.parent.name, value.tag, event.step
                        numbers[key] = float(tf.make_ndarray(value.tensor))
            found.append(numbers)
        ours, theirs = found
        assert ours.keys() == theirs.keys()
        assert ours == pytest.approx(theirs, rel=1e-5)
