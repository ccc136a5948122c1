"""Data-parallel training: each process trains on its part of every batch."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from convlet.distribution.processes import Processes
from convlet.utils.validation import check_bool

T = TypeVar("T")

# How launchers tell a process how many there are: Open MPI, MPICH and Intel MPI, PMIx's and Slurm's
# own, in this order.
_SIZE_VARIABLES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MPI_LOCALNRANKS")


class DataParallel(Processes):
    """Makes the processes that `mpirun` has started train one model together.

    Give it to `compile`, in every process:

        model.compile(..., distribution=convlet.distribution.DataParallel())

    `batch_size` is that of all processes together: each takes its part of every batch, their
    gradients are added up by MPI, and every process does the same step, so that the weights are the
    same everywhere, those that one process would have come to but for rounding. The first process
    decides about weights at the start and about random numbers; it alone prints and writes files.
    Results of `fit` and `evaluate` are those of all rows, in every process.

    An error in one process, of which the others do not know, ends all of them.

    Args:
        device_mesh: `None`: the processes are those of MPI's world.
        devices: `None`, for the same reason.
        auto_shard_dataset: `True`: every process is given the same rows, and takes its part.
            `False`: each process is given rows of its own. They make up a batch together, in the
            order of the processes; who has no more takes no part.

    Raises:
        ImportError: If mpi4py is not installed: `pip install 'convlet[mpi]'`.
        ValueError: If an argument is not supported.
    """

    def __init__(
        self,
        device_mesh: Any = None,
        devices: Any = None,
        auto_shard_dataset: bool = True,
    ) -> None:
        for name, value in (("device_mesh", device_mesh), ("devices", devices)):
            if value is not None:
                raise ValueError(
                    f"DataParallel does not support `{name}`: the processes are those that mpirun "
                    f"has started. Received: {name}={value!r}"
                )
        self.is_sharded = not check_bool("auto_shard_dataset", auto_shard_dataset)
        try:
            from mpi4py import MPI
        except ImportError as error:
            raise ImportError(
                "DataParallel needs mpi4py and an MPI library: pip install 'convlet[mpi]'"
            ) from error
        self._mpi = MPI
        # Of its own, so that nothing gets between the program's messages.
        self._comm = MPI.COMM_WORLD.Dup()
        self.rank: int = self._comm.Get_rank()
        self.size: int = self._comm.Get_size()
        if self.size > 1:
            _end_all_on_error(self._comm)
            self._share_cpus()

    def sum(self, array: npt.NDArray[Any]) -> None:
        self._comm.Allreduce(self._mpi.IN_PLACE, array, op=self._mpi.SUM)

    def from_first(self, value: T) -> T:
        received: T = self._comm.bcast(value)
        return received

    def any(self, flag: bool) -> bool:
        return bool(self._comm.allreduce(bool(flag), op=self._mpi.LOR))

    def most(self, number: int) -> int:
        return int(self._comm.allreduce(number, op=self._mpi.MAX))

    def joined(self, rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.concatenate(self._comm.allgather(rows))

    def _share_cpus(self) -> None:
        """Divides the CPUs among those processes of this machine that may use the same ones."""
        from convlet import _threads

        if not hasattr(os, "sched_getaffinity"):
            return
        machine = self._comm.Split_type(self._mpi.COMM_TYPE_SHARED)
        own = os.sched_getaffinity(0)
        sharers = sum(bool(own & other) for other in machine.allgather(own))
        _threads.share_cpus(sharers)


def started_together(environ: Mapping[str, str] = os.environ) -> bool:
    """Tells whether a launcher of MPI has started this process as one of several."""
    sizes = (environ.get(name, "") for name in _SIZE_VARIABLES)
    return any(size.isdigit() and int(size) > 1 for size in sizes)


def end_all(code: int) -> None:
    """Ends all processes that train together, if this is one of several."""
    mpi = sys.modules.get("mpi4py.MPI")
    if mpi is not None and mpi.COMM_WORLD.Get_size() > 1:
        mpi.COMM_WORLD.Abort(code)


def _end_all_on_error(comm: Any) -> None:
    """Makes an exception that ends this process end all: the others would wait for it for ever."""

    def report(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        sys.stdout.flush()
        lines = traceback.format_exception(kind, error, trace)
        place = f"convlet: process {comm.Get_rank()} of {comm.Get_size()} has failed"
        sys.stderr.write("".join([*lines, f"{place}: all of them end.\n"]))
        sys.stderr.flush()
        comm.Abort(1)

    sys.excepthook = report
