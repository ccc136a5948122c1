"""Progbar: Keras's progress bar, for loops of the caller's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from convlet.progress import BarProgress, LineProgress, Progress
from convlet.utils.interactive import is_interactive_logging_enabled
from convlet.utils.terminal import is_live
from convlet.utils.validation import check_integer, refuse_unsupported


class Progbar:
    """Shows how far a loop has come, with the means of some values.

    Args:
        target: Number of steps.
        width: 20; nothing else is supported.
        verbose: 0 for nothing; 1 for a bar, or one line at the end where a bar cannot move; 2 for
            one line at the end.
        interval: 0.05, the shortest time between two changes in seconds; nothing else is supported.
        stateful_metrics: Names of values to show as they are, not as means.
        stateless_metrics: Instead: names of those to show as means; all others as they are.
        unit_name: `"step"`; nothing else is supported.

    Raises:
        ValueError: If an argument has no meaning or is not supported.
    """

    def __init__(
        self,
        target: int,
        width: int = 20,
        verbose: int = 1,
        interval: float = 0.05,
        stateful_metrics: Iterable[str] | None = None,
        stateless_metrics: Iterable[str] | None = None,
        unit_name: str = "step",
    ) -> None:
        refuse_unsupported(
            "Progbar",
            {"width": (width, 20), "interval": (interval, 0.05), "unit_name": (unit_name, "step")},
        )
        if stateful_metrics is not None and stateless_metrics is not None:
            raise ValueError(
                "Only one of `stateful_metrics` or `stateless_metrics` can be provided. "
                f"Received: {stateful_metrics!r} and {stateless_metrics!r}"
            )
        self.target = check_integer("target", target, 1)
        self.verbose = check_integer("verbose", verbose, 0, 2)
        self.stateful_metrics = frozenset(stateful_metrics or ())
        self.stateless_metrics = None if stateless_metrics is None else frozenset(stateless_metrics)
        self._seen = 0
        # Sum and weight of each value.
        self._values: dict[str, tuple[float, float]] = {}
        self._progress = self._make()
        self._progress.begin()

    def update(
        self,
        current: int,
        values: Sequence[tuple[str, Any]] | None = None,
        finalize: bool | None = None,
    ) -> None:
        """Shows that `current` steps are done.

        Args:
            current: Number of steps.
            values: Pairs of name and value of the steps since the last call.
            finalize: Whether this is the end; `None` for when the target is reached. At the end
                values are shown as they are.
        """
        end = current >= self.target if finalize is None else finalize
        weight = max(current - self._seen, 1)
        for name, value in values or ():
            total, count = self._values.get(name, (0.0, 0.0))
            if end or not self._is_mean(name):
                self._values[name] = float(value), 1.0
            else:
                self._values[name] = total + float(value) * weight, count + weight
        self._seen = current
        logs = {name: total / count for name, (total, count) in self._values.items()}
        self._progress.update(current, logs)
        if end:
            self._progress.end(logs)

    def add(self, n: int, values: Sequence[tuple[str, Any]] | None = None) -> None:
        """Shows that `n` more steps are done."""
        self.update(self._seen + n, values)

    def _is_mean(self, name: str) -> bool:
        if self.stateless_metrics is None:
            return name not in self.stateful_metrics
        return name in self.stateless_metrics

    def _make(self) -> Progress:
        if self.verbose == 0 or not is_interactive_logging_enabled():
            return Progress(self.target)
        live = self.verbose == 1 and is_live()
        return BarProgress(self.target) if live else LineProgress(self.target)
