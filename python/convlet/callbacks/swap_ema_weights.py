"""SwapEMAWeights: evaluates with the optimizer's moving average of the weights."""

from __future__ import annotations

from typing import Any

from convlet.callbacks.callback import Callback, Logs
from convlet.callbacks.learning_rate_scheduler import optimizer_of
from convlet.utils.validation import check_bool


class SwapEMAWeights(Callback):
    """Puts the optimizer's moving average of the weights into the model where it is evaluated.

    Before an evaluation or prediction weights and averages change places, and again behind it. The
    optimizer must have `use_ema=True`.

    Args:
        swap_on_epoch: Whether they also change places at the end of an epoch, before the callbacks
            behind this one in the list, and again at the start of the next.
    """

    def __init__(self, swap_on_epoch: bool = False) -> None:
        super().__init__()
        self.swap_on_epoch = check_bool("swap_on_epoch", swap_on_epoch)
        self._averages_in_model = False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        if self.swap_on_epoch:
            self._swap(averages_in_model=False)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        if not self.swap_on_epoch:
            return
        self._swap(averages_in_model=True)
        if epoch == (self.params or {}).get("epochs", 0) - 1:
            # `fit` ends with the averages replacing the weights: what is in the model stays.
            for weight, average in self._pairs():
                average.assign(weight.numpy())

    def on_test_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._swap(averages_in_model=True)

    def on_test_end(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._swap(averages_in_model=False)

    def on_predict_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._swap(averages_in_model=True)

    def on_predict_end(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._swap(averages_in_model=False)

    def _swap(self, averages_in_model: bool) -> None:
        if averages_in_model == self._averages_in_model:
            return
        for weight, average in self._pairs():
            value = weight.numpy()
            weight.assign(average.numpy())
            average.assign(value)
        self._averages_in_model = averages_in_model

    def _pairs(self) -> list[tuple[Any, Any]]:
        """Returns each weight with its moving average, one of the optimizer's variables."""
        optimizer: Any = optimizer_of(self)
        if not getattr(optimizer, "use_ema", False) or self.model is None:
            raise ValueError(
                "SwapEMAWeights must be used when `use_ema=True` is set on the optimizer. "
                f"Received: use_ema={getattr(optimizer, 'use_ema', False)}"
            )
        averages = {variable.name: variable for variable in optimizer.variables}
        return [
            (weight, averages[f"{weight.path.replace('/', '_')}_average"])
            for weight in self.model.trainable_weights
        ]
