"""Training, evaluation and prediction: what a model does with data."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet import optimizers
from convlet._thread_lock import ThreadLock, by_one_thread
from convlet.callbacks import Callback, CallbackList, History
from convlet.data_adapter import (
    LabelledRows,
    as_array,
    as_labelled_rows,
    as_rows,
    is_array,
    split_off_validation,
)
from convlet.distribution.processes import ALONE, Processes
from convlet.execution import Compilation, Execution, compilation
from convlet.feeds import (
    ArrayFeed,
    BatchFeed,
    Stretch,
    check_feed_arguments,
    kind_of,
    share_random_state,
    unpacked,
)
from convlet.layers.keras_tensor import is_symbolic
from convlet.metrics import Metric
from convlet.network import MOVING, BoundNetwork
from convlet.progress import Progress, Verbose, make_progress
from convlet.saveable import Saveable
from convlet.utils.validation import check_integer, check_real

if TYPE_CHECKING:
    from convlet.distribution import DataParallel

Callbacks: TypeAlias = Callback | Iterable[Callback] | None
Logs: TypeAlias = dict[str, Any]
Array: TypeAlias = npt.NDArray[np.float32]
Feed: TypeAlias = ArrayFeed | BatchFeed

_UINT8, _FLOAT32 = np.dtype(np.uint8), np.dtype(np.float32)

_TRAIN_BATCH_HOOKS = (
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
)
_TEST_BATCH_HOOKS = ("on_test_batch_begin", "on_test_batch_end")
_PREDICT_BATCH_HOOKS = ("on_predict_batch_begin", "on_predict_batch_end")


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
        # Results so far of the epoch, where it begins with a later batch.
        self.resume_results: Sequence[Mapping[str, Any]] | None = None
        self._compilation: Compilation | None = None
        # The other arguments of `compile`, as they were given.
        self._compile_arguments: dict[str, Any] = {}
        # Metrics outlast a `compile` that names none.
        self._metric_arguments: dict[str, Any] = {"metrics": None, "weighted_metrics": None}
        # What the present network has been configured for.
        self._execution: Execution | None = None
        self._network: BoundNetwork | None = None
        # Those that train it together.
        self.processes = ALONE
        # Whether all of them know that they have the first one's weights.
        self._has_common_weights = False
        # Held by the thread that trains or evaluates.
        self.turn = ThreadLock()
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
        distribution: DataParallel | None = None,
    ) -> None:
        """Says how the model is to be trained. Weights stay as they are.

        Args:
            optimizer: Name or instance, see `convlet.optimizers`.
            loss: Name, instance or function, see `convlet.losses`. "crossentropy" and "ce" stand
                for the cross-entropy that goes with targets and outputs.
            loss_weights: Number, or list of one, that the loss is multiplied by.
            metrics: List of names or instances, see `convlet.metrics`. "accuracy" and "acc" stand
                for the accuracy that goes with targets and outputs. Sample weights do not count.
                With neither `metrics` nor `weighted_metrics` those of the last `compile` stay, as
                in Keras; an empty list removes them.
            weighted_metrics: The same for metrics in which sample and class weights count.
            run_eagerly: Accepted, without a meaning here: nothing is traced.
            steps_per_execution: Number of batches from one call of a batch hook to the next.
            jit_compile: Accepted, without a meaning here: everything is compiled.
            auto_scale_loss: Accepted, without a meaning here: everything is float32.
            distribution: A `convlet.distribution.DataParallel`, to train together with the other
                processes that `mpirun` has started; `None`: alone.

        Raises:
            ValueError: If something is unknown or not supported.
        """
        processes = _checked_distribution(distribution)
        # They choose how Keras executes a step; no result depends on them.
        del run_eagerly, jit_compile, auto_scale_loss
        given = {"metrics": metrics, "weighted_metrics": weighted_metrics}
        if metrics is None and weighted_metrics is None:
            given = self._metric_arguments
        self._compilation = compilation(
            optimizer, loss, loss_weights, given, steps_per_execution, processes
        )
        self.processes = processes
        self._has_common_weights = False
        self._metric_arguments = given
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

    @by_one_thread
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
        return [] if self._compilation is None else list(self._compilation.names)

    @property
    def compiled_metrics(self) -> Mapping[str, Metric]:
        """The metrics given to `compile`, by the names of their results; empty before data came."""
        return {} if self._execution is None else self._execution.metrics

    def results_so_far(self) -> list[dict[str, Any]]:
        """Returns what `resume_results` may be set to."""
        return [] if self._execution is None else self._execution.get_results()

    def optimizer_size(self) -> int:
        """Returns the number of values in the optimizer's state, 0 before training."""
        return self.optimizer.count_params() if self.optimizer is not None else 0

    # Training

    @by_one_thread
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Verbose = "auto",
        callbacks: Callbacks = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
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

        uint8 and float32 arrays in C order are read in place; others are converted once. Batches
        may also come from a `convlet.utils.PyDataset`, a generator (which is read once, over all
        epochs) or anything else that can be iterated over again and again; they are tuples `(x, y)`
        or `(x, y, sample_weight)`, and `batch_size` has no meaning for them.

        Args:
            x: Input, shape (n, *row); or where the batches come from.
            y: Targets as the loss takes them; not with batches.
            batch_size: Rows per step; `None` means 32. The last batch may be smaller.
            epochs: Number of the epoch to stop before, counted from 0.
            verbose: 0 for silence, 1 or "auto" for a progress bar, 2 for a line per epoch.
            callbacks: List of `convlet.callbacks.Callback` instances.
            validation_split: Share of the rows, taken from the end before any shuffling, to
                validate on; ignored if `validation_data` is given.
            validation_data: `(x, y)` or `(x, y, sample_weight)`; or where batches come from.
            shuffle: `True` for a new order of the rows (or a `PyDataset`'s batches) in each epoch,
                `"batch"` for one inside each batch only, `False` for none.
            class_weight: Dictionary from class index to the weight of its rows.
            sample_weight: Weights of the rows, shape (n,). A batch's loss is the weighted sum
                divided by the number of rows; metrics are not weighted.
            initial_epoch: Number of the epoch to start with.
            steps_per_epoch: Steps of an epoch, if not all batches; the next epoch goes on where
                this one ended. With arrays and no `batch_size`, batches are as large as it takes.
            validation_steps: Steps of a validation, if not all batches.
            validation_batch_size: Rows per step of validation; `None` means `batch_size`.
            validation_freq: Validate after every so many epochs, or after the epochs listed,
                counted from 1.

        Returns:
            A `History`. `loss` and metrics are means over the epoch's rows, taken while the
            weights change.

        Raises:
            ValueError: If something does not fit; no training is done then.
        """
        compiled = self._require_compilation("fit")
        compiled.require_loss()
        batch_size = _checked_size("batch_size", batch_size)
        validation_batch_size = _checked_size("validation_batch_size", validation_batch_size)
        steps_per_epoch = _checked_size("steps_per_epoch", steps_per_epoch)
        validation_steps = _checked_size("validation_steps", validation_steps)
        epochs = check_integer("epochs", epochs, 0)
        initial_epoch = check_integer("initial_epoch", initial_epoch, 0)
        validation_split = check_real("validation_split", validation_split, 0.0, 1.0)
        _check_shuffle(shuffle)
        _check_validation_freq(validation_freq)
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = split_off_validation(
                (x, y, sample_weight), validation_split
            )
        feed = self._feed(
            x, y, sample_weight, class_weight, batch_size, steps_per_epoch, shuffle=shuffle
        )
        validation = None
        if validation_data is not None:
            val_x, val_y, val_weight = _validation_parts(validation_data)
            validation = self._feed(
                val_x,
                val_y,
                val_weight,
                None,
                validation_batch_size or batch_size,
                validation_steps,
            )

        self._share_weights()
        share_random_state(self.processes)
        progress = self._progress(verbose, feed.steps, epochs)
        callback_list = CallbackList(
            callbacks,
            add_history=True,
            model=self,
            verbose=verbose,
            epochs=epochs,
            steps=feed.steps,
        )
        self.history = callback_list.history
        self.stop_training = False
        self.resume_at, self.resume_results = (initial_epoch, 0), None
        logs: Logs | None = None
        feed.restart()
        try:
            callback_list.on_train_begin()
            first_epoch, first_batch = self.resume_at
            for epoch in range(first_epoch, epochs):
                callback_list.on_epoch_begin(epoch)
                progress.begin(epoch)  # what callbacks print comes first, as in Keras
                epoch_logs = self._train_epoch(feed, callback_list, progress, first_batch)
                if epoch_logs is None:
                    break
                logs, first_batch = epoch_logs, 0
                if validation is not None and _is_due(epoch, validation_freq):
                    self._evaluate_feed(validation, callback_list)
                    logs |= {f"val_{name}": value for name, value in self._logs().items()}
                logs = callback_list.on_epoch_end(epoch, logs)
                progress.end(logs)
                if self._stops():
                    break
            if epochs > initial_epoch:
                compiled.optimizer.finalize_variable_values(self.trainable_weights)
            callback_list.on_train_end(logs)
        finally:
            progress.close()
        return callback_list.history or History()

    @by_one_thread
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
            x: Input, shape (n, *row); or where batches come from, as in `fit`.
            y: Targets as the loss takes them; not with batches.
            batch_size: Rows per step; `None` means 32. Nothing depends on it but a loss that is not
                a mean over rows.
            verbose: 0 for silence, 1 or "auto" for a progress bar, 2 for a line.
            sample_weight: Weights of the rows in the loss and in `weighted_metrics`, shape (n,).
            steps: Number of batches, if not all. With arrays and no `batch_size`, batches are as
                large as it takes.
            callbacks: List of `convlet.callbacks.Callback` instances.
            return_dict: Whether to return a dictionary.

        Returns:
            The loss; or with metrics a list, loss first; or a dictionary with sorted keys.

        Raises:
            ValueError: If something does not fit.
        """
        return_dict = bool(return_dict)
        self._require_compilation("evaluate").require_loss()
        batch_size = _checked_size("batch_size", batch_size)
        feed = self._feed(x, y, sample_weight, None, batch_size, _checked_size("steps", steps))
        self._share_weights()
        progress = self._progress(verbose, feed.steps)
        callback_list = CallbackList(
            callbacks, model=self, verbose=verbose, epochs=1, steps=feed.steps
        )
        try:
            progress.begin()
            self._evaluate_feed(feed, callback_list, progress)
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
            x: Input, shape (n, *row); or where batches come from, as in `fit`; their targets are
                not looked at.
            batch_size: Rows per step; `None` means 32. No result depends on it.
            verbose: 0 for silence, 1 or "auto" for a progress bar, 2 for a line.
            steps: Number of batches, if not all. With arrays and no `batch_size`, batches are as
                large as it takes.
            callbacks: List of `convlet.callbacks.Callback` instances.

        Returns:
            A float32 array of shape (n, *output_row).

        Raises:
            ValueError: If something does not fit.
        """
        batch_size = _checked_size("batch_size", batch_size)
        steps = _checked_size("steps", steps)
        feed: Feed
        if is_array(x):
            rows = self._unlabelled_rows(x)
            feed = ArrayFeed(rows, batch_size, steps=steps, processes=self.processes)
        else:
            feed = BatchFeed(
                x,
                lambda batch: self._unlabelled_rows(unpacked(batch, kind_of(x))[0]),
                steps,
                processes=self.processes,
            )
        self._share_weights()
        progress = self._progress(verbose, feed.steps)
        callback_list = CallbackList(
            callbacks, model=self, verbose=verbose, epochs=1, steps=feed.steps
        )
        size = self._steps_per_call(callback_list, _PREDICT_BATCH_HOOKS)
        outputs = _Outputs(feed, self._present_network().output_shape)
        feed.restart()
        try:
            progress.begin()
            callback_list.on_predict_begin()
            for call in feed.calls(size):
                if size:
                    callback_list.on_predict_batch_begin(call.first)
                parts, done = [], 0
                for stretch in call.stretches:
                    network = self._present_network()
                    network.synchronize()
                    parts.append(outputs.room(stretch.end - stretch.begin))
                    self._predict_stretch(network, stretch, parts[-1])
                    done += stretch.steps
                if not parts:
                    continue  # the data have run out
                if size:
                    batch = parts[0] if len(parts) == 1 else np.concatenate(parts)
                    callback_list.on_predict_batch_end(call.last, {"outputs": batch})
                progress.update(call.first + done, {})
            callback_list.on_predict_end()
            progress.end({})
        finally:
            progress.close()
        return outputs.all()

    @by_one_thread
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
        return_dict = bool(return_dict)
        self._require_compilation("train_on_batch").require_loss()
        if class_weight is not None and sample_weight is not None:
            raise ValueError(
                "Arguments `sample_weight` and `class_weight` cannot be specified at the same "
                f"time. Received: sample_weight={sample_weight}, class_weight={class_weight}"
            )
        data = self._labelled_rows(x, y, sample_weight, class_weight)
        self._share_weights()
        execution = self._ready_to_train(data)
        execution.reset()
        execution.train(_whole(data))
        return self._results(return_dict)

    @by_one_thread
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
        return_dict = bool(return_dict)
        self._require_compilation("test_on_batch").require_loss()
        data = self._labelled_rows(x, y, sample_weight)
        self._share_weights()
        execution = self._ready_execution(data)
        execution.reset()
        execution.evaluate(_whole(data))
        return self._results(return_dict)

    def reset_metrics(self) -> None:
        """Forgets loss and metrics so far."""
        if self._execution is not None:
            self._execution.reset()

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns loss and metrics so far by name, empty before training and evaluation."""
        names = self.metrics_names
        return (
            {}
            if self._execution is None
            else dict(zip(names, self._execution.values(), strict=True))
        )

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
        self, feed: Feed, callbacks: CallbackList, progress: Progress, first_batch: int
    ) -> Logs | None:
        """Trains for an epoch; returns its logs, or `None` if there was nothing left to train on."""
        size = self._steps_per_call(callbacks, _TRAIN_BATCH_HOOKS)
        logs: Logs | None = None
        for call in feed.calls(size, first_batch):
            if size:
                callbacks.on_train_batch_begin(call.first)
            steps = 0
            for stretch in call.stretches:
                execution = self._ready_to_train(stretch.data)
                if logs is None and not steps:
                    self._start_results(execution)
                execution.train(stretch)
                steps += stretch.steps
            if not steps:
                continue  # the data have run out
            logs = self._logs()
            if size:
                callbacks.on_train_batch_end(call.last, logs)
            progress.update(call.first + steps, logs)
            if self._stops():
                break
        return logs

    def _stops(self) -> bool:
        """Whether a callback, of any process, wants training to end."""
        self.stop_training = self.processes.any(self.stop_training)
        return self.stop_training

    def _progress(self, verbose: Verbose, steps: int | None, epochs: int = 1) -> Progress:
        return make_progress(verbose if self.processes.is_first else 0, steps, epochs)

    def _share_weights(self) -> None:
        """Gives all processes the first one's weights, once after `compile`."""
        if self.processes.size > 1 and not self._has_common_weights:
            self.share_state()

    def share_state(self) -> None:
        """Gives all processes the first one's weights and, after training, optimizer's state."""
        self.set_weights(self.processes.from_first(self.get_weights()))
        if self._execution is not None and self.optimizer is not None:
            self.optimizer.set_state(self.processes.from_first(self.optimizer.get_state()))
        self._has_common_weights = True

    def _predict_stretch(self, network: BoundNetwork, stretch: Stretch, outputs: Array) -> None:
        """Writes a stretch's outputs; where all processes have the rows, each does its part."""
        rows = stretch.data.x[stretch.begin : stretch.end]
        begin, end = 0, len(rows)
        if self.processes.splits:
            outputs[...] = 0.0
            begin, end = self.processes.part(len(rows))
        network.native.predict(rows, outputs, begin, end)
        if self.processes.splits:
            self.processes.sum(outputs)

    def _start_results(self, execution: Execution) -> None:
        """Starts an epoch's results, or goes on with those of one that was interrupted."""
        execution.reset()
        if self.resume_results is not None:
            execution.set_results(self.resume_results)
            self.resume_results = None

    def _evaluate_feed(
        self, feed: Feed, callbacks: CallbackList, progress: Progress | None = None
    ) -> None:
        size = self._steps_per_call(callbacks, _TEST_BATCH_HOOKS)
        feed.restart()
        self.reset_metrics()
        callbacks.on_test_begin()
        for call in feed.calls(size):
            if size:
                callbacks.on_test_batch_begin(call.first)
            steps = 0
            for stretch in call.stretches:
                self._ready_execution(stretch.data).evaluate(stretch)
                steps += stretch.steps
            if not steps:
                continue  # the data have run out
            if size:
                callbacks.on_test_batch_end(call.last, self._logs())
            if progress is not None:
                progress.update(call.first + steps, self._logs())
        callbacks.on_test_end(self._logs())

    def _feed(
        self,
        x: Any,
        y: Any,
        sample_weight: Any,
        class_weight: Any,
        batch_size: int | None,
        steps: int | None,
        shuffle: bool | str = False,
    ) -> Feed:
        """Returns checked data for training or evaluation."""
        if is_array(x):
            data = self._labelled_rows(x, y, sample_weight, class_weight)
            return ArrayFeed(data, batch_size, shuffle, steps, self.processes)
        check_feed_arguments(x, y, sample_weight, class_weight, shuffle)
        kind = kind_of(x)

        def convert(batch: Any) -> LabelledRows:
            return self._labelled_rows(*unpacked(batch, kind), class_weight)

        return BatchFeed(x, convert, steps, shuffle=bool(shuffle), processes=self.processes)

    def _network_and_rows(self, x: Any) -> tuple[BoundNetwork, Any]:
        """Builds the model if need be, and returns its network and the checked input."""
        array = as_array("x", x)
        with MOVING:
            if not self.built:
                self.build((None, *array.shape[1:]))
        network = self._present_network()
        return network, as_rows("x", array, network.input_shape)

    def _present_network(self) -> BoundNetwork:
        """Returns the network of a built model; a new one after a change of structure."""
        if self._network is None:
            with MOVING:
                return self._network_made_once()
        return self._network

    def _network_made_once(self) -> BoundNetwork:
        if self._network is None:
            self._execution = None
            self._network = self.make_network()
        return self._network

    def _labelled_rows(
        self, x: Any, y: Any, sample_weight: Any = None, class_weight: Any = None
    ) -> LabelledRows:
        compiled = self._require_compilation("fit")
        network, rows = self._network_and_rows(x)
        return as_labelled_rows(
            rows,
            y,
            sample_weight,
            class_weight,
            input_shape=network.input_shape,
            output_shape=network.output_shape,
            loss=compiled.loss_for(network.output_shape, np.shape(y)[1:]),
        )

    def _unlabelled_rows(self, x: Any) -> LabelledRows:
        _, rows = self._network_and_rows(x)
        return LabelledRows(rows, None, None, None)

    def _require_compilation(self, method: str) -> Compilation:
        if self._compilation is None:
            raise ValueError(
                f"You must call `compile()` before using the model. Called: `{method}()`"
            )
        return self._compilation

    def _configured_network(self, compiled: Compilation) -> BoundNetwork:
        """Returns the network, with the variables in it, ready to compute the loss."""
        network = self._present_network()
        network.synchronize()
        if self._execution is None or self._execution.compilation is not compiled:
            self._execute(compiled, network)
        return network

    def _execute(
        self, compiled: Compilation, network: BoundNetwork, y_shape: tuple[int, ...] | None = None
    ) -> Execution:
        """Configures the network; the state of the optimizer moves into it."""
        previous = self._execution
        if previous is not None and previous.compilation is not compiled:
            previous.compilation.optimizer.detach(network.native)
        self._execution = Execution(compiled, network, y_shape)
        self._trainable_is_settled = False
        return self._execution

    def _ready_execution(self, data: LabelledRows) -> Execution:
        """Returns what judges such data."""
        compiled = self._require_compilation("fit")
        network = self._present_network()
        network.synchronize()
        execution = self._execution
        if execution is None or execution.compilation is not compiled or not execution.is_final:
            execution = self._execute(compiled, network, data.y_shape)
        return execution

    def _ready_to_train(self, data: LabelledRows) -> Execution:
        """Returns what trains on such data.

        As in Keras, what is `trainable` at the first step after `compile` is so from then on.
        """
        execution = self._ready_execution(data)
        if not self._trainable_is_settled:
            if not self.trainable_weights:
                warnings.warn("The model does not have any trainable weights.", stacklevel=4)
            network = self._present_network()
            network.settle_trainable()
            # The optimizer's state is that of what is trainable now.
            execution = self._execute(execution.compilation, network, data.y_shape)
            self._trainable_is_settled = True
        return execution

    def _steps_per_call(self, callbacks: CallbackList, hooks: Sequence[str]) -> int | None:
        """Number of steps from one batch hook to the next, `None` if there are no such hooks."""
        if not self.processes.any(callbacks.overrides(*hooks)):
            return None
        return 1 if self._compilation is None else self._compilation.steps_per_execution

    def _logs(self) -> dict[str, Any]:
        """Returns the results so far by name, in alphabetical order."""
        return {} if self._execution is None else self._execution.logs()

    def _results(self, return_dict: bool) -> float | list[float] | dict[str, float]:
        if return_dict or self._execution is None:
            return self._logs()
        values = self._execution.values()
        return values[0] if len(values) == 1 else values


