"""GammaAndBeta: the base class of layers that normalize, then scale and shift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convlet import constraints, initializers, regularizers
from convlet.constraints import Constraint
from convlet.initializers import InitializerFunction
from convlet.layers.layer import Layer
from convlet.layers.layer_weight import LayerWeight
from convlet.regularizers import Regularizer
from convlet.utils.validation import check_bool, check_real


class GammaAndBeta(Layer):
    """Base class: what `gamma` and `beta` start with, are penalized by and are held to.

    Args:
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
        ValueError: If an argument is unknown or has no meaning.
    """

    gamma, beta = LayerWeight(), LayerWeight()

    def __init__(
        self,
        *,
        epsilon: float,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        beta_constraint: Any,
        gamma_constraint: Any,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.epsilon = check_real("epsilon", epsilon, 0.0)
        self.center = check_bool("center", center)
        self.scale = check_bool("scale", scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)

    def initializers(self) -> Mapping[str, InitializerFunction]:
        return {"gamma": self.gamma_initializer, "beta": self.beta_initializer}

    def regularizers(self) -> Mapping[str, Regularizer | None]:
        return {"gamma": self.gamma_regularizer, "beta": self.beta_regularizer}

    def constraints(self) -> Mapping[str, Constraint | None]:
        return {"gamma": self.gamma_constraint, "beta": self.beta_constraint}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
        }
