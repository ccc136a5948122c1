"""What the page shows of a network: the probabilities and the response maps of every layer."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from convlet.cli.classifier import as_inputs
from convlet.digits import SIDE, GreyImage, prepare_digit

if TYPE_CHECKING:
    from convlet.model import Model


class DigitObserver:
    """Runs a classifier of MNIST's digits and looks at all its layers.

    Args:
        model: From images of shape (28, 28, 1) to ten probabilities.

    Raises:
        ValueError: If the model is another one.
    """

    def __init__(self, model: Model) -> None:
        from convlet.models import Model as FunctionalModel

        inputs: Any = model
        if tuple(model.input_shape[1:]) != (SIDE, SIDE, 1) or inputs.output_shape[1:] != (10,):
            raise ValueError(
                "The demo needs a model from images of shape (28, 28, 1) to 10 classes, got one "
                f"from {tuple(model.input_shape[1:])} to {tuple(inputs.output_shape[1:])}."
            )
        self._model = model
        outputs = [layer.output for layer in model.layers]
        self._observed: Any = FunctionalModel(inputs.inputs, outputs)
        self.look(np.zeros((1, 1), np.uint8))  # plans the network, so that no stroke waits for it

    def look(self, drawing: npt.NDArray[np.uint8]) -> dict[str, Any]:
        """Classifies a drawing.

        Args:
            drawing: uint8, `(height, width)`.

        Returns:
            `probabilities`, of an empty drawing `None`; `digit`, the class or `None`; `input`,
            what the network sees; `layers`: each one's name, shape and bytes (base64), scaled to
            the layer's largest response.
        """
        digit = prepare_digit(drawing)
        answer: dict[str, Any] = {"input": _as_base64(digit)}
        results = self._observed.predict(as_inputs(self._model, digit[None]), verbose=0)
        arrays = [np.asarray(result)[0] for result in results]
        drawn = bool(digit.any())
        answer["probabilities"] = arrays[-1].tolist() if drawn else None
        answer["digit"] = int(arrays[-1].argmax()) if drawn else None
        answer["layers"] = [
            {"name": layer.name, "shape": array.shape, "data": _as_base64(_as_grey(array))}
            for layer, array in zip(self._model.layers, arrays, strict=True)
        ]
        return answer


def _as_grey(array: npt.NDArray[Any]) -> GreyImage:
    """Scales responses to 0 to 255; maps come first: (filters, height, width)."""
    size = np.abs(array, dtype=np.float32)
    maps = np.moveaxis(size, -1, 0) if array.ndim == 3 else size
    peak = maps.max()
    return np.asarray(np.rint(maps * (255 / peak)) if peak > 0 else maps, np.uint8)


def _as_base64(array: GreyImage) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
