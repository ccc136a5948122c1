"""AveragePooling1D."""

from __future__ import annotations

from convlet.layers.pooling import Pooling


class AveragePooling1D(Pooling):
    """Mean of each window.

    Input (n, steps, c), output (n, windows, c), with the output sizes of `Conv1D`. Padding does not
    count: a window at the border is divided by the number of its cells inside the sequence.

    Args:
        pool_size: Length of the window.
        strides: Step of the window; `None` means `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`; nothing else is supported.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    OP = "average_pooling1d"
    AXES = 1
