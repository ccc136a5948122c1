"""How the weights of a layer start.

Distributions and fan computation as in `keras/src/initializers`. The random numbers come from
convlet's own generator, so the values differ from Keras's under the same seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet.utils.custom_objects import custom_object_scope, find_custom_object
from convlet.utils.naming import to_snake_case
from convlet.utils.random_state import generator
from convlet.utils.validation import (
    check_choice,
    check_integer,
    check_real,
    look_up,
    refuse_unsupported,
    serialized,
    split_config,
)

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

Shape: TypeAlias = tuple[int, ...]
Array: TypeAlias = npt.NDArray[np.float32]
InitializerFunction: TypeAlias = Callable[..., npt.ArrayLike]

# Standard deviation of a unit normal distribution cut off at two standard deviations.
_MAX_RANK = 32  # NumPy 1's
_TRUNCATED_STDDEV = 0.87962566103423978


class Initializer:
    """Base class: a callable that makes an array of a given shape."""

    def __call__(self, shape: Shape, dtype: str | None = None) -> Array:
        """Makes the values.

        Args:
            shape: Shape of the array.
            dtype: `None` or `"float32"`.

        Returns:
            A float32 array.
        """
        refuse_unsupported(type(self).__name__, {"dtype": (dtype, "float32")})
        values = np.asarray(self.values(tuple(shape)), np.float32)
        return np.array(np.broadcast_to(values, shape), order="C")

    def values(self, shape: Shape) -> npt.ArrayLike:
        """Returns values of the given shape, or ones that broadcast to it."""
        raise NotImplementedError(f"{type(self).__name__} does not define `values`")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal initializer."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Initializer:
        """Makes an initializer from what `get_config` returned.

        Arguments that only newer versions of Keras write are ignored where they are `None`.
        """
        return cls(**{key: value for key, value in config.items() if value is not None})


class Zeros(Initializer):
    """All values 0."""

    def values(self, shape: Shape) -> npt.ArrayLike:  # noqa: ARG002
        return 0.0


class Ones(Initializer):
    """All values 1."""

    def values(self, shape: Shape) -> npt.ArrayLike:  # noqa: ARG002
        return 1.0


class Constant(Initializer):
    """All values the same.

    Args:
        value: A number.
    """

    def __init__(self, value: float = 0.0) -> None:
        self.value = check_real("value", value)

    def values(self, shape: Shape) -> npt.ArrayLike:  # noqa: ARG002
        return self.value

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value}


class Identity(Initializer):
    """The identity matrix, times a number.

    Args:
        gain: The number on the diagonal.
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = check_real("gain", gain)

    def values(self, shape: Shape) -> npt.ArrayLike:
        if len(shape) != 2:
            raise ValueError(
                "Identity matrix initializer can only be used for 2D matrices. "
                f"Received: shape={shape} of rank {len(shape)}."
            )
        return self.gain * np.eye(*shape)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}


