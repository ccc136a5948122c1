"""Progress: a bar in a terminal, plain lines everywhere else."""

from __future__ import annotations

import io
import re
import sys
from typing import Any

import numpy as np
import pytest

from convlet import Input, Sequential, layers
from convlet.callbacks import Callback, LambdaCallback
from convlet.progress import BarProgress, LineProgress, make_progress

X = np.random.default_rng(0).random((40, 4), np.float32)
Y = np.arange(40) % 3


class Terminal(io.StringIO):
    """A standard output that says it is a terminal."""

    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


class PlainTerminal(Terminal):
    encoding = "ascii"  # type: ignore[assignment]


class NotebookStream(io.StringIO):
    """What a Jupyter cell has: no terminal, but lines can be written again."""

    encoding = "UTF-8"  # type: ignore[assignment]


NotebookStream.__module__ = "ipykernel.iostream"


@pytest.fixture
def model() -> Sequential:
    model = Sequential([Input((4,)), layers.Dense(3, activation="softmax")])
    model.compile("rmsprop", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def output_of(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, call: Any) -> str:
    monkeypatch.setattr(sys, "stdout", stream)
    call()
    return stream.getvalue()


TIMES = r"\d+s - \d+[mu]?s/step"
LOGS = r"accuracy: \d\.\d{4} - loss: \d\.\d{4}"


def test_file_gets_one_plain_line_per_epoch(model: Sequential, capsys: Any) -> None:
    model.fit(X, Y, batch_size=8, epochs=2, validation_split=0.2)
    lines = capsys.readouterr().out.splitlines(keepends=True)
    assert len(lines) == 2
    for number, line in enumerate(lines, start=1):
        pattern = f"Epoch {number}/2 - 4/4 - {TIMES} - {LOGS} - val_accuracy: .* - val_loss: .*\n"
        assert re.fullmatch(pattern, line)


def test_single_epoch_has_no_title(model: Sequential, capsys: Any) -> None:
    model.fit(X, Y, batch_size=8)
    assert re.fullmatch(f"5/5 - {TIMES} - {LOGS}\n", capsys.readouterr().out)


def test_evaluate_and_predict_have_a_line(model: Sequential, capsys: Any) -> None:
    model.evaluate(X, Y, batch_size=16)
    assert re.fullmatch(f"3/3 - {TIMES} - {LOGS}\n", capsys.readouterr().out)
    model.predict(X, batch_size=16)
    assert re.fullmatch(f"3/3 - {TIMES}\n", capsys.readouterr().out)


def test_verbose_2_is_kerass(model: Sequential, capsys: Any) -> None:
    model.fit(X, Y, batch_size=8, epochs=2, verbose=2)
    pattern = "".join(f"Epoch {n}/2\n5/5 - {TIMES} - {LOGS}\n" for n in (1, 2))
    assert re.fullmatch(pattern, capsys.readouterr().out)


def test_verbose_0_is_silent(model: Sequential, capsys: Any) -> None:
    model.fit(X, Y, epochs=2, validation_split=0.2, verbose=0)
    model.evaluate(X, Y, verbose=0)
    model.predict(X, verbose=0)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_nothing_goes_to_the_error_output(model: Sequential, capsys: Any) -> None:
    model.fit(X, Y)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("verbose", [1, "auto", True])
def test_terminal_gets_a_bar(
    model: Sequential, monkeypatch: pytest.MonkeyPatch, verbose: Any
) -> None:
    text = output_of(
        monkeypatch,
        Terminal(),
        lambda: model.fit(X, Y, batch_size=4, epochs=2, verbose=verbose),
    )
    assert text.count("\n") == 4
    assert "\x1b" not in text
    epochs = text.split("Epoch ")[1:]
    assert [epoch.split("\n")[0] for epoch in epochs] == ["1/2", "2/2"]
    for epoch in epochs:
        last = epoch.split("\n")[1].split("\r")[-1]
        assert re.fullmatch(rf"10/10 ━{{20}} \d+s \d+[mu]?s/step - {LOGS} *", last)


def test_bar_of_plain_characters(model: Sequential, monkeypatch: pytest.MonkeyPatch) -> None:
    text = output_of(monkeypatch, PlainTerminal(), lambda: model.predict(X))
    assert "2/2 ==================== " in text
    text.encode("ascii")


def test_jupyter_gets_a_bar(model: Sequential, monkeypatch: pytest.MonkeyPatch) -> None:
    text = output_of(monkeypatch, NotebookStream(), lambda: model.fit(X, Y))
    assert "\r2/2 ━━━━━━━━━━━━━━━━━━━━ " in text
    assert "\x1b" not in text


def test_bar_moves_between_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr("convlet.progress._REFRESH_SECONDS", 0.0)
    progress = make_progress(1, steps=200)
    assert isinstance(progress, BarProgress)
    progress.begin()
    for step in (50, 100, 200):
        progress.update(step, {"loss": 0.5})
    progress.end({"loss": 0.25, "val_loss": 0.0001})
    states = sys.stdout.getvalue().split("\r")[1:]  # type: ignore[attr-defined]
    counts = [state.split()[0] for state in states]
    assert counts == ["0/200", "50/200", "100/200", "200/200", "200/200"]
    assert [state.count("━") for state in states] == [0, 5, 10, 20, 20]
    assert states[-1].rstrip().endswith("/step - loss: 0.2500 - val_loss: 1.0000e-04")


def test_line_is_left_clean_after_an_error(
    model: Sequential, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failer(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            raise RuntimeError("stop")

    monkeypatch.setattr(sys, "stdout", Terminal())
    with pytest.raises(RuntimeError, match="stop"):
        model.fit(X, Y, callbacks=[Failer()])
    assert sys.stdout.getvalue().endswith("\n")  # type: ignore[attr-defined]


def test_output_may_be_missing(model: Sequential, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a program without a console on Windows."""
    monkeypatch.setattr(sys, "stdout", None)
    model.fit(X, Y)
    model.summary()


def test_lines_can_be_told_from_bars() -> None:
    assert type(make_progress(2, 3)) is LineProgress
    with pytest.raises(ValueError, match="`verbose` must be"):
        make_progress(None, 3)


def test_what_callbacks_print_comes_before_the_title(model: Sequential, capsys: Any) -> None:
    says = LambdaCallback(on_epoch_begin=lambda epoch, logs: sys.stdout.write(f"begin {epoch}\n"))
    model.fit(X, Y, batch_size=8, epochs=2, verbose=2, callbacks=[says])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0::3] == ["begin 0", "begin 1"]
    assert lines[1::3] == ["Epoch 1/2", "Epoch 2/2"]
