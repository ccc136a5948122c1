"""The notebook's network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convlet.distribution import DataParallel
    from convlet.models import Sequential


def digit_convnet() -> Sequential:
    """Builds the network, with `Rescaling` in place of an array of scaled images."""
    from convlet import layers, models

    return models.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def compiled_digit_convnet(distribution: DataParallel | None = None) -> Sequential:
    """Builds the network, ready to be trained."""
    model = digit_convnet()
    model.compile(
        optimizer="rmsprop",
        loss="categorical_crossentropy",
        metrics=["accuracy"],
        distribution=distribution,
    )
    return model
