"""Ctrl-C, callbacks that raise, and callbacks that use the model: it stays whole and goes on."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import convlet
from convlet import Input, Sequential, layers, optimizers
from convlet.callbacks import Callback
from convlet.callbacks.callback import HOOKS

X = np.random.default_rng(0).normal(size=(48, 6, 6, 1)).astype(np.float32)
Y = (np.arange(48) % 3).astype(np.int32)
BATCH_SIZE = 8
STEPS = len(X) // BATCH_SIZE  # of an epoch
EPOCHS = 2
ROOT = str(Path(convlet.__file__).parent) + os.sep
# Lines of Python after which a call is interrupted; the tests take 6 minutes with 250.
LINES = int(os.environ.get("CONVLET_INTERRUPTED_LINES", "6"))

State = list[np.ndarray]


def make_model() -> Sequential:
    convlet.utils.clear_session()
    convlet.utils.set_random_seed(0)
    model = Sequential(
        [
            Input((6, 6, 1)),
            layers.Conv2D(3, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.25),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def batches(epochs: int = EPOCHS) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for _ in range(epochs):
        for begin in range(0, len(X), BATCH_SIZE):
            yield X[begin : begin + BATCH_SIZE], Y[begin : begin + BATCH_SIZE]


def fit(model: Sequential, **arguments: Any) -> None:
    options = {"batch_size": BATCH_SIZE, "epochs": EPOCHS, "shuffle": False, "verbose": 0}
    model.fit(X, Y, **(options | arguments))


def fit_batches(model: Sequential) -> None:
    model.fit(batches(), steps_per_epoch=STEPS, epochs=EPOCHS, shuffle=False, verbose=0)


def evaluate(model: Sequential) -> None:
    model.evaluate(X, Y, batch_size=BATCH_SIZE, verbose=0)


def evaluate_batches(model: Sequential) -> None:
    model.evaluate(batches(1), verbose=0)


def predict(model: Sequential) -> None:
    model.predict(X, batch_size=BATCH_SIZE, verbose=0)


def predict_batches(model: Sequential) -> None:
    model.predict(batches(1), verbose=0)


CALLS = [fit, fit_batches, evaluate, evaluate_batches, predict, predict_batches]


def state(model: Sequential) -> State:
    assert model.optimizer is not None
    return [*model.get_weights(), *model.optimizer.get_state()]


def iterations(model: Sequential) -> int:
    assert model.optimizer is not None
    return model.optimizer.iterations


def assert_same(first: State, second: State) -> None:
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def recompiled() -> Sequential:
    """A trained model whose optimizer has to move into the network again."""
    model = after_steps(3)
    model.compile(model.optimizer, "sparse_categorical_crossentropy")
    return model


def after_steps(steps: int, make: Callable[[], Sequential] = make_model) -> Sequential:
    """A model that has been trained until it has done so many steps, from the first batch on."""

    class Stopper(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            if self.model is not None and iterations(model) == steps:
                self.model.stop_training = True

    model = make()
    model.prepare_training()
    if steps > iterations(model):
        fit(model, epochs=steps, callbacks=[Stopper()])
    assert iterations(model) == steps
    return model


def check_interrupted(model: Sequential, make: Callable[[], Sequential] = make_model) -> None:
    """The model is that of the last whole step, and is trained from there as if nothing was."""
    steps = iterations(model)
    model.prepare_training()
    control = after_steps(steps, make)
    assert_same(state(model), state(control))
    for each in (model, control):
        each.predict(X, verbose=0)
        fit(each, epochs=1)
    assert iterations(model) == steps + STEPS
    assert_same(state(model), state(control))


# ---- Ctrl-C -------------------------------------------------------------------------------------


class Interrupter:
    """Raises KeyboardInterrupt at the n-th line of convlet's Python, as Ctrl-C does somewhere.

    Args:
        line: Number of the line; 0 counts them only.
        files: Beginning of the names of files; lines of others do not count.
    """

    def __init__(self, line: int = 0, files: str = "") -> None:
        self.lines = 0
        self._line = line
        self._files = ROOT + files

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(before)

    def _called(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._count if frame.f_code.co_filename.startswith(self._files) else None

    def _count(self, frame: FrameType, event: str, argument: Any) -> Any:
        self.lines += event == "line"
        if self.lines == self._line:
            sys.settrace(None)
            raise KeyboardInterrupt
        return self._count


def interrupt(
    call: Callable[[Sequential], None], make: Callable[[], Sequential], files: str = ""
) -> None:
    """Interrupts a call at some lines, one after the other."""
    model = make()
    counter = Interrupter(files=files)
    with counter.watching():
        call(model)
    chosen = random.Random(0).sample(range(1, counter.lines + 1), min(LINES, counter.lines))
    for line in chosen:
        model = make()
        # How many lines there are depends on the clock: the last ones may not be reached.
        with contextlib.suppress(KeyboardInterrupt), Interrupter(line, files).watching():
            call(model)
        check_interrupted(model, make)


@pytest.mark.parametrize("make", [make_model, recompiled])
@pytest.mark.parametrize("call", CALLS)
def test_interrupted_at_any_line(
    call: Callable[[Sequential], None], make: Callable[[], Sequential]
) -> None:
    interrupt(call, make)


@pytest.mark.parametrize("call", [fit, evaluate])
def test_interrupted_while_the_optimizer_moves(call: Callable[[Sequential], None]) -> None:
    """Its state must be in the old place or in the new one."""
    interrupt(call, recompiled, "optimizers")


@pytest.fixture
def interrupts_raise() -> Iterator[None]:
    """Background jobs inherit that SIGINT is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts_raise")
