"""EventFile: numbers over time, in the files that TensorBoard reads."""

from __future__ import annotations

import io
import itertools
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np

_numbers = itertools.count()


class EventFile:
    """A file of numbers over time, written by TensorBoard's own package.

    The file is opened for the moment of writing only. TensorBoard's `EventFileWriter` would keep it
    open, and a thread with it, which neither a forked process nor a copy of the callback inherits.

    Args:
        directory: Where the file will be; both are made with the first numbers.

    Raises:
        ImportError: If tensorboard is not installed: `pip install 'convlet[tensorboard]'`.
    """

    def __init__(self, directory: Path) -> None:
        try:
            import tensorboard  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "`TensorBoard` needs the package tensorboard: pip install 'convlet[tensorboard]'"
            ) from error
        host, process, number = socket.gethostname(), os.getpid(), next(_numbers)
        name = f"events.out.tfevents.{int(time.time()):010d}.{host}.{process}.{number}.v2"
        self._path = directory / name

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        """Adds numbers at a step.

        Args:
            numbers: By their names.
            step: What they are drawn over.

        Raises:
            OSError: If the file cannot be written.
        """
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb
        from tensorboard.summary.writer.record_writer import RecordWriter

        now = time.time()
        events = [
            Event(wall_time=now, step=step, summary=scalar_pb(name, np.float32(value)))
            for name, value in numbers.items()
        ]
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            events.insert(0, Event(wall_time=now, file_version="brain.Event:2"))
        records = io.BytesIO()
        writer = RecordWriter(records)
        for event in events:
            writer.write(event.SerializeToString())
        with self._path.open("ab") as file:
            file.write(records.getvalue())
