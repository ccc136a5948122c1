"""Dtype policies: in what precision layers compute.

`"float32"`, the default, and `"mixed_bfloat16"`: the operands of the products of Conv2D and Dense (activations, weights
and, in training, the gradient of the output) are rounded to bfloat16; sums, activations between layers, weights, gradients
and the optimizer are float32. Unlike Keras's, a layer's output is therefore float32 under both policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from convlet.utils.validation import (
    check_configurable,
    refuse_unsupported,
    split_config,
    suggestion,
)

__all__ = ["DTypePolicy", "deserialize", "dtype_policy", "get", "serialize", "set_dtype_policy"]

# Compute and variable dtype by the policy's name.
_POLICIES = {"float32": ("float32", "float32"), "mixed_bfloat16": ("bfloat16", "float32")}

_REASONS = {
    "mixed_float16": "operands of products are rounded to bfloat16 or not at all",
    "bfloat16": "weights and optimizer are kept in float32; 'mixed_bfloat16' rounds only the operands of products",
}
_OTHER_DTYPES = {
    *("float16", "float64", "float8_e4m3fn", "float8_e5m2", "complex64", "complex128", "bool"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}
_QUANTIZATIONS = ("int8_from_", "int4", "float8_from_", "gptq", "awq")


class DTypePolicy:
    """In what precision a layer computes, and in what it keeps its weights.

    Args:
        name: `"float32"` or `"mixed_bfloat16"`; `None` for the one set with `set_dtype_policy`.

    Raises:
        TypeError: If `name` is no string.
        ValueError: If there is no policy of that name, or convlet does not support it.
    """

    def __init__(self, name: str | None = None) -> None:
        if name is None:
            name = dtype_policy().name
        if not isinstance(name, str):
            raise TypeError(
                "'name' must be a string, such as 'mixed_bfloat16'. "
                f"Received: name={name} (of type {type(name)})"
            )
        if name not in _POLICIES:
            raise ValueError(_refusal(name))
        self._name = name

    @property
    def name(self) -> str:
        """Name of the policy."""
        return self._name

    @property
    def compute_dtype(self) -> str:
        """To what the operands of products are rounded."""
        return _POLICIES[self._name][0]

    @property
    def variable_dtype(self) -> str:
        """Type of the weights: `"float32"`."""
        return _POLICIES[self._name][1]

    @property
    def quantization_mode(self) -> None:
        """`None`: no policy here is quantized."""
        return None

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal policy."""
        return {"name": self._name}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> DTypePolicy:
        """Makes a policy from what `get_config` returned."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DTypePolicy) and self._name == other.name

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return f'<DTypePolicy "{self._name}">'


def dtype_policy() -> DTypePolicy:
    """Returns the policy of layers that are made without a `dtype`, `"float32"` at first."""
    return _current


def set_dtype_policy(policy: str | DTypePolicy) -> None:
    """Sets the policy of layers that are made from now on without a `dtype`.

    Args:
        policy: `"float32"`, `"mixed_bfloat16"` or a `DTypePolicy`.

    Raises:
        ValueError: If it is none of these.
    """
    global _current  # noqa: PLW0603
    if not isinstance(policy, (str, DTypePolicy)):
        raise ValueError(
            "Invalid `policy` argument. Expected the string name of a policy (such as "
            "'mixed_bfloat16') or a `DTypePolicy` instance. "
            f"Received: policy={policy} (of type {type(policy)})"
        )
    _current = get(policy)


def get(identifier: Any) -> DTypePolicy:
    """Returns a policy.

    Args:
        identifier: A policy, its name, its configuration as `serialize` returns it, a dtype such as `numpy.float32`, or
            `None` for the one set with `set_dtype_policy`.

    Raises:
        ValueError: If it is none of these, or a policy that convlet does not support.
    """
    if identifier is None:
        return dtype_policy()
    if isinstance(identifier, DTypePolicy):
        return identifier
    if isinstance(identifier, str):
        return DTypePolicy(identifier)
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    try:
        name = np.dtype(identifier).name
    except TypeError:
        raise ValueError(
            "Cannot interpret `dtype` argument. Expected a string or an instance of DTypePolicy. "
            f"Received: dtype={identifier}"
        ) from None
    return DTypePolicy(name)


def serialize(dtype_policy: DTypePolicy) -> dict[str, Any]:
    """Returns a policy as Keras writes it.

    Args:
        dtype_policy: A policy.

    Returns:
        A dictionary with the keys `"module"`, `"class_name"`, `"config"`, `"registered_name"`.
    """
    check_configurable("dtype_policy", dtype_policy)
    return {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": dtype_policy.get_config(),
        "registered_name": None,
    }


def deserialize(config: Mapping[str, Any], custom_objects: None = None) -> DTypePolicy:
    """Makes a policy from what `serialize` returned, or Keras's equivalent.

    Args:
        config: Dictionary with the keys `"class_name"` and `"config"`.
        custom_objects: `None`; nothing else is supported.

    Raises:
        ValueError: If it is of another form or names a policy that convlet does not support.
    """
    refuse_unsupported("deserialize", {"custom_objects": (custom_objects, None)})
    class_name, arguments = split_config("a dtype policy", config)
    # FloatDTypePolicy: the name of the same class in files of Keras 3.0 to 3.3.
    if class_name not in ("DTypePolicy", "FloatDTypePolicy") or set(arguments) != {"name"}:
        raise ValueError(
            f"The dtype policy {class_name} with the arguments {arguments} is not supported; "
            f"the supported ones are {_supported()}"
        )
    return DTypePolicy(arguments["name"])


def _refusal(name: str) -> str:
    if name in _REASONS:
        return f"DTypePolicy does not support `name={name!r}`: {_REASONS[name]}. Supported: {_supported()}"
    if name in _OTHER_DTYPES or name.startswith(_QUANTIZATIONS):
        return (
            f"DTypePolicy does not support `name={name!r}`: convlet computes in float32, with operands of "
            f"products rounded to bfloat16 at most. Supported: {_supported()}"
        )
    return (
        f"Cannot convert '{name}' to a mixed precision DTypePolicy. "
        f"Valid policies are {_supported()}{suggestion(name, _POLICIES)}"
    )


def _supported() -> str:
    return " and ".join(map(repr, _POLICIES))


_current = DTypePolicy("float32")
