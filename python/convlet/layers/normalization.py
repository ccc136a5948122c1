"""Normalization: by a mean and a variance that were given, or found in data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convlet import initializers
from convlet.initializers import InitializerFunction
from convlet.layers.layer import Layer, NativeOps, Shape
from convlet.utils.validation import check_bool, check_integer

_MOST_AXES = 64  # numpy's limit
_ROWS_AT_ONCE = 256  # of an array that `adapt` reads: their float64 copies are small


class Normalization(Layer):
    """Shifts and scales to mean 0 and variance 1: `(x - mean) / max(sqrt(variance), 1e-7)`.

    Mean and variance are given, or found by `adapt`; then they are weights, which training does not
    change. (`keras/src/layers/preprocessing/normalization.py`)

    Args:
        axis: The axis, or tuple of axes, along which each place has a mean and a variance of its
            own; `None` for one of all. The batch axis is not supported.
        mean: The mean, a number or as many as there are places, or such that numpy's rules
            stretch to them; `None` for `adapt`.
        variance: The variance, of the shape of `mean`.
        invert: Whether to go back instead: `mean + x * max(sqrt(variance), 1e-7)`.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown or has no meaning.
    """

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        axes = () if axis is None else axis if isinstance(axis, (list, tuple)) else (axis,)
        self.axis = tuple(check_integer("axis", item, -_MOST_AXES, _MOST_AXES) for item in axes)
        self.invert = check_bool("invert", invert)
        self.input_mean = _numbers("mean", mean)
        self.input_variance = _numbers("variance", variance)
        self._check_given()

    def native_ops(self, input_shape: Shape) -> NativeOps:
        kept = self._kept_axes(input_shape)
        attributes: dict[str, Any] = {"axis": kept, "invert": self.invert}
        if self.input_mean is not None:
            shape = tuple(input_shape[axis - 1] for axis in kept)
            attributes["mean"] = _stretched("mean", self.input_mean, shape)
            attributes["variance"] = _stretched("variance", self.input_variance, shape)
        return [("normalization", attributes)]

    def initializers(self) -> Mapping[str, InitializerFunction]:
        zeros, ones = initializers.Zeros(), initializers.Ones()
        return {"mean": zeros, "variance": ones, "count": zeros}

    def adapt(self, data: Any) -> None:
        """Finds mean and (biased) variance in data, and makes them the layer's weights.

        Sums are of float64, so that neither depends on how the data is cut into batches.

        Args:
            data: Array with the batch axis first, or an iterable of such arrays; of a tuple in it
                the first item counts.

        Raises:
            TypeError: If it is, or has in it, something else.
            ValueError: If the layer was given a mean, the data is empty or its shape is not the
                one that the layer is built for.
        """
        if self.input_mean is not None:
            raise ValueError(
                f"Layer '{self.name}' was given `mean` and `variance`; `adapt()` finds them only "
                "where they are `None`."
            )
        count, mean, square = 0.0, np.zeros(()), np.zeros(())
        for batch in _batches(data):
            if not count:
                self.build((None, *batch.shape[1:]))
            axes = self._reduced_axes(batch.shape)
            values = batch.astype(np.float64)
            more = float(np.prod([values.shape[axis] for axis in axes]))
            of_batch = values.mean(axis=axes, keepdims=True)
            of_squares = np.square(values - of_batch).sum(axis=axes)
            of_batch = of_batch.squeeze(axes)
            # Chan, Golub and LeVeque, "Algorithms for computing the sample variance", eq. 2.1.
            apart = of_batch - mean
            mean = mean + apart * (more / (count + more))
            square = square + of_squares + apart**2 * (count * more / (count + more))
            count += more
        if not count:
            raise ValueError(
                "adapt() received an empty iterable (no batches). Expected at least one batch."
            )
        self._weights[0].assign(mean)
        self._weights[1].assign(square / count)

    def get_config(self) -> dict[str, Any]:
        given = {"mean": self.input_mean, "variance": self.input_variance}
        return {
            **super().get_config(),
            "axis": self.axis,
            "invert": self.invert,
            **{name: None if value is None else value.tolist() for name, value in given.items()},
        }

    def _check_given(self) -> None:
        mean, variance = self.input_mean, self.input_variance
        if mean is None or variance is None:
            if mean is not variance:
                raise ValueError(
                    "When setting values directly, both `mean` and `variance` must be set. "
                    f"Received: mean={mean} and variance={variance}"
                )
            return
        if mean.shape != variance.shape:
            raise ValueError(
                "When setting values directly, `mean` and `variance` must have the same shape. "
                f"Received: mean shape {mean.shape} and variance shape {variance.shape}"
            )
        if mean.ndim > len(self.axis):
            raise ValueError(
                "The rank of `mean` must be less than or equal to the number of axes "
                f"({len(self.axis)}). Received: mean shape {mean.shape} for axis {self.axis}"
            )

    def _kept_axes(self, input_shape: Sequence[int]) -> tuple[int, ...]:
        rank = len(input_shape) + 1
        if not all(-rank <= axis < rank for axis in self.axis):
            raise ValueError(
                "All `axis` values must be in the range [-ndim, ndim). "
                f"Received inputs with ndim={rank}, while axis={self.axis}"
            )
        kept = tuple(sorted({axis % rank for axis in self.axis}))
        if 0 in kept:
            raise ValueError(
                f"Normalization does not support `axis={self.axis}` for such an input; the batch "
                "axis cannot have statistics of its own"
            )
        return kept

    def _reduced_axes(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the axes of a batch that share a mean, if the batch is one for this layer."""
        kept = self._kept_axes(shape[1:])
        if tuple(shape[axis] for axis in kept) != self._weights[0].shape:
            raise ValueError(
                f"Layer '{self.name}' has a mean of shape {self._weights[0].shape}, but adapt() is "
                f"being called with data with an incompatible shape, data.shape={shape}"
            )
        return tuple(axis for axis in range(len(shape)) if axis not in kept)


def _numbers(name: str, value: Any) -> npt.NDArray[Any] | None:
    if value is None:
        return None
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise ValueError(f"`{name}` must be finite numbers or None. Received: {name}={value!r}")
    return array


def _stretched(name: str, value: Any, shape: Shape) -> tuple[float, ...]:
    try:
        return tuple(np.broadcast_to(value, shape).astype(np.float64).ravel().tolist())
    except ValueError:
        raise ValueError(
            f"`{name}` must have a shape that can be stretched to {shape}, that of the axes of "
            f"the input. Received: {name} of shape {np.shape(value)}"
        ) from None


def _batches(data: Any) -> Iterator[npt.NDArray[Any]]:
    if isinstance(data, np.ndarray):
        data = [data]
    if not isinstance(data, Iterable) or isinstance(data, (str, bytes, Mapping)):
        raise TypeError(
            f"Unsupported data type: {type(data)}. `adapt` supports `np.ndarray` and iterables of "
            "batches (e.g. list, generator)."
        )
    for item in data:
        batch = item[0] if isinstance(item, tuple) else item
        if getattr(batch, "shape", None) is None:
            raise TypeError(
                "adapt() expects an iterable that yields arrays or tensors with a `.shape` "
                f"attribute (e.g. numpy arrays). Got an element of type {type(batch).__name__}."
            )
        array = np.asarray(batch)
        if array.dtype.kind not in "biuf":
            raise ValueError(f"`data` must be real numbers. Received: dtype={array.dtype}")
        for begin in range(0, len(array), _ROWS_AT_ONCE):
            yield array[begin : begin + _ROWS_AT_ONCE]
