"""Saving and loading of models and weights; the extension of the name chooses the format."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convlet._atomic_write import atomic_write
from convlet._thread_lock import alone
from convlet.layers.layer import Layer
from convlet.saveable import Saveable
from convlet.saving import archive, legacy_h5, weights_h5
from convlet.saving.configuration import check_name, classes, minimal, normalized
from convlet.saving.hdf5 import Source, count_values, open_hdf5
from convlet.saving.json_text import parse_json
from convlet.saving.state import (
    Weights,
    check_built,
    read_optimizer_state,
    restore_optimizer,
    warn_of_skipped,
)
from convlet.utils.custom_objects import custom_object_scope, find_custom_object
from convlet.utils.placeholders import placeholders
from convlet.utils.validation import check_bool, refuse_unsupported
from convlet.variables import assign_all

if TYPE_CHECKING:
    from convlet.models import Sequential

Path_ = str | os.PathLike[str]

# The files are those of every Keras 3; this is the version they say they come from.
KERAS_VERSION = "3.0.0"
_LEGACY = (".h5", ".hdf5")
_WEIGHTS = ".weights.h5"


def save_model(
    model: Saveable,
    filepath: Path_,
    overwrite: bool = True,
    zipped: bool | None = None,
    include_optimizer: bool = True,
) -> None:
    """Writes a whole model: its layers, weights, and what it was compiled with.

    Of processes that train together the first one writes.
    The file appears whole or not at all, and every Keras 3 can open it. Only a Nadam, and an
    optimizer with both `use_ema` and `gradient_accumulation_steps`, need Keras 3.12 or later.

    Args:
        model: A built model.
        filepath: Path of the file: `.keras` for Keras's format, `.h5` for the legacy one.
        overwrite: Whether a file of that name may be replaced.
        zipped: `True` or `None`; a directory instead of a file is not supported.
        include_optimizer: Whether to save what it was compiled with and the optimizer's state.

    Raises:
        ValueError: If the name ends otherwise, or the model has not been built or cannot be
            described in a file.
        FileExistsError: If the file exists and `overwrite` is false.
        OSError: If the file cannot be written.
    """
    name = os.fspath(filepath)
    refuse_unsupported("save_model", {"zipped": (zipped, True)})
    check_bool("include_optimizer", include_optimizer)
    if not name.endswith((".keras", *_LEGACY)):
        raise ValueError(
            "Invalid filepath extension for saving. Please add either a `.keras` extension for "
            "the native Keras format (recommended) or a `.h5` extension. Use "
            '`model.export(filepath, format="onnx")` if you want to export a model for inference. '
            f"Received: filepath={filepath}."
        )
    check_built(model, "saving")
    if not model.processes.is_first:
        return
    _check_overwrite(filepath, overwrite)
    with alone(model, "save_model"):
        config = model_config(model, include_optimizer)
        if name.endswith(".keras"):
            weights = weights_h5.as_hdf5(model, include_optimizer)
        else:
            weights = legacy_h5.as_hdf5(model, config, KERAS_VERSION)
    if name.endswith(".keras"):
        with atomic_write(filepath) as target:
            archive.write_archive(target, config, weights, KERAS_VERSION)
    else:
        _write(filepath, weights)


def load_model(
    filepath: Path_,
    custom_objects: Mapping[str, Any] | None = None,
    compile: bool = True,  # noqa: A002 (Keras's name)
    safe_mode: bool = True,
) -> Any:
    """Reads a model that convlet or Keras has saved.

    Files of Keras 3 (`.keras`, `.h5`) and of Keras 2 (`.h5`, `.keras`) are read. Nothing in a file
    is ever executed or imported, and no other file is opened because of it.

    Args:
        filepath: Path of the file.
        custom_objects: Dictionary from names in the file to classes or functions of the caller.
        compile: Whether to compile the model as it was, with the optimizer's state.
        safe_mode: `True`; there is no unsafe mode.

    Returns:
        A model.

    Raises:
        ValueError: If the file is broken or unsafe, or has something convlet does not support.
        OSError: If the file cannot be read.
    """
    check_bool("compile", compile)
    refuse_unsupported("load_model", {"safe_mode": (safe_mode, True)})
    name = os.fspath(filepath)
    if not name.endswith((".keras", *_LEGACY)):
        raise ValueError(
            f"File format not supported: filepath={filepath}. convlet only supports V3 `.keras` "
            "files and legacy H5 format files (`.h5` extension)."
        )
    if not Path(filepath).is_file():
        raise ValueError(
            f"File not found: filepath={filepath}. Please ensure the file is an accessible "
            f"`{name[name.rindex('.') :]}` file."
        )
    with custom_object_scope(custom_objects), _naming(filepath):
        if name.endswith(".keras"):
            content = archive.read_archive(filepath)
            return _load(content.config, content.weights, weights_h5, compile)
        return _load(None, filepath, legacy_h5, compile)


def save_weights(
    model: Saveable, filepath: Path_, overwrite: bool = True, max_shard_size: float | None = None
) -> None:
    """Writes the weights of a model, and the state of its optimizer if it has one.

    The file appears whole or not at all, and Keras can read it.

    Args:
        model: A built model.
        filepath: Path of the file; the name must end in `.weights.h5`.
        overwrite: Whether a file of that name may be replaced.
        max_shard_size: `None`, one file; nothing else is supported.

    Raises:
        ValueError: If the name ends otherwise or the model has not been built.
        FileExistsError: If the file exists and `overwrite` is false.
        OSError: If the file cannot be written.
    """
    refuse_unsupported("save_weights", {"max_shard_size": (max_shard_size, None)})
    check_weights_path(filepath)
    check_built(model, "saving")
    if not model.processes.is_first:
        return
    _check_overwrite(filepath, overwrite)
    with alone(model, "save_weights"):
        weights = weights_h5.as_hdf5(model)
    _write(filepath, weights)


def load_weights(model: Saveable, filepath: Path_, skip_mismatch: bool = False) -> None:
    """Reads the weights of a model from a file that convlet or Keras has written.

    The state of the optimizer is read too, if the file has it and it fits the model's optimizer.

    Args:
        model: A built model of the same layers.
        filepath: Path of the file: `.weights.h5`; or `.keras` or `.h5`, whose configuration is
            then left aside.
        skip_mismatch: Whether to leave layers as they are whose weights do not fit, with a warning.

    Raises:
        ValueError: If the name ends otherwise, the model has not been built, or the file is
            broken, unsafe or of another model. The model is then as it was.
        OSError: If the file cannot be read.
    """
    check_bool("skip_mismatch", skip_mismatch)
    name = os.fspath(filepath)
    if not name.endswith((".keras", *_LEGACY)):
        raise ValueError(
            f"File format not supported: filepath={filepath}. Weights are read from `.weights.h5`, "
            "`.keras` and legacy `.h5` files."
        )
    check_built(model, "loading")
    if not Path(filepath).is_file():
        raise FileNotFoundError(f"There is no file {name}.")
    with alone(model, "load_weights"):
        _load_weights(model, filepath, [] if skip_mismatch else None)


def _load_weights(model: Saveable, filepath: Path_, skipped: list[str] | None) -> None:
    with _naming(filepath):
        source: Source = filepath
        if os.fspath(filepath).endswith(".keras"):
            source = archive.read_archive(filepath).weights
        with open_hdf5(source) as file:
            is_legacy = "layer_names" in file.attrs or "model_weights" in file
            layout = legacy_h5 if is_legacy else weights_h5
            weights: Weights = layout.read_weights(model, file, skipped)
            state = read_optimizer_state(model, layout.read_optimizer(file))
        if model.optimizer is not None and state is not None:
            model.optimizer.set_state(state)
    assign_all(weights)
    warn_of_skipped(skipped or ())


def check_weights_path(path: Path_) -> None:
    """Checks the name of a weights file.

    Raises:
        ValueError: If it does not end in `.weights.h5`.
    """
    if not os.fspath(path).endswith(_WEIGHTS):
        raise ValueError(f"The filename must end in `{_WEIGHTS}`. Received: filepath={path}")


def model_config(model: Saveable, include_optimizer: bool = True) -> dict[str, Any]:
    """Returns the configuration of a model as every Keras 3 understands it.

    Raises:
        ValueError: If a name or a part of the model cannot be in a file.
    """
    from convlet import layers

    check_name(model.name, "a model")
    for layer in model.layers:
        check_name(layer.name, "a layer")
    config: dict[str, Any] = layers.serialize(model)
    if "build_input_shape" in config["config"]:
        config["build_config"] = {"input_shape": config["config"]["build_input_shape"]}
    if include_optimizer and model.compiled:
        config["compile_config"] = model.get_compile_config()
    result: dict[str, Any] = minimal(config)
    return result


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Any:
    """Makes a model, with new weights, from what `model.to_json` returned.

    Args:
        json_string: The JSON text.
        custom_objects: Dictionary from names in the text to classes or functions of the caller.

    Returns:
        A model; compiled if the text says how.

    Raises:
        ValueError: If the text is not JSON or has something convlet does not support.
    """
    if not isinstance(json_string, str):
        raise ValueError(f"`json_string` must be a string. Received: {type(json_string)}")
    config = parse_json(json_string, "`json_string`")
    with custom_object_scope(custom_objects):
        return model_from_config(config)


def model_from_config(config: Any) -> Any:
    """Makes a model, with new weights, from its configuration; compiled if that says how.

    Raises:
        ValueError: If it has something convlet does not support.
    """
    model = _from_config(config)
    if isinstance(config.get("compile_config"), Mapping):
        with configuration_errors():
            model.compile_from_config(config["compile_config"])
    return model


def to_json(model: Saveable) -> str:
    """Returns the configuration of a model as JSON, for `model_from_json`."""
    return json.dumps(model_config(model), allow_nan=False)


def clone_model(
    model: Any,
    input_tensors: Any = None,
    clone_function: Callable[[Layer], Layer] | None = None,
    call_function: Any = None,
    recursive: bool = False,
    custom_objects: Mapping[str, Any] | None = None,
) -> Any:
    """Makes a model of equal layers with new weights, not compiled.

    Args:
        model: A model.
        input_tensors: `None`; nothing else is supported.
        clone_function: Called with each layer of a `Sequential`; returns its copy. `None` makes a
            layer from the layer's configuration.
        call_function: `None`; nothing else is supported.
        recursive: `False`; nothing else is supported.
        custom_objects: Dictionary from names to classes of the caller.

    Returns:
        A model.

    Raises:
        ValueError: If something else than a model is given or an option is not supported.
    """
    from convlet.models import Sequential

    if not isinstance(model, Saveable):
        raise ValueError(f"Expected `model` argument to be a model. Received: model={model!r}")
    refuse_unsupported(
        "clone_model",
        {
            "input_tensors": (input_tensors, None),
            "call_function": (call_function, None),
            "recursive": (recursive, False),
        },
    )
    with custom_object_scope(custom_objects):
        if clone_function is None:
            return type(model).from_config(model.get_config())
        if not isinstance(model, Sequential):
            raise ValueError(
                f"clone_model does not support `clone_function` for a {type(model).__name__}; "
                "only for a Sequential"
            )
        return _cloned_with(model, clone_function)


def _cloned_with(model: Sequential, clone_function: Callable[[Layer], Layer]) -> Sequential:
    clone = type(model)(name=model.name, trainable=model.trainable)
    if model.built:
        clone.add(model.inputs[0])
    for layer in model.layers:
        copy: Any = clone_function(layer)
        if not isinstance(copy, Layer) or copy is layer:
            raise ValueError(
                f"`clone_function` must return a new layer. For {layer} it returned {copy!r}"
            )
        clone.add(copy)
    return clone


def _load(config: Any, source: Source, layout: Any, compile_it: bool) -> Any:
    """Makes a model from a file.

    Args:
        config: Its configuration, or `None` if it is in the HDF5 file.
        source: The HDF5 file with the weights.
        layout: The module that knows how they lie in it.
        compile_it: Whether to compile the model.
    """
    with open_hdf5(source) as file:
        if config is None:
            config = layout.read_config(file)
        with placeholders(count_values(file)):
            model = _from_config(config)
        assign_all(layout.read_weights(model, file))
        if compile_it and config.get("compile_config"):
            with (
                configuration_errors(),
                _hint("`compile=False` loads the model without what it was compiled with"),
            ):
                model.compile_from_config(config["compile_config"])
                restore_optimizer(model, layout.read_optimizer(file))
        return model


def _from_config(config: Any) -> Any:
    with configuration_errors():
        normal = normalized(config, "model")
        if not isinstance(normal, Mapping):
            raise ValueError("The configuration of a model must be a dictionary.")
        name = normal["class_name"]
        known: Any = find_custom_object(name) or classes("model")[name]
        model = known.from_config(normal["config"])
        build_config = normal.get("build_config")
        if not model.built and isinstance(build_config, Mapping):
            model.build(build_config.get("input_shape"))  # Keras 2 has it nowhere else
        return model


def _write(path: Path_, content: io.BytesIO) -> None:
    with atomic_write(path) as target:
        target.write(content.getbuffer())


def _check_overwrite(path: Path_, overwrite: bool) -> None:
    if not check_bool("overwrite", overwrite) and Path(path).exists():
        raise FileExistsError(f"{os.fspath(path)} exists; `overwrite=True` would replace it.")


@contextlib.contextmanager
def _naming(path: Path_) -> Iterator[None]:
    """Puts the file's name in front of what is wrong with it."""
    try:
        yield
    except MemoryError:
        raise ValueError(f"{os.fspath(path)}: needs more memory than there is.") from None
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error


@contextlib.contextmanager
def configuration_errors() -> Iterator[None]:
    """Makes a ValueError of what classes raise for arguments that are missing or of no type."""
    try:
        yield
    except (AttributeError, KeyError, IndexError, OverflowError, TypeError) as error:
        raise ValueError(f"The configuration cannot be used: {error!r}") from error


@contextlib.contextmanager
def _hint(text: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{error} ({text})") from error
