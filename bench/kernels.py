"""Each kernel alone: time, GFLOP/s, share of the FMA peak, instructions.

    python bench/kernels.py [--threads 1] [--rounds 15] [--quick]

Networks of one layer, with the ReLU and pooling that the engine joins with it, run on shapes of the
notebook's ConvNet and of a CIFAR ConvNet. Their answers are compared with float64 numpy first.

The engine computes both gradients in one pass. So the data gradient is what a training step takes
longer if a layer in front, a PReLU with one weight, is trained, too, less what the PReLU itself
takes; and the weight gradient is what is left of a pass:

    data gradient   = step(PReLU, layer) - step(frozen PReLU, layer) - (the same without the layer)
    weight gradient = forward and backward - forward - data gradient

FLOPs are those of the dense product; a kernel that skips zeros may be above the peak. Pooling
counts a comparison for each cell of a window. Where valgrind is installed, the same programs run
under callgrind on one thread, with the best instruction set that it knows (not the one timed): the
figure to compare commits by. What a pass does once, such as handing out the gradients of the
weights, is shared by its images: 64, or 16 where instructions are counted.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _common import RESULTS, check, environment, markdown_table, save
from _instructions import Counter, can_count, count_instructions
from _roofline import fma_peak

import convlet
from convlet._native import core

ROWS = 64
COUNTED_ROWS = 16  # valgrind is slow
CHECKED_ROWS = 4
COUNTED_ISA = "x86-64-v3"  # valgrind does not know AVX-512
PROGRAMS = ["forward", "pass", "step", "inner_step", "no_layer", "inner_no_layer"]
PARTS = ["forward", "data gradient", "weight gradient"]
# float32 against float64: of the largest element of an array.
TOLERANCE = 2e-5

Op = tuple[str, dict[str, Any]]
Program = Callable[[], object]


class Case(NamedTuple):
    """A layer: its first op has the kernel."""

    name: str
    input_shape: tuple[int, ...]
    ops: list[Op]
    zeros: float = 0.0  # share of the input's elements


def conv(
    size: int, channels: int, filters: int, *then: str, padding: str = "valid", taps: int = 3
) -> Case:
    """A convolution of a square image with a square kernel of so many taps on a side."""
    attributes = {
        "filters": filters,
        "kernel_size": (taps, taps),
        "strides": (1, 1),
        "padding": padding,
        "use_bias": True,
    }
    ops = [("conv2d", attributes), *(THEN[name] for name in then)]
    name = "-".join(
        [
            f"conv{taps}" if taps != 3 else "conv",
            f"{size}x{size}x{channels}",
            str(filters),
            padding,
            *then,
        ]
    )
    return Case(name, (size, size, channels), ops)


def dense(features: int, units: int, zeros: float = 0.0) -> Case:
    name = f"dense-{features}-{units}" + (f"-zeros-{zeros:.0%}" if zeros else "")
    return Case(name, (features,), [("dense", {"units": units, "use_bias": True})], zeros)


def pool(size: int, channels: int) -> Case:
    return Case(f"pool-{size}x{size}x{channels}", (size, size, channels), [THEN["pool"]])


THEN: dict[str, Op] = {
    "relu": ("activation", {"activation": "relu"}),
    "pool": ("max_pooling2d", {"pool_size": (2, 2), "strides": (2, 2), "padding": "valid"}),
}
CASES = [
    conv(28, 1, 32, "relu", "pool"),  # the notebook's
    conv(13, 32, 64, "relu", "pool"),
    conv(13, 32, 64),
    conv(5, 64, 64, "relu"),
    dense(576, 64),
    pool(26, 32),
    conv(32, 3, 32, "relu", padding="same"),  # CIFAR's
    conv(32, 32, 32, "relu", "pool"),
    conv(15, 32, 64, "relu", padding="same"),
    conv(15, 64, 64, "relu", "pool"),
    dense(2304, 512),
    pool(30, 32),
    conv(28, 1, 6, "relu", "pool", padding="same", taps=5),  # LeNet-5's
    conv(14, 6, 16, "relu", "pool", taps=5),
    dense(784, 512, zeros=0.81),  # an MLP's on MNIST
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--count", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.count:
        count_all()
        return

    convlet.set_num_threads(arguments.threads)
    for case in CASES:
        check_answer(case)
    peak = fma_peak(arguments.threads)
    rounds = 5 if arguments.quick else arguments.rounds
    seconds = {case.name: time_parts(case, rounds) for case in CASES}
    peak = max(peak, fma_peak(arguments.threads))
    counts = counted_parts()
    record = {
        "environment": environment(arguments.threads)
        | {
            "rows": ROWS,
            "FMA peak [GFLOP/s]": round(peak / 1e9, 1),
            "instructions counted with": COUNTED_ISA if counts else "nothing: no valgrind",
        },
        "seconds": seconds,
        "instructions_per_image": counts,
    }
    rows = [
        table_row(case, part, values, peak, counts)
        for case in CASES
        for part, values in seconds[case.name].items()
    ]
    header = [
        "kernel",
        "us per image, median (range)",
        "GFLOP/s",
        "share of FMA peak",
        "instructions per image",
        "FLOP per instruction",
    ]
    save("kernels", arguments.output, record, markdown_table(header, rows))


def table_row(
    case: Case, part: str, values: list[float], peak: float, counts: dict[str, dict[str, float]]
) -> list[str]:
    per_image = [1e6 * value / ROWS for value in values]
    median = statistics.median(per_image)
    rate = flops(case) / median / 1e3  # GFLOP/s
    row = [
        f"{case.name} {part}",
        f"{median:.2f} ({min(per_image):.2f} to {max(per_image):.2f})",
        f"{rate:.1f}",
        f"{rate * 1e9 / peak:.0%}" if has_kernel(case) else "",
    ]
    if not counts:
        return [*row, "", ""]
    instructions = counts[case.name][part]
    return [*row, f"{instructions:,.0f}", f"{flops(case) / instructions:.2f}"]


# ---- The programs -------------------------------------------------------------------------------


def has_kernel(case: Case) -> bool:
    return case.ops[0][0] != "max_pooling2d"


def flops(case: Case) -> float:
    """Of one image and one product; the two gradients take as many each."""
    name, attributes = case.ops[0]
    shape, parameters = core.infer_op(name, attributes, case.input_shape)
    if not has_kernel(case):
        return float(math.prod(shape) * math.prod(attributes["pool_size"]))
    kernel = parameters[0][1]
    return float(2 * math.prod(kernel) * math.prod(shape[:-1]))


def network_of(case: Case, *before: Op, after: list[Op] | None = None) -> Any:
    """A network of the case's ops with random parameters."""
    ops = [*before, *case.ops, *(after or [])]
    network = core.Network(
        case.input_shape, [(name, attributes, [i]) for i, (name, attributes) in enumerate(ops)]
    )
    generator = np.random.default_rng(0)
    for i, (_, _, value) in enumerate(network.parameters()):
        fan_in = max(1, math.prod(value.shape[:-1]))
        scaled = generator.standard_normal(value.shape) / np.sqrt(fan_in)
        network.set_parameter(i, scaled.astype(np.float32))
    return network


