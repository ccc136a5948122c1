"""Settings for all of convlet."""

from __future__ import annotations

from convlet.dtype_policies import dtype_policy, set_dtype_policy
from convlet.utils.interactive import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)
from convlet.utils.validation import check_real, suggestion

__all__ = [
    "backend",
    "disable_interactive_logging",
    "dtype_policy",
    "enable_interactive_logging",
    "enable_op_determinism",
    "epsilon",
    "floatx",
    "image_data_format",
    "is_interactive_logging_enabled",
    "set_dtype_policy",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
]

# What Keras calls the "fuzz factor"; the compiled losses have it built in.
_EPSILON = 1e-7

# Parts of a batch that are summed in a fixed order: enough for as many threads, and few enough to
# cost little with one.
DETERMINISTIC_SHARES = 4


def backend() -> str:
    """Returns what does the computing: `"convlet"`."""
    return "convlet"


def enable_op_determinism() -> None:
    """Makes results the same bits at any number of threads, too, until the process ends.

    With the same seed, data and instruction set they are the same bits at the same number of
    threads anyway. With this, every batch is cut into four parts whose sums are added in a fixed
    order, and so no more than four threads work. bench/determinism.py measures what it costs.

    Named after TensorFlow's `tf.config.experimental.enable_op_determinism`.
    """
    from convlet._native import core

    core.set_fixed_shares(DETERMINISTIC_SHARES)


def floatx() -> str:
    """Returns the type of all weights and results: `"float32"`."""
    return "float32"


def set_floatx(value: str) -> None:
    """Accepts `"float32"`.

    Raises:
        ValueError: If it is something else.
    """
    _accept("floatx", value, "float32")


def image_data_format() -> str:
    """Returns the order of an image's axes: `"channels_last"`."""
    return "channels_last"


def set_image_data_format(data_format: str) -> None:
    """Accepts `"channels_last"`.

    Raises:
        ValueError: If it is something else.
    """
    _accept("image_data_format", data_format, "channels_last")


def epsilon() -> float:
    """Returns the small number that keeps logarithms and quotients finite: 1e-7."""
    return _EPSILON


def set_epsilon(value: float) -> None:
    """Accepts 1e-7: the compiled losses have it built in.

    Raises:
        ValueError: If it is something else.
    """
    if check_real("value", value) != _EPSILON:
        raise ValueError(
            f"convlet does not support `set_epsilon({value!r})`; the only supported value is "
            f"{_EPSILON!r}"
        )


def _accept(name: str, value: object, supported: str) -> None:
    if value != supported:
        raise ValueError(
            f"convlet does not support `set_{name}({value!r})`; the only supported value is "
            f"{supported!r}{suggestion(value, [supported])}"
        )
