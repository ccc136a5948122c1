"""Adadelta."""

from __future__ import annotations

from typing import Any

from convlet.optimizers.optimizer import Optimizer
from convlet.optimizers.schedules import LearningRateSchedule
from convlet.utils.validation import check_real


class Adadelta(Optimizer):
    """Adadelta, whose steps have the size of those before.

    `a = rho * a + (1 - rho) * g**2`; `step = sqrt(d + epsilon) * g / sqrt(a + epsilon)`; `d = rho *
    d + (1 - rho) * step**2`; `w -= learning_rate * step` (Zeiler, 2012;
    `keras/src/optimizers/adadelta.py`).

    Args:
        learning_rate: Step size, or a `LearningRateSchedule`.
        rho: Share of the old means that is kept.
        epsilon: Small number that keeps the divisor away from zero.
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

    IDENTIFIER = "adadelta"

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
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
        self.rho = check_real("rho", rho, 0.0, 1.0)
        self.epsilon = check_real("epsilon", epsilon, 0.0)
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
            "rho": self.rho,
            "epsilon": self.epsilon,
        }

    def slot_groups(self) -> list[dict[str, float]]:
        return [{"accumulated_grad": 0.0, "accumulated_delta_var": 0.0}]
