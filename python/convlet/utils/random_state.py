"""The one source of randomness: initial weights, shuffling and layers' seeds draw from it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from convlet.utils.validation import check_integer

_generator = np.random.default_rng()
# Instead of it, in this thread.
_own_generator: ContextVar[np.random.Generator | None] = ContextVar("own_generator", default=None)


def generator() -> np.random.Generator:
    """Returns the generator that `set_random_seed` seeds, or that of `drawing_from`."""
    return _own_generator.get() or _generator


@contextmanager
def drawing_from(own: np.random.Generator) -> Iterator[None]:
    """Lets everything inside draw from a generator of its own; other threads do not see it."""
    token = _own_generator.set(own)
    try:
        yield
    finally:
        _own_generator.reset(token)


def layer_seed(seed: int | None) -> int:
    """Returns the seed of a layer's random numbers: its own or, for `None`, a drawn one.

    Raises:
        ValueError: If `seed` is neither `None` nor an integer from 0 to 2**63 - 1.
    """
    if seed is None:
        return int(generator().integers(2**63))
    return check_integer("seed", seed, 0, 2**63 - 1)


def set_random_seed(seed: int) -> None:
    """Seeds Python's `random`, numpy's legacy generator and convlet's own generator.

    Initial weights, the order of training rows and random masks depend on nothing else: with the same seed,
    program and number of threads, training gives the same bits.

    Args:
        seed: Integer from 0 to 2**32 - 1.

    Raises:
        ValueError: If `seed` is something else.
    """
    seed = check_integer("seed", seed, 0, 2**32 - 1)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the user's own code may draw from it
    global _generator  # noqa: PLW0603 - process-wide, as in Keras
    _generator = np.random.default_rng(seed)
