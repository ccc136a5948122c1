"""Identity."""

from __future__ import annotations

from convlet.layers.layer import Layer, NativeOps, Shape


class Identity(Layer):
    """Gives back what it is given, and costs nothing: a placeholder.

    Args:
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown.
    """

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        return []
