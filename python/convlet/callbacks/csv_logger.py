"""CSVLogger: writes the results of every epoch to a file."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from convlet._atomic_write import naming
from convlet.callbacks.callback import Callback, Logs
from convlet.utils.validation import check_bool


class CSVLogger(Callback):
    """Writes the results of every epoch to a CSV file.

    The columns are `epoch`, counted from 0, and the keys of the first epoch's logs in alphabetical
    order; without validation in it a `val_` column follows for each of them. What an epoch lacks
    is `NA`.

    Args:
        filename: Path of the file.
        separator: What stands between the columns.
        append: Whether to go on with a file that exists rather than to replace it.

    Raises:
        OSError: In training, if the file cannot be written; all rows in it are whole then.
    """

    ONLY_WRITES = True

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        super().__init__()
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = check_bool("append", append)
        self._keys: list[str] | None = None
        self._file: io.FileIO | None = None
        self._with_header = True

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._close()
        path = Path(self.filename)
        self._with_header = not (self.append and path.exists() and path.stat().st_size)
        with naming(self.filename):
            self._file = io.FileIO(path, "a" if self.append else "w")
        self._keys = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        if self._file is None:
            return
        lines = io.StringIO(newline="")
        writer = csv.writer(lines, delimiter=self.sep)
        if self._keys is None:
            self._keys = sorted(logs)
            if not any(key.startswith("val_") for key in self._keys):
                self._keys += [f"val_{key}" for key in self._keys]
            if self._with_header:
                writer.writerow(["epoch", *self._keys])
        writer.writerow([epoch, *(_as_cell(logs.get(key, "NA")) for key in self._keys)])
        with naming(self.filename):
            _write_whole(self._file, lines.getvalue().encode())

    def on_train_end(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _write_whole(file: io.FileIO, content: bytes) -> None:
    """Writes all or, where the disk is full, nothing."""
    size = os.fstat(file.fileno()).st_size
    rest = memoryview(content)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except BaseException:
        with contextlib.suppress(OSError):
            file.truncate(size)
            file.seek(size)
        raise


def _as_cell(value: Any) -> Any:
    scalar = isinstance(value, np.ndarray) and value.ndim == 0
    if isinstance(value, str) or scalar or not isinstance(value, Iterable):
        return value
    return f'"[{", ".join(map(str, value))}]"'
