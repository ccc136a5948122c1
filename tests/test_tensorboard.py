"""What `callbacks.TensorBoard` writes, read by TensorBoard's own reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convlet import Input, Sequential, layers
from convlet.callbacks import TensorBoard
from convlet.utils.event_file import EventFile

pytest.importorskip(
    "tensorboard",
    reason="tensorboard is not installed: pip install 'convlet[tensorboard]'",
    exc_type=ImportError,
)

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
Y = X @ np.array([[1.0], [-1.0], [0.5]], np.float32)


def curves_in(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """The (step, value) pairs of each curve that TensorBoard finds."""
    reader = EventAccumulator(str(folder)).Reload()
    curves = {}
    for tag in reader.Tags()["tensors"]:
        assert reader.SummaryMetadata(tag).plugin_data.plugin_name == "scalars"
        curves[tag] = [
            (event.step, make_ndarray(event.tensor_proto).item()) for event in reader.Tensors(tag)
        ]
    return curves


@pytest.mark.filterwarnings("default")  # Protocol Buffers and NumPy, of their own affairs
def test_tensorboard_reads_the_same_numbers(tmp_path: Path) -> None:
    model = Sequential([Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    history = model.fit(
        X,
        Y,
        batch_size=8,
        epochs=3,
        verbose=0,
        validation_data=(X, Y),
        callbacks=[TensorBoard(tmp_path, update_freq="batch")],
    ).history
    train, validation = curves_in(tmp_path / "train"), curves_in(tmp_path / "validation")
    for name in ("loss", "mae"):
        for curves, values in ((train, history[name]), (validation, history[f"val_{name}"])):
            expected = [(step, float(np.float32(value))) for step, value in enumerate(values)]
            assert curves[f"epoch_{name}"] == expected
    assert [step for step, _ in train["batch_loss"]] == list(range(1, 10))
    assert train["epoch_learning_rate"] == [(step, float(np.float32(0.01))) for step in range(3)]
    steps = [step for step, _ in validation["evaluation_loss_vs_iterations"]]
    assert steps == [3, 6, 9]


@pytest.mark.filterwarnings("default")
def test_a_file_is_made_with_its_first_numbers(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    file = EventFile(folder)
    assert not (tmp_path / "a").exists()
    file.write({"epoch_loss": 0.75}, 300)
    file.write({"epoch_loss": 0.5, "epoch_accuracy": float("nan")}, 301)
    EventFile(folder).write({"epoch_mae": 2.0}, 0)  # a file of its own
    assert len(list(folder.glob("events.out.tfevents.*"))) == 2
    reader = EventAccumulator(str(next(folder.iterdir()))).Reload()
    assert reader.file_version == 2.0
    curves = curves_in(folder)
    assert curves["epoch_loss"] == [(300, 0.75), (301, 0.5)]
    assert curves["epoch_mae"] == [(0, 2.0)]
    ((step, accuracy),) = curves["epoch_accuracy"]
    assert step == 301
    assert np.isnan(accuracy)
