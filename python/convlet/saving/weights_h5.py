"""Keras's `.weights.h5` files: the weights of a model, and the state of its optimizer.

The layout is that of Keras 3 (`keras/src/saving/saving_lib.py`):

    /layers/<class>/vars     attribute `name`: the layer's name; one dataset "0", "1", ... for each
                             variable, in the order of `layer.weights`
    /optimizer/vars          the same for `optimizer.variables`: iteration, learning rate, slots
    /vars                    attribute `name`: the model's name; no variables of its own

`<class>` is not the layer's name but its class in snake case, numbered if there are several:
`conv2d`, `conv2d_1`, ...
"""

from __future__ import annotations

import io
import os
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet._atomic_write import atomic_write
from convlet.layers import Layer
from convlet.model import Model
from convlet.utils.naming import to_snake_case
from convlet.variables import Variable

if TYPE_CHECKING:
    import h5py

_Weights: TypeAlias = list[tuple[Variable, npt.NDArray[Any]]]
_State: TypeAlias = list[npt.NDArray[Any]] | None

_SUFFIX = ".weights.h5"
# HDF5's numbers of the filters that Keras's files can have: deflate and shuffle.
_ALLOWED_FILTERS = (1, 2)


def check_weights_path(path: str | os.PathLike[str]) -> None:
    """Checks the name of a weights file.

    Raises:
        ValueError: If it does not end in `.weights.h5`.
    """
    if not os.fspath(path).endswith(_SUFFIX):
        raise ValueError(f"The filename must end in `{_SUFFIX}`. Received: filepath={path}")