@pytest.mark.parametrize("call", CALLS)
def test_signal(call: Callable[[Sequential], None]) -> None:
    """SIGINT comes while the compiled code runs, most likely."""
    model = make_model()
    signaller = threading.Timer(0.05, os.kill, [os.getpid(), signal.SIGINT])
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - as often as it takes
        signaller.start()
        while True:
            call(model)
    check_interrupted(model)


# ---- Callbacks that raise -----------------------------------------------------------------------


class Raiser(Callback):
    """Raises in a hook, when it is called for the n-th time."""

    def __init__(self, hook: str, count: int) -> None:
        super().__init__()
        self._left = count
        setattr(self, hook, self._hook)

    def _hook(self, *_: Any, **__: Any) -> None:
        self._left -= 1
        if self._left == 0:
            raise ArithmeticError("the callback's own")


@pytest.mark.parametrize("hook", [hook for hook in HOOKS if "predict" not in hook])
def test_callback_that_raises(hook: str) -> None:
    model = make_model()
    count = 1 if hook in {"on_train_begin", "on_train_end"} else 2
    with pytest.raises(ArithmeticError, match="the callback's own"):
        fit(model, callbacks=[Raiser(hook, count)], validation_data=(X, Y))
    check_interrupted(model)


@pytest.mark.parametrize("hook", [hook for hook in HOOKS if "predict" in hook])
def test_callback_that_raises_in_predict(hook: str) -> None:
    model = after_steps(2)
    with pytest.raises(ArithmeticError, match="the callback's own"):
        model.predict(X, verbose=0, callbacks=[Raiser(hook, 1)])
    check_interrupted(model)


# ---- Callbacks that use the model ---------------------------------------------------------------


class User(Callback):
    """Does something with the model in a hook, but not when the hook is called because of that."""

    def __init__(self, hook: str, use: Callable[[Any], None]) -> None:
        super().__init__()
        self.calls = 0
        self._use = use
        self._is_busy = False
        setattr(self, hook, self._hook)

    def _hook(self, *_: Any, **__: Any) -> None:
        if not self._is_busy:
            self.calls += 1
            self._is_busy = True
            self._use(self.model)
            self._is_busy = False


FIT_HOOKS = [hook for hook in HOOKS if "predict" not in hook]


@pytest.mark.parametrize("hook", FIT_HOOKS)
def test_looking_at_the_model_changes_nothing(hook: str, tmp_path: Path) -> None:
    def look(model: Any) -> None:
        model.predict(X, verbose=0)
        model.evaluate(X, Y, verbose=0)
        model.save(tmp_path / "a.keras")
        model.save_weights(tmp_path / "a.weights.h5")
        model.set_weights(model.get_weights())

    model, user = make_model(), User(hook, look)
    fit(model, callbacks=[user], validation_data=(X, Y))
    assert user.calls
    assert_same(state(model), state(after_steps(EPOCHS * STEPS)))


@pytest.mark.parametrize("hook", FIT_HOOKS)
def test_training_in_a_callback_counts(hook: str) -> None:
    def train(model: Any) -> None:
        fit(model, epochs=1)
        model.train_on_batch(X[:BATCH_SIZE], Y[:BATCH_SIZE])

    model, user = make_model(), User(hook, train)
    fit(model, callbacks=[user], validation_data=(X, Y))
    assert iterations(model) == EPOCHS * STEPS + user.calls * (STEPS + 1)
    assert all(np.isfinite(array).all() for array in model.get_weights())
    if hook == "on_train_begin":  # a sequence that can be had without a callback, too
        control = make_model()
        train(control)
        fit(control)
        assert_same(state(model), state(control))


def test_weights_set_in_a_callback_are_trained_on() -> None:
    first = make_model().get_weights()
    setter = User("on_epoch_begin", lambda model: model.set_weights(first))
    model, control = make_model(), make_model()
    fit(model, callbacks=[setter])
    for _ in range(EPOCHS):
        control.set_weights(first)
        fit(control, epochs=1)
    assert_same(state(model), state(control))
