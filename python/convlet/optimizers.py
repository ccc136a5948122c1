"""Optimizers: names and options for `compile`. The compiled code does the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from convlet.utils.naming import auto_name
from convlet.utils.validation import (
    check_bool,
    check_integer,
    check_real,
    look_up,
    refuse_unsupported,
    split_config,
    suggestion,
)

if TYPE_CHECKING:
    from convlet._native import core
    from convlet.losses import Loss
    from convlet.metrics import Metric
    from convlet.variables import Variable

__all__ = ["Optimizer", "RMSprop", "get"]

# Options that every Keras optimizer has, with the one value that is supported.
_COMMON_OPTIONS: dict[str, Any] = {
    "weight_decay": None,
    "clipnorm": None,
    "clipvalue": None,
    "global_clipnorm": None,
    "use_ema": False,
    "ema_momentum": 0.99,
    "ema_overwrite_frequency": None,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
}


class Optimizer:
    """Base class of the optimizers.

    From the first training step on, the learning rate, the number of steps and the slots (running
    means and the like) live in the model's native network; reading and setting them goes there.

    Args:
        learning_rate: Step size.
        name: Name, or `None` for an automatic one.
        **options: Keras's common options; only their defaults are supported.
    """

    IDENTIFIER: ClassVar[str]  # its name in the compiled code

    def __init__(self, learning_rate: float, name: str | None, **options: Any) -> None:
        unknown = {key: value for key, value in options.items() if key not in _COMMON_OPTIONS}
        if unknown:
            hint = suggestion(next(iter(unknown)), ["learning_rate", *_COMMON_OPTIONS])
            raise ValueError(f"Argument(s) not recognized: {unknown}{hint}")
        refuse_unsupported(
            type(self).__name__,
            {key: (value, _COMMON_OPTIONS[key]) for key, value in options.items()},
        )
        self._learning_rate = _checked_learning_rate(learning_rate)
        self._iterations = 0
        self._network: core.Network | None = None
        self._variables: Sequence[Variable] = ()
        self.name = auto_name(type(self).__name__) if name is None else name

    @property
    def learning_rate(self) -> float:
        """Step size, rounded to float32 as in Keras; can be set at any time."""
        return self._learning_rate if self._network is None else self._network.learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = _checked_learning_rate(value)
        if self._network is not None:
            self._network.learning_rate = self._learning_rate

    @property
    def iterations(self) -> int:
        """Number of steps done."""
        return self._iterations if self._network is None else self._network.iterations

    @property
    def built(self) -> bool:
        """Whether the slots exist."""
        return self._network is not None

    def count_params(self) -> int:
        """Returns the number of values in the state: slots, step count and learning rate."""
        if self._network is None:
            return 0
        return 2 + sum(value.size for _, _, value in self._network.optimizer_slots())

    def attach(
        self,
        network: core.Network,
        variables: Sequence[Variable],
        loss: Loss,
        metrics: Sequence[Metric],
    ) -> None:
        """Prepares a network for training; this optimizer's state moves into it.

        Slots of variables that were trained before, with this optimizer, keep their values.

        Args:
            network: The native network.
            variables: The network's parameters, in its order.
            loss: What to minimize.
            metrics: What to measure on the way.
        """
        learning_rate, iterations, slots = self.learning_rate, self.iterations, self._slots()
        network.configure_training(
            loss.IDENTIFIER,
            loss.native_attributes(),
            self.IDENTIFIER,
            self.native_attributes(),
            [metric.IDENTIFIER for metric in metrics],
        )
        network.learning_rate = learning_rate
        network.iterations = iterations
        for i, (slot, parameter, _) in enumerate(network.optimizer_slots()):
            value = slots.get((slot, variables[parameter]))
            if value is not None:
                network.set_optimizer_slot(i, value)
        self._network, self._variables = network, variables

    def native_attributes(self) -> dict[str, Any]:
        """Returns the options that the compiled code takes."""
        raise NotImplementedError(f"{type(self).__name__} does not define `native_attributes`")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal optimizer, without its state."""
        return {"name": self.name, "learning_rate": self.learning_rate, **_COMMON_OPTIONS}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Optimizer:
        """Makes an optimizer from what `get_config` returned."""
        return cls(**config)

    def get_state(self) -> list[npt.NDArray[Any]]:
        """Returns what training has made of it, in the order of Keras's `optimizer.variables`.

        Returns:
            Arrays: the step count (int64), the learning rate (float32) and, from the first training
            step on, the slots (float32), all variables' first slot before the second.
        """
        state: list[npt.NDArray[Any]] = [np.array(self.iterations, np.int64)]
        state.append(np.array(self.learning_rate, np.float32))
        if self._network is not None:
            state += [value.copy() for _, _, value in self._network.optimizer_slots()]
        return state

    def set_state(self, state: Sequence[npt.ArrayLike]) -> None:
        """Sets what `get_state` returns.

        Args:
            state: As many arrays, of the same shapes.

        Raises:
            ValueError: If their number or a shape is another one, or the step count or the
                learning rate has no meaning; nothing is set then.
        """
        shapes = [value.shape for value in self.get_state()]
        if [np.shape(value) for value in state] != shapes:
            raise ValueError(f"`state` must hold arrays of the shapes {shapes}")
        iterations = check_integer("iterations", np.asarray(state[0]).item(), 0)
        self.learning_rate = np.asarray(state[1]).item()
        self._iterations = iterations
        if self._network is not None:
            self._network.iterations = self._iterations
            for i, value in enumerate(state[2:]):
                self._network.set_optimizer_slot(i, np.ascontiguousarray(value, np.float32))

    def _slots(self) -> dict[tuple[str, Variable], Any]:
        if self._network is None:
            return {}
        return {
            (slot, self._variables[parameter]): value.copy()
            for slot, parameter, value in self._network.optimizer_slots()
        }


