"""Optimizer: options and state that all optimizers share. The compiled code does the steps."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from convlet.optimizers import schedules
from convlet.optimizers.scalars import Count, LearningRate
from convlet.optimizers.schedules import LearningRateSchedule
from convlet.optimizers.variable import OptimizerVariable
from convlet.utils.naming import auto_name
from convlet.utils.validation import check_bool, check_integer, check_real, suggestion
from convlet.variables import Variable, assign_all

if TYPE_CHECKING:
    from convlet._native import core
    from convlet.execution import NativeLoss, NativeMetric

_OPTIONS = (
    "learning_rate",
    "weight_decay",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
    "name",
)


class Optimizer:
    """Base class of the optimizers.

    One step does, in Keras's order: divide the gradients by `loss_scale_factor`; accumulate them;
    clip them; weight decay, `w -= w * weight_decay * learning_rate`; the optimizer's own rule; the
    moving average of the weights; the constraints of the layers.

    Until a model trains with it the state is in Python; then it lives in the model's native
    network, and reading and setting it goes there.

    Args:
        learning_rate: Step size, or a `LearningRateSchedule`.
        weight_decay: Share of every weight, times the learning rate, that a step takes away.
        clipnorm: Largest norm of the gradient of each variable.
        clipvalue: Largest absolute value in the gradients.
        global_clipnorm: Largest norm of all gradients together.
        use_ema: Whether to keep a moving average of the weights; at the end of `fit` it replaces
            them.
        ema_momentum: Share of the old average that is kept at each step.
        ema_overwrite_frequency: Number of steps after which the average replaces the weights.
        loss_scale_factor: Factor of the loss, and divisor of the gradients.
        gradient_accumulation_steps: Number of batches whose mean gradient makes one step.
        name: Name, or `None` for an automatic one.
        **kwargs: Nothing; a name that is not above is refused. Only `decay`, from older versions of
            Keras, is ignored with a warning.

    Raises:
        ValueError: If an option is unknown or out of range.
    """

    IDENTIFIER: ClassVar[str]  # its name in the compiled code
    HAS_SCALAR: ClassVar[bool] = False  # whether its state has one more number, 1 at first

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule,
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
        _refuse_unknown(kwargs)
        self.weight_decay = _non_negative("weight_decay", weight_decay)
        self.clipnorm = _non_negative("clipnorm", clipnorm)
        self.clipvalue = _non_negative("clipvalue", clipvalue)
        self.global_clipnorm = _non_negative("global_clipnorm", global_clipnorm)
        _check_one_clip(self.clipnorm, self.clipvalue, self.global_clipnorm)
        self.use_ema = check_bool("use_ema", use_ema)
        self.ema_momentum = check_real("ema_momentum", ema_momentum, 0.0, 1.0)
        self.ema_overwrite_frequency = _count("ema_overwrite_frequency", ema_overwrite_frequency, 1)
        self.loss_scale_factor = _positive("loss_scale_factor", loss_scale_factor)
        self.gradient_accumulation_steps = _count(
            "gradient_accumulation_steps", gradient_accumulation_steps, 2
        )
        first_rate = (
            0.0 if isinstance(learning_rate, LearningRateSchedule) else _as_float32(learning_rate)
        )
        self.name = auto_name(type(self).__name__) if name is None else name
        self._iterations = self._variable(
            "iteration", np.int64(0), partial(_as_count, "iterations")
        )
        self._schedule = learning_rate if isinstance(learning_rate, LearningRateSchedule) else None
        self._rate = self._variable("learning_rate", np.float32(first_rate), _as_float32)
        self._network: core.Network | None = None
        self._trained: Sequence[Variable] = ()
        self._parameters: Sequence[Variable] = ()
        self._slots: dict[tuple[str, Variable], OptimizerVariable] = {}
        self._scalars = [self._variable("variable", np.float32(1.0))] if self.HAS_SCALAR else []
        self._undecayed: frozenset[Variable] = frozenset()
        self._undecayed_names: re.Pattern[str] | None = None
        self.built = False

    # What a subclass defines

    def constants(self) -> dict[str, Any]:
        """Returns the optimizer's own arguments by name."""
        raise NotImplementedError(f"{type(self).__name__} does not define `constants`")

    def slot_groups(self) -> list[dict[str, float]]:
        """Returns names and first values of the slots that every weight has.

        The slots of a group are saved weight by weight, and the groups one after the other.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define `slot_groups`")

    # State

    @property
    def learning_rate(self) -> LearningRate:
        """Step size, rounded to float32 as in Keras; can be set at any time.

        Raises:
            TypeError: When a number is set in the place of a schedule.
        """
        if self._schedule is not None:
            return LearningRate.of(self, float(self._schedule(int(self._iterations.value))))
        return LearningRate.of(self, float(self._rate.value))

    @learning_rate.setter
    def learning_rate(self, value: float | LearningRateSchedule) -> None:
        if isinstance(value, LearningRateSchedule):
            self._schedule = value
        elif self._schedule is not None:
            raise TypeError(
                "This optimizer was created with a `LearningRateSchedule` object as its "
                "`learning_rate` constructor argument, hence its learning rate is not settable. "
                "If you need the learning rate to be settable, you should instantiate the "
                "optimizer with a float `learning_rate` argument."
            )
        else:
            self._rate.assign(_as_float32(value))

    @property
    def iterations(self) -> Count:
        """Number of steps done; with accumulation, of steps that moved the weights."""
        return Count(int(self._iterations.value) // (self.gradient_accumulation_steps or 1))

    @property
    def variables(self) -> list[OptimizerVariable]:
        """The state, in Keras's order: step count, learning rate unless scheduled, slots."""
        return [*self._counters(), *self._slots_of(self._all_slot_groups()), *self._built_scalars()]

    def layouts(self) -> list[list[OptimizerVariable]]:
        """Returns `variables` in the orders in which versions of Keras have saved them.

        The first is today's. In Keras 3.9 and before, the scalar comes before the slots, and the
        slots of the options are one group. Keras 2 has no learning rate.
        """
        options, own = self._option_groups(), self.slot_groups()
        together = [{name: first for group in options for name, first in group.items()}]
        slots = self._slots_of([*together, *own])
        older = [*self._counters(), *self._built_scalars(), *slots]
        return [self.variables, older, [v for v in self.variables if v is not self._rate]]

    def build(self, variables: Sequence[Variable]) -> None:
        """Creates the slots.

        Args:
            variables: The weights to train, in the order of the model's. Those that had slots
                before keep them.
        """
        slots = {
            (slot, variable): self._slots.get((slot, variable))
            or self._slot_variable(variable, slot, first)
            for group in self._all_slot_groups()
            for slot, first in group.items()
            for variable in variables
        }
        self._slots, self._trained, self.built = slots, list(variables), True

    def attach(
        self,
        network: core.Network,
        variables: Sequence[Variable],
        loss: NativeLoss,
        metrics: Sequence[NativeMetric],
    ) -> None:
        """Prepares a network for training; this optimizer's state moves into it.

        Args:
            network: The native network.
            variables: The network's parameters, in its order.
            loss: What to minimize.
            metrics: What to measure on the way.
        """
        self.detach(self._network)
        # First of all: where Ctrl-C ends this, the next call takes back what has moved.
        self._network, self._parameters = network, list(variables)
        network.configure_training(
            loss.IDENTIFIER,
            loss.native_attributes(),
            self.IDENTIFIER,
            self.native_attributes(),
            [metric.native_spec for metric in metrics],
        )
        network.set_parameter_rules([self._rule(variable) for variable in variables])
        self.build([variable for variable in variables if variable.trainable])
        self._iterations.bind(
            lambda: network.iterations, lambda value: setattr(network, "iterations", int(value))
        )
        self._rate.bind(
            lambda: network.learning_rate,
            lambda value: setattr(network, "learning_rate", float(value)),
        )
        for i, (slot, parameter, view) in enumerate(network.optimizer_slots()):
            variable = self._slots.get((slot, variables[parameter]))
            if variable is not None:
                variable.bind(partial(np.asarray, view), partial(network.set_optimizer_slot, i))
        for scalar in self._scalars:
            scalar.bind(
                lambda: network.optimizer_scalars()[0],
                lambda value: network.set_optimizer_scalar(0, float(value)),
            )

    def detach(self, network: core.Network | None) -> None:
        """Takes the state back, if it lives in this network, before that is used otherwise."""
        if network is None or network is not self._network:
            return
        for variable in (self._iterations, self._rate, *self._slots.values(), *self._scalars):
            variable.release()
        self._network = None

    def learning_rates(self, steps: int) -> npt.NDArray[np.float32] | None:
        """Returns the learning rates of the next steps, `None` if they are all the same."""
        if self._schedule is None:
            return None
        return self._schedule.rates(int(self._iterations.value), steps)

    def finalize_variable_values(self, var_list: Iterable[Variable]) -> None:
        """Replaces weights by their moving averages, if there are any; `fit` ends with this.

        Args:
            var_list: The weights.
        """
        if self.use_ema:
            assign_all((variable, self._slots["average", variable].value) for variable in var_list)

    def exclude_from_weight_decay(
        self,
        var_list: Iterable[Variable] | None = None,
        var_names: Iterable[str] | None = None,
    ) -> None:
        """Says which weights have no weight decay; forgets what was said before.

        Args:
            var_list: Weights.
            var_names: Regular expressions, searched in the names of the weights (`"bias"`).
        """
        names = sorted(set(var_names or ()))
        self._undecayed = frozenset(var_list or ())
        self._undecayed_names = re.compile("|".join(names)) if names else None
        if self._network is not None:
            self._network.set_parameter_rules(
                [self._rule(variable) for variable in self._parameters]
            )

    def count_params(self) -> int:
        """Returns the number of values in the state, 0 before there are slots."""
        return sum(variable.size for variable in self.variables) if self.built else 0

    def get_state(self) -> list[npt.NDArray[Any]]:
        """Returns copies of the values of `variables`."""
        return [variable.numpy() for variable in self.variables]

    def set_state(self, state: Sequence[npt.ArrayLike]) -> None:
        """Sets what `get_state` returns.

        Args:
            state: As many arrays, of the same shapes.

        Raises:
            ValueError: If their number or a shape is another one, or the step count or the
                learning rate has no meaning; nothing is set then.
        """
        variables = self.variables
        shapes = [variable.shape for variable in variables]
        if [np.shape(value) for value in state] != shapes:
            raise ValueError(f"`state` must hold arrays of the shapes {shapes}")
        values = [v.prepared(value) for v, value in zip(variables, state, strict=True)]
        for variable, prepared in zip(variables, values, strict=True):
            variable.put(prepared)

    # Configuration

    def native_attributes(self) -> dict[str, Any]:
        """Returns the options that the compiled code takes."""
        options = {
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "clipvalue": self.clipvalue,
            "global_clipnorm": self.global_clipnorm,
            "ema_momentum": self.ema_momentum if self.use_ema else None,
            "ema_overwrite_frequency": self.ema_overwrite_frequency if self.use_ema else None,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }
        given = {name: value for name, value in options.items() if value is not None}
        return {**self.constants(), **given}

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal optimizer, without its state."""
        return {
            "name": self.name,
            "learning_rate": (
                float(self.learning_rate)
                if self._schedule is None
                else schedules.serialize(self._schedule)
            ),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
            **self.constants(),
        }

    def __getstate__(self) -> dict[str, Any]:
        # A copy is trained as far as this one, but no network's.
        return {**vars(self), "_network": None, "_parameters": ()}

    @classmethod
    def from_config(
        cls, config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
    ) -> Optimizer:
        """Makes an optimizer from what `get_config` returned.

        Args:
            config: Dictionary of the constructor's arguments; a schedule in its serialized form.
            custom_objects: Dictionary from names in it to classes of the caller.
        """
        arguments = dict(config)
        rate = arguments.get("learning_rate")
        if isinstance(rate, Mapping):
            arguments["learning_rate"] = schedules.deserialize(rate, custom_objects)
        return cls(**arguments)

    # Helpers

    def _variable(self, name: str, value: Any, check: Any = None) -> OptimizerVariable:
        return OptimizerVariable(value, name, f"{self.name}/{name}", check)

    def _slot_variable(self, variable: Variable, slot: str, first: float) -> OptimizerVariable:
        name = f"{variable.path.replace('/', '_')}_{slot}"
        return self._variable(name, np.full(variable.shape, first, np.float32))

    def _all_slot_groups(self) -> list[dict[str, float]]:
        return [*self._option_groups(), *self.slot_groups()]

    def _option_groups(self) -> list[dict[str, float]]:
        return [
            *([{"average": 0.0}] if self.use_ema else []),
            *([{"gradient_accumulator": 0.0}] if self.gradient_accumulation_steps else []),
        ]

    def _counters(self) -> list[OptimizerVariable]:
        return [self._iterations, *([self._rate] if self._schedule is None else [])]

    def _slots_of(self, groups: Sequence[Mapping[str, float]]) -> list[OptimizerVariable]:
        """Returns the slots, group by group and weight by weight; none before `build`."""
        return [
            self._slots[slot, variable]
            for group in groups
            for variable in (self._trained if self.built else ())
            for slot in group
        ]

    def _built_scalars(self) -> list[OptimizerVariable]:
        return self._scalars if self.built else []

    def _rule(self, variable: Variable) -> dict[str, Any]:
        """What the compiled code has to know of one weight."""
        pattern = self._undecayed_names
        decays = variable not in self._undecayed and not (
            pattern is not None and pattern.search(variable.name)
        )
        rule: dict[str, Any] = {"weight_decay": decays}
        if variable.regularizer is not None:
            rule |= variable.regularizer.native_attributes()
        if variable.constraint is not None:
            rule |= variable.constraint.native_attributes(variable.shape)
        return rule


def _refuse_unknown(options: dict[str, Any]) -> None:
    if options.pop("decay", None) is not None:
        warnings.warn("Argument `decay` is no longer supported and will be ignored.", stacklevel=4)
    if options:
        hint = suggestion(next(iter(options)), _OPTIONS)
        raise ValueError(f"Argument(s) not recognized: {options}{hint}")


def _as_count(name: str, value: npt.NDArray[Any]) -> int:
    """Returns the one number of an array, which must be a count."""
    return check_integer(name, value.item(), 0)


def _as_float32(learning_rate: Any) -> float:
    return float(np.float32(check_real("learning_rate", learning_rate, 0.0)))


def _non_negative(name: str, value: Any) -> float | None:
    return None if value is None else check_real(name, value, 0.0)


def _positive(name: str, value: Any) -> float | None:
    if _non_negative(name, value) == 0.0:
        raise ValueError(f"`{name}` must be greater than 0. Received: {name}={value!r}")
    return _non_negative(name, value)


def _count(name: str, value: Any, minimum: int) -> int | None:
    if value is None:
        return None
    try:
        return check_integer(name, value, minimum)
    except ValueError:
        raise ValueError(
            f"`{name}` must be an integer >= {minimum} or None. Received: {name}={value!r}"
        ) from None


def _check_one_clip(
    clipnorm: float | None, clipvalue: float | None, global_clipnorm: float | None
) -> None:
    if sum(option is not None for option in (clipnorm, clipvalue, global_clipnorm)) > 1:
        raise ValueError(
            "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. "
            f"Received: clipnorm={clipnorm}, clipvalue={clipvalue}, "
            f"global_clipnorm={global_clipnorm}"
        )
