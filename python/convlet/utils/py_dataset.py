"""A data set that makes its batches in Python, one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from convlet.utils.validation import check_integer, refuse_unsupported


class PyDataset:
    """Base class of data sets whose batches Python code makes; `Sequence` is another name of it.

    A subclass defines `__getitem__(index)`, which returns a whole batch `(x,)`, `(x, y)` or
    `(x, y, sample_weight)`, and `__len__()`, the number of batches; it may define `on_epoch_begin`
    and `on_epoch_end`.

    Args:
        workers: Number of threads that make batches ahead while the model trains; 1 makes each when
            it is needed, in the calling thread.
        use_multiprocessing: `False`; nothing else is supported.
        max_queue_size: Number of batches that the threads make ahead.

    Raises:
        ValueError: If an argument has no meaning.
    """

    # For subclasses that do not call `super().__init__()`.
    workers = 1
    max_queue_size = 10

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        refuse_unsupported(
            type(self).__name__, {"use_multiprocessing": (use_multiprocessing, False)}
        )
        self.workers = check_integer("workers", workers, 0)
        self.max_queue_size = check_integer("max_queue_size", max_queue_size, 1)

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define `__getitem__`")

    @property
    def num_batches(self) -> int | None:
        """Number of batches; `None` where there is no end."""
        if not hasattr(self, "__len__"):
            raise NotImplementedError(f"{type(self).__name__} does not define `__len__`")
        return len(self)

    def on_epoch_begin(self) -> None:
        """Called before an epoch's first batch."""

    def on_epoch_end(self) -> None:
        """Called after an epoch's last batch, and once before the first epoch, as in Keras."""

    def batches(self, indices: Sequence[int] | Iterator[int]) -> Iterator[Any]:
        """Yields the batches of some indices, in their order."""
        if self.workers <= 1:
            for index in indices:
                yield self[index]
            return
        from collections import deque
        from concurrent.futures import Future, ThreadPoolExecutor

        pool = ThreadPoolExecutor(self.workers)
        ahead: deque[Future[Any]] = deque()
        try:
            for index in indices:
                ahead.append(pool.submit(self.__getitem__, index))
                if len(ahead) > self.max_queue_size:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
