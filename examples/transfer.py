"""Transfer learning: what was learned from the digits 0 to 4 helps to recognise 5 to 9.

A ConvNet is trained on the first five digits and saved. Its convolutions are loaded and frozen, and
a new classifier on top of them is trained on the other five.

    python examples/transfer.py --epochs 5

With `import keras` for the import of convlet it is the same program.
"""

import argparse

import convlet as keras

parser = argparse.ArgumentParser(description="Recognise digits with what others have taught.")
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--batch-size", type=int, default=128)
parser.add_argument("--images", type=int, help="train on the first ones only")
parser.add_argument("--file", default="digits_0_to_4.keras", help="where the model is saved")
parser.add_argument("--seed", type=int, default=1)
args = parser.parse_args()


def only(digits, images, labels):
    """Returns the images of five consecutive digits, and their labels counted from 0."""
    rows = (labels >= digits.start) & (labels < digits.stop)
    return images[rows], labels[rows] - digits.start


def train(model, digits):
    """Trains a model on some digits and tells how well it recognises others of their kind."""
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    x, y = only(digits, x_train, y_train)
    model.fit(x, y, batch_size=args.batch_size, epochs=args.epochs, verbose=2)
    loss, accuracy = model.evaluate(*only(digits, x_test, y_test), verbose=0)
    print(f"Test loss on {digits.start} to {digits.stop - 1}: {loss:.4f}")
    print(f"Test accuracy on {digits.start} to {digits.stop - 1}: {accuracy:.4f}")


keras.utils.set_random_seed(args.seed)

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train = x_train[: args.images, ..., None].astype("float32") / 255
y_train = y_train[: args.images]
x_test = x_test[..., None].astype("float32") / 255

model = keras.Sequential(
    [
        keras.Input(shape=(28, 28, 1)),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.Conv2D(32, 3, activation="relu"),
        keras.layers.MaxPooling2D(2),
        keras.layers.Flatten(name="features"),
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(5, activation="softmax"),
    ],
    name="digits_0_to_4",
)
model.summary()
train(model, range(5))
model.save(args.file)

# The loaded model ends where its classifier began, and training does not change it any more.
loaded = keras.models.load_model(args.file)
features = keras.Model(loaded.inputs, loaded.get_layer("features").output, name="convolutions")
features.trainable = False
before = features.get_weights()

model = keras.Sequential(
    [
        keras.Input(shape=(28, 28, 1)),
        features,
        keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(5, activation="softmax"),
    ],
    name="digits_5_to_9",
)
model.summary()
train(model, range(5, 10))

after = features.get_weights()
unchanged = all((old == new).all() for old, new in zip(before, after, strict=True))
print("The frozen weights are unchanged:", unchanged)
