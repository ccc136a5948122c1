"""SGD."""

from __future__ import annotations

from typing import Any

from convlet.optimizers.optimizer import Optimizer
from convlet.optimizers.schedules import LearningRateSchedule
from convlet.utils.validation import check_bool, check_real


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for.

    `w -= learning_rate * g`, or with momentum `m = momentum * m - learning_rate * g; w += m`, with
    `nesterov` `w += momentum * m - learning_rate * g` (Sutskever et al., 2013;
    `keras/src/optimizers/sgd.py`).

    Args:
        learning_rate: Step size, or a `LearningRateSchedule`.
        momentum: Share of the last step that is repeated, from 0 to 1.
        nesterov: Whether to look one step of momentum ahead.
        weight_decay: See `Optimizer`, as for all that follow.
        clipnorm: See `Optimizer`.
        clipvalue: See `Optimizer`.
        global_clipnorm: See `Optimizer`.
        use_ema: See `Optimizer`.
        ema_momentum: See `Optimizer`.
        ema_overwrite_frequency: See `Optimizer`.
        loss_scale_factor: See `Optimizer`.
        gradient_accumulation_steps: See `Optimizer`.
        name: Name, or `None` for an automatic one.
        **kwargs: Nothing; a name that is not above is refused.

    Raises:
        ValueError: If an option is unknown or out of range.
    """

    IDENTIFIER = "sgd"

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.momentum = check_real("momentum", momentum, 0.0, 1.0)
        self.nesterov = check_bool("nesterov", nesterov)
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
            name=name,
            **kwargs,
        )

    def constants(self) -> dict[str, Any]:
        return {
            "momentum": self.momentum,
            "nesterov": self.nesterov,
        }

    def slot_groups(self) -> list[dict[str, float]]:
        return [{"momentum": 0.0}] if self.momentum != 0 else []
