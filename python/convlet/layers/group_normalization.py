"""GroupNormalization."""

from __future__ import annotations

from typing import Any

from convlet.layers.gamma_and_beta import GammaAndBeta
from convlet.layers.layer import NativeOps, Shape
from convlet.utils.validation import check_integer, refuse_unsupported


class GroupNormalization(GammaAndBeta):
    """Group normalization: `gamma * (x - mean) / sqrt(variance + epsilon) + beta` by channel.

    Input and output (n, ..., c), `gamma` and `beta` (c,). Mean and (biased) variance are those of
    each row over a group of c / groups neighbouring channels and all other axes, in training and
    otherwise (Wu and He, 2018; `keras/src/layers/normalization/group_normalization.py`).

    Args:
        groups: Number of groups, of which c must be a multiple; -1 for as many as channels.
        axis: The axis of the channels: the last one, by its number or as -1; nothing else is
            supported.
        epsilon: Small number that keeps the root away from zero.
        center: Whether there is a `beta`.
        scale: Whether there is a `gamma`.
        beta_initializer: How `beta` starts, see `convlet.initializers`.
        gamma_initializer: How `gamma` starts.
        beta_regularizer: Penalty on `beta`, see `convlet.regularizers`.
        gamma_regularizer: Penalty on `gamma`.
        beta_constraint: Bounds of `beta`, see `convlet.constraints`.
        gamma_constraint: Bounds of `gamma`.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        _check_groups(groups)
        super().__init__(
            epsilon=epsilon,
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
            **kwargs,
        )
        self.groups = groups
        self.axis = check_integer("axis", axis, -8, 8)

    def native_ops(self, input_shape: Shape) -> NativeOps:
        if self.axis != len(input_shape):
            refuse_unsupported("GroupNormalization", {"axis": (self.axis, -1)})
        attributes = {
            "groups": input_shape[-1] if self.groups == -1 else self.groups,
            "center": self.center,
            "scale": self.scale,
            "epsilon": self.epsilon,
        }
        return [("group_normalization", attributes)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "groups": self.groups, "axis": self.axis}


def _check_groups(groups: Any) -> None:
    if isinstance(groups, bool) or not isinstance(groups, int) or (groups < 1 and groups != -1):
        raise ValueError(
            "Received an invalid value for argument `groups`, expected a positive integer (or "
            f"`-1` for instance normalization). Received: groups={groups}"
        )