def save_weights(model: Model, path: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Writes the weights of a model, and the state of its optimizer if it has one.

    The file is written under a temporary name and then renamed, so `path` holds the old file or
    the whole new one at any time. Keras can read it.

    Args:
        model: A built model.
        path: Path of the file; the name must end in `.weights.h5`.
        overwrite: Whether a file of that name may be replaced.

    Raises:
        ValueError: If the name ends otherwise or the model has not been built.
        FileExistsError: If the file exists and `overwrite` is false.
        OSError: If the file cannot be written.
    """
    import h5py

    check_weights_path(path)
    _check_built(model, "saving")
    if not overwrite and Path(path).exists():
        raise FileExistsError(f"{os.fspath(path)} exists; `overwrite=True` would replace it.")
    # Made in memory: HDF5 does not survive a write that fails halfway.
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for path_in_file, layer in _groups(model):
            values = [variable.value for variable in _own_weights(layer)]
            _write_group(file, path_in_file, layer.name, values)
        if model.optimizer is not None:
            _write_group(file, "optimizer", model.optimizer.name, model.optimizer.get_state())
        _write_group(file, "", model.name, [])
    with atomic_write(path) as target:
        target.write(content.getbuffer())


def load_weights(model: Model, path: str | os.PathLike[str]) -> None:
    """Reads the weights of a model from a file that convlet or Keras has written.

    The state of the optimizer is read too, if the file has it and it fits the model's optimizer.

    Args:
        model: A built model of the same layers.
        path: Path of the file; the name must end in `.weights.h5`.

    Raises:
        ValueError: If the name ends otherwise, the model has not been built, or the file is
            broken, unsafe or of another model. The model is then as it was.
        OSError: If the file cannot be read.
    """
    check_weights_path(path)
    _check_built(model, "loading")
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file {os.fspath(path)}.")
    try:
        weights, state = _read(model, path)
        if model.optimizer is not None and state is not None:
            model.optimizer.set_state(state)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error
    for variable, value in weights:
        variable.assign(value)


def _check_built(model: Model, doing: str) -> None:
    if not model.built:
        raise ValueError(
            f"You are {doing} the weights of a model that has not yet been built. Try building "
            "the model first by calling it on some data or by using `build()`."
        )


def _groups(model: Model, prefix: str = "layers") -> Iterator[tuple[str, Layer]]:
    """Yields the group of each layer, as Keras names it, also for models within the model."""
    uses: Counter[str] = Counter()
    for layer in model.layers:
        name = to_snake_case(type(layer).__name__)
        path = f"{prefix}/{name}_{uses[name]}" if uses[name] else f"{prefix}/{name}"
        uses[name] += 1
        yield path, layer
        if isinstance(layer, Model):
            yield from _groups(layer, f"{path}/layers")


def _own_weights(layer: Layer) -> list[Variable]:
    """Returns the weights of a layer; a model has none but those of its layers."""
    return [] if isinstance(layer, Model) else layer.weights


def _write_group(file: h5py.File, path: str, name: str, values: Sequence[npt.NDArray[Any]]) -> None:
    group = file.create_group(f"{path}/vars")
    group.attrs["name"] = name
    for index, value in enumerate(values):
        group.create_dataset(str(index), data=value)


def _read(model: Model, path: str | os.PathLike[str]) -> tuple[_Weights, _State]:
    """Reads and checks everything, and changes nothing yet."""
    import h5py

    groups = dict(_groups(model))
    weights: _Weights = []
    try:
        with h5py.File(path, "r") as file:
            _refuse_other_layers(file, groups)
            for path_in_file, layer in groups.items():
                variables = _own_weights(layer)
                values = _read_group(file, path_in_file, [v.shape for v in variables])
                weights += zip(variables, values, strict=True)
            return weights, _read_optimizer(model, file)
    # What h5py raises for a damaged file depends on the place of the damage.
    except (OSError, KeyError, RuntimeError, TypeError) as error:
        raise ValueError(f"not a readable HDF5 file: {error}") from error


def _refuse_other_layers(file: h5py.File, groups: Collection[str]) -> None:
    """Refuses a file that has weights for layers the model does not have."""
    for parent in {path.rpartition("/")[0] for path in groups}:
        for name in _group(file, parent):
            if f"{parent}/{name}" not in groups and len(_group(file, f"{parent}/{name}/vars")):
                raise ValueError(
                    f"has weights for '{parent}/{name}', which is none of the model's layers "
                    f"{', '.join(groups)}."
                )


def _read_optimizer(model: Model, file: h5py.File) -> _State:
    """Returns the optimizer's state; `None` if there is none or it is another optimizer's."""
    saved = len(_group(file, "optimizer/vars"))
    if model.optimizer is None or not saved:
        return None
    shapes = [value.shape for value in model.optimizer.get_state()]
    if saved != len(shapes):
        # As in Keras, where a compiled model that has not been trained has no slots yet.
        warnings.warn(
            f"Not loading the state of optimizer '{model.optimizer.name}', because it has "
            f"{len(shapes)} variables whereas the saved optimizer has {saved}.",
            stacklevel=5,
        )
        return None
    return _read_group(file, "optimizer", shapes)


def _read_group(
    file: h5py.File, path: str, shapes: Sequence[tuple[int, ...]]
) -> list[npt.NDArray[Any]]:
    variables = _group(file, f"{path}/vars")
    if len(variables) != len(shapes):
        raise ValueError(
            f"has {len(variables)} variables in {path!r}, where the model has {len(shapes)}."
        )
    # By number: the order of HDF5 is alphabetical, "10" before "2".
    return [_read_dataset(variables, str(index), path, shape) for index, shape in enumerate(shapes)]


def _group(file: h5py.File, path: str) -> h5py.Group | dict[str, Any]:
    """Returns a group; an empty one if it is not there."""
    import h5py

    group: h5py.Group | None = file
    for name in path.split("/"):
        group = None if group is None else _child(group, name, h5py.Group)
    return {} if group is None else group


def _child(parent: h5py.Group, name: str, kind: type) -> Any:
    """Returns a member of a group, or `None`; a member of another kind is refused.

    A link to elsewhere in the file or to another file is refused (CVE-2026-1669 in Keras).
    """
    import h5py

    if name not in parent:
        return None
    link = parent.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"has a {type(link).__name__} at '{parent.name}/{name}', which is unsafe.")
    child = parent[name]
    if not isinstance(child, kind):
        raise ValueError(f"has no {kind.__name__} at {child.name!r}.")
    return child


def _read_dataset(
    group: h5py.Group | dict[str, Any], name: str, path: str, shape: tuple[int, ...]
) -> npt.NDArray[Any]:
    """Reads one variable, after everything about it has been checked."""
    import h5py

    dataset = _child(group, name, h5py.Dataset)
    if dataset is None:
        raise ValueError(f"has no variable {name!r} in {path!r}.")
    if dataset.dtype.kind not in "fiu":
        raise ValueError(f"has values of type {dataset.dtype} at {dataset.name!r}.")
    if dataset.shape != shape:
        raise ValueError(
            f"has a variable of shape {dataset.shape} at {dataset.name!r}, where the model has "
            f"one of shape {shape}."
        )
    _refuse_unsafe_storage(dataset)
    value: npt.NDArray[Any] = dataset[()]
    return np.asarray(value)


def _refuse_unsafe_storage(dataset: h5py.Dataset) -> None:
    """Refuses data that lie in other files, or take more memory to read than they fill."""
    properties = dataset.id.get_create_plist()
    if dataset.external or dataset.is_virtual:
        raise ValueError(f"keeps {dataset.name!r} in another file, which is unsafe.")
    filters = {properties.get_filter(index)[0] for index in range(properties.get_nfilters())}
    if not filters.issubset(_ALLOWED_FILTERS):
        raise ValueError(f"uses an unsupported HDF5 filter at {dataset.name!r}.")
    if dataset.chunks is not None and np.prod(dataset.chunks, dtype=object) > dataset.size:
        raise ValueError(f"has chunks larger than the data at {dataset.name!r}.")
