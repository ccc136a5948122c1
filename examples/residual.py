"""Small photographs: a residual network, made by the functional API.

A block of two convolutions learns what to add to its input rather than the whole answer, so that
deep networks start out as shallow ones (He et al., 2015, https://arxiv.org/abs/1512.03385).

    python examples/residual.py --epochs 30

With `import keras` for the import of convlet it is the same program.
"""

import argparse
import math

import convlet as keras

parser = argparse.ArgumentParser(description="Recognise what is in a photograph.")
parser.add_argument("--epochs", type=int, default=30)
parser.add_argument("--batch-size", type=int, default=128)
parser.add_argument("--blocks", type=int, default=1, help="at each of the three resolutions")
parser.add_argument("--learning-rate", type=float, default=0.1, help="at first")
parser.add_argument("--images", type=int, help="train on the first ones only")
parser.add_argument("--seed", type=int, default=1)
args = parser.parse_args()


def convolution(x, filters, kernel_size, strides=1):
    """A convolution, normalized."""
    x = keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        kernel_regularizer=keras.regularizers.L2(1e-4),
    )(x)
    return keras.layers.BatchNormalization(momentum=0.9)(x)


def residual_block(x, filters, strides):
    """Two convolutions whose result is added to their input."""
    y = convolution(x, filters, 3, strides)
    y = keras.layers.ReLU()(y)
    y = convolution(y, filters, 3)
    if strides != 1 or x.shape[-1] != filters:
        x = convolution(x, filters, 1, strides)  # only what has the same shape can be added
    return keras.layers.ReLU()(keras.layers.add([x, y]))


keras.utils.set_random_seed(args.seed)

(x_train, y_train), (x_test, y_test) = keras.datasets.cifar10.load_data()
x_train, y_train = x_train[: args.images], y_train[: args.images]

inputs = keras.Input(shape=(32, 32, 3), name="photograph")
x = keras.layers.Rescaling(1 / 127.5, offset=-1)(inputs)
x = keras.layers.ReLU()(convolution(x, 16, 3))
for filters in (16, 32, 64):
    for block in range(args.blocks):
        x = residual_block(x, filters, strides=2 if filters > 16 and block == 0 else 1)
x = keras.layers.GlobalAveragePooling2D()(x)
outputs = keras.layers.Dense(10, activation="softmax")(x)
model = keras.Model(inputs, outputs, name="residual")
model.summary()

steps = args.epochs * math.ceil(len(x_train) / args.batch_size)
model.compile(
    optimizer=keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(args.learning_rate, decay_steps=steps),
        momentum=0.9,
        nesterov=True,
    ),
    loss="sparse_categorical_crossentropy",
    metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(k=3, name="top_3")],
)
model.fit(
    x_train,
    y_train,
    batch_size=args.batch_size,
    epochs=args.epochs,
    validation_data=(x_test, y_test),
    verbose=2,
)

for name, value in model.evaluate(x_test, y_test, verbose=0, return_dict=True).items():
    print(f"Test {name}: {value:.4f}")
