"""Calls of a model while allocations fail: what `test_out_of_memory.py` runs in a process of its own.

    LD_PRELOAD=LIBRARY python allocation_program.py LIBRARY MODE MOST

LIBRARY is `failing_allocations.cpp`, compiled. Each call is made again and again: the first time its
first allocation fails, the second time its second one, and so on, or MOST of them. MODE is `one`, or
`rest` where all further allocations fail, too; or `numpy`, where those of numpy's arrays fail and
not those of the compiled code. What fails has to be a MemoryError, and to leave the model as it was
before one of its steps. Writes how many there were.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

import convlet
from convlet import Input, Model, Sequential, execution, feeds, layers, losses, optimizers
from convlet._native import core

ROWS = 12
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 6, 6, 1)).astype(np.float32)
Y = np.eye(3, dtype=np.float32)[np.arange(ROWS) % 3]
OPTIONS: dict[str, Any] = {"batch_size": 2, "verbose": 0}
MOST = 2**31


class Faults:
    """The compiled library, told whose allocations are meant.

    Args:
        library: Its path.
        numpys: Whether those of numpy's arrays are, and not the compiled code's.
    """

    def __init__(self, library: str, numpys: bool) -> None:
        self.numpys = numpys
        self._library = ctypes.CDLL(library)
        self._library.disarm.restype = ctypes.c_long
        # The C++ library allocates for the compiled code: strings, exceptions.
        names = ("/_multiarray_umath.",) if numpys else ("/_native/_c", "/libstdc++.so")
        # Below that numpy's are not arrays but whatever it needs to work, and fail in other ways.
        self._least = 1024 if numpys else 0
        for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
            addresses, rights, *_, path = line.split(maxsplit=5)
            if "x" in rights and any(name in path for name in names):
                begin, end = (int(address, 16) for address in addresses.split("-"))
                self._library.watch(ctypes.c_size_t(begin), ctypes.c_size_t(end))

    @contextlib.contextmanager
    def failing(self, first: int, last: int) -> Iterator[list[int]]:
        """Lets some allocations fail; what it yields gets the number of all that there were."""
        counted: list[int] = []
        self._library.arm(ctypes.c_long(first), ctypes.c_long(last), ctypes.c_size_t(self._least))
        try:
            yield counted
        finally:
            counted.append(self._library.disarm())


def make_model() -> Any:
    """Has the layers, rules and metrics that take memory of their own."""
    convlet.utils.clear_session()
    convlet.utils.set_random_seed(1)
    model = Sequential(
        [
            Input((6, 6, 1)),
            layers.RandomTranslation(0.1, 0.1),
            layers.Conv2D(2, 3, padding="same", activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(
                16, kernel_constraint="unit_norm", kernel_regularizer="orthogonal_regularizer"
            ),
            layers.Dense(3, kernel_regularizer="l2"),
        ]
    )
    compile_model(model, losses.CategoricalFocalCrossentropy(from_logits=True))
    return model


def compile_model(model: Any, loss: Any) -> None:
    optimizer = optimizers.Adam(0.01, global_clipnorm=1.0, use_ema=True)
    model.compile(optimizer, loss, metrics=["accuracy", "top_k_categorical_accuracy", "f1_score"])


def own_loss(y_true: Any, y_pred: Any) -> Any:
    """Has to be called from Python, between the halves of a step."""
    return np.square(y_pred - y_true).mean(axis=-1), 2 * (y_pred - y_true) / y_true.shape[-1]


def fit(model: Any) -> None:
    model.fit(X, Y, epochs=2, shuffle=False, **OPTIONS)


def fit_own_loss(model: Any) -> None:
    compile_model(model, own_loss)
    fit(model)


def build(model: Any) -> None:
    """Makes a model like the given one, which is not touched."""
    inputs = Input((6, 6, 1))
    x = layers.Conv2D(2, 3, strides=2)(inputs)
    x = layers.Add()([x, layers.DepthwiseConv2D(1)(x)])
    Model(inputs, layers.Dense(64)(layers.Flatten()(x))).predict(X, **OPTIONS)


def call_in_training(model: Any) -> None:
    """Each call, also one that fails, has random numbers of its own."""
    model(X, training=True)


def set_weights(model: Any) -> None:
    """Of a model whose weights live in a network."""
    model.predict_on_batch(X)
    model.set_weights([weight + 1 for weight in model.get_weights()])


def save_and_load(model: Any) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.keras")
        model.save(path)
        convlet.models.load_model(path)
        model.load_weights(path)


CALLS: dict[str, Callable[[Any], Any]] = {
    "build": build,
    "predict": lambda model: model.predict(X, **OPTIONS),
    "predict-one-row": lambda model: model.predict(X[:1], **OPTIONS),
    "call-in-training": call_in_training,
    "evaluate": lambda model: model.evaluate(X, Y, **OPTIONS),
    "fit": fit,
    "fit-own-loss": fit_own_loss,
    "train_on_batch": lambda model: [model.train_on_batch(X, Y) for _ in range(2)],
    "weights": set_weights,
    "save-and-load": save_and_load,
}


def weights(model: Any) -> bytes:
    """What must be that of some moment between two steps."""
    return b"".join(weight.tobytes() for weight in model.get_weights())


def moments(call: Callable[[Any], Any]) -> dict[bytes, bytes]:
    """Returns the weights that a call passes through where nothing fails, and what they predict."""
    model = make_model()
    seen: dict[bytes, bytes] = {}

    def note() -> None:
        seen[weights(model)] = predictions(model)

    def noting(method: Callable[..., None]) -> Callable[..., None]:
        def noted(*args: Any, **kwargs: Any) -> None:
            note()
            method(*args, **kwargs)
            note()

        return noted

    # What is called around everything that trains.
    names = ("_run", "_update_python_metrics")
    methods = {name: getattr(execution.Execution, name) for name in names}
    for name, method in methods.items():
        setattr(execution.Execution, name, noting(method))
    try:
        with mock.patch.object(feeds, "_CALL_SECONDS", 0):  # each trains one step
            note()
            call(model)
            note()
    finally:
        for name, method in methods.items():
            setattr(execution.Execution, name, method)
    return seen


def predictions(model: Any) -> bytes:
    return bytes(model.predict(X, **OPTIONS).tobytes())


def fail_each(faults: Faults, call: Callable[[Any], Any], only_one: bool, most: int) -> str:
    """Makes a call with its allocations failing in turn.

    Args:
        faults: What makes them fail.
        call: The call.
        only_one: Whether the others succeed; else those that follow fail, too.
        most: Tries at most, at places that are evenly spread.

    Returns:
        How many there are and how many were tried.
    """
    known = moments(call)
    *_, last = known
    model = make_model()
    with faults.failing(MOST, MOST) as counted:
        call(model)
    (total,) = counted
    numbers = sorted({1 + i * (total - 1) // max(most - 1, 1) for i in range(min(most, total))})
    if total <= most:
        numbers = list(range(1, total + 1))
    for number in numbers:
        fail_one(faults, call, number, number if only_one else MOST, known, last)
    return f"{len(numbers)} of {total}"


def fail_one(
    faults: Faults,
    call: Callable[[Any], Any],
    first: int,
    last_one: int,
    known: dict[bytes, bytes],
    last: bytes,
) -> None:
    """Makes a call some of whose allocations fail, looks at the model, and makes it again."""
    model = make_model()
    at_first = weights(model)
    error: BaseException | None = None
    with faults.failing(first, last_one):
        try:
            call(model)
        except (MemoryError, ValueError, SystemError) as raised:
            error = raised
    left = weights(model)
    # One thread can do without the others.
    assert error is not None or left == last, f"allocation {first}: a failure is hidden"
    # Where a file is read, the error names the file.
    texts = ["more memory than there is"]
    if faults.numpys:
        texts.append("error return without exception set")  # numpy forgets to in places
    is_known = isinstance(error, (type(None), MemoryError))
    assert is_known or any(text in str(error) for text in texts), error
    del error
    assert left in known, f"allocation {first}: half a step"
    assert predictions(model) == known[left], f"allocation {first}: other predictions"
    call(model)  # nothing stands in the way of another try
    if left == at_first and call is not call_in_training:
        assert weights(model) in known, f"allocation {first}: another result"


def main() -> None:
    library, mode, most = sys.argv[1:]
    core.set_num_threads(2)
    core.set_serial_flops(0.0)
    for call in CALLS.values():
        moments(call)  # what is made once in a process is there
    faults = Faults(library, mode == "numpy")
    for name, call in CALLS.items():
        sys.stdout.write(f"{name}: ")
        sys.stdout.flush()
        sys.stdout.write(f"{fail_each(faults, call, mode != 'rest', int(most))}\n")


if __name__ == "__main__":
    main()