class RMSprop(Optimizer):
    """RMSprop as Keras defines it, with epsilon inside the root.

    `v = rho * v + (1 - rho) * g**2`; `d = v + epsilon`, or with `centered` `v - a**2 + epsilon`
    where `a = rho * a + (1 - rho) * g`; `step = learning_rate * g / sqrt(d)`; and
    `w -= step`, or with momentum `m = momentum * m + step; w -= m` (Hinton, 2012;
    `keras/src/optimizers/rmsprop.py`).

    Args:
        learning_rate: Step size.
        rho: Share of the old mean of squared gradients that is kept.
        momentum: Share of the last step that is repeated.
        epsilon: Small number that keeps the root away from zero.
        centered: Whether to take the variance of the gradient rather than its mean square.
        weight_decay: `None`; nothing else is supported, and so for the options that follow.
        clipnorm: `None`.
        clipvalue: `None`.
        global_clipnorm: `None`.
        use_ema: `False`.
        ema_momentum: 0.99, its default, without effect.
        ema_overwrite_frequency: `None`.
        loss_scale_factor: `None`.
        gradient_accumulation_steps: `None`.
        name: Name, or `None` for an automatic one.
        **kwargs: Nothing; a name that is not above is refused.

    Raises:
        ValueError: If an option is unknown, not supported or out of range.
    """

    IDENTIFIER = "rmsprop"

    def __init__(
        self,
        learning_rate: float = 0.001,
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
            name,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
            **kwargs,
        )

    def native_attributes(self) -> dict[str, Any]:
        return {
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.native_attributes()}


_CLASSES: dict[str, type[Optimizer]] = {"rmsprop": RMSprop}


def get(identifier: Any) -> Optimizer:
    """Returns the optimizer that an identifier stands for.

    Args:
        identifier: Name in any case, configuration dictionary, class or instance.

    Raises:
        ValueError: If it stands for none.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, Mapping):
        class_name, config = split_config("an optimizer", identifier)
        optimizer: Optimizer = _class_of(class_name).from_config(config)
    else:
        optimizer = _class_of(identifier)()
    return optimizer


def _class_of(identifier: Any) -> Any:
    name = identifier.lower() if isinstance(identifier, str) else identifier
    return look_up("optimizer", name, _CLASSES)


def _checked_learning_rate(value: Any) -> float:
    return float(np.float32(check_real("learning_rate", value, 0.0)))
