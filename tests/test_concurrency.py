"""Threads: models side by side, one model in many of them, and other libraries' threads."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convlet
from convlet import Input, Sequential, layers
from convlet._native import core
from convlet._thread_lock import ThreadLock
from convlet.callbacks import Callback

X = np.random.default_rng(0).normal(size=(96, 8, 8, 1)).astype(np.float32)
Y = (np.arange(96) % 3).astype(np.int32)
SECONDS = 60  # after which something hangs


@pytest.fixture(autouse=True)
def threads_restored() -> Iterator[None]:
    """Even the smallest batch is shared by three threads."""
    threads, flops = core.get_num_threads(), core.get_serial_flops()
    core.set_num_threads(3)
    core.set_serial_flops(0.0)
    yield
    core.set_num_threads(threads)
    core.set_serial_flops(flops)


def make_model(seed: int = 0) -> Sequential:
    convlet.utils.clear_session()
    convlet.utils.set_random_seed(seed)
    model = Sequential(
        [
            Input((8, 8, 1)),
            layers.RandomTranslation(0.1, 0.1),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit(model: Sequential, epochs: int = 3, **arguments: Any) -> Any:
    """Without shuffling: the order of rows comes from one generator for the whole process."""
    options = {"batch_size": 16, "epochs": epochs, "shuffle": False, "verbose": 0}
    return model.fit(X, Y, **(options | arguments))


def results(model: Sequential) -> list[np.ndarray]:
    assert model.optimizer is not None
    return [
        *model.get_weights(),
        *model.optimizer.get_state(),
        model.predict(X, verbose=0),
        np.array(model.evaluate(X, Y, verbose=0)),
    ]


def assert_same(first: list[np.ndarray], second: list[np.ndarray]) -> None:
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def at_once(jobs: list[Callable[[], Any]]) -> list[Any]:
    """Runs jobs in threads that all begin at the same time; returns what they return."""
    barrier = threading.Barrier(len(jobs))

    def run(job: Callable[[], Any]) -> Any:
        barrier.wait(SECONDS)
        return job()

    with ThreadPoolExecutor(len(jobs)) as pool:
        return [future.result(SECONDS) for future in [pool.submit(run, job) for job in jobs]]


def trained(model: Sequential) -> list[np.ndarray]:
    fit(model)
    return results(model)


def test_models_side_by_side_train_as_one_after_another() -> None:
    one_after_another = [trained(make_model(seed)) for seed in range(3)]
    models = [make_model(seed) for seed in range(3)]
    side_by_side = at_once([lambda model=model: trained(model) for model in models])
    for first, second in zip(one_after_another, side_by_side, strict=True):
        assert_same(first, second)


@pytest.mark.parametrize("built", [True, False])
def test_many_threads_predict(built: bool) -> None:
    """Also with a model that nobody has used before, whose network one of them makes."""
    model = make_model()
    if not built:
        model = Sequential([*model.layers[1:-1], layers.Dense(3, activation="softmax")])
    outputs = at_once([lambda: model.predict(X, batch_size=7, verbose=0) for _ in range(8)])
    expected = model.predict(X, verbose=0)
    for output in outputs:
        np.testing.assert_array_equal(output, expected)


def test_predictions_during_training() -> None:
    """They come from between two steps, and training does not notice them."""
    quiet, watched = make_model(), make_model()
    # Of each step that training ends, the predictions.
    known = [quiet.predict_on_batch(X)]
    note = convlet.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: known.append(quiet.predict_on_batch(X))
    )
    fit(quiet, callbacks=[note])
    done = threading.Event()

    def watch() -> list[np.ndarray]:
        seen = []
        while not done.is_set():
            seen.append(watched.predict_on_batch(X))
        return seen

    def train() -> list[np.ndarray]:
        try:
            fit(watched)
        finally:
            done.set()
        return [watched.predict_on_batch(X)]

    bits = {prediction.tobytes() for prediction in known}
    for seen in at_once([train, watch, watch]):
        assert {prediction.tobytes() for prediction in seen} <= bits
    assert_same(results(watched), results(quiet))


def test_weights_during_training_are_those_of_a_step() -> None:
    """The model is large enough for a step to come between the first and the last of them."""

    def wide() -> Sequential:
        convlet.utils.set_random_seed(0)
        model = Sequential(
            [Input((8, 8, 1)), layers.Flatten(), *(layers.Dense(300) for _ in range(3))]
        )
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    quiet, watched = wide(), wide()
    known = {bits_of(quiet)}
    note = convlet.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: known.add(bits_of(quiet))
    )
    fit(quiet, epochs=20, callbacks=[note])
    done = threading.Event()

    def watch() -> set[bytes]:
        seen = set()
        while not done.is_set():
            seen.add(bits_of(watched))
        return seen

    def train() -> set[bytes]:
        try:
            fit(watched, epochs=20)
        finally:
            done.set()
        return {bits_of(watched)}

    for seen in at_once([train, watch, watch]):
        assert seen <= known


def bits_of(model: Sequential) -> bytes:
    return b"".join(weight.tobytes() for weight in model.get_weights())


class FromAnotherThread(Callback):
    """Calls something once, in another thread, and waits for it."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self._call = call
        self.error: BaseException | None = None

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.error is None:
            with ThreadPoolExecutor(1) as pool:
                self.error = pool.submit(self._call).exception(SECONDS)


