"""GlobalAveragePooling2D and GlobalMaxPooling2D."""

from __future__ import annotations

from typing import Any

from convlet.layers.layer import Layer, NativeOps, Shape
from convlet.utils.validation import check_bool, refuse_unsupported


class _GlobalPooling2D(Layer):
    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        refuse_unsupported(type(self).__name__, {"data_format": (data_format, "channels_last")})
        self.keepdims = check_bool("keepdims", keepdims)

    def _shaped(self, pooling: NativeOps, input_shape: Shape) -> NativeOps:
        if self.keepdims:
            return pooling
        return [*pooling, ("reshape", {"target_shape": input_shape[-1:]})]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "data_format": "channels_last",
            "keepdims": self.keepdims,
        }


class GlobalAveragePooling2D(_GlobalPooling2D):
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


class GlobalMaxPooling2D(_GlobalPooling2D):
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
