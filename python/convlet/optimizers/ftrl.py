"""Ftrl."""

from __future__ import annotations

from typing import Any

from convlet.optimizers.optimizer import Optimizer
from convlet.optimizers.schedules import LearningRateSchedule
from convlet.utils.validation import check_real


class Ftrl(Optimizer):
    """Follow the regularized leader.

    With `p = -learning_rate_power` and `s = l2_regularization_strength + beta / (2 *
    learning_rate)`, `h = g + 2 * l2_shrinkage_regularization_strength * w`; `b = a + g**2`; `l
    += h - (b**p - a**p) / learning_rate * w`; `a = b`; `w = (clip(l, -l1, l1) - l) / (b**p /
    learning_rate + 2 * s)` (McMahan et al., 2013; `keras/src/optimizers/ftrl.py`).

    Args:
        learning_rate: Step size, or a `LearningRateSchedule`.
        learning_rate_power: At most 0; 0 for a learning rate that does not shrink.
        initial_accumulator_value: What `a` starts with.
        l1_regularization_strength: At least 0.
        l2_regularization_strength: At least 0.
        l2_shrinkage_regularization_strength: At least 0.
        beta: See above.
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

    IDENTIFIER = "ftrl"

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float = 0.0,
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
        self.learning_rate_power = check_real(
            "learning_rate_power", learning_rate_power, maximum=0.0
        )
        self.initial_accumulator_value = check_real(
            "initial_accumulator_value", initial_accumulator_value, 0.0
        )
        self.l1_regularization_strength = check_real(
            "l1_regularization_strength", l1_regularization_strength, 0.0
        )
        self.l2_regularization_strength = check_real(
            "l2_regularization_strength", l2_regularization_strength, 0.0
        )
        self.l2_shrinkage_regularization_strength = check_real(
            "l2_shrinkage_regularization_strength", l2_shrinkage_regularization_strength, 0.0
        )
        self.beta = check_real("beta", beta, 0.0)
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
            "learning_rate_power": self.learning_rate_power,
            "initial_accumulator_value": self.initial_accumulator_value,
            "l1_regularization_strength": self.l1_regularization_strength,
            "l2_regularization_strength": self.l2_regularization_strength,
            "l2_shrinkage_regularization_strength": self.l2_shrinkage_regularization_strength,
            "beta": self.beta,
        }

    def slot_groups(self) -> list[dict[str, float]]:
        return [{"accumulator": self.initial_accumulator_value, "linear": 0.0}]