ALONE: dict[str, Callable[[Any], Any]] = {
    "fit": lambda model: model.fit(X, Y),
    "evaluate": lambda model: model.evaluate(X, Y),
    "train_on_batch": lambda model: model.train_on_batch(X, Y),
    "test_on_batch": lambda model: model.test_on_batch(X, Y),
    "prepare_training": lambda model: model.prepare_training(),
    "save_model": lambda model: model.save("a.keras"),
    "save_weights": lambda model: model.save_weights("a.weights.h5"),
    "load_weights": lambda model: model.load_weights("b.weights.h5"),
    "export": lambda model: model.export("a.onnx"),
}


@pytest.mark.parametrize("name", ALONE)
def test_one_thread_trains_a_model(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has one set of results so far: another thread is refused, not made to wait for ever."""
    monkeypatch.chdir(tmp_path)
    model, control = make_model(), make_model()
    model.save_weights("b.weights.h5")
    other = FromAnotherThread(lambda: ALONE[name](model))
    history = fit(model, callbacks=[other])
    assert isinstance(other.error, RuntimeError)
    assert str(other.error).startswith(
        f"{name}: the model '{model.name}' is being trained, evaluated or saved by another thread"
    )
    assert history.history == fit(control).history
    assert_same(results(model), results(control))
    assert [path.name for path in tmp_path.iterdir()] == ["b.weights.h5"]
    with ThreadPoolExecutor(1) as pool:  # another thread may train it afterwards
        pool.submit(fit, model).result(SECONDS)


def test_refusal_ends_with_an_error_of_the_call() -> None:
    model = make_model()
    with pytest.raises(ValueError, match="batch_size"):
        model.fit(X, Y, batch_size=0)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(fit, model).result(SECONDS)


def test_copies_of_a_lock_are_locks_of_their_own() -> None:
    lock = ThreadLock()
    with lock, lock, ThreadPoolExecutor(1) as pool:
        assert not pool.submit(lock.acquire, blocking=False).result(SECONDS)
        for copied in (copy.deepcopy(lock), pickle.loads(pickle.dumps(lock))):
            assert pool.submit(copied.acquire, blocking=False).result(SECONDS)


def test_number_of_threads_changes_meanwhile() -> None:
    """Each call uses the number that it finds, and nothing gets lost."""
    model = make_model()
    done = threading.Event()

    def change() -> None:
        while not done.is_set():
            for threads in (1, 4, 2):
                convlet.set_num_threads(threads)

    changer = threading.Thread(target=change)
    changer.start()
    try:
        fit(model, epochs=10)
        outputs = [model.predict(X[:rows], verbose=0) for rows in (1, 2, 3, 96)]
    finally:
        done.set()
        changer.join(SECONDS)
    assert model.optimizer is not None
    assert model.optimizer.iterations == 60
    for output in outputs:
        np.testing.assert_allclose(output, outputs[-1][: len(output)], rtol=0, atol=1e-5)


# ---- Other libraries ----------------------------------------------------------------------------

BESIDE = {
    "torch": "torch.set_num_threads(2); torch.randn(400, 400) @ torch.randn(400, 400)",
    "sklearn": (
        "from sklearn.cluster import KMeans;"
        "KMeans(3, n_init=1).fit(np.random.default_rng(0).normal(size=(3000, 4)))"
    ),
    "numpy": "np.random.default_rng(0).normal(size=(500, 500)) @ np.ones((500, 500))",
}
TRAIN = """
import hashlib
import numpy as np
import test_concurrency as t
t.core.set_num_threads(3)
t.core.set_serial_flops(0.0)
def convlet_works():
    digest = hashlib.sha256()
    for array in t.trained(t.make_model()):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
"""


def in_a_process(code: str) -> str:
    """Returns the last line that Python code writes in a process of its own."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("library", BESIDE)
def test_beside_other_libraries(library: str, first: bool) -> None:
    """In either order of import, each with an OpenMP runtime of its own: the same bits."""
    if library != "numpy":
        pytest.importorskip(library, reason=f"{library} is not installed", exc_type=ImportError)
    imports, work = f"import numpy as np, {library}", BESIDE[library]
    beside = f"{imports}\n{work}\n" if first else ""
    code = (
        f"{beside}{TRAIN}\nbefore = convlet_works()\n{imports}\n{work}\n"
        f"after = convlet_works()\n{work}\nassert before == after\nprint(after)"
    )
    assert in_a_process(code) == in_a_process(f"{TRAIN}\nprint(convlet_works())")
