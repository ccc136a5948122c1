"""The layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from convlet._lazy import LazyNames, attach
from convlet.utils.custom_objects import custom_object_scope
from convlet.utils.validation import look_up, serialized, split_config

if TYPE_CHECKING:
    from convlet.layers.activation import ELU, Activation, LeakyReLU, PReLU, ReLU, Softmax
    from convlet.layers.activity_regularization import ActivityRegularization
    from convlet.layers.average_pooling1d import AveragePooling1D
    from convlet.layers.average_pooling2d import AveragePooling2D
    from convlet.layers.batch_normalization import BatchNormalization
    from convlet.layers.conv1d import Conv1D
    from convlet.layers.conv2d import Conv2D
    from convlet.layers.conv2d_transpose import Conv2DTranspose
    from convlet.layers.dense import Dense
    from convlet.layers.depthwise_conv2d import DepthwiseConv2D
    from convlet.layers.dropout import Dropout, SpatialDropout2D
    from convlet.layers.flatten import Flatten
    from convlet.layers.gaussian_noise import GaussianDropout, GaussianNoise
    from convlet.layers.global_pooling1d import GlobalAveragePooling1D, GlobalMaxPooling1D
    from convlet.layers.global_pooling2d import GlobalAveragePooling2D, GlobalMaxPooling2D
    from convlet.layers.group_normalization import GroupNormalization
    from convlet.layers.identity import Identity
    from convlet.layers.input_layer import Input, InputLayer
    from convlet.layers.layer import Layer
    from convlet.layers.layer_normalization import LayerNormalization
    from convlet.layers.max_pooling1d import MaxPooling1D
    from convlet.layers.max_pooling2d import MaxPooling2D
    from convlet.layers.merge import (
        Add,
        Average,
        Concatenate,
        Maximum,
        Minimum,
        Multiply,
        Subtract,
        add,
        average,
        concatenate,
        maximum,
        minimum,
        multiply,
        subtract,
    )
    from convlet.layers.normalization import Normalization
    from convlet.layers.permute import Permute
    from convlet.layers.random_brightness import RandomBrightness
    from convlet.layers.random_contrast import RandomContrast
    from convlet.layers.random_crop import RandomCrop
    from convlet.layers.random_erasing import RandomErasing
    from convlet.layers.random_flip import RandomFlip
    from convlet.layers.random_rotation import RandomRotation
    from convlet.layers.random_translation import RandomTranslation
    from convlet.layers.random_zoom import RandomZoom
    from convlet.layers.rescaling import Rescaling
    from convlet.layers.reshape import Reshape
    from convlet.layers.separable_conv2d import SeparableConv2D
    from convlet.layers.unit_normalization import UnitNormalization
    from convlet.layers.up_sampling2d import UpSampling2D
    from convlet.layers.zero_padding2d import Cropping2D, ZeroPadding2D

    AvgPool1D = AveragePooling1D
    AvgPool2D = AveragePooling2D
    Convolution1D = Conv1D
    Convolution2D = Conv2D
    Convolution2DTranspose = Conv2DTranspose
    GlobalAvgPool1D = GlobalAveragePooling1D
    GlobalAvgPool2D = GlobalAveragePooling2D
    GlobalMaxPool1D = GlobalMaxPooling1D
    GlobalMaxPool2D = GlobalMaxPooling2D
    MaxPool1D = MaxPooling1D
    MaxPool2D = MaxPooling2D
    SeparableConvolution2D = SeparableConv2D

__all__ = [
    "ELU",
    "Activation",
    "ActivityRegularization",
    "Add",
    "Average",
    "AveragePooling1D",
    "AveragePooling2D",
    "AvgPool1D",
    "AvgPool2D",
    "BatchNormalization",
    "Concatenate",
    "Conv1D",
    "Conv2D",
    "Conv2DTranspose",
    "Convolution1D",
    "Convolution2D",
    "Convolution2DTranspose",
    "Cropping2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalAveragePooling2D",
    "GlobalAvgPool1D",
    "GlobalAvgPool2D",
    "GlobalMaxPool1D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling1D",
    "GlobalMaxPooling2D",
    "GroupNormalization",
    "Identity",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "MaxPool1D",
    "MaxPool2D",
    "MaxPooling1D",
    "MaxPooling2D",
    "Maximum",
    "Minimum",
    "Multiply",
    "Normalization",
    "PReLU",
    "Permute",
    "RandomBrightness",
    "RandomContrast",
    "RandomCrop",
    "RandomErasing",
    "RandomFlip",
    "RandomRotation",
    "RandomTranslation",
    "RandomZoom",
    "ReLU",
    "Rescaling",
    "Reshape",
    "SeparableConv2D",
    "SeparableConvolution2D",
    "Softmax",
    "SpatialDropout2D",
    "Subtract",
    "UnitNormalization",
    "UpSampling2D",
    "ZeroPadding2D",
    "add",
    "average",
    "concatenate",
    "deserialize",
    "maximum",
    "minimum",
    "multiply",
    "serialize",
    "subtract",
]

# The only classes that a configuration can name.
_CLASSES = LazyNames(
    __name__,
    {
        "activation": ("ELU", "Activation", "LeakyReLU", "PReLU", "ReLU", "Softmax"),
        "activity_regularization": ("ActivityRegularization",),
        "average_pooling1d": ("AveragePooling1D",),
        "average_pooling2d": ("AveragePooling2D",),
        "batch_normalization": ("BatchNormalization",),
        "conv1d": ("Conv1D",),
        "conv2d": ("Conv2D",),
        "conv2d_transpose": ("Conv2DTranspose",),
        "dense": ("Dense",),
        "depthwise_conv2d": ("DepthwiseConv2D",),
        "dropout": ("Dropout", "SpatialDropout2D"),
        "flatten": ("Flatten",),
        "gaussian_noise": ("GaussianDropout", "GaussianNoise"),
        "global_pooling1d": ("GlobalAveragePooling1D", "GlobalMaxPooling1D"),
        "global_pooling2d": ("GlobalAveragePooling2D", "GlobalMaxPooling2D"),
        "group_normalization": ("GroupNormalization",),
        "identity": ("Identity",),
        "input_layer": ("InputLayer",),
        "layer_normalization": ("LayerNormalization",),
        "max_pooling1d": ("MaxPooling1D",),
        "max_pooling2d": ("MaxPooling2D",),
        "merge": ("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"),
        "normalization": ("Normalization",),
        "permute": ("Permute",),
        "random_brightness": ("RandomBrightness",),
        "random_contrast": ("RandomContrast",),
        "random_crop": ("RandomCrop",),
        "random_erasing": ("RandomErasing",),
        "random_flip": ("RandomFlip",),
        "random_rotation": ("RandomRotation",),
        "random_translation": ("RandomTranslation",),
        "random_zoom": ("RandomZoom",),
        "rescaling": ("Rescaling",),
        "reshape": ("Reshape",),
        "separable_conv2d": ("SeparableConv2D",),
        "unit_normalization": ("UnitNormalization",),
        "up_sampling2d": ("UpSampling2D",),
        "zero_padding2d": ("Cropping2D", "ZeroPadding2D"),
    },
)
# Keras's other names of the same classes.
_ALIASES = _CLASSES.under(
    {
        "AvgPool1D": "AveragePooling1D",
        "AvgPool2D": "AveragePooling2D",
        "Convolution1D": "Conv1D",
        "Convolution2D": "Conv2D",
        "Convolution2DTranspose": "Conv2DTranspose",
        "GlobalAvgPool1D": "GlobalAveragePooling1D",
        "GlobalAvgPool2D": "GlobalAveragePooling2D",
        "GlobalMaxPool1D": "GlobalMaxPooling1D",
        "GlobalMaxPool2D": "GlobalMaxPooling2D",
        "MaxPool1D": "MaxPooling1D",
        "MaxPool2D": "MaxPooling2D",
        "SeparableConvolution2D": "SeparableConv2D",
    }
)
_OTHERS = LazyNames(
    __name__,
    {
        "input_layer": ("Input",),
        "layer": ("Layer",),
        "merge": ("add", "average", "concatenate", "maximum", "minimum", "multiply", "subtract"),
    },
)
__getattr__, __dir__ = attach(__name__, _CLASSES, _ALIASES, _OTHERS)


def serialize(layer: Layer) -> dict[str, Any]:
    """Returns class and arguments of a layer as Keras writes them.

    Args:
        layer: A layer.

    Returns:
        A dictionary with the keys `"module"`, `"class_name"`, `"config"`, `"registered_name"`.
    """
    return serialized("layer", layer, getattr(layer, "KERAS_MODULE", ""))


def deserialize(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> Layer:
    """Makes a layer from what `serialize` returned, or Keras's equivalent.

    Args:
        config: Dictionary with the keys `"class_name"` and `"config"`.
        custom_objects: Dictionary from names in it to classes of the caller.

    Returns:
        A layer.

    Raises:
        ValueError: If the class is unknown or an argument is not supported.
    """
    with custom_object_scope(custom_objects):
        class_name, arguments = split_config("a layer", config)
        known: type[Layer] = look_up("layer", class_name, _CLASSES)
        return known.from_config(arguments)
