"""The one source of randomness: initial weights and shuffling draw from it."""

from __future__ import annotations

import random

import numpy as np

from convlet.utils.validation import check_integer

_generator = np.random.default_rng()


def generator() -> np.random.Generator:
    """Returns the generator that `set_random_seed` seeds."""
    return _generator


def set_random_seed(seed: int) -> None:
    """Seeds Python's `random`, numpy's legacy generator and convlet's own generator.

    Initial weights and the order of training rows depend on nothing else: with the same seed,
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
