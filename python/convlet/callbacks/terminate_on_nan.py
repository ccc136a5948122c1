"""TerminateOnNaN: ends training when the loss is no longer a number."""

from __future__ import annotations

import math

from convlet.callbacks.callback import Callback, Logs
from convlet.utils.interactive import print_message
from convlet.utils.validation import check_bool


class TerminateOnNaN(Callback):
    """Ends training when the loss becomes NaN or infinite.

    It looks at the loss after every batch, which makes training return to Python that often.

    Args:
        raise_error: Whether to raise a RuntimeError rather than to end training with a message.
    """

    def __init__(self, raise_error: bool = False) -> None:
        super().__init__()
        self.raise_error = check_bool("raise_error", raise_error)

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"NaN or Inf loss encountered at batch {batch}. Loss value: {loss}. "
                "Terminating training immediately."
            )
        print_message(f"Batch {batch}: Invalid loss, terminating training")
        if self.model is not None:
            self.model.stop_training = True
