"""How data come to `fit`, `evaluate` and `predict`: rows of arrays, or batches made elsewhere."""

from __future__ import annotations

import itertools
import math
import random
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from convlet.data_adapter import LabelledRows, Order, epoch_order
from convlet.distribution.processes import ALONE, Processes
from convlet.utils.py_dataset import PyDataset
from convlet.utils.random_snapshot import restore_snapshot, take_snapshot

# A call of the compiled code lasts about this long, so that the bar moves and Ctrl-C is heard.
_CALL_SECONDS = 0.05


@dataclass(frozen=True)
class Stretch:
    """Positions [begin, end) of an order of rows, as batches of a size; a smaller one last."""

    data: LabelledRows
    order: Order | None
    begin: int
    end: int
    batch_size: int
    # With empty ones behind them, where other processes have more rows; `None`: without.
    batches: int | None = None

    @property
    def steps(self) -> int:
        """Number of batches."""
        if self.batches is not None:
            return self.batches
        return math.ceil((self.end - self.begin) / self.batch_size)


@dataclass(frozen=True)
class Call:
    """What is done between two batch hooks, or two looks at the clock.

    Attributes:
        first: Number of the first step, from 0.
        last: Number of the last step as Keras counts, who does not shorten an epoch's last call.
        stretches: What to do; where data run out there is nothing.
    """

    first: int
    last: int
    stretches: Iterable[Stretch]


Convert: TypeAlias = Callable[[Any], LabelledRows]