def inputs(case: Case, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """x, and dy of what the case puts out."""
    generator = np.random.default_rng(1)
    x = generator.standard_normal((rows, *case.input_shape)).astype(np.float32)
    x[generator.random(x.shape) < case.zeros] = 0
    dy = generator.standard_normal((rows, *network_of(case).output_shape)).astype(np.float32)
    return x, dy


def programs(case: Case, rows: int) -> dict[str, Program]:
    """By name of PROGRAMS what is timed, from which parts_of() tells the parts."""
    x, dy = inputs(case, rows)
    network = network_of(case)
    y = np.empty_like(dy)
    no_layer = case._replace(ops=[])
    return {
        "forward": lambda: network.predict(x, y, 0, rows),
        "pass": lambda: network.vector_jacobian_product(x, dy),
        "step": training_step(case, x, inner=False),
        "inner_step": training_step(case, x, inner=True),
        "no_layer": training_step(no_layer, x, inner=False),
        "inner_no_layer": training_step(no_layer, x, inner=True),
    }


def training_step(case: Case, x: np.ndarray, inner: bool) -> Program:
    """A step at learning rate 0 towards a loss whose gradient has no zeros.

    Behind a PReLU, which is trained if the layer is to be an inner one.
    """
    axes = tuple(range(1, len(case.input_shape) + 1))
    prelu: Op = ("prelu", {"shared_axes": axes})
    classes = math.prod(network_of(case, prelu).output_shape)
    network = network_of(case, prelu, after=[("reshape", {"target_shape": (classes,)})])
    network.set_trainable([inner, *(True for _ in case.ops), True])
    network.configure_training(
        "sparse_categorical_crossentropy",
        {"from_logits": True},
        "rmsprop",
        convlet.optimizers.RMSprop().native_attributes(),
        [],
    )
    network.learning_rate = 0.0
    labels = (np.arange(len(x)) % classes).astype(np.int32)
    return lambda: network.train(x, labels, None, 0, len(x), len(x), None)


def parts_of(case: Case, costs: dict[str, float]) -> dict[str, float]:
    """Costs (seconds, instructions) of the kernels from those of the programs."""
    if not has_kernel(case):
        return {"forward": costs["forward"], "data gradient": costs["pass"] - costs["forward"]}
    prelu = costs["inner_no_layer"] - costs["no_layer"]
    data = costs["inner_step"] - costs["step"] - prelu
    parts = [costs["forward"], data, costs["pass"] - costs["forward"] - data]
    return dict(zip(PARTS, parts, strict=True))


# ---- What is done with them ---------------------------------------------------------------------


def check_answer(case: Case) -> None:
    """Output and gradients against the tests' oracle."""
    x, dy = inputs(case, CHECKED_ROWS)
    network = network_of(case)
    y = np.empty_like(dy)
    network.predict(x, y, 0, CHECKED_ROWS)
    dx, gradients = network.vector_jacobian_product(x, dy)
    expected = oracle_answer(case, [value for _, _, value in network.parameters()], x, dy)
    errors = [
        float(np.abs(got - wanted).max() / np.abs(wanted).max())
        for got, wanted in zip([y, dx, *gradients], expected, strict=True)
    ]
    check(max(errors) <= TOLERANCE, f"{case.name} is right (within {max(errors):.1e})")


def oracle_answer(
    case: Case, parameters: list[np.ndarray], x: np.ndarray, dy: np.ndarray
) -> list[np.ndarray]:
    """y, dx and the gradients of the parameters, in float64."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    import oracle

    tensors: list[np.ndarray] = [x]
    for name, attributes in case.ops:
        value = tensors[-1]
        if name == "activation":
            value = oracle.relu(value)
        elif name == "max_pooling2d":
            value = oracle.max_pooling2d(value)
        elif name == "dense":
            value = oracle.dense(value, *parameters)
        else:
            value = oracle.conv2d(value, *parameters, padding=attributes["padding"])
        tensors.append(value)
    gradients: list[np.ndarray] = []
    gradient: np.ndarray = dy
    for (name, attributes), value in zip(reversed(case.ops), reversed(tensors[:-1]), strict=True):
        if name == "activation":
            gradient = oracle.relu_backward(value, gradient)
        elif name == "max_pooling2d":
            gradient = oracle.max_pooling2d_backward(value, gradient)
        elif name == "dense":
            gradient, *gradients = oracle.dense_backward(value, parameters[0], gradient)
        else:
            gradient, *gradients = oracle.conv2d_backward(
                value, parameters[0], gradient, padding=attributes["padding"]
            )
    return [tensors[-1], gradient, *gradients]


def time_parts(case: Case, rounds: int) -> dict[str, list[float]]:
    """Seconds of each part in each round; a round is each program in turn."""
    runs = programs(case, ROWS)
    for run in runs.values():
        run()
    parts = [
        parts_of(case, {name: seconds_of(run) for name, run in runs.items()}) for _ in range(rounds)
    ]
    return {name: [part[name] for part in parts] for name in parts[0]}


def seconds_of(run: Program) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def count_all() -> None:
    """In the process under callgrind: counts all programs of all cases."""
    convlet.set_num_threads(1)
    counter = Counter()
    for case in CASES:
        for name, run in programs(case, COUNTED_ROWS).items():
            counter.count(f"{case.name}/{name}", run)


def counted_parts() -> dict[str, dict[str, float]]:
    """Instructions per image of each part of each case; empty without valgrind."""
    if not can_count():
        return {}
    counts = count_instructions([__file__, "--count"], CONVLET_ISA=COUNTED_ISA)
    parts = {}
    for case in CASES:
        costs = {name: float(counts[f"{case.name}/{name}"]) for name in PROGRAMS}
        of_case = parts_of(case, costs)
        parts[case.name] = {name: cost / COUNTED_ROWS for name, cost in of_case.items()}
    return parts


if __name__ == "__main__":
    main()
