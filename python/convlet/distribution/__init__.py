"""Training by several processes, on one machine or many."""

from __future__ import annotations

from convlet.distribution.data_parallel import DataParallel

__all__ = ["DataParallel"]
