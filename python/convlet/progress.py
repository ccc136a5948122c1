"""Progress of `fit`, `evaluate` and `predict`, in Keras's words.

In a terminal and in a Jupyter cell it is a bar (tqdm). In a file or a pipe it is one plain line
per epoch, without escape codes and carriage returns.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from convlet.utils.interactive import is_interactive_logging_enabled
from convlet.utils.terminal import can_encode, is_live, write

if TYPE_CHECKING:
    from tqdm import tqdm

Verbose: TypeAlias = Literal[0, 1, 2, "auto"]

_BAR_CELLS = 20
_BAR_ROWS = 20  # tqdm hides a bar that is nested more deeply
_HEAVY_LINE = "━"
_REFRESH_SECONDS = 0.05


class Progress:
    """Shows nothing; base class of the ones that show something.

    Args:
        steps: Number of steps of an epoch; `None` where only its end will tell.
        epochs: Number of epochs.
    """

    def __init__(self, steps: int | None, epochs: int = 1) -> None:
        self.steps = steps
        self._done = 0
        self.epochs = epochs
        self._started = time.perf_counter()

    def begin(self, epoch: int = 0) -> None:  # noqa: ARG002
        """Starts an epoch, counted from 0."""
        self._started = time.perf_counter()

    def update(self, step: int, logs: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Shows that `step` steps of the epoch are done."""
        self._done = step

    def end(self, logs: Mapping[str, Any]) -> None:
        """Ends an epoch."""

    def close(self) -> None:
        """Leaves the cursor on a line of its own, also after an error."""

    def _all_steps(self) -> int:
        """Number of steps of an epoch that has ended."""
        return max(self._done if self.steps is None else self.steps, 1)

    def _seconds(self) -> float:
        return time.perf_counter() - self._started


class LineProgress(Progress):
    """One line per epoch.

    Args:
        steps: Number of steps of an epoch.
        epochs: Number of epochs.
        title_line: Whether "Epoch 1/5" gets a line of its own, as with Keras's `verbose=2`.
    """

    def __init__(self, steps: int | None, epochs: int = 1, title_line: bool = False) -> None:
        super().__init__(steps, epochs)
        self._title_line = title_line
        self._title = ""

    def begin(self, epoch: int = 0) -> None:
        super().begin(epoch)
        if self.epochs > 1:
            self._title = f"Epoch {epoch + 1}/{self.epochs}"
            if self._title_line:
                write(f"{self._title}\n")

    def end(self, logs: Mapping[str, Any]) -> None:
        seconds, steps = self._seconds(), self._all_steps()
        fields = [
            f"{steps}/{steps}",
            f"{seconds:.0f}s",
            _time_per_step(seconds / steps),
            *_log_fields(logs),
        ]
        if self._title and not self._title_line:
            fields.insert(0, self._title)
        write(" - ".join(fields) + "\n")


class BarProgress(Progress):
    """A bar that moves."""

    def __init__(self, steps: int | None, epochs: int = 1) -> None:
        super().__init__(steps, epochs)
        self._bar: tqdm[Any] | None = None

    def begin(self, epoch: int = 0) -> None:
        super().begin(epoch)
        if self.epochs > 1:
            write(f"Epoch {epoch + 1}/{self.epochs}\n")
        self._bar = _make_bar(self.steps)

    def update(self, step: int, logs: Mapping[str, Any]) -> None:
        super().update(step, logs)
        if self._bar is not None:
            seconds_per_step = self._seconds() / max(step, 1)
            remaining = seconds_per_step * ((self.steps or step) - step)
            self._describe(_duration(remaining), seconds_per_step, logs)
            self._bar.update(step - self._bar.n)

    def end(self, logs: Mapping[str, Any]) -> None:
        if self._bar is not None:
            seconds = self._seconds()
            self._bar.n = self._bar.total = self._all_steps()
            self._describe(f"{seconds:.0f}s", seconds / self._all_steps(), logs)
            self.close()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _describe(self, clock: str, seconds_per_step: float, logs: Mapping[str, Any]) -> None:
        if self._bar is not None:
            fields = [f"{clock} {_time_per_step(seconds_per_step)}", *_log_fields(logs)]
            self._bar.set_description_str(" - ".join(fields), refresh=False)


def make_progress(verbose: object, steps: int | None, epochs: int = 1) -> Progress:
    """Returns what shows the progress.

    Args:
        verbose: 0 for nothing, as always after `disable_interactive_logging`; 1 or `"auto"` for a bar, or a line per epoch where a bar cannot
            move; 2 for a line per epoch.
        steps: Number of steps of an epoch; `None` where only its end will tell.
        epochs: Number of epochs.

    Raises:
        ValueError: If `verbose` is something else.
    """
    if not isinstance(verbose, (int, str)) or verbose not in (0, 1, 2, "auto"):
        raise ValueError(f"`verbose` must be 0, 1, 2 or 'auto'. Received: verbose={verbose!r}")
    if verbose == 0 or not is_interactive_logging_enabled():
        return Progress(steps, epochs)
    if verbose == 2:
        return LineProgress(steps, epochs, title_line=True)
    return BarProgress(steps, epochs) if is_live() else LineProgress(steps, epochs)


def _make_bar(steps: int | None) -> tqdm[Any]:
    import shutil
    import sys

    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]  # it is not subscriptable at run time
        # tqdm would start a thread that watches for stalled bars; this one moves by itself.
        monitor_interval = 0

    line = _HEAVY_LINE if can_encode(_HEAVY_LINE) else "="
    width = len(str(steps or 0))
    return Bar(
        total=steps,
        file=sys.stdout,
        ascii=f" {line}",
        bar_format=f"{{n:{width}d}}/{{total}} {{bar:{_BAR_CELLS}}} {{desc}}",
        # In a terminal a line must not be broken, in a Jupyter cell it may be. Both sizes are
        # given, because tqdm shows nothing where a terminal says that it has 0 rows and columns.
        ncols=shutil.get_terminal_size().columns - 1 if sys.stdout.isatty() else None,
        nrows=_BAR_ROWS,
        mininterval=_REFRESH_SECONDS,
        miniters=1,
        disable=False,
    )


def _log_fields(logs: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}: {value}" if not isinstance(value, float) else f"{name}: {_number(value)}"
        for name, value in logs.items()
    ]


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) > 1e-3 else f"{value:.4e}"


def _duration(seconds: float) -> str:
    whole = int(seconds)
    if whole > 3600:
        return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}" if whole > 60 else f"{whole}s"


def _time_per_step(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.0f}s/step"
    return f"{seconds * 1e3:.0f}ms/step" if seconds >= 1e-3 else f"{seconds * 1e6:.0f}us/step"
