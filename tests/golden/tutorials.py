"""Scripts as Keras's tutorials and its users write them: only the package is a variable.

Each returns what its reader would look at: results, names, shapes, what was printed. Weights start
from given numbers and nothing is shuffled or dropped, so that every number can be compared.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

Report = dict[str, Any]


def images(count: int, size: int, channels: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """uint8 images whose brightness tells their class."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, classes, count)
    noise = rng.random((count, size, size, channels)) * 80
    return (noise + 40 * labels[:, None, None, None]).astype(np.uint8), labels


def started(model: Any) -> Any:
    """Gives a model weights of its usual size that depend on their shapes alone."""
    rng = np.random.default_rng(1)
    for weight in model.weights:
        if len(weight.shape) > 1:
            fan_in = np.prod(weight.shape[:-1])
            weight.assign(rng.normal(size=tuple(weight.shape)) * np.sqrt(2 / fan_in))
    return model


def simple_convnet(keras: Any) -> Report:
    """https://keras.io/examples/vision/mnist_convnet"""
    layers = keras.layers
    num_classes, input_shape = 4, (28, 28, 1)
    x_train, y_train = images(40, 28, 1, num_classes)
    x_train = x_train[..., 0].astype("float32") / 255
    x_train = np.expand_dims(x_train, -1)
    y_train = keras.utils.to_categorical(y_train, num_classes)
    model = keras.Sequential(
        [
            keras.Input(shape=input_shape),
            layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dropout(0.0),
            layers.Dense(num_classes, activation="softmax"),
        ]
    )
    model.summary()
    model = started(model)
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    history = model.fit(
        x_train, y_train, batch_size=8, epochs=2, validation_split=0.1, shuffle=False, verbose=2
    )
    score = model.evaluate(x_train, y_train, verbose=0)
    kernel = keras.ops.convert_to_numpy(model.layers[0].kernel)
    return {"history": history.history, "score": score, "kernel": kernel.tolist()}


