"""Models as ONNX files."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

import convlet
from convlet import _native
from convlet._atomic_write import atomic_write
from convlet._thread_lock import alone
from convlet.layers.layer import without_batch_axis
from convlet.network import Tracer
from convlet.saveable import Saveable
from convlet.utils.terminal import write
from convlet.utils.validation import check_bool, refuse_unsupported

if TYPE_CHECKING:
    from convlet.export.onnx_graph import Graph, Tensor

OPSET = 17  # of 2022
_IR_VERSION = 8  # that goes with it


@dataclass(frozen=True)
class Step:
    """One operation of the compiled code.

    Attributes:
        name: Its name.
        attributes: Its attributes.
        inputs: The tensors it reads: 0 is the model's input, i what step i - 1 makes.
        parameters: Its parameters by name.
        shape: Row shape of its output.
        layer: Name of the layer it belongs to.
    """

    name: str
    attributes: Mapping[str, Any]
    inputs: list[int]
    parameters: Mapping[str, npt.NDArray[np.float32]]
    shape: tuple[int, ...]
    layer: str


def export_onnx(
    model: Saveable,
    filepath: str | os.PathLike[str],
    format: str,  # noqa: A002 (Keras's name)
    verbose: bool | None,
    options: Mapping[str, Any],
) -> None:
    """Writes a model as ONNX; see `Saveable.export`."""
    if format != "onnx":
        raise ValueError(f"Unrecognized format={format}. Supported formats are: 'onnx'.")
    verbose = True if verbose is None else check_bool("verbose", verbose)
    unknown = [name for name in options if name != "opset_version"]
    if unknown:
        raise ValueError(f"export does not support `{unknown[0]}={options[unknown[0]]!r}`")
    refuse_unsupported("export", {"opset_version": (options.get("opset_version"), OPSET)})
    if not model.built:
        raise ValueError(
            "The model must be built before export. Call it on some data or use `build()`."
        )
    with alone(model, "export"):
        content = _as_onnx(model)
    if not model.processes.is_first:
        return
    with atomic_write(filepath) as target:
        target.write(content)
    if verbose:
        write(f"Saved artifact at '{os.fspath(filepath)}'.\n")


def _as_onnx(model: Saveable) -> bytes:
    """Returns a model as the bytes of an ONNX file."""
    try:
        import onnx
    except ImportError as error:
        raise ImportError("`export` needs the package onnx: pip install 'convlet[onnx]'") from error
    from onnx import TensorProto, helper

    from convlet.export.onnx_graph import Graph, Tensor

    input_shape = without_batch_axis(model.inputs[0].shape)
    graph = Graph()
    tensors = [Tensor("input", input_shape)]
    steps, last = _steps(model, input_shape)
    for step in steps:
        tensors.append(_add(graph, step, [tensors[i] for i in step.inputs]))
    output = graph.channels_last(tensors[last])
    graph.nodes.append(helper.make_node("Identity", [output.name], ["output"], name="output"))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ("rows", *shape))
        for name, shape in (("input", input_shape), ("output", output.shape))
    ]
    made = helper.make_graph(graph.nodes, model.name, ends[:1], ends[1:], graph.constants)
    proto = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="convlet",
        producer_version=convlet.__version__,
    )
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString())


def _add(graph: Graph, step: Step, inputs: Sequence[Tensor]) -> Tensor:
    from convlet.export.onnx_ops import OPS

    entry = OPS.get(step.name)
    if entry is None:
        raise ValueError(
            f"Layer '{step.layer}' cannot be exported to ONNX: nothing is known for the operation "
            f"'{step.name}'."
        )
    arguments = (graph, inputs, step.parameters, step.shape)
    try:
        bound = inspect.signature(entry).bind(*arguments, **step.attributes)
        return entry(*bound.args, **bound.kwargs)
    # A TypeError: an attribute that the entry does not know.
    except (TypeError, ValueError) as error:
        raise ValueError(f"Layer '{step.layer}' cannot be exported to ONNX: {error}.") from error


def _steps(model: Saveable, input_shape: tuple[int, ...]) -> tuple[list[Step], int]:
    """Returns the operations of a model in their order, and the number of the output's tensor."""
    tracer = Tracer(input_shape)
    output = model.trace(tracer, [0])
    variables = iter(tracer.variables)
    steps = []
    for (name, attributes, inputs), layer in zip(tracer.ops, tracer.layers, strict=True):
        shapes = [tracer.shapes[tensor] for tensor in inputs]
        shape, parameters = _native.core.infer_op(name, attributes, *shapes)
        values = {parameter[0]: next(variables).numpy() for parameter in parameters}
        steps.append(Step(name, attributes, inputs, values, shape, layer.name))
    return steps, output