class RandomInitializer(Initializer):
    """Base class of the random ones.

    As in Keras, one instance gives the same values at every call, seeded or not; a name such as
    `"glorot_uniform"` stands for a new instance in every layer.

    Args:
        seed: Integer, or `None` to draw one from convlet's generator.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = None if seed is None else check_integer("seed", seed, 0)
        self._seed_in_use = int(generator().integers(2**63)) if self.seed is None else self.seed

    def values(self, shape: Shape) -> npt.ArrayLike:
        return self.draw(np.random.default_rng(self._seed_in_use), shape)

    def draw(self, random: np.random.Generator, shape: Shape) -> npt.ArrayLike:
        """Draws values of the given shape."""
        raise NotImplementedError(f"{type(self).__name__} does not define `draw`")

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}


class RandomNormal(RandomInitializer):
    """Normal distribution.

    Args:
        mean: Mean.
        stddev: Standard deviation.
        seed: Integer or `None`.
    """

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        self.mean = check_real("mean", mean)
        self.stddev = check_real("stddev", stddev, minimum=0.0)
        super().__init__(seed)

    def draw(self, random: np.random.Generator, shape: Shape) -> npt.ArrayLike:
        return random.normal(self.mean, self.stddev, shape)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, **super().get_config()}


class TruncatedNormal(RandomNormal):
    """Normal distribution without the values beyond two standard deviations, which are redrawn.

    Args:
        mean: Mean.
        stddev: Standard deviation before truncation.
        seed: Integer or `None`.
    """

    def draw(self, random: np.random.Generator, shape: Shape) -> npt.ArrayLike:
        return self.mean + self.stddev * _truncated_unit_normal(random, shape)


class RandomUniform(RandomInitializer):
    """Uniform distribution over [minval, maxval).

    Args:
        minval: Lower bound.
        maxval: Upper bound.
        seed: Integer or `None`.
    """

    def __init__(
        self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None
    ) -> None:
        self.minval = check_real("minval", minval)
        self.maxval = check_real("maxval", maxval, minimum=self.minval)
        super().__init__(seed)

    def draw(self, random: np.random.Generator, shape: Shape) -> npt.ArrayLike:
        return random.uniform(self.minval, self.maxval, shape)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, **super().get_config()}


class VarianceScaling(RandomInitializer):
    """Variance `scale / n`, with n the number of a weight's inputs, outputs, or their mean.

    Uniform: over [-limit, limit) with `limit = sqrt(3 * scale / n)`. Truncated normal: with
    `stddev = sqrt(scale / n) / 0.8796`, so that the variance after truncation is `scale / n`.

    Args:
        scale: Positive number.
        mode: `"fan_in"`, `"fan_out"` or `"fan_avg"`.
        distribution: `"truncated_normal"`, `"untruncated_normal"` or `"uniform"`.
        seed: Integer or `None`.
        input_axes: The axes whose sizes, multiplied, are the number of inputs; with `output_axes`,
            or else `compute_fans` tells.
        output_axes: The same for the number of outputs.
    """

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        self.scale = check_real("scale", scale)
        if self.scale <= 0:
            raise ValueError(f"Argument `scale` must be positive float. Received: scale={scale}")
        self.mode = check_choice("mode", mode, ("fan_in", "fan_out", "fan_avg"))
        self.distribution = check_choice(
            "distribution", distribution, ("truncated_normal", "untruncated_normal", "uniform")
        )
        self.input_axes = _checked_axes("input_axes", input_axes)
        self.output_axes = _checked_axes("output_axes", output_axes)
        super().__init__(seed)

    def draw(self, random: np.random.Generator, shape: Shape) -> npt.ArrayLike:
        fan_in, fan_out = compute_fans(shape, self.input_axes, self.output_axes)
        fans = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}
        variance = self.scale / max(1.0, fans[self.mode])
        if self.distribution == "uniform":
            limit = math.sqrt(3.0 * variance)
            return random.uniform(-limit, limit, shape)
        if self.distribution == "untruncated_normal":
            return random.normal(0.0, math.sqrt(variance), shape)
        stddev = math.sqrt(variance) / _TRUNCATED_STDDEV
        return stddev * _truncated_unit_normal(random, shape)

    def get_config(self) -> dict[str, Any]:
        return {
            "scale": self.scale,
            "mode": self.mode,
            "distribution": self.distribution,
            **super().get_config(),
            **self._axes_config(),
        }

    def _axes_config(self) -> dict[str, Any]:
        """Only those that are given: Keras before 3.15 knows neither."""
        axes = {"input_axes": self.input_axes, "output_axes": self.output_axes}
        return {name: value for name, value in axes.items() if value is not None}


class _NamedVarianceScaling(VarianceScaling):
    """A variance scaling that has a name of its own: only seed and axes are left to choose."""

    SCALE: float
    MODE: str
    DISTRIBUTION: str

    def __init__(
        self,
        seed: int | None = None,
        input_axes: Sequence[int] | None = None,
        output_axes: Sequence[int] | None = None,
    ) -> None:
        super().__init__(self.SCALE, self.MODE, self.DISTRIBUTION, seed, input_axes, output_axes)

    def get_config(self) -> dict[str, Any]:
        return {**RandomInitializer.get_config(self), **self._axes_config()}


class GlorotUniform(_NamedVarianceScaling):
    """Uniform with limit `sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio, 2010, eq. 16).

    Args:
        seed: Integer or `None`.
        input_axes, output_axes: As of `VarianceScaling`.
    """

    SCALE, MODE, DISTRIBUTION = 1.0, "fan_avg", "uniform"


class GlorotNormal(_NamedVarianceScaling):
    """Truncated normal with variance `2 / (fan_in + fan_out)` (Glorot and Bengio, 2010).

    Args:
        seed: Integer or `None`.
        input_axes, output_axes: As of `VarianceScaling`.
    """

    SCALE, MODE, DISTRIBUTION = 1.0, "fan_avg", "truncated_normal"


class HeUniform(_NamedVarianceScaling):
    """Uniform with limit `sqrt(6 / fan_in)` (He et al., 2015).

    Args:
        seed: Integer or `None`.
        input_axes, output_axes: As of `VarianceScaling`.
    """

    SCALE, MODE, DISTRIBUTION = 2.0, "fan_in", "uniform"


class HeNormal(_NamedVarianceScaling):
    """Truncated normal with variance `2 / fan_in` (He et al., 2015, eq. 10).

    Args:
        seed: Integer or `None`.
        input_axes, output_axes: As of `VarianceScaling`.
    """

    SCALE, MODE, DISTRIBUTION = 2.0, "fan_in", "truncated_normal"


class LecunUniform(_NamedVarianceScaling):
    """Uniform with limit `sqrt(3 / fan_in)` (LeCun et al., 1998).

    Args:
        seed: Integer or `None`.
        input_axes, output_axes: As of `VarianceScaling`.
    """

    SCALE, MODE, DISTRIBUTION = 1.0, "fan_in", "uniform"


class LecunNormal(_NamedVarianceScaling):
    """Truncated normal with variance `1 / fan_in` (LeCun et al., 1998, eq. 16).

    Args:
        seed: Integer or `None`.
        input_axes, output_axes: As of `VarianceScaling`.
    """

    SCALE, MODE, DISTRIBUTION = 1.0, "fan_in", "truncated_normal"


class Orthogonal(RandomInitializer):
    """An orthogonal matrix, uniformly distributed (Saxe et al., 2014).

    The weight is taken as a matrix of as many columns as its last axis is long. Its columns are
    orthogonal, or its rows where it has fewer rows than columns. (The Q of a QR decomposition of
    normal numbers, with the signs of R's diagonal: Mezzadri, 2007.)

    Args:
        gain: Length of the columns or rows.
        seed: Integer or `None`.
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        self.gain = check_real("gain", gain)
        super().__init__(seed)

    def draw(self, random: np.random.Generator, shape: Shape) -> npt.ArrayLike:
        if len(shape) < 2:
            raise ValueError(
                "The tensor to initialize must be at least two-dimensional. Received: "
                f"shape={shape} of rank {len(shape)}."
            )
        rows, columns = math.prod(shape[:-1]), shape[-1]
        tall = random.standard_normal((max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(tall)
        q *= np.sign(np.diag(r))
        return self.gain * (q if rows >= columns else q.T).reshape(shape)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, **super().get_config()}


# Keras exports every class under its snake-case name too.
constant = Constant
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
identity = IdentityInitializer = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
ones = Ones
orthogonal = OrthogonalInitializer = Orthogonal
random_normal = RandomNormal
random_uniform = RandomUniform
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
zeros = Zeros

_CLASSES: tuple[type[Initializer], ...] = (
    Constant,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Identity,
    LecunNormal,
    LecunUniform,
    Ones,
    Orthogonal,
    RandomNormal,
    RandomUniform,
    TruncatedNormal,
    VarianceScaling,
    Zeros,
)
_BY_NAME: dict[str, type[Initializer]] = {
    **{to_snake_case(known.__name__): known for known in _CLASSES},
    **{known.__name__: known for known in _CLASSES},
    "IdentityInitializer": Identity,
    "OrthogonalInitializer": Orthogonal,
    "normal": RandomNormal,
    "one": Ones,
    "uniform": RandomUniform,
    "zero": Zeros,
}


def get(identifier: Any) -> InitializerFunction:
    """Returns the initializer that an identifier stands for.

    Args:
        identifier: Name of a class, in either spelling; configuration dictionary; class;
            instance; or any callable with the signature `f(shape, dtype=None)`.

    Raises:
        ValueError: If it stands for none.
    """
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, str):
        return _by_name(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Initializer):
        return identifier()
    if callable(identifier) and not isinstance(identifier, type):
        return identifier  # type: ignore[no-any-return]
    initializer: Initializer = look_up("initializer", identifier, _BY_NAME)()
    return initializer


def serialize(initializer: InitializerFunction) -> dict[str, Any]:
    """Returns the configuration of an initializer as Keras writes it.

    Raises:
        ValueError: If it is a function: code is never written to a file.
    """
    if not isinstance(initializer, Initializer):
        raise ValueError(
            "Only instances of `convlet.initializers.Initializer` have a configuration. "
            f"Received: {initializer}"
        )
    return serialized("initializer", initializer, "keras.initializers")


def deserialize(
    config: Mapping[str, Any] | str, custom_objects: Mapping[str, Any] | None = None
) -> InitializerFunction:
    """Makes an initializer from its configuration.

    Args:
        config: Dictionary with the keys `"class_name"` and `"config"`, or a name.
        custom_objects: Dictionary from names in it to classes or functions of the caller.

    Raises:
        ValueError: If the class is unknown.
    """
    with custom_object_scope(custom_objects):
        if isinstance(config, str):
            return _by_name(config)
        class_name, arguments = split_config("an initializer", config)
        known: type[Initializer] = look_up("initializer", class_name, _BY_NAME)
        return known.from_config(arguments)


def _by_name(name: str) -> InitializerFunction:
    custom = find_custom_object(name)
    if custom is not None and not isinstance(custom, type):
        return custom  # type: ignore[no-any-return]
    initializer: Initializer = look_up("initializer", name, _BY_NAME)()
    return initializer


def compute_fans(
    shape: Shape,
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> tuple[int, int]:
    """Returns the numbers of inputs and outputs of a weight of the given shape.

    A convolution kernel (kh, kw, ic, oc) has `kh * kw * ic` inputs and `kh * kw * oc` outputs. If
    both axes are given, they tell instead.

    Raises:
        ValueError: If the shape has no such axis.
    """
    if input_axes is not None and output_axes is not None:
        try:
            inputs, outputs = ([shape[i] for i in axes] for axes in (input_axes, output_axes))
        except IndexError:
            raise ValueError(
                "`input_axes` and `output_axes` must be axes of the weight. "
                f"Received: {input_axes}, {output_axes} for shape={tuple(shape)}"
            ) from None
        return math.prod(inputs), math.prod(outputs)
    if len(shape) < 2:
        fan = shape[0] if shape else 1
        return fan, fan
    receptive_field = math.prod(shape[:-2])
    return receptive_field * shape[-2], receptive_field * shape[-1]


def _checked_axes(name: str, axes: Sequence[int] | None) -> list[int] | None:
    return (
        None
        if axes is None
        else [check_integer(name, axis, -_MAX_RANK, _MAX_RANK - 1) for axis in axes]
    )


def _truncated_unit_normal(random: np.random.Generator, shape: Shape) -> npt.NDArray[np.float64]:
    values = random.standard_normal(shape)
    outside = np.abs(values) > 2.0
    while outside.any():
        values[outside] = random.standard_normal(int(outside.sum()))
        outside = np.abs(values) > 2.0
    return values
