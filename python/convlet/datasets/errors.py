"""Exceptions of the data set loaders."""

from __future__ import annotations

from collections.abc import Sequence


class DownloadError(ConnectionError):
    """Data could not be downloaded.

    Args:
        failures: What was tried and what went wrong, one text for each attempt.
    """

    def __init__(self, failures: Sequence[str]) -> None:
        super().__init__("\n".join(failures))
        self.failures = tuple(failures)
