"""Keras's `preprocessing` package: images."""

from convlet.preprocessing import image

__all__ = ["image"]
