"""Keras's legacy `.h5` files: a whole model in one HDF5 file.

The layout is that of Keras 3 and 2 (`keras/src/legacy/saving/legacy_h5_format.py`):

    /                        attributes `model_config` and `training_config` (JSON), `keras_version`
    /model_weights           attribute `layer_names`: the layers, in order
    /model_weights/<layer>   attribute `weight_names`: paths of the datasets in it, in order
    /optimizer_weights       attribute `weight_names`: the same for the optimizer

Layers are matched by order, not by name, and those without weights do not count.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from convlet.layers import Layer
from convlet.saveable import Saveable
from convlet.saving import hdf5
from convlet.saving.hdf5 import Array, Mismatch
from convlet.saving.json_text import parse_json
from convlet.saving.state import Weights, read_matching
from convlet.utils.custom_objects import class_name_of
from convlet.variables import Variable

if TYPE_CHECKING:
    import h5py

_LARGEST_ATTRIBUTE = 64512  # bytes that HDF5 can keep in the header of an object
_KEYS_OF_TRAINING = ("loss", "loss_weights", "metrics", "weighted_metrics")


def as_hdf5(model: Saveable, config: Mapping[str, Any], version: str) -> io.BytesIO:
    """Returns the bytes of a legacy file.

    Args:
        model: A built model.
        config: Its configuration; with `"compile_config"`, the optimizer is saved too.
        version: The version of Keras whose format this is.
    """
    import h5py

    compile_config = config.get("compile_config")
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.attrs["keras_version"] = version
        file.attrs["backend"] = "tensorflow"
        file.attrs["model_config"] = json.dumps(_legacy(config))
        if compile_config is not None:
            file.attrs["training_config"] = json.dumps(_training_config(compile_config))
        weights = file.create_group("model_weights")
        weights.attrs["keras_version"] = version
        weights.attrs["backend"] = "tensorflow"
        layers: list[Layer] = list(model.layers)
        _write_list(weights, "layer_names", [layer.name for layer in layers])
        # Sorted, as Keras does, so that no name comes after one it is the beginning of.
        for layer in sorted(layers, key=lambda layer: layer.name):
            named = [(variable.path, variable.value) for variable in _weights(layer)]
            _write_variables(weights.create_group(layer.name), named)
        _write_variables(weights.create_group("top_level_model_weights"), [])
        if compile_config is not None and model.optimizer is not None:
            state = model.optimizer.get_state()
            named = [(f"{model.optimizer.name}/{i}", value) for i, value in enumerate(state)]
            _write_variables(file.create_group("optimizer_weights"), named)
    return content


def read_config(file: h5py.File) -> Any:
    """Returns the configuration of the model, in the form that a `.keras` file has.

    Raises:
        ValueError: If the file has none.
    """
    text = hdf5.text_attribute(file, "model_config")
    if text is None:
        raise ValueError("No model config found in the file.")
    config = parse_json(text, "model_config")
    training = hdf5.text_attribute(file, "training_config")
    if training is None or not isinstance(config, dict):
        return config
    compile_config = parse_json(training, "training_config")
    if not isinstance(compile_config, dict) or "optimizer_config" not in compile_config:
        raise ValueError("training_config must be a dictionary with an 'optimizer_config'.")
    compile_config["optimizer"] = compile_config.pop("optimizer_config")
    return {**config, "compile_config": compile_config}


def read_weights(model: Saveable, file: h5py.File, skipped: list[str] | None = None) -> Weights:
    """Reads and checks the weights of all layers, and changes nothing yet.

    Args:
        model: A built model of the same layers.
        file: The open file; one that holds only weights, as Keras 2 writes them, will do too.
        skipped: Collects what does not fit the model, which then is left out; `None` to refuse it.

    Raises:
        ValueError: If the file is unsafe or of another model.
    """
    parent = file if "layer_names" in file.attrs else hdf5.group(file, "model_weights")
    if isinstance(parent, dict):
        raise ValueError("has no weights of a model in Keras's legacy format.")
    saved = {
        name: _read_variables(parent, name) for name in hdf5.list_attribute(parent, "layer_names")
    }
    saved = {name: variables for name, variables in saved.items() if variables}
    layers = [layer for layer in model.layers if layer.weights]
    if len(saved) != len(layers):
        raise Mismatch(
            "Layer count mismatch when loading weights from file. Model expected "
            f"{len(layers)} layers, found {len(saved)} saved layers."
        )
    weights: Weights = []
    for layer, (name, variables) in zip(layers, saved.items(), strict=True):
        weights += read_matching(_weights(layer), variables, name, skipped)
    return weights


def read_optimizer(file: h5py.File) -> list[h5py.Dataset]:
    """Returns the datasets of the optimizer's variables, in their order."""
    return _read_variables(file, "optimizer_weights")


def _weights(layer: Layer) -> list[Variable]:
    """Returns the weights of a layer in the order of the format: trainable ones first."""
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _legacy(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration of a layer in the old form: without its module."""
    arguments = dict(config["config"])
    if "layers" in arguments:
        arguments["layers"] = [_legacy(layer) for layer in arguments["layers"]]
    extra = {key: config[key] for key in ("name", "inbound_nodes") if key in config}
    return {"class_name": class_name_of(config), "config": arguments, **extra}


def _training_config(compile_config: Mapping[str, Any]) -> dict[str, Any]:
    optimizer = compile_config["optimizer"]
    return {
        "optimizer_config": {"class_name": class_name_of(optimizer), "config": optimizer["config"]},
        **{key: compile_config.get(key) for key in _KEYS_OF_TRAINING},
    }


def _write_list(group: h5py.Group, name: str, strings: Sequence[str]) -> None:
    """Writes a list of strings, in parts if it is longer than HDF5 can keep in one."""
    array = np.array([string.encode() for string in strings])
    count = 1
    while any(part.nbytes > _LARGEST_ATTRIBUTE for part in np.array_split(array, count)):
        count += 1
    for index, part in enumerate(np.array_split(array, count)):
        group.attrs[f"{name}{index}" if count > 1 else name] = part


def _write_variables(group: h5py.Group, named: Sequence[tuple[str, Array]]) -> None:
    _write_list(group, "weight_names", [name for name, _ in named])
    for name, value in named:
        group.create_dataset(name, data=value)


def _read_variables(parent: h5py.Group, name: str) -> list[h5py.Dataset]:
    group = hdf5.group(parent, name)
    if isinstance(group, dict):
        return []
    datasets = []
    for path in hdf5.list_attribute(group, "weight_names"):
        variable = hdf5.dataset(group, path)
        if variable is None:
            raise ValueError(f"has no variable {path!r} in {group.name!r}.")
        datasets.append(variable)
    return datasets
