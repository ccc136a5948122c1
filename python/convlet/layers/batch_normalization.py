"""BatchNormalization."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convlet import constraints, initializers, regularizers
from convlet.constraints import Constraint
from convlet.initializers import InitializerFunction
from convlet.layers.layer import Layer, NativeOps, Shape
from convlet.layers.layer_weight import LayerWeight
from convlet.regularizers import Regularizer
from convlet.utils.validation import check_bool, check_integer, check_real, refuse_unsupported


class BatchNormalization(Layer):
    """Batch normalization: `gamma * (x - mean) / sqrt(variance + epsilon) + beta` by channel.

    Input and output (n, ..., c), all weights (c,). In training mean and (biased) variance are those
    of the whole batch, over all axes but the last, and
    `moving = momentum * moving + (1 - momentum) * batch` after each step (Ioffe and Szegedy, 2015;
    `keras/src/layers/normalization/batch_normalization.py`). Otherwise, and with
    `trainable = False`, they are the moving ones, which do not change then.

    Args:
        axis: The last axis, by its number or as -1; nothing else is supported.
        momentum: Share of the old moving values that is kept.
        epsilon: Small number that keeps the root away from zero.
        center: Whether there is a `beta`.
        scale: Whether there is a `gamma`.
        beta_initializer: How `beta` starts, see `convlet.initializers`.
        gamma_initializer: How `gamma` starts.
        moving_mean_initializer: How the moving mean starts.
        moving_variance_initializer: How the moving variance starts.
        beta_regularizer: Penalty on beta, see `convlet.regularizers`.
        gamma_regularizer: Penalty on gamma.
        beta_constraint: Bounds of beta, see `convlet.constraints`.
        gamma_constraint: Bounds of gamma.
        renorm: `False`; nothing else is supported.
        renorm_clipping: `None`; nothing else is supported.
        renorm_momentum: 0.99, its default, without effect.
        synchronized: Whether processes that train together (`convlet.distribution`) share the
            statistics; else each has those of its part of a batch, and the moving ones become means
            of theirs. The threads of a process always share them.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    gamma, beta = LayerWeight(), LayerWeight()
    moving_mean, moving_variance = LayerWeight(), LayerWeight()

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 0.001,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: float = 0.99,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse_unsupported(
            "BatchNormalization",
            {
                "renorm": (renorm, False),
                "renorm_clipping": (renorm_clipping, None),
                "renorm_momentum": (renorm_momentum, 0.99),
            },
        )
        self.axis = check_integer("axis", axis, -8, 8)
        self.momentum = check_real("momentum", momentum)
        self.epsilon = check_real("epsilon", epsilon, 0.0)
        self.center = check_bool("center", center)
        self.scale = check_bool("scale", scale)
        self.synchronized = check_bool("synchronized", synchronized)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.beta_constraint = constraints.get(beta_constraint)
        self.gamma_constraint = constraints.get(gamma_constraint)

    def native_ops(self, input_shape: Shape) -> NativeOps:
        if self.axis != len(input_shape):
            refuse_unsupported("BatchNormalization", {"axis": (self.axis, -1)})
        normalization = {
            "center": self.center,
            "scale": self.scale,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "synchronized": self.synchronized,
        }
        return [("batch_normalization", normalization)]

    def initializers(self) -> Mapping[str, InitializerFunction]:
        return {
            "gamma": self.gamma_initializer,
            "beta": self.beta_initializer,
            "moving_mean": self.moving_mean_initializer,
            "moving_variance": self.moving_variance_initializer,
        }

    def regularizers(self) -> Mapping[str, Regularizer | None]:
        return {"gamma": self.gamma_regularizer, "beta": self.beta_regularizer}

    def constraints(self) -> Mapping[str, Constraint | None]:
        return {"gamma": self.gamma_constraint, "beta": self.beta_constraint}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "center": self.center,
            "scale": self.scale,
            "beta_initializer": initializers.serialize(self.beta_initializer),
            "gamma_initializer": initializers.serialize(self.gamma_initializer),
            "moving_mean_initializer": initializers.serialize(self.moving_mean_initializer),
            "moving_variance_initializer": initializers.serialize(self.moving_variance_initializer),
            "beta_regularizer": regularizers.serialize(self.beta_regularizer),
            "gamma_regularizer": regularizers.serialize(self.gamma_regularizer),
            "beta_constraint": constraints.serialize(self.beta_constraint),
            "gamma_constraint": constraints.serialize(self.gamma_constraint),
            "synchronized": self.synchronized,
        }