def transfer_learning(keras: Any) -> Report:
    """https://keras.io/guides/transfer_learning: a frozen base, then fine-tuning."""
    layers = keras.layers
    x, y = images(24, 12, 3, 2)
    base_model = keras.Sequential(
        [
            keras.Input((12, 12, 3)),
            layers.Conv2D(8, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
        ],
        name="base",
    )
    base_model.trainable = False
    inputs = keras.Input(shape=(12, 12, 3))
    z = layers.Rescaling(scale=1 / 127.5, offset=-1)(inputs)
    z = base_model(z, training=False)
    outputs = layers.Dense(1)(layers.Dropout(0.0)(z))
    model = started(keras.Model(inputs, outputs))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    report: Report = {"name": model.name, "paths": [weight.path for weight in model.weights]}
    for stage, rate in (("frozen", 1e-3), ("fine", 1e-5)):
        base_model.trainable = stage == "fine"
        model.summary(show_trainable=True)
        model.compile(
            optimizer=keras.optimizers.Adam(rate),
            loss=loss,
            metrics=[keras.metrics.BinaryAccuracy()],
        )
        history = model.fit(x, y, epochs=2, shuffle=False, validation_data=(x, y), verbose=2)
        report[stage] = history.history
        report[f"{stage} rate"] = float(model.optimizer.learning_rate.numpy())
    features = keras.Model(base_model.inputs, base_model.get_layer(index=0).output)
    report["features"] = features.predict(x[:2], verbose=0).tolist()
    return report


def residual_network(keras: Any) -> Report:
    """A small ResNet, trained with momentum and rates in steps."""
    layers = keras.layers
    x, y = images(24, 16, 3, 4)
    penalty = keras.regularizers.l2(1e-4)

    def conv(tensor: Any, filters: int, size: int = 3, strides: int = 1) -> Any:
        tensor = layers.Conv2D(
            filters, size, strides, "same", use_bias=False, kernel_regularizer=penalty
        )(tensor)
        return layers.BatchNormalization(momentum=0.9)(tensor)

    def block(tensor: Any, filters: int, strides: int = 1) -> Any:
        out = layers.Activation("relu")(conv(tensor, filters, 3, strides))
        out = conv(out, filters)
        shortcut = tensor if strides == 1 else conv(tensor, filters, 1, strides)
        return layers.ReLU()(layers.add([out, shortcut]))

    inputs = keras.Input((16, 16, 3))
    z = block(block(layers.Conv2D(8, 3, padding="same")(inputs), 8), 16, 2)
    z = layers.GlobalAveragePooling2D()(z)
    model = keras.Model(inputs, layers.Dense(4, activation="softmax")(z), name="resnet")
    model.summary()
    rates = keras.optimizers.schedules.PiecewiseConstantDecay([2, 4], [0.1, 0.01, 0.001])
    started(model).compile(
        optimizer=keras.optimizers.SGD(rates, momentum=0.9, nesterov=True),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy", "sparse_top_k_categorical_accuracy"],
    )
    history = model.fit(x / 255.0, y, batch_size=8, epochs=2, shuffle=False, verbose=2)
    last = keras.Model(model.input, model.layers[-3].output)
    inner = [model.get_layer(name) for name in ("conv2d", "add", "batch_normalization_3")]
    several = keras.Model(inputs=model.inputs, outputs=[layer.output for layer in inner])
    several.summary()
    shown = several.predict(x[:2] / 255.0, verbose=0)
    return {
        "history": history.history,
        "layers": [layer.name for layer in model.layers],
        "count": model.count_params(),
        "features": last.predict(x[:2] / 255.0, verbose=0).tolist(),
        "shown": [features[0, 1].tolist() for features in shown],
        "names": [several.name, *(layer.name for layer in several.layers)],
    }


def autoencoder(keras: Any) -> Report:
    """https://keras.io/examples/vision/autoencoder, and up again by UpSampling2D too."""
    layers = keras.layers
    x, _ = images(16, 16, 1, 4)
    x = x / 255.0
    inputs = layers.Input(shape=(16, 16, 1))
    z = layers.Conv2D(8, (3, 3), activation="relu", padding="same")(inputs)
    z = layers.MaxPooling2D((2, 2), padding="same")(z)
    z = layers.Conv2D(8, (3, 3), activation="relu", padding="same")(z)
    z = layers.AveragePooling2D(2)(z)
    z = layers.Conv2DTranspose(8, (3, 3), strides=2, activation="relu", padding="same")(z)
    z = layers.UpSampling2D()(z)
    z = layers.Conv2D(1, (3, 3), activation="sigmoid", padding="same")(z)
    model = started(keras.models.Model(inputs, z))
    model.summary()
    model.compile(optimizer="adam", loss="binary_crossentropy")
    history = model.fit(
        x=x, y=x, epochs=2, batch_size=8, shuffle=False, validation_data=(x, x), verbose=2
    )
    return {"history": history.history, "images": model.predict(x[:2], verbose=0).tolist()}


def time_series(keras: Any) -> Report:
    """https://keras.io/examples/timeseries/timeseries_classification_from_scratch"""
    layers = keras.layers
    rng = np.random.default_rng(0)
    x_train, y_train = rng.normal(size=(30, 50, 1)), rng.integers(0, 2, 30)
    z = inputs = layers.Input(x_train.shape[1:])
    for _ in range(2):
        z = layers.Conv1D(filters=8, kernel_size=3, padding="same")(z)
        z = layers.ReLU()(layers.BatchNormalization()(z))
    z = layers.GlobalAveragePooling1D()(z)
    model = started(keras.models.Model(inputs, layers.Dense(2, activation="softmax")(z)))
    with tempfile.TemporaryDirectory() as folder:
        best = str(Path(folder) / "best_model.keras")
        callbacks = [
            keras.callbacks.ModelCheckpoint(best, save_best_only=True, monitor="val_loss"),
            keras.callbacks.ReduceLROnPlateau(
                monitor="val_loss", factor=0.5, patience=1, min_lr=0.0001, verbose=1
            ),
            keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, verbose=1),
        ]
        model.compile(
            optimizer="adam",
            loss="sparse_categorical_crossentropy",
            metrics=["sparse_categorical_accuracy"],
        )
        history = model.fit(
            x_train,
            y_train,
            batch_size=8,
            epochs=8,
            callbacks=callbacks,
            validation_split=0.2,
            shuffle=False,
            verbose=0,
        )
        model = keras.models.load_model(best)
    return {"history": history.history, "score": model.evaluate(x_train, y_train, verbose=0)}


def regression(keras: Any) -> Report:
    """https://www.tensorflow.org/tutorials/keras/regression: a normalizer that looks at the data."""
    layers = keras.layers
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 5)) * [1, 10, 0.1, 5, 2] + 3
    labels = features @ [1, 0.1, 3, 0.2, 0.5] + rng.normal(size=60) * 0.1
    normalizer = layers.Normalization(axis=-1)
    normalizer.adapt(features)
    model = keras.Sequential(
        [normalizer, layers.Dense(16, activation="relu"), layers.Dense(16), layers.Dense(1)]
    )
    model.build((None, 5))
    started(model).compile(
        loss="mean_absolute_error", optimizer=keras.optimizers.Adam(0.01), metrics=["mse"]
    )
    history = model.fit(features, labels, validation_split=0.2, verbose=0, epochs=3, shuffle=False)
    return {
        "history": history.history,
        "epochs": history.epoch,
        "predictions": model.predict(features, verbose=0).flatten().tolist(),
    }


