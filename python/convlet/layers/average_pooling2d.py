"""AveragePooling2D."""

from __future__ import annotations

from convlet.layers.pooling import Pooling


class AveragePooling2D(Pooling):
    """Mean of each window.

    Input (n, ih, iw, c), output (n, oh, ow, c), with the output sizes of `Conv2D`. Padding does not
    count: a window at the border is divided by the number of its cells inside the image.

    Args:
        pool_size: Height and width of the window, or one number for both.
        strides: Steps of the window, or one number for both; `None` means `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`; nothing else is supported.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    OP = "average_pooling2d"
    AXES = 2
