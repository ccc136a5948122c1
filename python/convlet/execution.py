"""How a model's batches are trained on and judged: what the compiled code does, and what Python.

Losses and metrics of this package that are means over rows are computed by the compiled code, many
batches in one call. Other metrics get the outputs of each call. A loss of the user's own is called
between the forward and the backward pass of each batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet import losses, metrics, optimizers
from convlet.distribution.processes import ALONE, Processes
from convlet.feeds import Stretch
from convlet.losses.functions import same_rank
from convlet.losses.loss import aligned_weights, divisor
from convlet.network import BoundNetwork
from convlet.utils.validation import check_integer, check_real

Shape: TypeAlias = tuple[int, ...]
Array: TypeAlias = npt.NDArray[np.float32]
Rows: TypeAlias = tuple[Any, Array, Array | None]


@dataclass(frozen=True, eq=False)
class Compilation:
    """What `compile` was given, checked.

    Attributes:
        optimizer: The optimizer.
        loss: The loss; an identifier where targets tell which one it is; or `None`.
        loss_weight: What the loss is multiplied by.
        metrics: Objects or identifiers, each with whether sample weights count.
        names: Names of the results, loss first.
        steps_per_execution: Number of batches from one call of a batch hook to the next.
        processes: Those that train together.
    """

    optimizer: optimizers.Optimizer
    loss: Any
    loss_weight: float
    metrics: Sequence[tuple[Any, bool]]
    names: Sequence[str]
    steps_per_execution: int
    processes: Processes = ALONE

    def require_loss(self) -> Any:
        """Returns the loss, or raises ValueError if there is none."""
        if self.loss is None:
            raise ValueError("No loss to compute. Provide a `loss` argument in `compile()`.")
        return self.loss

    def loss_for(self, output_shape: Shape, y_shape: Shape | None) -> losses.Loss:
        """Returns the loss for rows of the given shapes."""
        loss = self.require_loss()
        if not losses.is_automatic(loss):
            return loss  # type: ignore[no-any-return]
        return losses.automatic(output_shape, output_shape if y_shape is None else y_shape)

    @property
    def needs_targets(self) -> bool:
        """Whether loss and metrics depend on the shape of the targets."""
        return losses.is_automatic(self.loss) or not (self.loss is None or self.loss.is_native)


def compilation(
    optimizer: Any,
    loss: Any,
    loss_weights: Any,
    metric_arguments: Mapping[str, Any],
    steps_per_execution: Any,
    processes: Processes = ALONE,
) -> Compilation:
    """Checks the arguments of `compile`.

    Args:
        optimizer: Its argument of that name, and so for the others.
        loss: A loss, or a list of one.
        loss_weights: A number, a list of one, or `None`.
        metric_arguments: The arguments `metrics` and `weighted_metrics`.
        steps_per_execution: A positive integer.
        processes: Those that train together.

    Raises:
        ValueError: If something is unknown or not supported.
    """
    (loss,) = _single("loss", loss)
    if loss is not None and not losses.is_automatic(loss):
        loss = losses.get(loss)
        if loss.reduction in (None, "none"):
            raise ValueError(
                f"compile does not support a loss with `reduction={loss.reduction!r}`: training "
                "needs a single number to minimize"
            )
    (weight,) = _single("loss_weights", loss_weights)
    entries = [
        (_checked_metric(item, loss), name == "weighted_metrics")
        for name, argument in metric_arguments.items()
        for item in _flat(name, argument)
    ]
    if loss is None:
        entries = []
    return Compilation(
        optimizer=optimizers.get(optimizer),
        loss=loss,
        loss_weight=1.0 if weight is None else check_real("loss_weights", weight),
        metrics=entries,
        names=["loss", *_unique_names(entries)],
        steps_per_execution=check_integer("steps_per_execution", steps_per_execution, 1),
        processes=processes,
    )


@dataclass(frozen=True)
class NativeLoss:
    """A loss as the compiled code knows it; `IDENTIFIER` is "" if it does not."""

    IDENTIFIER: str
    attributes: dict[str, Any]

    def native_attributes(self) -> dict[str, Any]:
        """Returns the options that the compiled code takes."""
        return self.attributes


@dataclass(frozen=True)
class NativeMetric:
    """A metric as the compiled code knows it: name, options, whether sample weights count."""

    native_spec: tuple[str, dict[str, Any], bool]


class Execution:
    """Trains and evaluates a network for a compilation.

    Args:
        compiled: What `compile` was given.
        network: The network; the optimizer's state moves into it.
        y_shape: Shape of a row of the targets, or `None` where it is not known yet.

    Raises:
        ValueError: If loss or metrics cannot take outputs or targets.
    """

    def __init__(
        self, compiled: Compilation, network: BoundNetwork, y_shape: Shape | None = None
    ) -> None:
        self.compilation = compiled
        self.is_final = y_shape is not None or not compiled.needs_targets
        self._network = network
        self._processes = compiled.processes
        together = self._processes.size > 1
        network.native.set_group(
            self._processes.rank,
            self._processes.size,
            self._processes.is_sharded,
            self._processes.sum if together else None,
        )
        self._loss = compiled.loss_for(network.output_shape, y_shape)
        resolved = [
            (metrics.resolve(item, self._loss, network.output_shape, y_shape), weighted)
            for item, weighted in compiled.metrics
        ]
        self._metrics = [metric for metric, _ in resolved]
        native = [metric.is_native and self._loss.is_native for metric, _ in resolved]
        self._native = [pair for pair, is_native in zip(resolved, native, strict=True) if is_native]
        self._python = [
            pair for pair, is_native in zip(resolved, native, strict=True) if not is_native
        ]
        self._is_native = native
        for metric, _ in self._python:
            metric.reset_state()
        self._by_batch = not all(metric.counts_rows for metric, _ in self._python)
        compiled.optimizer.attach(
            network.native,
            network.variables,
            self._native_loss(),
            [
                NativeMetric((metric.IDENTIFIER, metric.options(), weighted))
                for metric, weighted in self._native
            ],
        )

    def reset(self) -> None:
        """Forgets the results so far."""
        self._network.native.reset_metrics()
        for metric, _ in self._python:
            metric.reset_state()

    def get_results(self) -> list[dict[str, Any]]:
        """Returns the results so far in a form from which they can go on: numbers and arrays."""
        rows, weight, loss, sums = self._network.native.totals()
        native = {"rows": rows, "weight": weight, "loss": loss, "metrics": np.array(sums)}
        return [native, *(metric.get_state() for metric, _ in self._python)]

    def set_results(self, results: Sequence[Mapping[str, Any]]) -> None:
        """Sets what `get_results` has returned."""
        native, *python = results
        self._network.native.set_totals(
            native["rows"], native["weight"], native["loss"], list(native["metrics"])
        )
        if not self._processes.is_first:
            self._network.native.reset_metrics()
        for (metric, _), state in zip(self._python, python, strict=True):
            metric.set_state(state)

    def train(self, stretch: Stretch) -> None:
        """Trains on every batch of a stretch."""
        self._run(stretch, training=True)

    def evaluate(self, stretch: Stretch) -> None:
        """Judges every batch of a stretch."""
        self._run(stretch, training=False)

    def values(self) -> list[Any]:
        """Returns the results so far: loss, and metrics in the order of the names."""
        loss, *means = self._native_means()
        native = (m.of_mean(mean) for (m, _), mean in zip(self._native, means, strict=True))
        python = (metric.result() for metric, _ in self._python)
        return [loss, *(next(native if is_native else python) for is_native in self._is_native)]

    def _native_means(self) -> list[float]:
        """Loss and metrics over the rows of all processes; the first one then keeps the sums."""
        native = self._network.native
        if self._processes.size == 1:
            return native.metrics()
        *numbers, sums = native.totals()
        totals = np.array([*numbers, *sums])
        self._processes.sum(totals)
        rows, weight, loss, *sums = totals.tolist()
        native.set_totals(rows, weight, loss, sums)
        means = native.metrics()
        if not self._processes.is_first:
            native.reset_metrics()
        return means

    @property
    def metrics(self) -> dict[str, metrics.Metric]:
        """The metrics by the names of their results."""
        return dict(zip(self.compilation.names[1:], self._metrics, strict=True))

    def logs(self) -> dict[str, Any]:
        """Returns the results so far by name, in alphabetical order."""
        return dict(sorted(zip(self.compilation.names, self.values(), strict=True)))

    def _native_loss(self) -> NativeLoss:
        if not self._loss.is_native:
            return NativeLoss("", {})
        attributes = {
            **self._loss.native_attributes(),
            "loss_weight": self.compilation.loss_weight,
        }
        return NativeLoss(self._loss.IDENTIFIER, attributes)

    def _run(self, stretch: Stretch, training: bool) -> None:
        self._network.synchronize()
        if self._loss.is_native and not self._python:
            self._run_natively(stretch, training, None)
            return
        for part in self._parts(stretch):
            if self._loss.is_native:
                outputs = self._room(part)
                self._run_natively(part, training, outputs)
                rows = self._of_all(part, outputs)
            else:
                rows = self._run_in_python(part, training)
            self._update_python_metrics(*rows)

    def _parts(self, stretch: Stretch) -> Iterator[Stretch]:
        """Yields what can be done before something in Python wants the outputs."""
        if self._loss.is_native and not self._by_batch:
            yield stretch
            return
        size = stretch.batch_size
        for number in range(stretch.steps):
            begin = min(stretch.begin + number * size, stretch.end)
            end = min(begin + size, stretch.end)
            yield Stretch(stretch.data, stretch.order, begin, end, size, batches=1)

    def _room(self, part: Stretch) -> Array:
        """Returns where the outputs go; zero where another process does a row."""
        shape = (part.end - part.begin, *self._network.output_shape)
        return (
            np.zeros(shape, np.float32) if self._processes.splits else np.empty(shape, np.float32)
        )

    def _of_all(self, part: Stretch, outputs: Array) -> Rows:
        """Returns targets, outputs and weights of a part's rows in all processes."""
        y_true, weights = _rows(part.data.y_given, part), _rows(part.data.sample_weight, part)
        if self._processes.is_sharded:
            join = self._processes.joined
            return join(y_true), join(outputs), None if weights is None else join(weights)
        self._processes.sum(outputs)
        return y_true, outputs, weights

    def _run_natively(self, part: Stretch, training: bool, outputs: Array | None) -> None:
        native, data = self._network.native, part.data
        assert data.y is not None
        if training:
            native.train(
                data.x,
                data.y,
                part.order,
                part.begin,
                part.end,
                part.batch_size,
                data.sample_weight,
                self.compilation.optimizer.learning_rates(part.steps),
                outputs,
                part.steps,
            )
            return
        begin, end = part.begin, part.end
        if self._processes.splits:  # between batches, on which the loss may depend
            first, last = self._processes.part(part.steps)
            begin, end = (
                min(part.begin + number * part.batch_size, part.end) for number in (first, last)
            )
            if outputs is not None:
                outputs = outputs[begin - part.begin : end - part.begin]
        native.evaluate(data.x, data.y, begin, end, part.batch_size, data.sample_weight, outputs)

    def _run_in_python(self, part: Stretch, training: bool) -> Rows:
        """One batch with a loss of the user's; returns targets, outputs and weights of its rows."""
        native, data, outputs = self._network.native, part.data, self._room(part)
        own, first, count = self._own_rows(len(outputs))
        begin, end = part.begin + own.start, part.begin + own.stop
        if training:
            native.train_forward(data.x, part.order, begin, end, outputs[own], first, count)
        else:
            native.evaluate_forward(data.x, begin, end, outputs[own])
        y_true, outputs, weights = rows = self._of_all(part, outputs)
        if training:
            loss, gradient = self._loss_and_gradient(y_true, outputs, weights)
            self._network.synchronize()
            rates = self.compilation.optimizer.learning_rates(1)
            rate = None if rates is None else float(rates[0])
            native.train_backward(gradient[first : first + end - begin], loss, rate)
        else:
            y, y_pred = same_rank(np.asarray(y_true, np.float32), outputs)
            values = self._checked_values(self._loss.call(y, y_pred), y_pred, weights)
            native.count(self._reduced(values, weights)[0], end - begin)
        return rows

    def _own_rows(self, rows: int) -> tuple[slice, int, int]:
        """What this process does of a batch, of which it has some rows.

        Returns:
            Which of them; the position in the batch of the first one; the batch's number of rows.
        """
        if self._processes.is_sharded:
            counts = self._processes.joined(np.array([rows]))
            return slice(0, rows), int(counts[: self._processes.rank].sum()), int(counts.sum())
        begin, end = self._processes.part(rows)
        return slice(begin, end), begin, rows

    def _loss_and_gradient(
        self, y_true: Any, outputs: Array, sample_weight: Array | None
    ) -> tuple[float, Array]:
        y, y_pred = same_rank(np.asarray(y_true, np.float32), outputs)
        result = self._loss.value_and_gradient(y, y_pred)
        values = self._checked_values(result[0], y_pred, sample_weight)
        gradient = np.asarray(result[1], np.float32)
        if gradient.shape != y_pred.shape:
            raise ValueError(
                f"The gradient of the loss {self._loss.name!r} must have the shape of the "
                f"predictions, {y_pred.shape}. Received: shape {gradient.shape}"
            )
        loss, factors = self._reduced(values, sample_weight)
        factors = factors.reshape(*factors.shape, *(1,) * (y_pred.ndim - factors.ndim))
        return loss, np.ascontiguousarray((gradient * factors).reshape(outputs.shape), np.float32)

    def _checked_values(self, values: Any, y_pred: Array, sample_weight: Array | None) -> Array:
        array = np.asarray(values, np.float32)
        if array.shape != y_pred.shape[: array.ndim]:
            raise ValueError(
                f"The loss {self._loss.name!r} must be a number, or have one value for each row or "
                f"position of the predictions of shape {y_pred.shape}. "
                f"Received: shape {array.shape}"
            )
        if array.ndim == 0 and sample_weight is not None:
            raise ValueError(
                f"The loss {self._loss.name!r} is a single number for a batch, so that sample or "
                "class weights have no meaning: return one value a row"
            )
        return array

    def _reduced(self, values: Array, sample_weight: Array | None) -> tuple[float, Any]:
        """Returns the batch's loss, and the derivative of it with respect to each value."""
        scale = self.compilation.loss_weight
        if values.ndim == 0:
            return scale * float(values), np.float32(scale)
        weights = None if sample_weight is None else aligned_weights(sample_weight, values.shape)
        factor = scale / divisor(self._loss.reduction, values, weights)
        factors = factor * (np.ones_like(values) if weights is None else weights)
        return float((factors * values).sum(dtype=np.float64)), factors

    def _update_python_metrics(self, y_true: Any, outputs: Array, weights: Array | None) -> None:
        for metric, weighted in self._python:
            if weighted and weights is not None:
                metric.update_state(y_true, outputs, sample_weight=weights)
            else:
                metric.update_state(y_true, outputs)


