"""The compiled module called directly, with every kind of wrong argument: errors, never a crash."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from convlet import _native, layers, losses, optimizers
from golden import runs

FLOAT = np.float32
GOOD = np.arange(8, dtype=FLOAT).reshape(2, 4)
DENSE = ("dense", {"units": 3, "use_bias": True}, [0])
LOSS, SGD = ("mean_squared_error", {}), ("sgd", {"momentum": 0.9, "nesterov": False})
# What the compiled module may say to a wrong argument. MemoryError: a size that could be meant.
ERRORS = (ValueError, TypeError, IndexError, MemoryError)


@pytest.fixture(scope="module")
def core() -> ModuleType:
    """The compiled module in use: the checks of arguments are the same code in all of them."""
    return _native.core


def read_only() -> np.ndarray:
    array = GOOD.copy()
    array.setflags(write=False)
    return array


# Arrays that look like float32 (2, 4) and are not, beside other objects.
ARRAYS: dict[str, Any] = {
    "None": None,
    "str": "abc",
    "list": [1, 2],
    "dict": {},
    "object": GOOD.astype(object),
    "complex": GOOD.astype(complex),
    "bool": GOOD.astype(bool),
    "int32": GOOD.astype(np.int32),
    "int64": GOOD.astype(np.int64),
    "float16": GOOD.astype(np.float16),
    "float64": GOOD.astype(np.float64),
    "byte-swapped": GOOD.astype(">f4"),
    "datetime": np.zeros((2, 4), "M8[s]"),
    "text": np.full((2, 4), "a"),
    "record": np.zeros((2, 4), [("a", "f4")]),
    "fortran": np.asfortranarray(GOOD),
    "negative stride": GOOD[::-1],
    "every other": np.zeros((2, 8), FLOAT)[:, ::2],
    "stride 0": np.broadcast_to(FLOAT(1), (2, 4)),
    "2**31 rows": np.broadcast_to(FLOAT(1), (2**31, 4)),
    "unaligned": np.frombuffer(bytearray(33), np.uint8)[1:].view(FLOAT).reshape(2, 4),
    "rank 0": np.array(FLOAT(1)),
    "rank 1": GOOD[0],
    "rank 3": GOOD[None],
    "no rows": GOOD[:0],
    "no columns": GOOD[:, :0],
    "read-only": read_only(),
    "NaN": np.full((2, 4), np.nan, FLOAT),
    "infinite": np.full((2, 4), np.inf, FLOAT),
    "bytes": GOOD.astype(np.uint8),
    "labels": np.array([0, 1], np.int32),
    "labels too large": np.array([0, 9], np.int32),
    "labels too small": np.array([-1, -(2**31)], np.int32),
}
NUMBERS: dict[str, Any] = {
    str(value): value
    for value in (
        *(None, "1", -1, 0, 1, 2, 1.5, True, np.int64(1), float("nan"), float("inf"), [1, 2], (1,)),
        *(2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64, -(2**63), (2**62, 2**62), ()),
        *((0, 0), (-1, 1), (1.5, 2.5), (2**31 - 1,) * 2, (1, 2**63 - 1), ((1,),), [1] * 40),
    )
}


def attempt(function: Any, *args: Any, **kwargs: Any) -> bool:
    """Whether a call succeeds; an error has to be one of those that are meant for the user."""
    error = ""
    try:
        function(*args, **kwargs)
    except ERRORS as raised:
        error = str(raised) or "none"
    assert "C++ type '?'" not in error  # pybind11's words, which name nothing
    return not error


def network(core: ModuleType) -> Any:
    made = core.Network((4,), [DENSE])
    made.configure_training(*LOSS, *SGD, [])
    made.set_optimizer_slot(0, np.zeros((4, 3), FLOAT))
    return made


def method_calls() -> dict[str, dict[str, Any]]:
    """Right arguments for every method of a network that takes any."""
    x, y = np.ones((2, 4), FLOAT), np.zeros((2, 3), FLOAT)
    order, weights = np.array([1, 0], np.int64), np.ones(2, FLOAT)
    span = {"begin": 0, "end": 2}
    parameter = {"index": 0, "value": np.zeros((4, 3), FLOAT)}
    flags = {"trainable": [True], "resting": [False]}
    judged = {"x": x, "y": y, **span, "batch_size": 2, "sample_weight": weights}
    judged_out = {"outputs": y.copy()}
    return {
        "configure_training": dict(
            zip(
                ["loss", "loss_attributes", "optimizer", "optimizer_attributes", "metrics"],
                [*LOSS, *SGD, [(*LOSS, False)]],
                strict=True,
            )
        ),
        "train": {**judged, "order": order, "learning_rates": np.ones(1, FLOAT), **judged_out}
        | {"batches": 1},
        "evaluate": {**judged, **judged_out},
        "train_forward": {"x": x, "order": order, **span, "out": y.copy()}
        | {"first_row": 0, "group_rows": 2},
        "train_backward": {"dy": y, "loss": 1.0, "learning_rate": 0.1},
        "evaluate_forward": {"x": x, **span, "out": y.copy()},
        "count": {"loss": 1.0, "rows": 2},
        "predict": {"x": x, "out": y.copy(), **span},
        "predict_as_in_training": {"x": x, "out": y.copy(), "step": 1, **flags},
        "vector_jacobian_product": {"x": x, "dy": y, "training": False, "step": 0},
        "read_parameters": {"indices": [1, 0]},
        "write_parameters": {"indices": [0], "values": [np.zeros((4, 3), FLOAT)]},
        "set_parameter": parameter,
        "set_trainable": {"trainable": [True]},
        "set_group": {"rank": 0, "size": 1, "is_sharded": False, "all_reduce": None},
        "set_optimizer_slot": parameter,
        "set_optimizer_scalar": {"index": 0, "value": 1.0},
        "set_parameter_rules": {"rules": [{}, {}]},
        "set_totals": {"rows": 2.0, "weight": 2.0, "loss": 1.0, "metrics": []},
    }


def ready_for(made: Any, method: str) -> None:
    if method == "train_backward":
        made.train_forward(np.ones((2, 4), FLOAT), None, 0, 2, np.zeros((2, 3), FLOAT))


def test_every_method_is_in_the_table(core: ModuleType) -> None:
    without_arguments = {"parameters", "optimizer_slots", "optimizer_scalars"}
    without_arguments |= {"reset_metrics", "metrics", "totals"}
    public = {name for name in dir(core.Network) if not name.startswith("_")}
    attributes = {"learning_rate", "iterations", "output_shape"}
    assert set(method_calls()) == public - without_arguments - attributes
    functions = {name for name in dir(core) if not name.startswith("_")} - {"ISA", "LANES"}
    assert functions == {
        *("Network", "infer_op", "criterion", "optimizer_step", "round_bfloat16", "build_info"),
        *("get_num_threads", "set_num_threads", "get_serial_flops", "set_serial_flops"),
        *("get_fixed_shares", "set_fixed_shares"),
    }


@pytest.mark.parametrize("method", method_calls())
def test_wrong_arguments_of_methods(core: ModuleType, method: str) -> None:
    """After each call the network still trains."""
    rows = method_calls()["train"]
    right = method_calls()[method]
    made = network(core)
    ready_for(made, method)
    scalars = method == "set_optimizer_scalar"  # SGD has none
    assert attempt(getattr(made, method), **right) is not scalars
    attempt(getattr(core.Network((4,), [DENSE]), method), **right)
    refused = 0
    for argument in right:
        for value in (*ARRAYS.values(), *NUMBERS.values()):
            made = network(core)
            ready_for(made, method)
            refused += not attempt(getattr(made, method), **{**right, argument: value})
            attempt(made.train, **rows)
            made.metrics()
    assert refused > 10


@pytest.mark.parametrize("value", [None, "x", (), (0,), (-1,), (2**62,), (2**31 - 1, 2), (1.5,)])
def test_wrong_shapes_and_ops_of_a_network(core: ModuleType, value: Any) -> None:
    attempt(core.Network, value, [DENSE])
    attempt(core.Network, (4,), value)
    for position in range(3):
        op = list(DENSE)
        op[position] = value
        is_right = (position, value) == (2, (0,))
        assert attempt(core.Network, (4,), [tuple(op)]) is is_right
    assert not attempt(core.Network, (4,), [value])
    for tensors in ([1], [-1], [2**62], [2**64], [0, 0], ["a"]):
        assert not attempt(core.Network, (4,), [("dense", DENSE[1], tensors)])


def ops_of_layers(core: ModuleType) -> Iterator[tuple[str, dict[str, Any], list[tuple[int, ...]]]]:
    """An op with its attributes and the shapes of its inputs, once for each op that layers use."""
    seen = set()
    cases = [*runs.LAYER_CASES.values(), ((4, 5, 3), [("RandomFlip", {})])]
    for input_shape, chain in cases:
        shapes = [input_shape]
        for class_name, arguments in chain:
            layer = getattr(layers, class_name)(**arguments)
            layer.build((None, *shapes[0]))
            for name, attributes in layer.native_ops(shapes[0]):
                if name not in seen:
                    seen.add(name)
                    yield name, attributes, shapes
                shapes = [core.infer_op(name, attributes, *shapes)[0]]
    for name in ("add", "concatenate"):
        yield name, {"axis": 2} if name == "concatenate" else {}, [(4, 5, 3)] * 2


SHAPES: list[Any] = [
    *((), (0,), (1,), (-1,), (2**31 - 1,), (2**31,), (2**62,), (2**16, 2**16), (0, 2**62)),
    *((0, 0, 0), (0, 5, 3), (5, 5, 0), (1, 2**31 - 1, 1), (46341, 46341, 1), (1,) * 5, (1,) * 40),
    *("ab", None, 3, (1.5,)),
]


def try_op(core: ModuleType, name: str, attributes: dict[str, Any], shapes: list[Any]) -> bool:
    """Infers an op; one that is small runs, too."""
    shape = None

    def infer() -> None:
        nonlocal shape
        shape, _ = core.infer_op(name, attributes, *shapes)

    if not attempt(infer):
        return False
    sizes = [np.prod(each, dtype=float) for each in (*shapes, shape)]
    if max(sizes) < 1e5 and all(each == shapes[0] for each in shapes):
        made = core.Network(shapes[0], [(name, attributes, [0] * len(shapes))])
        x, y = np.zeros((2, *shapes[0]), FLOAT), np.zeros((2, *shape), FLOAT)
        attempt(made.predict, x, y, 0, 2)
        attempt(made.configure_training, *LOSS, *SGD, [])
        attempt(made.train, x, y, None, 0, 2, 2, None)
    return True


def test_wrong_attributes_and_shapes_of_ops(core: ModuleType) -> None:
    ops = 0
    for name, attributes, shapes in ops_of_layers(core):
        ops += 1
        assert try_op(core, name, attributes, shapes)
        assert not attempt(core.infer_op, name, attributes)
        assert not attempt(core.infer_op, name, {1: 2, **attributes}, *shapes)
        for shape in SHAPES:
            try_op(core, name, attributes, [shape] * len(shapes))
        for key in attributes:
            without = {other: value for other, value in attributes.items() if other != key}
            try_op(core, name, without, shapes)
            for value in NUMBERS.values():
                try_op(core, name, {**attributes, key: value}, shapes)
    assert ops > 20
    assert not attempt(core.infer_op, "no such op", {}, (1,))


def criteria() -> dict[str, dict[str, Any]]:
    """Attributes of losses by their names in the compiled code, which also has some metrics."""
    found: dict[str, dict[str, Any]] = {"sparse_top_k_categorical_accuracy": {"k": 2}}
    for name in losses.__all__:
        known = getattr(losses, name)
        if getattr(known, "IDENTIFIER", ""):
            with_defaults = known()
            found[with_defaults.IDENTIFIER] = with_defaults.native_attributes()
    return found


def test_wrong_arguments_of_criteria(core: ModuleType) -> None:
    few = {key: ARRAYS[key] for key in ("None", "rank 1", "no rows", "no columns", "fortran")}
    for name, attributes in criteria().items():
        for y_true in ARRAYS.values():
            for y_pred in (GOOD, *few.values()):
                attempt(core.criterion, name, attributes, y_true, y_pred)
                attempt(core.criterion, name, attributes, y_pred, y_true)
        for key in attributes:
            for value in NUMBERS.values():
                attempt(core.criterion, name, {**attributes, key: value}, GOOD, GOOD)
    assert not attempt(core.criterion, "no such loss", {}, GOOD, GOOD)


def test_wrong_arguments_of_optimizers(core: ModuleType) -> None:
    for name in ("SGD", "RMSprop", "Adam", "Ftrl", "Lion"):
        optimizer = getattr(optimizers, name)()
        step = (optimizer.IDENTIFIER, optimizer.native_attributes())
        for array in ARRAYS.values():
            for slots in range(4):
                w, g, values = GOOD.copy(), GOOD.copy(), [GOOD.copy() for _ in range(slots)]
                attempt(core.optimizer_step, *step, array, g, values, 0.1, 0)
                attempt(core.optimizer_step, *step, w, array, values, 0.1, 0)
                attempt(core.optimizer_step, *step, w, g, [array] * slots, 0.1, 0)
        for value in NUMBERS.values():
            for key in step[1]:
                changed = {**step[1], key: value}
                attempt(core.optimizer_step, step[0], changed, w, g, values, 0.1, 0)
            attempt(core.optimizer_step, *step, w, g, values, value, 0)
            attempt(core.optimizer_step, *step, w, g, values, 0.1, value)


def test_wrong_settings(core: ModuleType) -> None:
    flops, shares = core.get_serial_flops(), core.get_fixed_shares()
    for value in (*ARRAYS.values(), *NUMBERS.values()):
        attempt(core.round_bfloat16, value)
        attempt(core.set_serial_flops, value)
        attempt(core.set_fixed_shares, value)
    core.set_serial_flops(flops)
    core.set_fixed_shares(shares)
    before = core.get_num_threads()
    for value in (0, -1, 1025, 2**31 - 1, 2**64, 1.5, "2", None):
        assert not attempt(core.set_num_threads, value)
    assert core.get_num_threads() == before


def test_views_of_slots_outlive_the_optimizer_and_the_network(core: ModuleType) -> None:
    made = core.Network((400,), [("dense", {"units": 1000, "use_bias": True}, [0])])
    made.configure_training(*LOSS, *SGD, [])
    made.set_optimizer_slot(0, np.full((400, 1000), 7, FLOAT))
    views = [view for _, _, view in made.optimizer_slots()]
    made.configure_training(*LOSS, "sgd", {"momentum": 0.0, "nesterov": False}, [])
    assert made.optimizer_slots() == []
    del made
    assert (views[0] == 7).all()
    assert not views[0].flags.writeable


def test_parameters_are_written_all_or_none(core: ModuleType) -> None:
    made = network(core)
    before = made.read_parameters([0, 1])
    values = [np.ones((4, 3), FLOAT), np.ones(3, FLOAT)]
    for indices, given in (([0, 1], [values[0], values[0]]), ([0], values), ([0, 2], values)):
        with pytest.raises((ValueError, IndexError)):
            made.write_parameters(indices, given)
    for left, right in zip(made.read_parameters([0, 1]), before, strict=True):
        np.testing.assert_array_equal(left, right)
    made.write_parameters([1, 0], values[::-1])
    for left, right in zip(made.read_parameters([0, 1]), values, strict=True):
        np.testing.assert_array_equal(left, right)


def test_no_network_without_its_constructor(core: ModuleType) -> None:
    """Nor is one made anew: views of the first would show freed memory."""
    kind = core.Network
    made = network(core)
    for make in (
        lambda: kind.__new__(kind),
        lambda: object.__new__(kind),
        lambda: kind.__base__.__new__(kind),
        kind,
        lambda: kind((4,)),
        lambda: copy.copy(made),
        lambda: type("Network", (kind,), {}),
    ):
        with pytest.raises(TypeError):
            make()
    views = [view for _, _, view in made.parameters()]
    made.__init__((9,), [])
    assert made.output_shape == (3,)
    made.set_parameter(0, np.ones((4, 3), FLOAT))
    assert (views[0] == 1).all()
