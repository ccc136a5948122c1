"""Variables: where their values live."""

from __future__ import annotations

import numpy as np
import pytest

from convlet import Input, Sequential, layers
from convlet.variables import Variable


@pytest.fixture(params=["own", "bound"])
def variable(request: pytest.FixtureRequest) -> Variable:
    """A variable with an array of its own, or one that lives in a network."""
    model = Sequential([Input((2,)), layers.Dense(3, kernel_initializer="ones")])
    if request.param == "bound":
        model.predict(np.zeros((1, 2)), verbose=0)
    kernel = model.weights[0]
    assert (kernel.network is not None) == (request.param == "bound")
    return kernel


def test_attributes(variable: Variable) -> None:
    assert (variable.name, variable.dtype, variable.trainable) == ("kernel", "float32", True)
    assert (variable.shape, variable.ndim, variable.size) == ((2, 3), 2, 6)
    assert repr(variable).startswith(f"<Variable path={variable.path}, shape=(2, 3), dtype=float32")


def test_value_is_read_only_and_numpy_is_a_copy(variable: Variable) -> None:
    with pytest.raises(ValueError, match="read-only"):
        variable.value[0, 0] = 5
    copy = variable.numpy()
    copy[:] = 5
    assert (variable.value == 1).all()


def test_assign(variable: Variable) -> None:
    given = np.arange(6, dtype=np.float64).reshape(3, 2).T
    variable.assign(given)
    np.testing.assert_array_equal(variable.numpy(), given)
    given[:] = 0
    assert variable.numpy()[0, 1] == 2


def test_assign_refuses_what_does_not_fit(variable: Variable) -> None:
    with pytest.raises(ValueError, match=r"value.shape=\(3, 2\)"):
        variable.assign(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="real numbers"):
        variable.assign(np.full((2, 3), 1j))
    assert (variable.value == 1).all()


def test_numpy_functions_take_it(variable: Variable) -> None:
    assert np.asarray(variable).dtype == np.float32
    assert np.asarray(variable, np.float64).dtype == np.float64
    assert np.sum(variable) == 6
    assert np.allclose(variable, 1)


def test_view_follows_training() -> None:
    model = Sequential([Input((2,)), layers.Dense(3, activation="softmax")])
    model.compile("rmsprop", "sparse_categorical_crossentropy")
    x, y = np.ones((4, 2), np.float32), np.zeros(4, int)
    model.train_on_batch(x, y)
    view, before = model.weights[0].value, model.weights[0].numpy()
    model.train_on_batch(x, y)
    assert not np.array_equal(view, before)
    np.testing.assert_array_equal(view, model.get_weights()[0])