class ArrayFeed:
    """Rows of arrays, in batches.

    Args:
        data: The rows.
        batch_size: Rows per step; `None` means 32, or what makes `steps` steps of all rows.
        shuffle: As for `epoch_order`.
        steps: Steps of an epoch; the next one goes on where it ended. `None` for all batches.
        processes: Those that train together.

    Raises:
        ValueError: If a batch has no row for some process that has rows of its own.
    """

    def __init__(
        self,
        data: LabelledRows,
        batch_size: int | None,
        shuffle: bool | str = False,
        steps: int | None = None,
        processes: Processes = ALONE,
    ) -> None:
        if batch_size is None and steps is not None:
            batch_size = max(-(-len(data) // steps), 1)
        elif processes.is_sharded:
            batch_size = _part_of_batch(batch_size or 32, processes)
        self.data = data
        self.batch_size = batch_size or 32
        self.batches = math.ceil(len(data) / self.batch_size)
        if processes.is_sharded:
            self.batches = processes.most(self.batches)
        self._processes = processes
        self.steps: int | None = self.batches if steps is None else steps
        self.rows = min((self.steps or 0) * self.batch_size, len(data))
        self._shuffle = shuffle
        self._order: Order | None = None
        self._seen = 0

    def restart(self) -> None:
        """Starts with the first batch again."""
        self._seen = 0

    def calls(self, size: int | None, first: int = 0) -> Iterator[Call]:
        """Yields an epoch.

        Args:
            size: Steps per call; `None` for as many as take a moment, judged by the call before.
            first: Step to begin with.
        """
        if not self._seen:
            if self._shuffle:
                share_random_state(self._processes)
            self._order = epoch_order(len(self.data), self.batch_size, self._shuffle)
        wanted = self.steps or 0
        before, steps = self._seen, min(wanted, self.batches - self._seen)
        count = size or 1
        while first < steps:
            beyond = min(first + count, steps)
            begin = min((before + first) * self.batch_size, len(self.data))
            end = min((before + beyond) * self.batch_size, len(self.data))
            self._seen = before + beyond
            stretch = Stretch(self.data, self._order, begin, end, self.batch_size, beyond - first)
            started = time.perf_counter()
            yield Call(first, first + count - 1, [stretch])
            if size is None:
                seconds_per_step = (time.perf_counter() - started) / (beyond - first)
                count = max(1, int(_CALL_SECONDS / max(seconds_per_step, 1e-9)))
                count = self._processes.from_first(count)
            first = beyond
        if steps < wanted:
            _warn_of_the_end()
        if self._seen >= self.batches:
            self._seen = 0


class BatchFeed:
    """Batches from a `PyDataset`, a generator, or anything else that can be iterated over.

    A generator is read once, in its order, over all epochs; everything else from its start in each
    epoch, or with `steps` on from where the epoch before ended.

    Args:
        source: Where the batches come from.
        convert: Makes checked rows of a batch.
        steps: Steps of an epoch, or `None` for all batches.
        shuffle: Whether to take the batches of a `PyDataset` in a new order in each epoch.
        processes: Those that train together.

    Raises:
        ValueError: If there is no batch, or the first one does not fit.
    """

    def __init__(
        self,
        source: Any,
        convert: Convert,
        steps: int | None = None,
        shuffle: bool = False,
        processes: Processes = ALONE,
    ) -> None:
        self._source = source
        self._convert = convert
        self._given_steps = steps
        self._shuffle = shuffle
        self._length = self._own_length = _length(source)
        self._processes = processes
        self._last: LabelledRows | None = None
        if processes.is_sharded and self._length is not None:
            self._length = processes.most(self._length)
        self._once = isinstance(source, Iterator)
        self._seen = 0
        self._iterator: Iterator[Any] | None = None
        self._dataset = source if isinstance(source, PyDataset) else PyDataset()
        self._peek()

    @property
    def steps(self) -> int | None:
        """Steps of an epoch, as far as that is known."""
        return self._given_steps or self._length

    def restart(self) -> None:
        """Starts with the first batch again, where there is a way back; comes before an epoch."""
        self._dataset.on_epoch_end()
        if not self._once and self._seen:
            self._iterator = None

    def calls(self, size: int | None, first: int = 0) -> Iterator[Call]:
        """Yields an epoch, with `size` steps in a call; `None` means 1.

        Args:
            size: Steps per call.
            first: Step to begin with; the batches before it are passed over.
        """
        size = size or 1
        share_random_state(self._processes)
        self._dataset.on_epoch_begin()
        if self._iterator is None:
            self._start()
        wanted, step, before = self.steps, 0, self._seen
        while step < first and self._iterator is not None:
            step += sum(1 for _ in self._take(1))
        while wanted is None or step < wanted:
            if self._length is not None and self._seen >= self._length:
                _warn_of_the_end()
                break
            count = size if wanted is None else min(size, wanted - step)
            yield Call(step, step + size - 1, self._take(count))
            if self._iterator is None:
                break
            step += size
        self._finish(before)

    def _take(self, count: int) -> Iterator[Stretch]:
        for _ in range(count):
            batch = next(self._iterator, None) if self._iterator is not None else None
            if not self._any(batch is not None):
                self._iterator = None
                return
            self._seen += 1
            if batch is None and self._last is not None:
                yield Stretch(self._last, None, 0, 0, 1, batches=1)
                continue
            self._last = data = self._convert(batch)
            yield Stretch(data, None, 0, len(data), len(data))

    def _any(self, has_batch: bool) -> bool:
        """Whether this process has a batch or, where each has rows of its own, another one."""
        return self._processes.any(has_batch) if self._processes.is_sharded else has_batch

    def _finish(self, before: int) -> None:
        """After an epoch that began with step `before` of the iteration."""
        ended = self._iterator is None
        if ended and (self._given_steps is not None or (self._once and self._seen == before)):
            _warn_of_the_end()
        if ended and self._length is None and not self._once and self._given_steps is None:
            self._length = self._seen - before
        if ended and self._once:
            self._iterator = iter(())
        all_seen = self._length is not None and self._seen >= self._length
        if not self._once and (all_seen or self._given_steps is None):
            self._iterator = None
        self._dataset.on_epoch_end()

    def _start(self) -> None:
        self._seen = 0
        self._iterator = self._new_iterator()

    def _new_iterator(self) -> Iterator[Any]:
        if not isinstance(self._source, PyDataset):
            return iter(self._source)
        if self._own_length is None:
            return self._source.batches(itertools.count())
        indices = list(range(self._own_length))
        if self._shuffle:
            random.shuffle(indices)  # as Keras does, with the generator that it uses
        return self._source.batches(indices)

    def _peek(self) -> None:
        """Checks the first batch before any work starts."""
        self._start()
        iterator = self._iterator or iter(())
        first = next(iterator, None)
        if first is None:
            kind = "generator" if self._once else type(self._source).__name__
            raise ValueError(
                f"When passing a Python {kind} to a Keras model, the {kind} must yield at least "
                f"one batch. Received an empty {kind}."
            )
        self._last = self._convert(first)
        self._iterator = itertools.chain([first], iterator)


def share_random_state(processes: Processes) -> None:
    """Makes the random numbers of all processes those of the first."""
    if processes.size > 1:
        restore_snapshot(processes.from_first(take_snapshot()))


def _part_of_batch(batch_size: int, processes: Processes) -> int:
    begin, end = processes.part(batch_size)
    if batch_size < processes.size:
        raise ValueError(
            f"`batch_size` is that of all {processes.size} processes together and must be at least "
            f"their number. Received: batch_size={batch_size}"
        )
    return end - begin


def unpacked(batch: Any, owner: str) -> tuple[Any, Any, Any]:
    """Returns x, y and sample weights of a batch; what is missing is `None`.

    Raises:
        ValueError: If the batch is no tuple of one to three arrays.
    """
    if isinstance(batch, np.ndarray):
        return batch, None, None
    items = tuple(batch) if isinstance(batch, (list, tuple)) else ()
    if len(items) not in (1, 2, 3):
        raise ValueError(
            f"{owner} must return a tuple. It must be ordered either (input,) or "
            "(inputs, targets) or (inputs, targets, sample_weights). "
            f"Received: {str(batch)[:100]}... of type {type(batch)}"
        )
    return (*items, None, None)[:3]


def check_feed_arguments(
    source: Any, y: Any, sample_weight: Any, class_weight: Any, shuffle: Any
) -> None:
    """Refuses what cannot go with a source of batches.

    Raises:
        ValueError: In Keras's words.
    """
    kind = kind_of(source)
    for name, value, what in (
        ("y", y, "the targets"),
        ("sample_weights", sample_weight, "the sample weights"),
    ):
        if value is not None:
            raise ValueError(
                f"When providing `x` as a {kind}, `{name}` should not be passed. "
                f"Instead, {what} should be included as part of the {kind}."
            )
    if class_weight is not None and isinstance(source, Iterator):
        raise ValueError(
            "Argument `class_weight` is not supported for Python generator inputs. "
            f"Received: class_weight={class_weight}"
        )
    if shuffle and not isinstance(source, PyDataset):
        warnings.warn(
            "`shuffle=True` was passed, but will be ignored since the data `x` was provided as a "
            f"{kind}. The {kind} is expected to yield already-shuffled data.",
            stacklevel=5,
        )


def kind_of(source: Any) -> str:
    """Returns what Keras calls a source of batches."""
    if isinstance(source, PyDataset):
        return "PyDataset"
    return "generator" if isinstance(source, Iterator) else type(source).__name__


def _length(source: Any) -> int | None:
    if isinstance(source, PyDataset):
        return source.num_batches
    try:
        return len(source)
    except TypeError:  # there is none, or it is not known or not finite
        return None


def _warn_of_the_end() -> None:
    warnings.warn(
        "Your input ran out of data; interrupting training. Make sure that your dataset or "
        "generator can generate at least `steps_per_epoch * epochs` batches. You may need to use "
        "the `.repeat()` function when building your dataset.",
        stacklevel=4,
    )
