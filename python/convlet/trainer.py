"""Training, evaluation and prediction: what a model does with data."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet import losses, metrics, optimizers
from convlet.callbacks import Callback, CallbackList, History
from convlet.data_adapter import (
    LabelledRows,
    Order,
    as_array,
    as_labelled_rows,
    as_rows,
    epoch_order,
    split_off_validation,
)
from convlet.layers.keras_tensor import is_symbolic
from convlet.network import BoundNetwork
from convlet.progress import Progress, Verbose, make_progress
from convlet.saveable import Saveable
from convlet.utils.validation import check_integer, check_real, refuse_unsupported

Callbacks: TypeAlias = Callback | Iterable[Callback] | None
Logs: TypeAlias = dict[str, Any]
Array: TypeAlias = npt.NDArray[np.float32]

_DEFAULT_BATCH_SIZE = 32
# A call of the compiled code lasts about this long, so that the bar moves and Ctrl-C is heard.
_CALL_SECONDS = 0.05

_UINT8, _FLOAT32 = np.dtype(np.uint8), np.dtype(np.float32)

_TRAIN_BATCH_HOOKS = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
)
_TEST_BATCH_HOOKS = ("on_test_batch_begin", "on_test_batch_end")
_PREDICT_BATCH_HOOKS = ("on_predict_batch_begin", "on_predict_batch_end")


@dataclass(frozen=True, eq=False)
class _Compilation:
    """What `compile` was given, resolved."""

    optimizer: optimizers.Optimizer
    loss: losses.Loss | None
    metrics: Sequence[metrics.Metric]
    steps_per_execution: int

    @property
    def names(self) -> list[str]:
        """Names of the results, loss first."""
        return ["loss", *(metric.name for metric in self.metrics)]

    def require_loss(self) -> losses.Loss:
        if self.loss is None:
            raise ValueError("No loss to compute. Provide a `loss` argument in `compile()`.")
        return self.loss


class Trainer(Saveable):
    """A layer, made of layers, that can be trained.

    Attributes:
        optimizer: The optimizer given to `compile`, or `None`.
        loss: The loss as it was given to `compile`, or `None`.
        history: The `History` of the last `fit`, or `None`.
        stop_training: Set it to `True` in a callback to end `fit`.
    """

    KERAS_MODULE = "keras"

    def __init__(self, trainable: bool = True, name: str | None = None) -> None:
        super().__init__(trainable=trainable, name=name)
        self.optimizer: optimizers.Optimizer | None = None
        self.loss: Any = None
        self.history: History | None = None
        self.stop_training = False
        # Epoch and batch that `fit` starts with, which a callback may set in `on_train_begin`.
        self.resume_at = (0, 0)
        self._compilation: _Compilation | None = None
        # The other arguments of `compile`, as they were given.
        self._compile_arguments: dict[str, Any] = {}
        # The compilation that the present network has been configured for.
        self._configured: _Compilation | None = None
        self._network: BoundNetwork | None = None
        # Whether it knows which weights to train.
        self._trainable_is_settled = False

    # What a model defines

    def make_network(self) -> BoundNetwork:
        """Returns a new native network of the model, which is built."""
        raise NotImplementedError(f"{type(self).__name__} does not define `make_network`")

    # Configuration

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Sequence[Any] | None = None,
        weighted_metrics: Sequence[Any] | None = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Says how the model is to be trained. Weights stay as they are.

        Args:
            optimizer: Name or instance, see `convlet.optimizers`.
            loss: Name or instance, see `convlet.losses`.
            loss_weights: `None`; nothing else is supported.
            metrics: List of names or instances, see `convlet.metrics`. "accuracy" and "acc" stand
                for the accuracy that goes with the loss.
            weighted_metrics: `None`; nothing else is supported.
            run_eagerly: Accepted, without a meaning here: nothing is traced.
            steps_per_execution: Number of batches from one call of a batch hook to the next.
            jit_compile: Accepted, without a meaning here: everything is compiled.
            auto_scale_loss: Accepted, without a meaning here: everything is float32.

        Raises:
            ValueError: If something is unknown or not supported.
        """
        # They choose how Keras executes a step; no result depends on them.
        del run_eagerly, jit_compile, auto_scale_loss
        if metrics is not None and not isinstance(metrics, (list, tuple)):
            raise ValueError(
                "Expected `metrics` argument to be a list, tuple, or dict. "
                f"Received instead: metrics={metrics} of type {type(metrics)}"
            )
        refuse_unsupported(
            "compile",
            {
                "loss_weights": (loss_weights, None),
                "weighted_metrics": (weighted_metrics or None, None),
            },
        )
        self._compilation = _compilation(optimizer, loss, metrics or (), steps_per_execution)
        self.optimizer = self._compilation.optimizer
        self.loss = loss
        self._compile_arguments = {
            "loss": loss,
            "loss_weights": loss_weights,
            "metrics": metrics,
            "weighted_metrics": weighted_metrics,
            "steps_per_execution": steps_per_execution,
        }

    def get_compile_config(self) -> dict[str, Any]:
        """Returns what `compile` was given, as Keras writes it; empty before `compile`."""
        from convlet.saving.compilation import serialized

        if self.optimizer is None:
            return {}
        kinds = {"loss": "loss"}
        return {
            "optimizer": serialized(self.optimizer, "optimizer"),
            **{
                name: serialized(value, kinds.get(name, "metric"))
                for name, value in self._compile_arguments.items()
            },
        }

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Compiles the model as another one was.

        Args:
            config: What `get_compile_config` returned, or Keras's equivalent.

        Raises:
            ValueError: If it names something that convlet does not have.
        """
        from convlet.saving.compilation import compile_arguments

        self.compile(**compile_arguments(config))

    def prepare_training(self) -> None:
        """Makes the optimizer's slots, as the first step of training does.

        Raises:
            ValueError: If the model has not been compiled with a loss.
        """
        self._configured_network(self._require_compilation("prepare_training"))

    @property
    def compiled(self) -> bool:
        """Whether `compile` was called."""
        return self._compilation is not None

    @property
    def metrics_names(self) -> list[str]:
        """Names of the results of `evaluate`, in their order."""
        return [] if self._compilation is None else self._compilation.names

    @property
    def compiled_metrics(self) -> Sequence[metrics.Metric]:
        """The metrics given to `compile`, with the names of their results."""
        return () if self._compilation is None else self._compilation.metrics

    def optimizer_size(self) -> int:
        """Returns the number of values in the optimizer's state, 0 before training."""
        return self.optimizer.count_params() if self.optimizer is not None else 0

    # Training

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Verbose = "auto",
        callbacks: Callbacks = None,
        validation_split: float = 0.0,
        validation_data: Sequence[Any] | None = None,
        shuffle: bool | str = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Sequence[int] = 1,
    ) -> History:
        """Trains the model.

        uint8 and float32 arrays in C order are read in place; others are converted once.

        Args:
            x: Input, shape (n, *row).
            y: Targets as the loss takes them.
            batch_size: Rows per step; `None` means 32. The last batch may be smaller.
            epochs: Number of the epoch to stop before, counted from 0.
            verbose: 0 for silence, 1 or "auto" for a progress bar, 2 for a line per epoch.
            callbacks: List of `convlet.callbacks.Callback` instances.
            validation_split: Share of the rows, taken from the end before any shuffling, to
                validate on; ignored if `validation_data` is given.
            validation_data: `(x, y)` or `(x, y, sample_weight)`.
            shuffle: `True` for a new order of the rows in each epoch, `"batch"` for one inside
                each batch only, `False` for none.
            class_weight: Dictionary from class index to the weight of its rows.
            sample_weight: Weights of the rows, shape (n,). A batch's loss is the weighted sum
                divided by the number of rows; metrics are not weighted.
            initial_epoch: Number of the epoch to start with.
            steps_per_epoch: `None`; nothing else is supported.
            validation_steps: `None`; nothing else is supported.
            validation_batch_size: Rows per step of validation; `None` means `batch_size`.
            validation_freq: Validate after every so many epochs, or after the epochs listed,
                counted from 1.

        Returns:
            A `History`. `loss` and metrics are means over the epoch's rows, taken while the
            weights change.

        Raises:
            ValueError: If something does not fit; no training is done then.
        """
        compilation = self._require_compilation("fit")
        refuse_unsupported(
            "fit",
            {
                "steps_per_epoch": (steps_per_epoch, None),
                "validation_steps": (validation_steps, None),
            },
        )
        batch_size = _checked_batch_size("batch_size", batch_size)
        validation_batch_size = _checked_batch_size(
            "validation_batch_size", validation_batch_size, default=batch_size
        )
        epochs = check_integer("epochs", epochs, 0)
        initial_epoch = check_integer("initial_epoch", initial_epoch, 0)
        validation_split = check_real("validation_split", validation_split, 0.0, 1.0)
        _check_shuffle(shuffle)
        _check_validation_freq(validation_freq)
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = split_off_validation(
                (x, y, sample_weight), validation_split
            )
        data = self._labelled_rows(compilation, x, y, sample_weight, class_weight)
        validation = None
        if validation_data is not None:
            validation = self._labelled_rows(compilation, *_unpacked(validation_data))

        steps = math.ceil(len(data) / batch_size)
        progress = make_progress(verbose, steps, epochs)
        callback_list = CallbackList(
            callbacks, add_history=True, model=self, verbose=verbose, epochs=epochs, steps=steps
        )
        self.history = callback_list.history
        self.stop_training = False
        self.resume_at = (initial_epoch, 0)
        logs: Logs | None = None
        try:
            callback_list.on_train_begin()
            first_epoch, first_batch = self.resume_at
            for epoch in range(first_epoch, epochs):
                progress.begin(epoch)
                callback_list.on_epoch_begin(epoch)
                order = epoch_order(len(data), batch_size, shuffle)
                logs = self._train_epoch(
                    data, order, batch_size, callback_list, progress, first_batch
                )
                first_batch = 0
                if validation is not None and _is_due(epoch, validation_freq):
                    self._evaluate_rows(validation, validation_batch_size, callback_list)
                    logs |= {f"val_{name}": value for name, value in self._logs().items()}
                logs = callback_list.on_epoch_end(epoch, logs)
                progress.end(logs)
                if self.stop_training:
                    break
            if epochs > initial_epoch:
                compilation.optimizer.finalize_variable_values(self.trainable_weights)
            callback_list.on_train_end(logs)
        finally:
            progress.close()
        return callback_list.history or History()

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Verbose = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Callbacks = None,
        return_dict: bool = False,
    ) -> float | list[float] | dict[str, float]:
        """Computes loss and metrics.

        Args:
            x: Input, shape (n, *row).
            y: Targets as the loss takes them.
            batch_size: Rows per step; `None` means 32. No result depends on it.
            verbose: 0 for silence, 1 or "auto" for a progress bar, 2 for a line.
            sample_weight: Weights of the rows in the loss, shape (n,).
            steps: `None`; nothing else is supported.
            callbacks: List of `convlet.callbacks.Callback` instances.
            return_dict: Whether to return a dictionary.

        Returns:
            The loss; or with metrics a list, loss first; or a dictionary with sorted keys.

        Raises:
            ValueError: If something does not fit.
        """
        compilation = self._require_compilation("evaluate")
        refuse_unsupported("evaluate", {"steps": (steps, None)})
        batch_size = _checked_batch_size("batch_size", batch_size)
        data = self._labelled_rows(compilation, x, y, sample_weight)
        number_of_steps = math.ceil(len(data) / batch_size)
        progress = make_progress(verbose, number_of_steps)
        callback_list = CallbackList(
            callbacks, model=self, verbose=verbose, epochs=1, steps=number_of_steps
        )
        try:
            progress.begin()
            self._evaluate_rows(data, batch_size, callback_list, progress)
            progress.end(self._logs())
        finally:
            progress.close()
        return self._results(return_dict)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Verbose = "auto",
        steps: int | None = None,
        callbacks: Callbacks = None,
    ) -> Array:
        """Computes the outputs; the model need not be compiled.

        Args:
            x: Input, shape (n, *row).
            batch_size: Rows per step; `None` means 32. No result depends on it.
            verbose: 0 for silence, 1 or "auto" for a progress bar, 2 for a line.
            steps: `None`; nothing else is supported.
            callbacks: List of `convlet.callbacks.Callback` instances.

        Returns:
            A float32 array of shape (n, *output_row).

        Raises:
            ValueError: If something does not fit.
        """
        refuse_unsupported("predict", {"steps": (steps, None)})
        batch_size = _checked_batch_size("batch_size", batch_size)
        network, rows = self._network_and_rows(x)
        number_of_steps = math.ceil(len(rows) / batch_size)
        progress = make_progress(verbose, number_of_steps)
        callback_list = CallbackList(
            callbacks, model=self, verbose=verbose, epochs=1, steps=number_of_steps
        )
        size = self._steps_per_call(callback_list, _PREDICT_BATCH_HOOKS)
        outputs = np.empty((len(rows), *network.output_shape), np.float32)
        try:
            progress.begin()
            callback_list.on_predict_begin()
            for first, beyond in _calls(number_of_steps, size):
                if size:
                    callback_list.on_predict_batch_begin(first)
                begin, end = first * batch_size, min(beyond * batch_size, len(rows))
                network.synchronize()
                network.native.predict(rows, outputs, begin, end)
                if size:
                    callback_list.on_predict_batch_end(beyond - 1, {"outputs": outputs[begin:end]})
                progress.update(beyond, {})
            callback_list.on_predict_end()
            progress.end({})
        finally:
            progress.close()
        return outputs

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> float | list[float] | dict[str, float]:
        """Does one step on one batch.

        Args:
            x: Input, shape (n, *row).
            y: Targets as the loss takes them.
            sample_weight: Weights of the rows, shape (n,).
            class_weight: Dictionary from class index to the weight of its rows.
            return_dict: Whether to return a dictionary.

        Returns:
            Loss and metrics of this batch before the step, in the form of `evaluate`.

        Raises:
            ValueError: If something does not fit.
        """
        compilation = self._require_compilation("train_on_batch")
        data = self._labelled_rows(compilation, x, y, sample_weight, class_weight)
        native = self._trainable_network(compilation).native
        native.reset_metrics()
        rates = compilation.optimizer.learning_rates(1)
        native.train(data.x, data.y, None, 0, len(data), len(data), data.sample_weight, rates)
        return self._results(return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> float | list[float] | dict[str, float]:
        """Computes loss and metrics of one batch.

        Args:
            x: Input, shape (n, *row).
            y: Targets as the loss takes them.
            sample_weight: Weights of the rows in the loss, shape (n,).
            return_dict: Whether to return a dictionary.

        Returns:
            Loss and metrics, in the form of `evaluate`.

        Raises:
            ValueError: If something does not fit.
        """
        compilation = self._require_compilation("test_on_batch")
        data = self._labelled_rows(compilation, x, y, sample_weight)
        native = self._configured_network(compilation).native
        native.reset_metrics()
        native.evaluate(data.x, data.y, 0, len(data), data.sample_weight)
        return self._results(return_dict)

    def predict_on_batch(self, x: Any) -> Array:
        """Computes the outputs for one batch, with as little as possible around it.

        Args:
            x: Input, shape (n, *row).

        Returns:
            A float32 array of shape (n, *output_row).

        Raises:
            ValueError: If the input does not fit.
        """
        network = self._network
        # An array that can be read in place needs no further look; all else takes the long way.
        if (
            network is not None
            and type(x) is np.ndarray
            and x.shape[1:] == network.input_shape
            and (x.dtype is _FLOAT32 or x.dtype is _UINT8)
            and len(x)
            and x.flags.c_contiguous
            and x.flags.aligned
        ):
            return network.predict(x)
        network, rows = self._network_and_rows(x)
        return network.predict(rows)

    def __call__(self, inputs: Any, training: bool | None = None) -> Any:
        """Computes the outputs.

        Args:
            inputs: Input, shape (n, *row); or a symbolic tensor, to use the model as a layer.
            training: Whether layers do what they do in training, for all rows as one batch:
                dropout drops, batch normalization uses and updates its statistics. `None`: layers
                that change images at random do, as in Keras, the others do not.

        Returns:
            A float32 array of shape (n, *output_row), or a symbolic tensor.

        Raises:
            ValueError: If the input does not fit.
        """
        if is_symbolic(inputs):
            return self._call_symbolically(inputs)
        if training is not None and not training:
            return self.predict_on_batch(inputs)
        network, rows = self._network_and_rows(inputs)
        if training is None and not network.trains_by_default:
            return network.predict(rows)
        return network.predict_as_in_training(
            rows, self._next_training_call(), by_default=training is None
        )

    # Helpers

    def _train_epoch(
        self,
        data: LabelledRows,
        order: Order | None,
        batch_size: int,
        callbacks: CallbackList,
        progress: Progress,
        first_batch: int,
    ) -> Logs:
        compilation = self._require_compilation("fit")
        network = self._trainable_network(compilation)
        network.native.reset_metrics()
        size = self._steps_per_call(callbacks, _TRAIN_BATCH_HOOKS)
        logs: Logs = {}
        for first, beyond in _calls(progress.steps, size, first_batch):
            if size:
                callbacks.on_train_batch_begin(first)
            begin, end = first * batch_size, min(beyond * batch_size, len(data))
            network.synchronize()
            rates = compilation.optimizer.learning_rates(beyond - first)
            network.native.train(
                data.x, data.y, order, begin, end, batch_size, data.sample_weight, rates
            )
            logs = self._logs()
            if size:
                callbacks.on_train_batch_end(beyond - 1, logs)
            progress.update(beyond, logs)
            if self.stop_training:
                break
        return logs

    def _evaluate_rows(
        self,
        data: LabelledRows,
        batch_size: int,
        callbacks: CallbackList,
        progress: Progress | None = None,
    ) -> None:
        network = self._configured_network(self._require_compilation("evaluate"))
        network.native.reset_metrics()
        size = self._steps_per_call(callbacks, _TEST_BATCH_HOOKS)
        callbacks.on_test_begin()
        for first, beyond in _calls(math.ceil(len(data) / batch_size), size):
            if size:
                callbacks.on_test_batch_begin(first)
            begin, end = first * batch_size, min(beyond * batch_size, len(data))
            network.synchronize()
            network.native.evaluate(data.x, data.y, begin, end, data.sample_weight)
            if size:
                callbacks.on_test_batch_end(beyond - 1, self._logs())
            if progress is not None:
                progress.update(beyond, self._logs())
        callbacks.on_test_end(self._logs())

    def _network_and_rows(self, x: Any) -> tuple[BoundNetwork, Any]:
        """Builds the model if need be, and returns its network and the checked input."""
        array = as_array("x", x)
        if not self.built:
            self.build((None, *array.shape[1:]))
        network = self._present_network()
        return network, as_rows("x", array, network.input_shape)

    def _present_network(self) -> BoundNetwork:
        """Returns the network of a built model; a new one after a change of structure."""
        if self._network is None:
            self._network = self.make_network()
            self._configured = None
        return self._network

    def _labelled_rows(
        self,
        compilation: _Compilation,
        x: Any,
        y: Any,
        sample_weight: Any = None,
        class_weight: Any = None,
    ) -> LabelledRows:
        loss = compilation.require_loss()
        network, rows = self._network_and_rows(x)
        return as_labelled_rows(
            rows,
            y,
            sample_weight,
            class_weight,
            input_shape=network.input_shape,
            output_shape=network.output_shape,
            loss=loss,
        )

    def _require_compilation(self, method: str) -> _Compilation:
        if self._compilation is None:
            raise ValueError(
                f"You must call `compile()` before using the model. Called: `{method}()`"
            )
        return self._compilation

    def _configured_network(self, compilation: _Compilation) -> BoundNetwork:
        """Returns the network, with the variables in it, ready to compute the loss."""
        network = self._present_network()
        network.synchronize()
        if self._configured is not compilation:
            if self._configured is not None:
                self._configured.optimizer.detach(network.native)
            compilation.optimizer.attach(
                network.native, network.variables, compilation.require_loss(), compilation.metrics
            )
            self._configured, self._trainable_is_settled = compilation, False
        return network

    def _trainable_network(self, compilation: _Compilation) -> BoundNetwork:
        """Returns the network ready to train.

        As in Keras, what is `trainable` at the first step after `compile` is so from then on.
        """
        network = self._configured_network(compilation)
        if not self._trainable_is_settled:
            if not self.trainable_weights:
                warnings.warn("The model does not have any trainable weights.", stacklevel=3)
            network.settle_trainable()
            compilation.optimizer.build([v for v in network.variables if v.trainable])
            self._trainable_is_settled = True
        return network

    def _steps_per_call(self, callbacks: CallbackList, hooks: Sequence[str]) -> int | None:
        """Number of steps from one batch hook to the next, `None` if there are no such hooks."""
        if not callbacks.overrides(*hooks):
            return None
        return 1 if self._compilation is None else self._compilation.steps_per_execution

    def _logs(self) -> dict[str, float]:
        """Returns the results so far by name, in alphabetical order."""
        names = [] if self._configured is None else self._configured.names
        return dict(sorted(zip(names, self._values(), strict=True)))

    def _values(self) -> list[float]:
        return [] if self._network is None else self._network.native.metrics()

    def _results(self, return_dict: bool) -> float | list[float] | dict[str, float]:
        if return_dict:
            return self._logs()
        values = self._values()
        return values[0] if len(values) == 1 else values


def _compilation(
    optimizer: Any, loss: Any, metric_list: Sequence[Any], steps_per_execution: int
) -> _Compilation:
    loss_object = None if loss is None else losses.get(loss)
    return _Compilation(
        optimizer=optimizers.get(optimizer),
        loss=loss_object,
        metrics=(
            [metrics.resolve(identifier, loss_object) for identifier in metric_list]
            if loss_object is not None
            else []
        ),
        steps_per_execution=check_integer("steps_per_execution", steps_per_execution, 1),
    )


def _calls(steps: int, size: int | None, first: int = 0) -> Iterator[tuple[int, int]]:
    """Yields the first step of each call of the compiled code and the one after its last.

    Args:
        steps: Number of steps.
        size: Steps per call; `None` for as many as take `_CALL_SECONDS`, judged by the call before.
        first: Step to begin with.
    """
    count = size or 1
    while first < steps:
        beyond = min(first + count, steps)
        started = time.perf_counter()
        yield first, beyond
        if size is None:
            seconds_per_step = (time.perf_counter() - started) / (beyond - first)
            count = max(1, int(_CALL_SECONDS / max(seconds_per_step, 1e-9)))
        first = beyond


def _checked_batch_size(name: str, value: Any, default: int = _DEFAULT_BATCH_SIZE) -> int:
    return default if value is None else check_integer(name, value, 1)


def _check_shuffle(shuffle: Any) -> None:
    if not isinstance(shuffle, bool) and shuffle != "batch":
        raise ValueError(f"`shuffle` must be True, False or 'batch'. Received: shuffle={shuffle!r}")


def _check_validation_freq(validation_freq: Any) -> None:
    epochs = validation_freq if isinstance(validation_freq, Sequence) else [validation_freq]
    for epoch in epochs:
        check_integer("validation_freq", epoch, 1)


def _is_due(epoch: int, validation_freq: int | Sequence[int]) -> bool:
    """Tells whether to validate after an epoch, counted from 0."""
    if isinstance(validation_freq, Sequence):
        return epoch + 1 in validation_freq
    return (epoch + 1) % validation_freq == 0


def _unpacked(validation_data: Any) -> Sequence[Any]:
    if not isinstance(validation_data, (list, tuple)) or len(validation_data) not in (2, 3):
        raise ValueError(
            "`validation_data` must be a tuple `(x, y)` or `(x, y, sample_weight)`. "
            f"Received: {type(validation_data)}"
        )
    return validation_data