def _rows(array: Any, part: Stretch) -> Any:
    if array is None:
        return None
    return array[
        slice(part.begin, part.end) if part.order is None else part.order[part.begin : part.end]
    ]


def _single(name: str, argument: Any) -> tuple[Any]:
    """The argument for a model's one output, which may come as a list of one."""
    if isinstance(argument, Mapping) and "class_name" not in argument:
        raise ValueError(
            f"A model with one output takes one `{name}`, not a dictionary. "
            f"Received: {name}={argument!r}"
        )
    if not isinstance(argument, (list, tuple)):
        return (argument,)
    if len(argument) != 1:
        raise ValueError(
            f"A model with one output takes one `{name}`. Received {len(argument)}: {argument!r}"
        )
    return (argument[0],)


def _flat(name: str, argument: Any) -> list[Any]:
    """The metrics in a list, or in lists or a dictionary for a model's one output."""
    if argument is None:
        return []
    if not isinstance(argument, (list, tuple, dict)):
        raise ValueError(
            f"Expected `{name}` argument to be a list, tuple, or dict. "
            f"Received instead: {name}={argument} of type {type(argument)}"
        )
    items = argument.values() if isinstance(argument, dict) else argument
    flat: list[Any] = []
    for item in items:
        nested = isinstance(item, (list, tuple))
        flat.extend(_flat(name, item) if nested else [item])
    return flat


def _checked_metric(identifier: Any, loss: Any) -> Any:
    """The metric, or the identifier itself where targets and outputs tell which one it is."""
    if metrics.is_accuracy(identifier):
        return identifier
    if isinstance(loss, losses.Loss):
        return metrics.resolve(identifier, loss)
    metric = metrics.get(identifier)
    if isinstance(identifier, str):
        metric.name = identifier
    return metric


def _unique_names(entries: Sequence[tuple[Any, bool]]) -> list[str]:
    """The names of metrics as Keras makes them unique: `weighted_` first, then a number."""
    names: list[str] = []
    uses: dict[str, int] = {}
    for metric, weighted in entries:
        name = metric if isinstance(metric, str) else metric.name
        if weighted and name in uses:
            name = f"weighted_{name}"
        count = uses.get(name, 0)
        uses[name] = count + 1
        names.append(f"{name}_{count}" if count else name)
    return names
