"""Keras's `.weights.h5` files: the weights of a model, and the state of its optimizer.

The layout is that of Keras 3 (`keras/src/saving/saving_lib.py`):

    /layers/<class>/vars     attribute `name`: the layer's name; one dataset "0", "1", ... for each
                             variable, in the order of `layer.weights`
    /optimizer/vars          the same for `optimizer.variables`: iteration, learning rate, slots
    /vars                    attribute `name`: the model's name; no variables of its own

`<class>` is not the layer's name but its class in snake case, numbered if there are several:
`conv2d`, `conv2d_1`, ... Keras 2 writes the same without the learning rate.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from convlet.layers import Layer
from convlet.saveable import Saveable
from convlet.saving import hdf5
from convlet.saving.hdf5 import Array, Mismatch
from convlet.saving.state import Weights, read_matching
from convlet.utils.naming import to_snake_case
from convlet.variables import Variable

if TYPE_CHECKING:
    import h5py


def as_hdf5(model: Saveable, include_optimizer: bool = True) -> io.BytesIO:
    """Returns the bytes of a weights file.

    They are made in memory: HDF5 does not survive a write that fails halfway.
    """
    import h5py

    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for path, layer in _groups(model):
            values = [variable.value for variable in _own_weights(layer)]
            _write_group(file, path, layer.name, values)
        if include_optimizer and model.optimizer is not None:
            _write_group(file, "optimizer", model.optimizer.name, model.optimizer.get_state())
        _write_group(file, "", model.name, [])
    return content


def read_weights(model: Saveable, file: h5py.File, skipped: list[str] | None = None) -> Weights:
    """Reads and checks the weights of all layers, and changes nothing yet.

    Args:
        model: A built model of the same layers.
        file: The open file.
        skipped: Collects what does not fit the model, which then is left out; `None` to refuse it.

    Raises:
        ValueError: If the file is unsafe or of another model.
    """
    groups = dict(_groups(model))
    if skipped is None:
        _refuse_other_layers(file, groups)
    weights: Weights = []
    for path, layer in groups.items():
        variables = _own_weights(layer)
        saved = hdf5.group(file, f"{path}/vars")
        weights += read_matching(variables, _datasets(saved, path), path, skipped)
    return weights


def read_optimizer(file: h5py.File) -> list[h5py.Dataset]:
    """Returns the datasets of the optimizer's variables, in their order."""
    return _datasets(hdf5.group(file, "optimizer/vars"), "optimizer")


def _groups(model: Any, prefix: str = "layers") -> Iterator[tuple[str, Layer]]:
    """Yields the group of each layer, as Keras names it, also for models within the model."""
    uses: Counter[str] = Counter()
    for layer in model.layers:
        name = to_snake_case(type(layer).__name__)
        path = f"{prefix}/{name}_{uses[name]}" if uses[name] else f"{prefix}/{name}"
        uses[name] += 1
        yield path, layer
        if isinstance(layer, Saveable):
            yield from _groups(layer, f"{path}/layers")


def _own_weights(layer: Layer) -> list[Variable]:
    """Returns the weights of a layer; a model has none but those of its layers."""
    return [] if isinstance(layer, Saveable) else layer.weights


def _write_group(file: h5py.File, path: str, name: str, values: Sequence[Array]) -> None:
    group = file.create_group(f"{path}/vars")
    group.attrs["name"] = name
    for index, value in enumerate(values):
        group.create_dataset(str(index), data=value)


def _refuse_other_layers(file: h5py.File, groups: Collection[str]) -> None:
    """Refuses a file that has weights for layers the model does not have."""
    for parent in {path.rpartition("/")[0] for path in groups}:
        for name in hdf5.group(file, parent):
            path = f"{parent}/{name}"
            if path not in groups and len(hdf5.group(file, f"{path}/vars")):
                raise Mismatch(
                    f"has weights for '{path}', which is none of the model's layers "
                    f"{', '.join(groups)}."
                )


def _datasets(group: h5py.Group | dict[str, Any], path: str) -> list[h5py.Dataset]:
    """Returns the variables of a group by number: HDF5's order has "10" before "2"."""
    datasets = []
    for index in range(hdf5.check_member_count(group)):
        variable = hdf5.dataset(group, str(index))
        if variable is None:
            raise ValueError(f"has no variable '{index}' in {path!r}.")
        datasets.append(variable)
    return datasets
