"""What a model has to do with files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from convlet.layers.layer import Layer

if TYPE_CHECKING:
    from convlet.distribution.processes import Processes
    from convlet.layers.keras_tensor import KerasTensor
    from convlet.optimizers import Optimizer


class Saveable(Layer):
    """A layer that can be written to files: the base class of all models."""

    if TYPE_CHECKING:  # what files need to know of a model
        optimizer: Optimizer | None
        processes: Processes

        @property
        def layers(self) -> list[Layer]: ...
        @property
        def inputs(self) -> list[KerasTensor]: ...
        @property
        def compiled(self) -> bool: ...
        def get_compile_config(self) -> dict[str, Any]: ...
        def compile_from_config(self, config: Mapping[str, Any]) -> None: ...
        def prepare_training(self) -> None: ...

    def save(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        zipped: bool | None = None,
        include_optimizer: bool = True,
    ) -> None:
        """Writes the whole model: its layers, weights, and what it was compiled with.

        The file appears whole or not at all, and every Keras 3 can open it. Only a Nadam, and an
        optimizer with both `use_ema` and `gradient_accumulation_steps`, need Keras 3.12 or later.

        Args:
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
        from convlet.saving import api

        api.save_model(self, filepath, overwrite, zipped, include_optimizer)

    def save_weights(
        self,
        filepath: str | os.PathLike[str],
        overwrite: bool = True,
        max_shard_size: float | None = None,
    ) -> None:
        """Writes the weights, and the optimizer's state if there is one, to a `.weights.h5` file.

        The file appears whole or not at all, and Keras can read it.

        Args:
            filepath: Path of the file; the name must end in `.weights.h5`.
            overwrite: Whether a file of that name may be replaced.
        max_shard_size: `None`, one file; nothing else is supported.

        Raises:
            ValueError: If the name ends otherwise or the model has not been built.
            FileExistsError: If the file exists and `overwrite` is false.
            OSError: If the file cannot be written.
        """
        from convlet.saving import api

        api.save_weights(self, filepath, overwrite, max_shard_size)

    def load_weights(self, filepath: str | os.PathLike[str], skip_mismatch: bool = False) -> None:
        """Reads the weights from a file that convlet or Keras has written.

        The optimizer's state is read too, if the file has it and it fits the model's optimizer.

        Args:
            filepath: Path of the file: `.weights.h5`; or `.keras` or `.h5`, whose configuration
                is then left aside.
            skip_mismatch: Whether to leave layers as they are whose weights do not fit, with a
                warning.

        Raises:
            ValueError: If the name ends otherwise, the model has not been built, or the file is
                broken, unsafe or of another model; the model is as before then.
            OSError: If the file cannot be read.
        """
        from convlet.saving import api

        api.load_weights(self, filepath, skip_mismatch)

    def __reduce__(self) -> Any:
        """Makes `pickle` and `copy` go through the bytes of a `.keras` file, as in Keras."""
        from convlet.saving.pickling import reduce_model

        return reduce_model(self)

    def to_json(self) -> str:
        """Returns the configuration as JSON, for `convlet.models.model_from_json`.

        Raises:
            ValueError: If a name or a part of the model cannot be in a file.
        """
        from convlet.saving import api

        return api.to_json(self)

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "onnx",  # noqa: A002 (Keras's name)
        verbose: bool | None = None,
        **options: Any,
    ) -> None:
        """Writes the model for inference elsewhere, as ONNX.

        Input and output are those of `predict`: float32, channels last, with any number of rows.
        Needs the package `onnx`: `pip install convlet[onnx]`.

        Args:
            filepath: Path of the file.
            format: `"onnx"`; nothing else is supported.
            verbose: Whether to say where the file was written; `None` means yes.
            **options: `opset_version`: 17; nothing else is supported.

        Raises:
            ImportError: If the package `onnx` is not installed.
            ValueError: If the model has not been built, a layer cannot be expressed in ONNX, or
                an option is not supported.
            OSError: If the file cannot be written.
        """
        from convlet.export.onnx_file import export_onnx

        export_onnx(self, filepath, format, verbose, options)
