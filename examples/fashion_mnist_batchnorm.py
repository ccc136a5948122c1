"""Clothes: a ConvNet with batch normalization, and callbacks that look after its training.

    python examples/fashion_mnist_batchnorm.py --epochs 30

With `import keras` for the import of convlet it is the same program.
"""

import argparse

import convlet as keras

parser = argparse.ArgumentParser(description="Recognise clothes.")
parser.add_argument("--epochs", type=int, default=30, help="at most")
parser.add_argument("--batch-size", type=int, default=128)
parser.add_argument("--learning-rate", type=float, default=0.001, help="at first")
parser.add_argument("--images", type=int, help="train on the first ones only")
parser.add_argument("--checkpoint", default="fashion_mnist.keras", help="file of the best model")
parser.add_argument("--seed", type=int, default=1)
args = parser.parse_args()

keras.utils.set_random_seed(args.seed)

(x_train, y_train), (x_test, y_test) = keras.datasets.fashion_mnist.load_data()
x_train, y_train = x_train[: args.images], y_train[: args.images]
x_train = x_train[..., None].astype("float32")
x_test = x_test[..., None].astype("float32")

# Batch normalization shifts what it gets by the mean anyway: the convolution before it needs no
# bias.
model = keras.Sequential(name="clothes")
model.add(keras.Input(shape=(28, 28, 1)))
model.add(keras.layers.Rescaling(1 / 255))
for filters in (32, 64):
    model.add(keras.layers.Conv2D(filters, 3, padding="same", use_bias=False))
    model.add(keras.layers.BatchNormalization(momentum=0.9))
    model.add(keras.layers.ReLU())
    model.add(keras.layers.MaxPooling2D(2))
model.add(keras.layers.GlobalAveragePooling2D())
model.add(keras.layers.Dense(10, activation="softmax"))
model.summary()

model.compile(
    optimizer=keras.optimizers.Adam(learning_rate=args.learning_rate),
    loss=keras.losses.SparseCategoricalCrossentropy(),
    metrics=["accuracy"],
)

# A tenth of the training images is set aside. How the model does on them decides when the learning
# rate falls, when training ends, and which epoch's model is kept.
callbacks = [
    keras.callbacks.ModelCheckpoint(
        args.checkpoint, monitor="val_loss", save_best_only=True, verbose=1
    ),
    keras.callbacks.ReduceLROnPlateau(
        monitor="val_loss", factor=0.1, patience=1, min_lr=1e-6, verbose=1
    ),
    keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, verbose=1),
]
history = model.fit(
    x_train,
    y_train,
    batch_size=args.batch_size,
    epochs=args.epochs,
    validation_split=0.1,
    callbacks=callbacks,
    verbose=2,
)
print("Recorded:", ", ".join(history.history))
print("Epochs trained:", len(history.epoch))

best = keras.models.load_model(args.checkpoint)
loss, accuracy = best.evaluate(x_test, y_test, batch_size=args.batch_size, verbose=0)
print(f"Test loss: {loss:.4f}")
print(f"Test accuracy: {accuracy:.4f}")
