"""Image recognition on MNIST with a small ConvNet.

Trains on 60,000 handwritten digits for about a minute and recognises 99 % of 10,000 others:

    python examples/mnist_convnet.py

Nothing here is peculiar to convlet. With `keras` for `convlet` in the imports it is the same
program.
"""

from __future__ import annotations

from convlet import layers, models
from convlet.datasets import mnist
from convlet.utils import to_categorical

# A ConvNet is a stack of Conv2D and MaxPooling2D layers. It takes images of the shape (height,
# width, channels); MNIST's are grey, so they have one channel.
#
# Each Conv2D slides small windows over its input, here 3 x 3, and answers with one map for each of
# its filters: how strongly the filter's pattern shows at each place. The first one makes 32 maps
# of 26 x 26 from an image of 28 x 28. Each MaxPooling2D halves height and width by keeping the
# strongest of every 2 x 2 answers. So the maps get smaller, and there are more of them, the
# deeper one looks.
model = models.Sequential()
model.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)))
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Conv2D(64, (3, 3), activation="relu"))
model.add(layers.MaxPooling2D((2, 2)))
model.add(layers.Conv2D(64, (3, 3), activation="relu"))

# What comes out has the shape (3, 3, 64). The classifier on top works on vectors, so the maps are
# flattened first. The last layer gives ten probabilities, one for each digit.
model.add(layers.Flatten())
model.add(layers.Dense(64, activation="relu"))
model.add(layers.Dense(10, activation="softmax"))
model.summary()

# Pixels come as integers from 0 to 255 and go in as numbers from 0 to 1. Labels come as digits and
# go in as rows of ten, with a 1 at the digit's place.
(train_images, train_labels), (test_images, test_labels) = mnist.load_data()

train_images = train_images.reshape((60000, 28, 28, 1))
train_images = train_images.astype("float32") / 255

test_images = test_images.reshape((10000, 28, 28, 1))
test_images = test_images.astype("float32") / 255

train_labels = to_categorical(train_labels)
test_labels = to_categorical(test_labels)

# Five passes over the training images, 64 at a time.
model.compile(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["accuracy"])
model.fit(train_images, train_labels, epochs=5, batch_size=64)

# The test images were no part of the training: what counts is how many of them are recognised.
test_loss, test_acc = model.evaluate(test_images, test_labels)
print("The Accuracy on the test set is", round(test_acc * 100, 2), "%")
