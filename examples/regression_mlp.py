"""Regression: a multi-layer perceptron learns a formula from noisy samples of it.

The formula has five variables that matter and five that do not (Friedman, 1991, "Multivariate
adaptive regression splines"): 10 sin(pi a b) + 20 (c - 0.5)^2 + 10 d + 5 e.

    python examples/regression_mlp.py --epochs 200

With `import keras` for the import of convlet it is the same program.
"""

import argparse

import numpy as np

import convlet as keras

parser = argparse.ArgumentParser(description="Learn a formula from samples.")
parser.add_argument("--epochs", type=int, default=200, help="at most")
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--samples", type=int, default=5000)
parser.add_argument("--patience", type=int, default=10, help="epochs without progress")
parser.add_argument("--min-delta", type=float, default=0.0, help="smallest progress that counts")
parser.add_argument("--seed", type=int, default=1)
args = parser.parse_args()

keras.utils.set_random_seed(args.seed)
rng = np.random.default_rng(args.seed)


def samples(count, noise):
    """Returns rows of ten numbers from 0 to 1, and the formula's values with noise."""
    x = rng.random((count, 10))
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2
    y += 10 * x[:, 3] + 5 * x[:, 4]
    return x.astype("float32"), (y + noise * rng.standard_normal(count)).astype("float32")


x_train, y_train = samples(args.samples, noise=0.5)
x_test, y_test = samples(1000, noise=0)
mean, deviation = y_train.mean(), y_train.std()

model = keras.Sequential(
    [
        keras.Input(shape=(10,)),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(1),
    ]
)
model.summary()

model.compile(
    optimizer=keras.optimizers.RMSprop(learning_rate=0.001),
    loss="mse",
    metrics=["mae", keras.metrics.RootMeanSquaredError(name="rmse")],
)

# The last fifth of the samples is not trained on. When it has not been predicted any better for a
# while, the best weights are put back.
stopping = keras.callbacks.EarlyStopping(
    monitor="val_mae",
    min_delta=args.min_delta,
    patience=args.patience,
    restore_best_weights=True,
    verbose=1,
)
history = model.fit(
    x_train,
    (y_train - mean) / deviation,
    batch_size=args.batch_size,
    epochs=args.epochs,
    validation_split=0.2,
    callbacks=[stopping],
    verbose=2,
)
print("Epochs trained:", len(history.epoch))

predictions = model.predict(x_test, verbose=0)[:, 0] * deviation + mean
print(f"Mean of the test values: {y_test.mean():.4f}")
print(f"Deviation of the test values: {y_test.std():.4f}")
print(f"Error of the predictions: {np.abs(predictions - y_test).mean():.4f}")
