"""Forked and spawned processes: a child trains and predicts as its parent does."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import pytest

import convlet
from convlet import Input, Sequential, layers
from convlet._native import core
from convlet.callbacks import Callback

X = np.random.default_rng(0).normal(size=(64, 8, 8, 1)).astype(np.float32)
Y = (np.arange(64) % 3).astype(np.int32)
SECONDS = 60  # after which a child hangs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows does not fork")


def trained() -> Sequential:
    """A model that has been trained by several threads, however small it is."""
    convlet.set_num_threads(3)
    core.set_serial_flops(0.0)
    convlet.utils.set_random_seed(0)
    model = Sequential(
        [
            Input((8, 8, 1)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("rmsprop", "sparse_categorical_crossentropy")
    model.fit(X, Y, batch_size=16, verbose=0, shuffle=False)
    return model


def numbers(model: Sequential) -> list[np.ndarray]:
    """What a model predicts and, after another epoch, what it has learned."""
    prediction = model.predict(X, verbose=0)
    model.fit(X, Y, batch_size=16, verbose=0, shuffle=False)
    return [prediction, *model.get_weights()]


def send_numbers(pipe: Connection, model: Sequential | None) -> None:
    pipe.send(numbers(trained() if model is None else model))


def send_numbers_of_a_child(pipe: Connection, model: Sequential) -> None:
    model.predict(X, verbose=0)
    inner = multiprocessing.get_context("fork").Process(target=send_numbers, args=(pipe, model))
    inner.start()
    inner.join(SECONDS)
    assert inner.exitcode == 0


@pytest.fixture(autouse=True)
def threads_restored() -> Iterator[None]:
    threads, flops = core.get_num_threads(), core.get_serial_flops()
    yield
    core.set_num_threads(threads)
    core.set_serial_flops(flops)


def received(method: str, target: Callable[..., Any], model: Any) -> list[Any]:
    context = multiprocessing.get_context(method)
    mine, theirs = context.Pipe()
    child = context.Process(target=target, args=(theirs, model))
    child.start()
    theirs.close()
    try:
        assert mine.poll(SECONDS), "the child hangs"
        result: list[np.ndarray] = mine.recv()
        child.join(SECONDS)
        assert child.exitcode == 0
    finally:
        child.kill()
    return result


def assert_same(first: list[np.ndarray], second: list[np.ndarray]) -> None:
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_child_trains_and_predicts(method: str) -> None:
    """With the same bits; and the parent goes on."""
    model = trained()
    given = model if method == "fork" else None
    assert_same(received(method, send_numbers, given), numbers(model))


def test_child_of_a_child() -> None:
    model = trained()
    assert_same(received("fork", send_numbers_of_a_child, model), numbers(model))


@contextlib.contextmanager
def training_in_the_background(model: Sequential) -> Iterator[None]:
    """Another thread trains the model all the time, in calls that take a while."""
    done = threading.Event()
    x, y = np.tile(X, (64, 1, 1, 1)), np.tile(Y, 64)

    def train() -> None:
        while not done.is_set():
            model.fit(x, y, batch_size=64, verbose=0, shuffle=False)  # draws no numbers

    thread = threading.Thread(target=train)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def test_fork_while_another_thread_trains() -> None:
    """No child inherits a lock that nobody in it will ever open, nor a step that is half done."""
    model, other = trained(), trained()
    alone = numbers(other)
    with training_in_the_background(model):
        results = [received("fork", send_numbers_of_both, [model, trained()]) for _ in range(5)]
    for weights, prediction, *of_the_other in results:
        assert np.isfinite(prediction).all()
        other.set_weights(weights)
        assert_same([other.predict(X, verbose=0)], [prediction])
        assert_same(of_the_other, alone)


def send_numbers_of_both(pipe: Connection, models: list[Sequential]) -> None:
    """What was being trained predicts, and may be trained, too: nobody in here does."""
    busy, free = models
    weights = busy.get_weights()
    prediction, *_ = numbers(busy)
    pipe.send([weights, prediction, *numbers(free)])


class Forker(Callback):
    """Forks after a batch; the child goes on with the training as the parent does."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__()
        self.pipe: Connection | None = pipe
        self.child = -1

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch == 1:
            self.child = os.fork()
            if self.child != 0:
                self.pipe = None


def test_fork_in_the_middle_of_training() -> None:
    model = trained()
    mine, theirs = multiprocessing.Pipe()
    forker = Forker(theirs)
    model.fit(X, Y, batch_size=16, verbose=0, callbacks=[forker])
    if forker.pipe is not None:  # in the child
        try:
            forker.pipe.send(numbers(model))
        finally:
            os._exit(0)
    assert mine.poll(SECONDS), "the child hangs"
    assert_same(mine.recv(), numbers(model))
    assert os.waitpid(forker.child, 0) == (forker.child, 0)


inherited: list[Sequential] = []


def predict_with_inherited(x: np.ndarray) -> np.ndarray:
    return inherited[0].predict(x, verbose=0)


@pytest.mark.parametrize("workers", [4, 8])
def test_pool_of_workers(workers: int) -> None:
    """As many as there are parts use one thread each."""
    inherited[:] = [trained()]
    one_thread = (convlet.set_num_threads, (1,)) if workers == 8 else (None, ())
    with multiprocessing.get_context("fork").Pool(workers, *one_thread) as pool:
        parts = pool.map_async(predict_with_inherited, np.split(X, 8)).get(SECONDS)
    np.testing.assert_array_equal(np.concatenate(parts), inherited[0].predict(X, verbose=0))


def test_child_that_does_nothing_ends() -> None:
    trained()
    child = os.fork()
    if child == 0:
        os._exit(0)
    signal.alarm(SECONDS)
    assert os.waitpid(child, 0) == (child, 0)
    signal.alarm(0)