def augmented(keras: Any) -> Report:
    """A block of augmentation in the model; random, so that shapes and names alone are compared."""
    layers = keras.layers
    x, y = images(16, 16, 3, 4)
    augmentation = keras.Sequential(
        [layers.RandomFlip("horizontal"), layers.RandomRotation(0.1), layers.RandomZoom(0.1)],
        name="data_augmentation",
    )
    model = keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            augmentation,
            layers.Rescaling(1.0 / 255),
            layers.Conv2D(4, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(4),
        ]
    )
    model.summary(expand_nested=True)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    started(model).compile("adam", loss, metrics=["accuracy"])
    history = model.fit(x, y, epochs=2, verbose=0)
    return {
        "keys": list(history.history),
        "predictions": list(model.predict(x, verbose=0).shape),
        "shape": list(np.asarray(augmentation(x, training=True)).shape),
        "unchanged": np.asarray(augmentation(x[:1], training=False)).tolist(),
        "layers": [layer.name for layer in model.layers],
    }


def own_callbacks(keras: Any) -> Report:
    """https://keras.io/guides/writing_your_own_callbacks"""
    lines: list[str] = []

    class CustomCallback(keras.callbacks.Callback):  # type: ignore[misc]
        pass

    def hook(name: str) -> Any:
        def write(self: Any, *arguments: Any, **keywords: Any) -> None:
            *numbers, logs = (*arguments, *keywords.values())
            lines.append(f"{name}{numbers}; got log keys: {list(logs)}")
            if "loss" in logs:
                steps = self.model.optimizer.iterations.numpy()
                lines.append(f"the loss is {logs['loss']:7.3f} after {steps} steps")

        return write

    for kind in ("train", "test", "predict"):
        for name in (f"on_{kind}_begin", f"on_{kind}_end"):
            setattr(CustomCallback, name, hook(name))
        for name in (f"on_{kind}_batch_begin", f"on_{kind}_batch_end"):
            setattr(CustomCallback, name, hook(name))

    class LossAndErrorPrinting(keras.callbacks.Callback):  # type: ignore[misc]
        def __init__(self, patience: int = 0) -> None:
            super().__init__()
            self.patience = patience
            self.best_weights: Any = None

        def on_train_begin(self, logs: Any = None) -> None:
            del logs
            self.wait, self.best = 0, np.inf

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            del logs
            optimizer = self.model.optimizer
            rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
            optimizer.learning_rate = rate * (0.5 if epoch < 3 else 500.0)
            lines.append(f"\nEpoch {epoch}: Learning rate is {float(optimizer.learning_rate)}.")

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            keys = list(logs.keys())
            lines.append(f"End epoch {epoch} of training; got log keys: {keys}")
            if np.less(logs["loss"], self.best):
                self.best, self.wait = logs["loss"], 0
                self.best_weights = self.model.get_weights()
                return
            self.wait += 1
            if self.wait >= self.patience:
                self.model.stop_training = True
                self.model.set_weights(self.best_weights)

    x, y = images(40, 12, 1, 4)
    x = x / 255.0
    model = keras.Sequential()
    model.add(keras.layers.Input((12, 12, 1)))
    model.add(keras.layers.Flatten())
    model.add(keras.layers.Dense(4))
    started(model).compile(
        optimizer=keras.optimizers.RMSprop(learning_rate=0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    printing = [LossAndErrorPrinting(), CustomCallback()]
    history = model.fit(
        x,
        y,
        batch_size=16,
        epochs=6,
        verbose=0,
        validation_split=0.5,
        callbacks=printing,
        shuffle=False,
    )
    model.evaluate(x, y, batch_size=16, verbose=0, callbacks=[CustomCallback()])
    model.predict(x, batch_size=16, verbose=0, callbacks=[CustomCallback()])
    return {
        "lines": lines,
        "history": history.history,
        "weights": [w.tolist() for w in model.get_weights()],
    }


SCRIPTS = {
    script.__name__: script
    for script in (
        simple_convnet,
        transfer_learning,
        residual_network,
        autoencoder,
        time_series,
        regression,
        augmented,
        own_callbacks,
    )
}
