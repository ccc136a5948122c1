"""RMSprop."""

from __future__ import annotations

from typing import Any

from convlet.optimizers.optimizer import Optimizer
from convlet.optimizers.schedules import LearningRateSchedule
from convlet.utils.validation import check_bool, check_real


class RMSprop(Optimizer):
    """RMSprop as Keras defines it, with epsilon inside the root.

    `v = rho * v + (1 - rho) * g**2`; `d = v + epsilon`, or with `centered` `v - a**2 + epsilon`
    where `a = rho * a + (1 - rho) * g`; `step = learning_rate * g / sqrt(d)`; and `w -= step`,
    or with momentum `m = momentum * m + step; w -= m` (Hinton, 2012;
    `keras/src/optimizers/rmsprop.py`).

    Args:
        learning_rate: Step size, or a `LearningRateSchedule`.
        rho: Share of the old mean of squared gradients that is kept.
        momentum: Share of the last step that is repeated.
        epsilon: Small number that keeps the root away from zero.
        centered: Whether to take the variance of the gradient rather than its mean square.
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

    IDENTIFIER = "rmsprop"

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
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
        self.momentum = check_real("momentum", momentum, 0.0, 1.0)
        self.epsilon = check_real("epsilon", epsilon, 0.0)
        self.centered = check_bool("centered", centered)
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
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }

    def slot_groups(self) -> list[dict[str, float]]:
        groups = [{"velocity": 0.0}]
        if self.momentum > 0:
            groups.append({"momentum": 0.0})
        if self.centered:
            groups.append({"average_gradient": 0.0})
        return groups