class _Outputs:
    """Where predictions go: one array if their number is known, else one for each batch."""

    def __init__(self, feed: Feed, row_shape: tuple[int, ...]) -> None:
        self._row_shape = row_shape
        rows = feed.rows if isinstance(feed, ArrayFeed) else 0
        self._whole = np.empty((rows, *row_shape), np.float32) if rows else None
        self._used = 0
        self._parts: list[Array] = []

    def room(self, rows: int) -> Array:
        """Returns the place for the next rows."""
        if self._whole is None:
            self._parts.append(np.empty((rows, *self._row_shape), np.float32))
            return self._parts[-1]
        self._used += rows
        return self._whole[self._used - rows : self._used]

    def all(self) -> Array:
        """Returns all predictions."""
        if self._whole is not None:
            return self._whole
        return np.concatenate([np.empty((0, *self._row_shape), np.float32), *self._parts])


def _checked_distribution(distribution: Any) -> Processes:
    if distribution is None:
        return ALONE
    if not isinstance(distribution, Processes):
        raise ValueError(
            "`distribution` must be a `convlet.distribution.DataParallel`. "
            f"Received: distribution={distribution!r} (of type {type(distribution)})"
        )
    return distribution


def _whole(data: LabelledRows) -> Stretch:
    return Stretch(data, None, 0, len(data), len(data))


def _checked_size(name: str, value: Any) -> int | None:
    return None if value is None else check_integer(name, value, 1)


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


def _validation_parts(validation_data: Any) -> tuple[Any, Any, Any]:
    """Returns x, y and weights; a source of batches is x alone."""
    if isinstance(validation_data, (list, tuple)) and len(validation_data) in (2, 3):
        return (*validation_data, None)[:3]
    if isinstance(validation_data, (list, tuple)) or is_array(validation_data):
        raise ValueError(
            "`validation_data` must be a tuple `(x, y)` or `(x, y, sample_weight)`, or yield "
            f"batches. Received: {type(validation_data)}"
        )
    return validation_data, None, None
