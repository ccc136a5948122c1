"""Random numbers: the seed of the process."""

from convlet.utils.random_state import set_random_seed as set_seed

__all__ = ["set_seed"]
