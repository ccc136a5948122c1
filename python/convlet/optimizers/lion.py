"""Lion."""

from __future__ import annotations

from typing import Any

from convlet.optimizers.optimizer import Optimizer
from convlet.optimizers.schedules import LearningRateSchedule
from convlet.utils.validation import check_real


class Lion(Optimizer):
    """Lion, whose steps are all of the same size.

    `w -= learning_rate * sign(beta_1 * m + (1 - beta_1) * g)`; `m = beta_2 * m + (1 - beta_2) * g`
    (Chen et al., 2023; `keras/src/optimizers/lion.py`).

    Args:
        learning_rate: Step size, or a `LearningRateSchedule`.
        beta_1: Share of the mean of gradients in a step, greater than 0.
        beta_2: Share of the old mean of gradients that is kept.
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

    IDENTIFIER = "lion"

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.99,
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
        self.beta_1 = check_real("beta_1", beta_1, 0.0, 1.0)
        self.beta_2 = check_real("beta_2", beta_2, 0.0, 1.0)
        if self.beta_1 == 0.0:
            raise ValueError(
                "Argument `beta_1` must be in the [0, 1] range. Otherwise, the optimizer degenerates "
                f"to SignSGD. Received: beta_1={beta_1}."
            )
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
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
        }

    def slot_groups(self) -> list[dict[str, float]]:
        return [{"momentum": 0.0}]
