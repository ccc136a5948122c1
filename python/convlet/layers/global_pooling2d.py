"""GlobalAveragePooling2D and GlobalMaxPooling2D."""

from __future__ import annotations

from convlet.layers.global_pooling import GlobalPooling
from convlet.layers.layer import NativeOps, Shape


class GlobalAveragePooling2D(GlobalPooling):
    """Mean of each channel: (n, h, w, c) becomes (n, c).

    Args:
        data_format: `"channels_last"`; nothing else is supported.
        keepdims: Whether the result is (n, 1, 1, c) instead.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def native_ops(self, input_shape: Shape) -> NativeOps:
        window = input_shape[:2]
        pooling = {"pool_size": window, "strides": window, "padding": "valid"}
        return self._shaped([("average_pooling2d", pooling)], input_shape)


class GlobalMaxPooling2D(GlobalPooling):
    """Largest value of each channel: (n, h, w, c) becomes (n, c).

    Equal values share the gradient, as in Keras on TensorFlow.

    Args:
        data_format: `"channels_last"`; nothing else is supported.
        keepdims: Whether the result is (n, 1, 1, c) instead.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def native_ops(self, input_shape: Shape) -> NativeOps:
        return self._shaped([("global_max_pooling2d", {})], input_shape)
