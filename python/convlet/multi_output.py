"""MultiOutput: a functional model with several outputs, which predicts only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from convlet.functional import Functional, checked_tensors
from convlet.layers.flatten import Flatten
from convlet.layers.keras_tensor import KerasTensor, is_symbolic
from convlet.layers.layer import Layer, without_batch_axis
from convlet.layers.merge import Concatenate
from convlet.utils.naming import auto_name


def has_several(outputs: Any) -> bool:
    """Tells whether these are the outputs of a `MultiOutput`: a longer list, or a dictionary."""
    return isinstance(outputs, Mapping) or (isinstance(outputs, (list, tuple)) and len(outputs) > 1)


class MultiOutput(Functional):
    """A model that shows what several layers make of an input, `Model(inputs, [a, b])`.

    ```python
    features = Model(model.inputs, [layer.output for layer in model.layers])
    first, *others = features.predict(images)
    ```

    It has the layers, and so the weights, of the model that the outputs come from. It is not
    compiled, trained, saved or called as a layer. The compiled code returns the outputs of a row
    side by side, in one pass.

    Args:
        inputs: A symbolic tensor, or a list of one.
        outputs: List of symbolic tensors, or a dictionary of them; results have the same form.
        name: Name, or `None` for an automatic one.
        trainable: Whether training another model changes the weights.

    Raises:
        ValueError: If a `Functional` of one of them would be refused, or there is no output.
    """

    def __init__(
        self, inputs: Any, outputs: Any, name: str | None = None, trainable: bool = True
    ) -> None:
        self._names = list(outputs) if isinstance(outputs, Mapping) else None
        values = list(outputs.values()) if isinstance(outputs, Mapping) else outputs
        tensors = checked_tensors("outputs", values)
        # Their names are none that Keras gives, so that those go on as if they were not there.
        flat = [Flatten(name=f"_row_{i}")(tensor) for i, tensor in enumerate(tensors)]
        joined = Concatenate(name="_rows")(flat)
        super().__init__(inputs, joined, name or auto_name("Functional"), trainable)
        self._added = [layer for tensor in (*flat, joined) if (layer := tensor.layer)]
        self._layers = [layer for layer in self._layers if layer not in self._added]
        self._shown = [tensor for tensor in self._tensors if tensor.layer not in self._added]
        self._outputs = tensors

    @property
    def outputs(self) -> list[KerasTensor]:
        """The symbolic tensors the model makes."""
        return list(self._outputs)

    @property
    def output(self) -> Any:
        """The symbolic tensors the model makes, in the form they were given in."""
        return self._formed(self._outputs)

    @property
    def output_shape(self) -> Any:
        """Shapes of the outputs, batch axis first, in the form the outputs were given in."""
        return self._formed([tensor.shape for tensor in self._outputs])

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Any:
        """Returns the shapes of the outputs, batch axis first."""
        super().compute_output_shape(input_shape)
        return self.output_shape

    def leaves(self, trainable: bool = True) -> list[tuple[Layer, bool]]:
        return [*super().leaves(trainable), *((layer, False) for layer in self._added)]

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Computes the outputs; arguments are those of `Functional.predict`.

        Returns:
            One float32 array for each output, in a list or a dictionary.
        """
        return self._parted(super().predict(*args, **kwargs))

    def predict_on_batch(self, x: Any) -> Any:
        """Computes the outputs for one batch, in the form of `predict`."""
        return self._parted(super().predict_on_batch(x))

    def __call__(self, inputs: Any, training: bool | None = None) -> Any:
        """Computes the outputs for an array, in the form of `predict`.

        Raises:
            ValueError: If the input is a symbolic tensor.
        """
        if is_symbolic(inputs):
            self._refuse("be called on symbolic tensors")
        result = super().__call__(inputs, training)
        return self._parted(result) if isinstance(result, np.ndarray) else result

    def compile(self, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG002
        """Refused."""
        self._refuse("be compiled")

    def get_config(self) -> NoReturn:
        """Refused."""
        self._refuse("be saved or copied")

    def export(self, *args: Any, **kwargs: Any) -> NoReturn:  # noqa: ARG002
        """Refused."""
        self._refuse("be exported")

    def __repr__(self) -> str:
        return f"<Functional name={self.name}, built={self.built}>"

    def _refuse(self, what: str) -> NoReturn:
        raise ValueError(
            f"Model '{self.name}' has several outputs and cannot {what}: such a model is supported "
            "for prediction only"
        )

    def _parted(self, rows: npt.NDArray[np.float32]) -> Any:
        shapes = [without_batch_axis(tensor.shape) for tensor in self._outputs]
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        parts = np.split(rows, ends[:-1], axis=1)
        return self._formed(
            [
                np.ascontiguousarray(part).reshape(len(rows), *shape)
                for part, shape in zip(parts, shapes, strict=True)
            ]
        )

    def _formed(self, values: list[Any]) -> Any:
        return values if self._names is None else dict(zip(self._names, values, strict=True))
