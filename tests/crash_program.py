"""A training that is killed and started again: what `test_crashes.py` runs, over and over.

    python crash_program.py VARIANT DIRECTORY [KILL]

KILL is `line:N` or `byte:N`: the process kills itself before the N-th line of Python that has to do
with saving, or when it has written N bytes of files. A whole run writes what came of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

import convlet
from convlet import Input, Sequential, _atomic_write, callbacks, layers, optimizers

EPOCHS, BATCH_SIZE = 6, 8
SAVING = ("_atomic_write.py", "callbacks/", "saving/", "random_snapshot.py")
ROOT = str(Path(convlet.__file__).parent) + os.sep


def make_model(variant: str) -> Sequential:
    """Has everything that random numbers or states of its own could spoil."""
    convlet.utils.clear_session()
    convlet.utils.set_random_seed(3)
    model = Sequential(
        [
            Input((8, 8, 1)),
            layers.RandomTranslation(0.2, 0.2),
            layers.Conv2D(4, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(3, activation="softmax"),
        ]
    )
    rate: Any = 0.01
    if variant == "batches":
        rate = optimizers.schedules.ExponentialDecay(0.01, 7, 0.9)
    # F1Score is a metric that Python computes, and so one whose state Python has.
    model.compile(
        optimizers.Adam(rate), "categorical_crossentropy", metrics=["accuracy", "f1_score"]
    )
    return model


def checkpoint_path(variant: str, directory: Path) -> Path:
    return directory / "saved" / ("best.keras" if variant == "epochs" else "last.weights.h5")


def make_callbacks(variant: str, directory: Path) -> list[Any]:
    path = checkpoint_path(variant, directory)
    common = [
        callbacks.BackupAndRestore(
            directory / "backup",
            save_freq="epoch" if variant == "epochs" else 3,
            double_checkpoint=variant == "batches",
        ),
        callbacks.EarlyStopping("val_accuracy", patience=5, restore_best_weights=True),
    ]
    if variant == "epochs":
        return [
            *common,
            callbacks.ReduceLROnPlateau("loss", patience=1, factor=0.5, min_delta=0.1, cooldown=1),
            callbacks.ModelCheckpoint(path, "val_accuracy", save_best_only=True),
        ]
    return [*common, callbacks.ModelCheckpoint(path, save_weights_only=True, save_freq=5)]


def train(variant: str, directory: Path) -> str:
    """Returns a digest of all that a training leaves."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(84, 8, 8, 1)).astype(np.float32)
    y = np.eye(3, dtype=np.float32)[np.arange(84) % 3]
    model = make_model(variant)
    used = make_callbacks(variant, directory)
    model.fit(
        x,
        y,
        batch_size=BATCH_SIZE,
        epochs=EPOCHS,
        validation_split=0.25,
        verbose=0,
        callbacks=used,
    )
    assert model.optimizer is not None
    digest = hashlib.sha256()
    for array in [*model.get_weights(), *model.optimizer.get_state()]:
        digest.update(np.ascontiguousarray(array).tobytes())
    for callback in used:
        state = callback.get_state()
        for array in state.pop("best_weights", None) or ():
            digest.update(array.tobytes())
        digest.update(repr(sorted(state.items())).encode())
    digest.update(repr(convlet.utils.random_state.generator().bit_generator.state).encode())
    return digest.hexdigest()


class Countdown:
    """Counts lines and bytes, and kills the process at one of them.

    Args:
        kill: As on the command line, or "" to only count.
    """

    def __init__(self, kill: str) -> None:
        what, _, number = kill.partition(":")
        self._last = {what: int(number or 0)}
        self.counts = {"line": 0, "byte": 0}

    def start(self) -> None:
        sys.settrace(self._called)
        write = _atomic_write._Part.write

        def counted(part: Any, data: Any) -> int:
            room = self._last.get("byte", sys.maxsize) - self.counts["byte"]
            if len(data) > room:
                write(part, data[: max(room, 0)])
            self._count("byte", len(data))
            return write(part, data)

        _atomic_write._Part.write = counted  # type: ignore[method-assign]

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename.removeprefix(ROOT)
        return self._line if name.startswith(SAVING) else None

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        self._count("line", event == "line")
        return self._line

    def _count(self, what: str, number: int) -> None:
        self.counts[what] += number
        if self.counts[what] > self._last.get(what, sys.maxsize):
            os.kill(os.getpid(), signal.SIGKILL)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    variant, directory, *kill = sys.argv[1:]
    say("begins")
    countdown = Countdown(*kill or [""])
    # Tracing takes time that the moments of a killer with a clock should not fall into.
    if kill != ["time"]:
        countdown.start()
    digest = train(variant, Path(directory))
    sys.settrace(None)
    say(json.dumps({"digest": digest, **countdown.counts}))


if __name__ == "__main__":
    main()
