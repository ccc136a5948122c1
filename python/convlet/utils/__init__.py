"""Helpers that go with training: encoding labels, seeding, names."""

from convlet.utils.naming import clear_session
from convlet.utils.numerical import to_categorical
from convlet.utils.random_state import set_random_seed

__all__ = ["clear_session", "set_random_seed", "to_categorical"]
