"""`core.Network`, fused ops and all, against chains of the oracle, on every instruction set."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import oracle
from oracle_network import EPS, Bounded, Op, OracleNetwork, given, softmax_relative_error
from tolerance import assert_within

BATCHES_AND_THREADS = [(1, 1), (1, 3), (2, 7), (3, 2), (7, 3), (13, 7)]


# ---- Chains -------------------------------------------------------------------------------------


def conv(filters: int, kernel: oracle.Pair, **changes: Any) -> Op:
    defaults = {"strides": (1, 1), "padding": "valid", "use_bias": True}
    return "conv2d", {"filters": filters, "kernel_size": kernel, **defaults, **changes}


def depthwise(kernel: oracle.Pair, multiplier: int = 1, **changes: Any) -> Op:
    defaults = {"strides": (1, 1), "padding": "valid", "use_bias": True}
    sizes = {"kernel_size": kernel, "depth_multiplier": multiplier}
    return "depthwise_conv2d", {**sizes, **defaults, **changes}


def transposed(filters: int, kernel: oracle.Pair, **changes: Any) -> Op:
    return "conv2d_transpose", conv(filters, kernel, **changes)[1]


def conv1d(filters: int, length: int, **changes: Any) -> Op:
    return "conv1d", {
        **conv(filters, (1, 1))[1],
        "kernel_size": (length,),
        "strides": (1,),
        **changes,
    }


def pool(size: oracle.Pair = (2, 2), strides: oracle.Pair | None = None, **changes: Any) -> Op:
    return "max_pooling2d", {
        "pool_size": size,
        "strides": strides or size,
        "padding": "valid",
        **changes,
    }


def dense(units: int, **changes: Any) -> Op:
    return "dense", {"units": units, "use_bias": True, **changes}


def act(name: str) -> Op:
    return "activation", {"activation": name}


def average(size: oracle.Pair, strides: oracle.Pair | None = None, **changes: Any) -> Op:
    return "average_pooling2d", pool(size, strides, **changes)[1]


def normal(**changes: Any) -> Op:
    defaults = {"center": True, "scale": True, "momentum": 0.9, "epsilon": 1e-3}
    return "batch_normalization", {**defaults, **changes}


def layer_normal(axis: int, **changes: Any) -> Op:
    defaults = {"center": True, "scale": True, "rms_scaling": False, "epsilon": 1e-3}
    return "layer_normalization", {"axis": axis, **defaults, **changes}


def group_normal(groups: int, **changes: Any) -> Op:
    defaults = {"center": True, "scale": True, "epsilon": 1e-3}
    return "group_normalization", {"groups": groups, **defaults, **changes}


def drop(rate: float = 0.4, **changes: Any) -> Op:
    return "dropout", {"rate": rate, "seed": 2**40 + 7, **changes}


def augment(name: str, fill_mode: str, interpolation: str = "bilinear", **bounds: Any) -> Op:
    attributes: dict[str, Any] = {"seed": 2**41 + 5, "fill_value": 0.75}
    for of, (lower, upper) in bounds.items():
        attributes[f"{of}_lower"], attributes[f"{of}_upper"] = lower, upper
    attributes |= {"fill_mode": fill_mode, "interpolation": interpolation}
    return f"random_{name}", attributes


def recolor(name: str, lower: float, upper: float) -> Op:
    attributes = {"factor_lower": lower, "factor_upper": upper, "seed": 2**42 + 1}
    return f"random_{name}", {"value_lower": -1.5, "value_upper": 1.0, **attributes}


def crop(height: int, width: int, window: tuple[int, ...], **changes: Any) -> Op:
    attributes = {"height": height, "width": width, "window": window, "seed": 2**43 + 9}
    return "random_crop", {**attributes, **changes}


def erase(*fill_value: float) -> Op:
    bounds = {"factor_lower": 0.5, "factor_upper": 1.0, "scale_lower": 0.1, "scale_upper": 0.6}
    attributes = {"value_lower": -1.0, "value_upper": 1.0, "fill_value": fill_value, "seed": 11}
    return "random_erasing", {**bounds, **attributes}


def flat(*shape: int) -> Op:
    return "reshape", {"target_shape": (int(np.prod(shape)),)}


def up(rows: int, columns: int, interpolation: str = "nearest") -> Op:
    return "up_sampling2d", {"size": (rows, columns), "interpolation": interpolation}


def permute(*dims: int) -> Op:
    return "permute", {"dims": dims}


# Every way in which neighbours may be fused, and sizes of which pooling drops a row or a column.
CHAINS: dict[str, tuple[tuple[int, ...], list[Op]]] = {
    "conv": ((6, 7, 3), [conv(5, (3, 3))]),
    "conv_relu": ((6, 7, 3), [conv(17, (3, 3)), act("relu")]),
    "conv_same_relu": ((6, 5, 9), [conv(17, (3, 3), padding="same"), act("relu")]),
    "conv_same_strides_relu": (
        (7, 6, 3),
        [conv(5, (3, 2), strides=(2, 1), padding="same"), act("relu")],
    ),
    "conv_relu_no_bias": ((6, 7, 3), [conv(5, (2, 3), use_bias=False), act("relu")]),
    "conv_pool": ((8, 8, 2), [conv(9, (3, 3)), pool()]),
    "conv_relu_pool": ((8, 8, 2), [conv(16, (3, 3)), act("relu"), pool()]),
    "conv_pool_relu": ((8, 8, 2), [conv(8, (3, 3)), pool(), act("relu")]),
    "conv_relu_pool_no_bias": (
        (8, 8, 2),
        [conv(7, (3, 3), use_bias=False), act("relu"), pool()],
    ),
    "conv_relu_pool_drops_row": ((9, 8, 3), [conv(4, (3, 3)), act("relu"), pool()]),
    "conv_relu_pool_drops_column": ((8, 9, 3), [conv(5, (3, 3)), act("relu"), pool()]),
    "conv_relu_pool_drops_both": ((9, 9, 1), [conv(33, (3, 3)), act("relu"), pool()]),
    "conv_same_relu_pool": ((7, 7, 3), [conv(6, (5, 4), padding="same"), act("relu"), pool()]),
    "conv_strides_relu_pool": ((12, 9, 2), [conv(6, (3, 2), strides=(2, 1)), act("relu"), pool()]),
    "conv_relu_pool_same": (
        (8, 9, 2),
        [conv(6, (3, 3)), act("relu"), pool(padding="same")],
    ),
    "conv_relu_pool_3x3": ((9, 10, 2), [conv(6, (2, 2)), act("relu"), pool((3, 3), (2, 2))]),
    "conv_relu_pool_2x2_overlapping": (
        (7, 7, 2),
        [conv(6, (2, 2)), act("relu"), pool((2, 2), (1, 1))],
    ),
    "conv_relu_pool_1x2": ((5, 8, 2), [conv(6, (2, 3)), act("relu"), pool((1, 2))]),
    # Two pixels' results to a vector, of 16, 8 or 4 lanes; windows that fill no tile of them.
    "conv_one_channel_relu_pool": ((11, 10, 1), [conv(8, (2, 5)), act("relu"), pool()]),
    "conv_one_channel_same_pool": ((5, 7, 1), [conv(4, (5, 5), padding="same"), pool()]),
    "conv_one_channel_rows_apart_pool": (
        (15, 12, 1),
        [conv(2, (3, 2), strides=(2, 1), use_bias=False), act("relu"), pool()],
    ),
    "conv_one_channel_strides_pool": ((7, 13, 1), [conv(2, (2, 2), strides=(1, 2)), pool()]),
    # Rows of kw * ic floats that no kernel holds in registers at once.
    "conv_relu_pool_37_channels": ((7, 8, 37), [conv(18, (2, 5)), act("relu"), pool()]),
    "conv_relu_pool_150_channels": ((6, 7, 150), [conv(5, (3, 3)), act("relu"), pool()]),
    "conv_same_relu_pool_100_channels": (
        (4, 4, 100),
        [conv(7, (3, 3), padding="same"), act("relu"), pool()],
    ),
    "conv_relu_150_channels": ((4, 5, 150), [conv(35, (3, 3)), act("relu")]),
    # More filters than one word has marks of non-zeros, more pixels than one list holds.
    "conv_relu_pool_130_filters": ((6, 7, 3), [conv(130, (3, 3)), act("relu"), pool()]),
    "conv_relu_65_filters": ((5, 4, 6), [conv(65, (3, 3), padding="same"), act("relu")]),
    "conv_relu_144_pixels": ((12, 12, 41), [conv(9, (3, 3), padding="same"), act("relu")]),
    "conv_relu_pool_81_windows": ((20, 20, 9), [conv(5, (3, 3)), act("relu"), pool()]),
    "conv_dilated_relu": ((8, 9, 3), [conv(17, (3, 2), dilation_rate=(2, 3)), act("relu")]),
    "conv_dilated_rows_same": (
        (7, 6, 9),
        [act("relu"), conv(20, (3, 3), dilation_rate=(2, 1), padding="same"), act("relu")],
    ),
    "conv_dilated_beyond_the_image": (
        (3, 4, 2),
        [conv(5, (3, 3), dilation_rate=(3, 3), padding="same")],
    ),
    "conv_dilated_strides": (
        (9, 8, 2),
        [conv(5, (3, 3), strides=(2, 3), dilation_rate=(3, 2), padding="same"), act("relu")],
    ),
    "conv_dilated_relu_pool": (
        (9, 9, 3),
        [conv(6, (2, 3), dilation_rate=(2, 2)), act("relu"), pool()],
    ),
    "conv_groups_relu": (
        (6, 5, 18),
        [conv(51, (3, 3), groups=3, padding="same"), act("relu")],
    ),
    "conv_groups_strides": (
        (7, 6, 8),
        [conv(36, (3, 2), strides=(2, 1), groups=2), conv(4, (1, 1))],
    ),
    "conv_groups_relu_pool": ((6, 7, 20), [conv(22, (3, 3), groups=2), act("relu"), pool()]),
    "conv_groups_few_taps_pool": (
        (6, 5, 4),
        [conv(40, (2, 2), groups=2, use_bias=False), act("relu"), pool()],
    ),
    "conv_groups_of_one_dilated": (
        (7, 6, 5),
        [conv(10, (3, 3), groups=5, dilation_rate=(1, 2), padding="same"), act("relu")],
    ),
    "depthwise": ((6, 7, 37), [depthwise((3, 3))]),
    "depthwise_one_channel": ((7, 6, 1), [depthwise((3, 2), padding="same")]),
    "depthwise_one_channel_strides": (
        (8, 7, 2),
        [conv(1, (2, 2)), depthwise((3, 3), strides=(2, 1), padding="same"), act("relu")],
    ),
    "depthwise_same_relu": ((5, 5, 70), [depthwise((3, 3), padding="same"), act("relu")]),
    "depthwise_strides": (
        (9, 8, 16),
        [depthwise((3, 2), strides=(2, 1), padding="same", use_bias=False), act("relu")],
    ),
    "depthwise_multiplied": (
        (7, 6, 5),
        [act("relu"), depthwise((2, 3), 3, padding="same"), act("relu"), pool()],
    ),
    "depthwise_multiplied_valid": ((6, 6, 3), [depthwise((3, 3), 2), conv(5, (1, 1))]),
    "depthwise_5x5_dilated": (
        (8, 9, 4),
        [depthwise((5, 5), 1, dilation_rate=(2, 1), padding="same"), act("relu")],
    ),
    "depthwise_dilated_strides": (
        (9, 9, 3),
        [depthwise((3, 3), strides=(2, 2), dilation_rate=(2, 3), padding="same")],
    ),
    "depthwise_wide_strides": ((7, 8, 2), [depthwise((2, 2), 2, strides=(3, 4))]),
    "transposed": ((5, 4, 3), [transposed(17, (3, 3))]),
    "transposed_relu": ((4, 5, 9), [transposed(20, (3, 3), padding="same"), act("relu")]),
    "transposed_odd_winograd": ((5, 7, 9), [act("relu"), transposed(8, (3, 3)), act("relu")]),
    "transposed_strides": (
        (4, 3, 5),
        [transposed(6, (4, 3), strides=(2, 3), padding="same"), act("relu"), conv(4, (2, 2))],
    ),
    "transposed_strides_beyond_the_window": (
        (3, 3, 5),
        [transposed(6, (2, 1), strides=(4, 3), use_bias=False), act("relu")],
    ),
    "transposed_same_beyond_the_window": (
        (2, 3, 4),
        [transposed(5, (1, 2), strides=(2, 3), padding="same")],
    ),
    "transposed_output_padding": (
        (3, 4, 6),
        [transposed(5, (3, 2), strides=(3, 2), padding="same", output_padding=(2, 0))],
    ),
    "transposed_dilated": (
        (5, 4, 3),
        [act("relu"), transposed(4, (3, 2), dilation_rate=(2, 3), padding="same"), act("relu")],
    ),
    "separable": (
        (7, 6, 17),
        [depthwise((3, 3), padding="same", use_bias=False), conv(9, (1, 1)), act("relu")],
    ),
    "conv_groups_of_one_relu_pool": (
        (6, 7, 19),
        [conv(19, (3, 3), groups=19), act("relu"), pool()],
    ),
    "conv_1x1_relu_pool": ((5, 4, 7), [conv(9, (1, 1)), act("relu"), pool()]),
    "pool_first": ((7, 6, 5), [pool(), conv(4, (2, 2)), act("relu")]),
    "pool_pool": ((9, 9, 3), [pool((2, 2), (1, 1)), pool((3, 2))]),
    "relu_first": ((6, 5, 4), [act("relu"), conv(3, (3, 3))]),
    "relu_relu": ((6,), [dense(5), act("relu"), act("relu")]),
    "two_blocks": (
        (13, 14, 1),
        [conv(8, (3, 3)), act("relu"), pool(), conv(17, (3, 3)), act("relu"), pool()],
    ),
    "notebook_small": (
        (14, 14, 1),
        [
            conv(4, (3, 3)),
            act("relu"),
            pool(),
            conv(6, (3, 3)),
            act("relu"),
            pool(),
            conv(5, (2, 2)),
            act("relu"),
            flat(1, 1, 5),
            dense(7),
            act("relu"),
            dense(3),
        ],
    ),
    "dense": ((11,), [dense(7)]),
    "dense_no_bias": ((11,), [dense(7, use_bias=False)]),
    "dense_relu": ((11,), [dense(18), act("relu")]),
    "dense_relu_dense": ((11,), [dense(18), act("relu"), dense(3)]),
    "dense_on_a_map": ((3, 4, 5), [dense(6), act("relu"), flat(3, 4, 6), dense(2)]),
    "reshape_only": ((3, 4, 2), [flat(3, 4, 2)]),
    "padding": ((3, 2, 5), [("zero_padding2d", {"padding": (1, 0, 2, 3)}), conv(4, (2, 2))]),
    "cropping": (
        (4, 5, 3),
        [dense(7), ("cropping2d", {"cropping": (1, 0, 0, 2)}), act("relu")],
    ),
    "up_sampling": ((3, 2, 19), [up(2, 3), act("relu"), conv(2, (2, 2))]),
    "up_sampling_bilinear": ((3, 2, 5), [up(2, 4, "bilinear")]),
    "up_sampling_bilinear_odd": ((2, 3, 17), [up(3, 5, "bilinear"), conv(2, (2, 2))]),
    "transpose": ((17, 33), [permute(2, 1), dense(3)]),
    "permute_keeps_the_last": ((3, 4, 2, 5), [permute(2, 3, 1, 4)]),
    "permute_in_front": ((3, 18, 2, 17), [act("relu"), permute(4, 2, 1, 3)]),
    "permute_there_and_back": ((4, 5, 3), [permute(3, 1, 2), permute(2, 3, 1), flat(4, 5, 3)]),
    "permute_one_axis": ((5,), [permute(1), dense(2)]),
    "conv1d_relu": ((9, 3), [conv1d(17, 4), act("relu")]),
    "conv1d_same_strides": ((8, 5), [conv1d(6, 3, strides=(2,), padding="same", use_bias=False)]),
    "conv1d_causal": ((5, 4), [("zero_padding1d", {"padding": (2, 1)}), conv1d(9, 3)]),
    "pool1d": (
        (9, 5),
        [
            conv1d(7, 2),
            ("max_pooling1d", {"pool_size": (3,), "strides": (2,), "padding": "same"}),
            dense(2),
        ],
    ),
    "average1d": (
        (9, 5),
        [("average_pooling1d", {"pool_size": (3,), "strides": (2,), "padding": "same"})],
    ),
    "global_max1d": ((6, 3), [conv1d(7, 2), ("global_max_pooling1d", {})]),
    "reshape_unknown": ((3, 4, 2), [("reshape", {"target_shape": (2, -1, 4)}), dense(3)]),
    "dense_sigmoid": ((9,), [dense(6), act("sigmoid")]),
    "dense_tanh_dense": ((9,), [dense(6), act("tanh"), dense(4), act("linear")]),
    "dense_softmax": ((9,), [dense(6), act("relu"), dense(10), act("softmax")]),
    "conv_tanh_pool": ((6, 6, 2), [conv(5, (3, 3)), act("tanh"), pool()]),
    "softmax_of_a_map": ((3, 4, 5), [act("softmax")]),
    "average": ((5, 6, 17), [average((2, 3))]),
    "average_same_overlapping": ((7, 5, 3), [average((3, 2), (2, 1), padding="same")]),
    "average_of_all": ((4, 3, 20), [average((4, 3)), flat(1, 1, 20), dense(3)]),
    "global_max": ((5, 4, 19), [("global_max_pooling2d", {})]),
    "conv_relu_global_max": (
        (6, 6, 2),
        [conv(9, (3, 3)), act("relu"), ("global_max_pooling2d", {})],
    ),
    "dropout": ((3, 4, 5), [drop(), drop(noise_shape=(1, 1, 5)), flat(3, 4, 5), dense(3)]),
    "dropout_last": ((9,), [dense(5), act("relu"), drop()]),
    "noise": (
        (9,),
        [
            ("gaussian_noise", {"stddev": 0.5, "seed": 3}),
            dense(5),
            ("gaussian_dropout", {"rate": 0.3, "seed": 4}),
        ],
    ),
    "normal": ((5, 4, 3), [normal()]),
    "normal_vector": ((37,), [normal(scale=False), act("relu")]),
    "conv_normal_relu_pool": (
        (8, 8, 3),
        [conv(17, (3, 3)), normal(), act("relu"), pool(), flat(3, 3, 17), dense(4)],
    ),
    "normal_everywhere": (
        (6, 5, 2),
        [
            normal(center=False),
            conv(16, (2, 2), use_bias=False),
            normal(),
            act("relu"),
            drop(0.25, noise_shape=(1, 1, 16)),
            average((2, 2)),
            flat(2, 2, 16),
            dense(7),
            normal(center=False, scale=False),
            act("tanh"),
            dense(3),
        ],
    ),
    "layer_normal": ((4, 3, 17), [layer_normal(3)]),
    "layer_normal_of_all": ((5, 4, 7), [layer_normal(1, scale=False)]),
    "layer_normal_everywhere": (
        (6, 5, 2),
        [
            conv(9, (2, 2)),
            layer_normal(2),
            act("tanh"),
            flat(5, 4, 9),
            dense(70),
            layer_normal(1, center=False),
            dense(3),
            layer_normal(1, scale=False, center=False),
        ],
    ),
    "layer_normal_rms": (
        (9,),
        [dense(37), layer_normal(1, center=False, rms_scaling=True), dense(3)],
    ),
    "group_normal": ((4, 3, 6), [group_normal(2)]),
    "group_normal_of_channels": ((5, 4, 17), [group_normal(17, scale=False)]),
    "group_normal_everywhere": (
        (6, 5, 2),
        [
            conv(36, (2, 2)),
            group_normal(4),
            act("relu"),
            flat(5, 4, 36),
            dense(10),
            group_normal(2, center=False, epsilon=0.1),
            dense(3),
            group_normal(1, center=False, scale=False, epsilon=0.1),
        ],
    ),
    "flip": ((5, 4, 3), [("random_flip", {"horizontal": True, "vertical": True, "seed": 2**40})]),
    "flip_one_channel": (
        (5, 19, 1),
        [("random_flip", {"horizontal": True, "vertical": False, "seed": 7}), flat(5, 19, 1)],
    ),
    "translation": (
        (5, 6, 2),
        [augment("translation", "constant", height=(-0.5, 0.5), width=(0.1, 0.9)), dense(3)],
    ),
    "translation_nearest": (
        (5, 6, 1),
        [augment("translation", "wrap", "nearest", height=(-1, 1), width=(-1, 1))],
    ),
    "rotation": (
        (7, 5, 3),
        [conv(2, (1, 1)), augment("rotation", "reflect", factor=(-0.5, 0.5)), flat(7, 5, 2)],
    ),
    "zoom": ((6, 7, 2), [augment("zoom", "nearest", height=(-0.5, 0.9))]),
    "contrast": ((5, 4, 3), [conv(2, (1, 1)), recolor("contrast", 0.5, 1.75), dense(3)]),
    "brightness": ((5, 4, 3), [conv(2, (1, 1)), recolor("brightness", -0.5, 0.25), dense(3)]),
    "crop": ((6, 7, 2), [conv(3, (1, 1)), crop(4, 3, (0, 1, 6, 5)), flat(4, 3, 3), dense(2)]),
    "crop_of_small_images": (
        (5, 7, 2),
        [conv(3, (1, 1)), crop(6, 9, (0, 0, 4, 7), training_window=(1, 2, 4, 5)), dense(2)],
    ),
    "erasing": ((6, 7, 3), [conv(3, (1, 1)), erase(0.5, -0.25, 1.0), dense(2)]),
    "augmented": (
        (6, 5, 2),
        [
            ("random_flip", {"horizontal": False, "vertical": True, "seed": 1}),
            conv(3, (1, 1)),
            augment("translation", "wrap", height=(-0.2, 0.2), width=(-0.3, 0.3)),
            augment("rotation", "constant", factor=(0.05, 0.2)),
            augment("zoom", "reflect", height=(-0.3, 0.3), width=(-0.5, 0.5)),
            act("tanh"),
            flat(6, 5, 3),
            dense(4),
        ],
    ),
    "normalization": (
        (4, 3, 5),
        [("normalization", {"axis": (3,), "invert": False}), flat(4, 3, 5), dense(3)],
    ),
    "normalization_back": (
        (4, 3, 5),
        [conv(17, (1, 1)), ("normalization", {"axis": (1, 3), "invert": True})],
    ),
    "normalization_of_all": (
        (4, 3),
        [("normalization", {"axis": (), "invert": False}), act("tanh")],
    ),
    "normalization_given": (
        (3, 2),
        [
            dense(2),
            (
                "normalization",
                {"axis": (2,), "invert": False, "mean": (0.5, -1.0), "variance": (4.0, 0.0)},
            ),
        ],
    ),
    "unit_normal": ((4, 3, 5), [("unit_normalization", {"axis": 2})]),
    "unit_normal_vector": ((9,), [dense(70), ("unit_normalization", {"axis": 1}), dense(3)]),
}
SMOOTH = {"sigmoid", "tanh", "softmax", "bilinear"}
QUOTIENTS = {
    "average_pooling1d",
    "average_pooling2d",
    "batch_normalization",
    "global_max_pooling1d",
    "global_max_pooling2d",
    "group_normalization",
    "layer_normalization",
    "normalization",
    "random_crop",
    "unit_normalization",
}
EXACT = [
    name
    for name, (_, ops) in CHAINS.items()
    if SMOOTH.isdisjoint(value for _, attributes in ops for value in attributes.values())
    and QUOTIENTS.isdisjoint(op for op, _ in ops)
]
# Where Winograd takes tiles larger than 2x2, with fractions: exact only without it.
IN_FRACTIONS = [
    "conv_relu_144_pixels",
    "conv_relu_150_channels",
    "conv_same_relu",
    "transposed_odd_winograd",
    "transposed_relu",
]
# Those that do something else in training.
ONLY_IN_TRAINING = {
    "batch_normalization",
    "dropout",
    "gaussian_dropout",
    "gaussian_noise",
    "random_brightness",
    "random_contrast",
    "random_crop",
    "random_erasing",
    "random_flip",
    "random_rotation",
    "random_translation",
    "random_zoom",
}
TWO_MODES = [
    name
    for name, (_, ops) in CHAINS.items()
    if not ONLY_IN_TRAINING.isdisjoint(op for op, _ in ops)
]


@pytest.fixture
def no_fractions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole numbers stay whole in the test's chain."""
    if request.node.callspec.params["chain"] in IN_FRACTIONS:
        monkeypatch.setenv("CONVLET_WINOGRAD", "0")


def make_network(core: ModuleType, chain: str) -> Any:
    shape, ops = CHAINS[chain]
    return core.Network(shape, [(name, a, [i]) for i, (name, a) in enumerate(ops)])


def set_parameters(network: Any, values: Sequence[np.ndarray]) -> None:
    for i, value in enumerate(values):
        network.set_parameter(i, value)


def predict(network: Any, x: np.ndarray) -> np.ndarray:
    out = np.full((len(x), *network.output_shape), np.nan, np.float32)
    network.predict(x, out, 0, len(x))
    return out


def parameter_shapes(network: Any) -> list[tuple[int, ...]]:
    return [view.shape for _, _, view in network.parameters()]


@pytest.mark.parametrize(
    "chain",
    [
        "conv_relu",
        "conv_same_relu",
        "conv_same_strides_relu",
        "conv_dilated_relu",
        "conv_groups_relu",
    ],
)
@pytest.mark.usefixtures("no_fractions")
def test_relu_that_lets_everything_pass(
    core: ModuleType, rng: np.random.Generator, chain: str
) -> None:
    """The gradient behind it has no zeros, and so takes the dense kernels."""
    network = make_network(core, chain)
    x = rng.integers(-2, 3, (3, *CHAINS[chain][0])).astype(np.float32)
    kernel, bias = parameter_shapes(network)
    parameters = [rng.integers(-1, 2, kernel).astype(np.float32), np.full(bias, 500, np.float32)]
    set_parameters(network, parameters)
    reference = OracleNetwork(CHAINS[chain][1], parameters, exact=True)
    expected = reference.forward(x)
    dy = rng.integers(1, 3, expected.value.shape).astype(np.float32)
    expected_dx, expected_gradients = reference.backward(given(dy))
    dx, gradients = network.vector_jacobian_product(x, dy)
    assert_within(dx, expected_dx.value, 0.0)
    for actual, wanted in zip(gradients, expected_gradients, strict=True):
        assert_within(actual, wanted.value, 0.0)


def random_values(
    rng: np.random.Generator, network: Any, rows: int, input_shape: tuple[int, ...]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Input rows and parameters."""
    x = rng.normal(size=(rows, *input_shape)).astype(np.float32)
    parameters = []
    for _, name, view in network.parameters():
        value = rng.normal(size=view.shape) / np.sqrt(max(1.0, np.prod(view.shape[:-1])))
        if name.endswith("variance"):
            value = rng.uniform(0.5, 2.0, view.shape)
        parameters.append(np.asarray(value, np.float32))
    return x, parameters


def drawings(rng: np.random.Generator, rows: int, shape: tuple[int, ...]) -> np.ndarray:
    """Small whole numbers on zeros: nothing, one pixel in a corner, a box, everything, in turn."""
    x = rng.integers(1, 3, (rows, *shape)).astype(np.float32)
    for row in range(rows):
        drawn = np.zeros(shape, bool)
        if row % 4 == 1:
            drawn[-1, -1] = True
        elif row % 4 == 2:
            top, left = rng.integers(0, shape[0] // 2), rng.integers(0, shape[1] // 2)
            drawn[top : top + 3, left : left + 2] = True
        elif row % 4 == 3:
            drawn[:] = True
        x[row, ~drawn] = 0
    return x


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("rows", [1, 3, 9])
@pytest.mark.parametrize("size", [(12, 13), (64, 64), (9, 65), (70, 5)])
@pytest.mark.parametrize(
    "ops",
    [
        [conv(19, (3, 3)), act("relu"), pool()],
        [conv(6, (5, 5), padding="same"), act("relu"), pool()],
        [conv(33, (5, 2), padding="same"), act("relu"), pool()],
        [conv(18, (3, 3)), act("relu")],
        [conv(5, (2, 3), strides=(2, 3), padding="same"), act("relu")],
        [conv(5, (3, 2), strides=(2, 1)), act("relu"), pool()],
        [conv(7, (3, 2), dilation_rate=(2, 3)), act("relu")],
        [conv(4, (3, 3), use_bias=False)],
        [conv(5, (2, 3), strides=(80, 1000)), act("relu")],
    ],
    ids=[
        "few_taps",
        "twins",
        "lists",
        "pixels",
        "strides",
        "strides_pool",
        "dilated",
        "linear",
        "one_pixel",
    ],
)
def test_blank_parts_of_images(
    core: ModuleType,
    rng: np.random.Generator,
    *,
    ops: list[Op],
    size: tuple[int, int],
    rows: int,
    threads: int,
) -> None:
    """Nothing is wrong for what is left out where a convolution sees zeros alone."""
    core.set_num_threads(threads)
    network = core.Network((*size, 1), [(name, a, [i]) for i, (name, a) in enumerate(ops)])
    x = drawings(rng, rows, (*size, 1))
    parameters = [
        rng.integers(-1, 2, shape).astype(np.float32) for shape in parameter_shapes(network)
    ]
    set_parameters(network, parameters)
    reference = OracleNetwork(ops, parameters, exact=True)
    expected = reference.forward(x)
    assert_within(predict(network, x), expected.value, 0.0)
    dy = rng.integers(-2, 3, expected.value.shape).astype(np.float32)
    expected_dx, expected_gradients = reference.backward(given(dy))
    dx, gradients = network.vector_jacobian_product(x, dy)
    assert_within(dx, expected_dx.value, 0.0)
    for gradient, bounded in zip(gradients, expected_gradients, strict=True):
        assert_within(gradient, bounded.value, 0.0)


# ---- Values and gradients -----------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "threads"), BATCHES_AND_THREADS)
@pytest.mark.parametrize("chain", EXACT)
@pytest.mark.usefixtures("no_fractions")
def test_small_whole_numbers_are_exact(
    core: ModuleType, rng: np.random.Generator, *, chain: str, rows: int, threads: int
) -> None:
    """Down to the last bit and with ties everywhere: the first maximum wins each."""
    core.set_num_threads(threads)
    network = make_network(core, chain)
    x = rng.integers(-2, 3, (rows, *CHAINS[chain][0])).astype(np.float32)
    parameters = [
        rng.integers(-1, 2, shape).astype(np.float32) for shape in parameter_shapes(network)
    ]
    set_parameters(network, parameters)
    reference = OracleNetwork(CHAINS[chain][1], parameters, exact=True)
    expected = reference.forward(x)
    dy = rng.integers(-2, 3, expected.value.shape).astype(np.float32)
    expected_dx, expected_gradients = reference.backward(given(dy))
    assert_within(predict(network, x), expected.value, 0.0)
    for _ in range(2):  # nothing is left over from the first time
        dx, gradients = network.vector_jacobian_product(x, dy)
        assert_within(dx, expected_dx.value, 0.0)
        for gradient, bounded in zip(gradients, expected_gradients, strict=True):
            assert_within(gradient, bounded.value, 0.0)


def decided_values(
    rng: np.random.Generator, network: Any, chain: str, rows: int, **mode: Any
) -> tuple[np.ndarray, list[np.ndarray], OracleNetwork, Bounded]:
    """Random values for which rounding cannot tip a ReLU or a maximum, and the oracle's output."""
    for _ in range(100):
        x, parameters = random_values(rng, network, rows, CHAINS[chain][0])
        reference = OracleNetwork(CHAINS[chain][1], parameters, **mode)
        expected = reference.forward(x)
        if reference.decided:
            return x, parameters, reference, expected
    raise AssertionError("no random values without a close decision")


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("chain", CHAINS)
def test_values_and_gradients(
    core: ModuleType, rng: np.random.Generator, chain: str, rows: int
) -> None:
    core.set_num_threads(2)
    network = make_network(core, chain)
    x, parameters, reference, expected = decided_values(rng, network, chain, rows)
    set_parameters(network, parameters)
    assert_within(predict(network, x), expected.value, expected.error)
    dy = rng.normal(size=expected.value.shape).astype(np.float32)
    dx, gradients = network.vector_jacobian_product(x, dy)
    expected_dx, expected_gradients = reference.backward(given(dy))
    assert_within(dx, expected_dx.value, expected_dx.error)
    for gradient, bounded in zip(gradients, expected_gradients, strict=True):
        assert_within(gradient, bounded.value, bounded.error)


@pytest.mark.parametrize(("rows", "threads"), [(5, 1), (5, 2), (11, 3), (2, 7)])
@pytest.mark.parametrize("chain", TWO_MODES)
def test_values_and_gradients_of_training(
    core: ModuleType, rng: np.random.Generator, *, chain: str, rows: int, threads: int
) -> None:
    """Statistics of the whole batch and masks that do not depend on the threads."""
    core.set_num_threads(threads)
    network = make_network(core, chain)
    step = 2**35 + 3
    x, parameters, reference, expected = decided_values(
        rng, network, chain, rows, training=True, step=step
    )
    set_parameters(network, parameters)
    dy = rng.normal(size=expected.value.shape).astype(np.float32)
    expected_dx, expected_gradients = reference.backward(given(dy))
    for _ in range(2):  # nothing is left over from the first time
        dx, gradients = network.vector_jacobian_product(x, dy, training=True, step=step)
        assert_within(dx, expected_dx.value, expected_dx.error)
        for gradient, bounded in zip(gradients, expected_gradients, strict=True):
            assert_within(gradient, bounded.value, bounded.error)
    y = np.full(expected.value.shape, np.nan, np.float32)
    network.predict_as_in_training(x, y, step, [True] * len(CHAINS[chain][1]))
    assert_within(y, expected.value, expected.error)
    moving = [view for _, name, view in network.parameters() if name.startswith("moving")]
    for view, bounded in zip(moving, reference.moving, strict=True):
        assert_within(view, bounded.value, bounded.error)


@pytest.mark.parametrize("chain", ["normal", "conv_normal_relu_pool"])
def test_frozen_normalization_is_that_of_inference(
    core: ModuleType, rng: np.random.Generator, chain: str
) -> None:
    network = make_network(core, chain)
    x, parameters = random_values(rng, network, 4, CHAINS[chain][0])
    set_parameters(network, parameters)
    y = np.empty((4, *network.output_shape), np.float32)
    network.predict_as_in_training(x, y, 0, [False] * len(CHAINS[chain][1]))
    np.testing.assert_array_equal(y, predict(network, x))
    for (_, _, view), value in zip(network.parameters(), parameters, strict=True):
        np.testing.assert_array_equal(view, value)


@pytest.mark.parametrize("size", [1, 63, 64, 65, 200])
def test_masks_depend_on_seed_step_row_and_element_alone(core: ModuleType, size: int) -> None:
    def mask(rows: int, threads: int, seed: int, step: int) -> np.ndarray:
        core.set_num_threads(threads)
        network = core.Network((size,), [(*drop(0.5, seed=seed), [0])])
        y = np.empty((rows, size), np.float32)
        network.predict_as_in_training(np.ones((rows, size), np.float32), y, step, [True])
        return y

    whole = mask(700, 1, 5, 9)
    np.testing.assert_array_equal(whole, 2.0 * (oracle.dropout_factors((700, size), 0.5, 5, 9) > 0))
    np.testing.assert_array_equal(whole, mask(700, 7, 5, 9))
    np.testing.assert_array_equal(whole[:3], mask(3, 2, 5, 9))
    assert (whole != mask(700, 1, 6, 9)).any()
    assert (whole != mask(700, 1, 5, 10)).any()


def test_statistics_of_a_large_offset_are_sound(core: ModuleType, rng: np.random.Generator) -> None:
    """A mean 1,000 times the deviation: E[x^2] - E[x]^2 would have no digit left."""
    core.set_num_threads(3)
    x = (1000.0 + rng.normal(size=(4000, 5))).astype(np.float32)
    network = core.Network((5,), [(*normal(momentum=0.0), [0])])
    set_parameters(network, [np.ones(5, np.float32)] * 4)
    network.predict_as_in_training(x, np.empty_like(x), 0, [True])
    mean, variance = oracle.moments(x)
    *_, moving_mean, moving_variance = (view for _, _, view in network.parameters())
    assert_within(moving_mean, mean, 8 * EPS * 1000.0)
    # x - mean has an error of eps 1000, and so has its square relative to a deviation of 1.
    assert_within(moving_variance, variance, 8 * EPS * 1000.0)


@pytest.mark.parametrize("chain", ["conv_relu_pool_drops_both", "notebook_small", "dense_softmax"])
def test_nan_reaches_the_outputs_that_see_it(
    core: ModuleType, rng: np.random.Generator, chain: str
) -> None:
    network = make_network(core, chain)
    x, parameters = random_values(rng, network, 3, CHAINS[chain][0])
    set_parameters(network, parameters)
    x[1].flat[0] = np.nan
    y = predict(network, x)
    expected = OracleNetwork(CHAINS[chain][1], parameters).forward(x).value
    np.testing.assert_array_equal(np.isnan(y), np.isnan(expected))


def test_the_dropped_row_and_column_are_still_read_right(core: ModuleType) -> None:
    """A NaN that only the dropped outputs see must not show."""
    network = make_network(core, "conv_relu_pool_drops_both")
    for i, shape in enumerate(parameter_shapes(network)):
        network.set_parameter(i, np.ones(shape, np.float32))
    x = np.ones((1, 9, 9, 1), np.float32)
    x[0, 8, 8] = np.nan
    assert np.isfinite(predict(network, x)).all()


def test_bytes_are_their_values(core: ModuleType, rng: np.random.Generator) -> None:
    network = make_network(core, "two_blocks")
    pixels = rng.integers(0, 256, (3, 13, 14, 1), dtype=np.uint8)
    _, parameters = random_values(rng, network, 1, (13, 14, 1))
    set_parameters(network, parameters)
    as_float = pixels.astype(np.float32)
    np.testing.assert_array_equal(predict(network, pixels), predict(network, as_float))


def test_predict_writes_only_its_rows(core: ModuleType, rng: np.random.Generator) -> None:
    network = make_network(core, "dense_relu")
    x, parameters = random_values(rng, network, 9, (11,))
    set_parameters(network, parameters)
    whole = predict(network, x)
    out = np.full_like(whole, 7.0)
    network.predict(x, out, 3, 5)
    np.testing.assert_array_equal(out[3:5], whole[3:5])
    assert (np.delete(out, [3, 4], axis=0) == 7.0).all()


# ---- Graphs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", ["add", "average", "maximum", "minimum", "multiply", "subtract"])
def test_merged_branches(
    core: ModuleType, rng: np.random.Generator, name: str, threads: int
) -> None:
    """merge(x A, x B[, x A]): readers' parts of a gradient add up, ties go to the first."""
    core.set_num_threads(threads)
    inputs = [1, 2] if name == "subtract" else [1, 2, 1]
    bare = dense(5, use_bias=False)
    network = core.Network((4,), [(*bare, [0]), (*bare, [0]), (name, {}, inputs)])
    weights = [rng.integers(-1, 2, (4, 5)).astype(np.float32) for _ in range(2)]
    set_parameters(network, weights)
    x = rng.integers(-2, 3, (7, 4)).astype(np.float32)
    xs = [oracle.dense(x, weights[i - 1]) for i in inputs]
    expected = oracle.merge(name, xs)
    bound = 2 * EPS * np.abs(expected) if name == "average" else 0.0
    assert_within(predict(network, x), expected, bound)
    dy = 3 * rng.integers(-2, 3, expected.shape).astype(np.float32)
    branches = [np.zeros_like(expected), np.zeros_like(expected)]
    for i, part in zip(inputs, oracle.merge_backward(name, xs, dy), strict=True):
        branches[i - 1] += part
    parts = [oracle.dense_backward(x, w, d) for w, d in zip(weights, branches, strict=True)]
    for _ in range(2):
        dx, gradients = network.vector_jacobian_product(x, dy)
        assert_within(dx, parts[0][0] + parts[1][0], 32 * EPS if name == "average" else 0.0)
        for gradient, (_, dw, _) in zip(gradients, parts, strict=True):
            assert_within(gradient, dw, 64 * EPS if name == "average" else 0.0)


BROADCASTS: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((1, 1, 5), (3, 4, 5)),  # runs of channels
    ((3, 4, 1), (3, 4, 37)),  # each number a run, longer than a vector
    ((17,), (2, 3, 17)),  # missing axes
    ((4, 1), (3, 4, 2)),
    ((3, 1, 5), (3, 4, 5)),
    ((1, 4, 1), (3, 4, 5)),
    ((1,), (2, 1)),
    ((1, 1, 1), (3, 4, 5)),
    ((3, 4, 5), (3, 4, 5)),
    ((2, 1, 1), (2, 3, 1)),
]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("small", "large"), BROADCASTS, ids=str)
def test_broadcast(
    core: ModuleType,
    rng: np.random.Generator,
    small: tuple[int, ...],
    large: tuple[int, ...],
    threads: int,
) -> None:
    core.set_num_threads(threads)
    network = core.Network(small, [("broadcast", {"target_shape": large}, [0])])
    x = rng.integers(-9, 10, (5, *small)).astype(np.float32)
    expected = oracle.broadcast(x, large)
    assert_within(predict(network, x), expected, 0.0)
    dy = rng.integers(-9, 10, expected.shape).astype(np.float32)
    dx, _ = network.vector_jacobian_product(x, dy)
    assert_within(dx, oracle.broadcast_backward(dy, small), 0.0)


@pytest.mark.parametrize(
    ("small", "large"), [((2, 3), (3,)), ((2,), (3,)), ((3, 1), (2, 4)), ((2,), (-1, 2))]
)
def test_impossible_broadcast_is_refused(
    core: ModuleType, small: tuple[int, ...], large: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match=r"cannot be broadcast|negative"):
        core.infer_op("broadcast", {"target_shape": large}, small)


@pytest.mark.parametrize("axis", [0, 1])
def test_concatenation(core: ModuleType, rng: np.random.Generator, axis: int) -> None:
    """x, its pooled self and x again, along the axis that pooling shortens."""
    window = (2, 1) if axis == 0 else (1, 2)
    ops = [(*pool(window), [0]), ("concatenate", {"axis": axis}, [0, 1, 0])]
    network = core.Network((5, 4, 3), ops)
    x = rng.integers(-9, 10, (3, 5, 4, 3)).astype(np.float32)
    parts = [x, oracle.max_pooling2d(x, window), x]
    expected = np.concatenate(parts, axis=axis + 1)
    assert_within(predict(network, x), expected, 0.0)
    dy = rng.integers(-9, 10, expected.shape).astype(np.float32)
    ends = np.cumsum([part.shape[axis + 1] for part in parts])[:-1]
    first, second, third = np.split(dy, ends, axis + 1)
    dx, _ = network.vector_jacobian_product(x, dy)
    pooled = oracle.max_pooling2d_backward(x, second, window)
    assert_within(dx, first + pooled + third, 0.0)


def test_what_others_read_is_not_fused_away(core: ModuleType, rng: np.random.Generator) -> None:
    """relu(d) - d where d = x W is read twice; and a dropout left out of inference beside it."""
    ops = [(*dense(5, use_bias=False), [0]), (*act("relu"), [1]), (*drop(), [1])]
    network = core.Network((4,), [*ops, ("subtract", {}, [2, 3])])
    w = rng.integers(-1, 2, (4, 5)).astype(np.float32)
    set_parameters(network, [w])
    x = rng.integers(-2, 3, (6, 4)).astype(np.float32)
    d = oracle.dense(x, w)
    assert_within(predict(network, x), oracle.relu(d) - d, 0.0)
    y = np.empty((6, 5), np.float32)
    network.predict_as_in_training(x, y, 3, [True] * 4)
    factors = oracle.dropout_factors((6, 5), 0.4, 2**40 + 7, 3)
    assert_within(y, oracle.relu(d) - factors * d, 8 * EPS * (1 + np.abs(d)))


@pytest.mark.parametrize(
    "ops",
    [
        [(*dense(2), [0]), (*dense(2), [0])],
        [("add", {}, [])],
        [(*dense(2), [0]), ("add", {}, [0, 1])],
        [(*dense(4), [0]), ("subtract", {}, [0, 1, 0])],
        [(*dense(4), [0]), ("concatenate", {"axis": 1}, [0, 1])],
        [(*dense(4), [0]), (*dense(4), [0, 1])],
    ],
    ids=str,
)
def test_impossible_merge_is_refused(core: ModuleType, ops: list[Any]) -> None:
    reasons = r"Nobody reads|no input|incompatible|exactly 2|one input|axis"
    with pytest.raises(ValueError, match=reasons):
        core.Network((4,), ops)


# ---- One step of training -----------------------------------------------------------------------

TRAINED: dict[str, tuple[tuple[int, ...], list[Op]]] = {
    "dense": ((9,), [dense(6), act("relu"), dense(10), act("softmax")]),
    "logits": ((9,), [dense(6), act("tanh"), dense(3)]),
    "convnet": (
        (14, 14, 1),
        [
            *CHAINS["notebook_small"][1],
            act("softmax"),
        ],
    ),
    "normalized": (
        (8, 8, 1),
        [
            conv(4, (3, 3)),
            normal(),
            act("relu"),
            pool(),
            flat(3, 3, 4),
            drop(),
            dense(6),
            normal(),
            act("tanh"),
            dense(3),
            act("softmax"),
        ],
    ),
    # So many weights that the threads share each row's work, once with a meeting in between.
    "wide": (
        (4,),
        [
            *(dense(1000), act("relu"), dense(140), act("relu"), dense(940), act("tanh")),
            *(dense(3), act("softmax")),
        ],
    ),
    "wide_normalized": (
        (4,),
        [
            *(dense(1000), normal(), act("tanh"), dense(140), act("relu")),
            *(dense(940), act("tanh"), dense(3), act("softmax")),
        ],
    ),
}
LEARNING_RATE, RHO, EPSILON = 0.01, 0.9, 1e-7


def make_trainer(core: ModuleType, model: str, loss: str, **optimizer: Any) -> Any:
    shape, ops = TRAINED[model]
    network = core.Network(shape, [(name, a, [i]) for i, (name, a) in enumerate(ops)])
    options = {"rho": RHO, "momentum": 0.0, "epsilon": EPSILON, "centered": False, **optimizer}
    network.configure_training(
        loss, {"from_logits": model == "logits"}, "rmsprop", options, [accuracy_of(loss)]
    )
    network.learning_rate = LEARNING_RATE
    return network


def accuracy_of(loss: str) -> tuple[str, dict[str, Any], bool]:
    return loss.replace("crossentropy", "accuracy"), {}, False


def classes_of(model: str) -> int:
    return next(a["units"] for name, a in reversed(TRAINED[model][1]) if name == "dense")


def targets(rng: np.random.Generator, loss: str, rows: int, classes: int) -> np.ndarray:
    labels = rng.integers(0, classes, rows).astype(np.int32)
    return labels if loss.startswith("sparse") else np.eye(classes, dtype=np.float32)[labels]


def as_one_hot(y: np.ndarray, classes: int) -> np.ndarray:
    return oracle.one_hot(y, classes) if y.ndim == 1 else y.astype(np.float64)


def oracle_step(
    model: str,
    parameters: Sequence[np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    sample_weight: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray, list[Bounded], OracleNetwork]:
    """Loss per row, logits, gradients of the mean loss, and the network they come from."""
    ops = TRAINED[model][1]
    skip = 0 if model == "logits" else 1  # the softmax, which is fused with the loss
    reference = OracleNetwork(ops, parameters, training=True)
    reference.forward(x)
    logits = reference.values[len(ops) - skip]
    t = as_one_hot(y, logits.value.shape[-1])
    scale = (np.ones(len(x)) if sample_weight is None else sample_weight)[:, None] / len(x)
    p = oracle.softmax(logits.value) * t.sum(axis=-1, keepdims=True)
    error = np.abs(scale) * (p * softmax_relative_error(logits) + 8 * EPS * (p + t))
    gradients = reference.backward(Bounded(scale * (p - t), error), skip)[1]
    rows = oracle.categorical_crossentropy(t, logits.value, from_logits=True)
    return rows, logits.value, gradients, reference


def assert_updated(
    network: Any, before: Sequence[np.ndarray], gradients: list[Bounded], moving: list[Bounded]
) -> None:
    """One RMSprop step from slots of zero; its slope in g is at most that at g = 0."""
    slope = LEARNING_RATE / np.sqrt(EPSILON)
    following = iter(moving)
    for (_, name, view), w, g in zip(network.parameters(), before, gradients, strict=True):
        if name.startswith("moving"):
            bounded = next(following)
            assert_within(view, bounded.value, bounded.error)
            continue
        expected, _ = oracle.rmsprop(
            w, g.value, np.zeros_like(w), learning_rate=LEARNING_RATE, rho=RHO, epsilon=EPSILON
        )
        step = np.abs(expected - w)
        assert_within(view, expected, slope * g.error + 8 * EPS * (step + np.abs(w)))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("threads", [1, 2, 3, 7])
@pytest.mark.parametrize("loss", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
@pytest.mark.parametrize("model", TRAINED)
def test_one_step(
    core: ModuleType,
    rng: np.random.Generator,
    *,
    model: str,
    loss: str,
    threads: int,
    weighted: bool,
) -> None:
    """Weights, loss and accuracy after one batch of five rows."""
    core.set_num_threads(threads)
    network = make_trainer(core, model, loss)
    classes = classes_of(model)
    y = targets(rng, loss, 5, classes)
    weight = rng.uniform(0.0, 2.0, 5).astype(np.float32) if weighted else None
    while True:
        x, parameters = random_values(rng, network, 5, TRAINED[model][0])
        rows, logits, gradients, reference = oracle_step(model, parameters, x, y, weight)
        if reference.decided:
            break
    set_parameters(network, parameters)
    network.reset_metrics()
    network.train(x, y, None, 0, 5, 5, weight)
    assert_updated(network, parameters, gradients, reference.moving)
    weights = 1.0 if weight is None else weight
    hits = logits.argmax(axis=-1) == as_one_hot(y, classes).argmax(axis=-1)
    assert network.metrics() == pytest.approx([(weights * rows).mean(), hits.mean()], rel=1e-5)
    assert network.iterations == 1


@pytest.mark.parametrize("model", ["dense", "logits"])
def test_targets_that_do_not_add_up_to_one(
    core: ModuleType, rng: np.random.Generator, model: str
) -> None:
    """The probabilities' part of the gradient counts as often as there are targets."""
    network = make_trainer(core, model, "categorical_crossentropy")
    y = rng.uniform(0.0, 1.0, (5, classes_of(model))).astype(np.float32)
    y[0] = 0.0
    x, parameters = random_values(rng, network, 5, TRAINED[model][0])
    rows, _, gradients, reference = oracle_step(model, parameters, x, y, None)
    set_parameters(network, parameters)
    network.reset_metrics()
    network.train(x, y, None, 0, 5, 5, None)
    assert_updated(network, parameters, gradients, reference.moving)
    assert network.metrics()[0] == pytest.approx(rows.mean(), rel=1e-5)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("model", ["convnet", "normalized", "wide"])
def test_frozen_ops_stay_and_the_others_learn(
    core: ModuleType, rng: np.random.Generator, model: str, threads: int
) -> None:
    """Whichever ops are frozen: the weights of the others are those of training without that."""
    core.set_num_threads(threads)
    shape, ops = TRAINED[model]
    x = rng.normal(size=(6, *shape)).astype(np.float32)
    y = targets(rng, "categorical_crossentropy", 6, classes_of(model))
    _, parameters = random_values(
        rng, make_trainer(core, model, "categorical_crossentropy"), 1, shape
    )

    def trained(trainable: list[bool]) -> list[tuple[int, np.ndarray]]:
        network = make_trainer(core, model, "categorical_crossentropy")
        set_parameters(network, parameters)
        network.set_trainable(trainable)
        network.train(x, y, None, 0, 6, 6, None)
        assert network.iterations == any(trainable[op] for op, _, _ in network.parameters())
        of = [op for op, _, _ in network.parameters()]
        moved = {of[index] for _, index, view in network.optimizer_slots() if view.any()}
        assert moved == {op for op in of if trainable[op]}
        return [(op, view.copy()) for op, _, view in network.parameters()]

    free = trained([True] * len(ops))
    weighted = sorted({op for op, _ in free})
    # A frozen normalization uses other statistics, and so the rest learns something else.
    kinds = {op for op in weighted if ops[op][0] == "batch_normalization"}
    for frozen in [{weighted[0]}, set(weighted[1:]), set(weighted[:-1]), set(weighted)]:
        flags = [op not in frozen for op in range(len(ops))]
        for (op, actual), (_, expected), before in zip(
            trained(flags), free, parameters, strict=True
        ):
            if op in frozen:
                np.testing.assert_array_equal(actual, before)
            elif not kinds & frozen:
                np.testing.assert_array_equal(actual, expected)
            else:
                assert (actual != before).any()


def test_order_gathers_rows(core: ModuleType, rng: np.random.Generator) -> None:
    """Rows through `order` train to the same bits as rows moved into that order before."""
    x = rng.normal(size=(20, 9)).astype(np.float32)
    y = targets(rng, "categorical_crossentropy", 20, 10)
    order = rng.permutation(20).astype(np.int64)
    weight = rng.uniform(size=20).astype(np.float32)
    _, parameters = random_values(
        rng, make_trainer(core, "dense", "categorical_crossentropy"), 1, (9,)
    )
    trained = []
    for data in [(x, y, order, weight), (x[order], y[order], None, weight[order])]:
        network = make_trainer(core, "dense", "categorical_crossentropy")
        set_parameters(network, parameters)
        network.train(*data[:3], 3, 18, 4, data[3])
        trained.append([view.copy() for _, _, view in network.parameters()])
        assert network.iterations == 4
    for a, b in zip(*trained, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_same_seed_and_threads_give_the_same_bits(
    core: ModuleType, rng: np.random.Generator, threads: int
) -> None:
    core.set_num_threads(threads)
    x = rng.normal(size=(50, 14, 14, 1)).astype(np.float32)
    y = targets(rng, "categorical_crossentropy", 50, 3)
    _, parameters = random_values(
        rng, make_trainer(core, "convnet", "categorical_crossentropy"), 1, (14, 14, 1)
    )
    trained = []
    for _ in range(2):
        network = make_trainer(core, "convnet", "categorical_crossentropy")
        set_parameters(network, parameters)
        network.train(x, y, None, 0, 50, 8, None)
        trained.append(np.concatenate([view.ravel() for _, _, view in network.parameters()]))
    np.testing.assert_array_equal(trained[0], trained[1])


def test_pieces_train_like_the_whole(core: ModuleType, rng: np.random.Generator) -> None:
    x = rng.normal(size=(22, 9)).astype(np.float32)
    y = targets(rng, "sparse_categorical_crossentropy", 22, 10)
    trained = []
    for pieces in ([(0, 22)], [(0, 4), (4, 12), (12, 22)]):
        network = make_trainer(core, "dense", "sparse_categorical_crossentropy")
        set_parameters(network, random_values(np.random.default_rng(5), network, 1, (9,))[1])
        network.reset_metrics()
        for begin, end in pieces:
            network.train(x, y, None, begin, end, 4, None)
        trained.append([view.copy() for _, _, view in network.parameters()])
        metrics = network.metrics()
    for a, b in zip(*trained, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(metrics) == 2


def test_evaluate_changes_no_weight(core: ModuleType, rng: np.random.Generator) -> None:
    network = make_trainer(core, "dense", "categorical_crossentropy")
    x, parameters = random_values(rng, network, 11, (9,))
    y = targets(rng, "categorical_crossentropy", 11, 10)
    set_parameters(network, parameters)
    network.reset_metrics()
    network.evaluate(x, y, 0, 11, 4, None)
    rows, logits, _, _ = oracle_step("dense", parameters, x, y, None)
    hits = logits.argmax(axis=-1) == y.argmax(axis=-1)
    assert network.metrics() == pytest.approx([rows.mean(), hits.mean()], rel=1e-5)
    for (_, _, view), value in zip(network.parameters(), parameters, strict=True):
        np.testing.assert_array_equal(view, value)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("centered", [False, True])
def test_optimizer_slots_are_grouped(core: ModuleType, momentum: float, centered: bool) -> None:
    network = make_trainer(
        core, "dense", "categorical_crossentropy", momentum=momentum, centered=centered
    )
    slots = network.optimizer_slots()
    kinds = ["velocity", *["momentum"] * (momentum > 0), *["average_gradient"] * centered]
    assert [(slot, i) for slot, i, _ in slots] == [(kind, i) for kind in kinds for i in range(4)]
    assert not any(view.any() for _, _, view in slots)
    network.set_optimizer_slot(1, np.full(6, 3.0, np.float32))
    assert network.optimizer_slots()[1][2].tolist() == [3.0] * 6


# ---- Bad calls ----------------------------------------------------------------------------------


def bad_calls() -> dict[str, Any]:
    """Calls on a network of 9 inputs and 10 classes that must raise; x, y and out are valid."""
    long = np.int64
    return {
        "x_rank": lambda n, x, y, out: n.predict(x[0], out, 0, 1),
        "x_shape": lambda n, x, y, out: n.predict(x[:, :8].copy(), out, 0, 1),
        "x_dtype": lambda n, x, y, out: n.predict(x.astype(np.float64), out, 0, 1),
        "x_layout": lambda n, x, y, out: n.predict(np.asfortranarray(x), out, 0, 1),
        "x_none": lambda n, x, y, out: n.predict(None, out, 0, 1),
        "out_shape": lambda n, x, y, out: n.predict(x, out[:, :9].copy(), 0, 1),
        "out_short": lambda n, x, y, out: n.predict(x, out[:3], 0, 4),
        "out_dtype": lambda n, x, y, out: n.predict(x, out.astype(np.float64), 0, 1),
        "begin_negative": lambda n, x, y, out: n.predict(x, out, -1, 1),
        "end_too_large": lambda n, x, y, out: n.predict(x, out, 0, 7),
        "begin_after_end": lambda n, x, y, out: n.predict(x, out, 4, 3),
        "y_shape": lambda n, x, y, out: n.train(x, y[:, :9].copy(), None, 0, 6, 2, None),
        "y_short": lambda n, x, y, out: n.train(x, y[:5], None, 0, 6, 2, None),
        "y_dtype": lambda n, x, y, out: n.train(x, y.astype(np.int32), None, 0, 6, 2, None),
        "y_labels": lambda n, x, y, out: n.train(x, np.zeros(6, np.int32), None, 0, 6, 2, None),
        "batch_zero": lambda n, x, y, out: n.train(x, y, None, 0, 6, 0, None),
        "batch_negative": lambda n, x, y, out: n.train(x, y, None, 0, 6, -1, None),
        "order_short": lambda n, x, y, out: n.train(x, y, np.arange(5, dtype=long), 0, 6, 2, None),
        "order_range": lambda n, x, y, out: n.train(x, y, np.full(6, 6, long), 0, 6, 2, None),
        "order_negative": lambda n, x, y, out: n.train(x, y, np.full(6, -1, long), 0, 6, 2, None),
        "order_dtype": lambda n, x, y, out: n.train(x, y, np.zeros(6), 0, 6, 2, None),
        "weight_short": lambda n, x, y, out: n.train(x, y, None, 0, 6, 2, np.ones(5, np.float32)),
        "weight_rank": lambda n, x, y, out: n.train(
            x, y, None, 0, 6, 2, np.ones((6, 1), np.float32)
        ),
        "parameter_index": lambda n, x, y, out: n.set_parameter(4, np.zeros(6, np.float32)),
        "parameter_negative": lambda n, x, y, out: n.set_parameter(-1, np.zeros(6, np.float32)),
        "parameter_shape": lambda n, x, y, out: n.set_parameter(1, np.zeros(7, np.float32)),
        "slot_index": lambda n, x, y, out: n.set_optimizer_slot(4, np.zeros(6, np.float32)),
        "slot_shape": lambda n, x, y, out: n.set_optimizer_slot(1, np.zeros(7, np.float32)),
        "dy_shape": lambda n, x, y, out: n.vector_jacobian_product(x, out[:, :9].copy()),
        "dy_short": lambda n, x, y, out: n.vector_jacobian_product(x, out[:5].copy()),
    }


@pytest.mark.parametrize("call", bad_calls())
def test_bad_call_is_refused_and_changes_nothing(
    core: ModuleType, rng: np.random.Generator, call: str
) -> None:
    network = make_trainer(core, "dense", "categorical_crossentropy")
    x, parameters = random_values(rng, network, 6, (9,))
    set_parameters(network, parameters)
    y = targets(rng, "categorical_crossentropy", 6, 10)
    out = np.zeros((6, 10), np.float32)
    with pytest.raises((ValueError, TypeError, IndexError)):
        bad_calls()[call](network, x, y, out)
    assert not out.any()
    assert network.iterations == 0
    for (_, _, view), value in zip(network.parameters(), parameters, strict=True):
        np.testing.assert_array_equal(view, value)


@pytest.mark.parametrize("labels", [[0, 1, 10], [0, -1, 1]])
def test_label_out_of_range_is_refused(core: ModuleType, labels: list[int]) -> None:
    network = make_trainer(core, "dense", "sparse_categorical_crossentropy")
    x = np.zeros((3, 9), np.float32)
    with pytest.raises(ValueError, match="from 0 to 9"):
        network.train(x, np.array(labels, np.int32), None, 0, 3, 3, None)
    assert network.iterations == 0


@pytest.mark.parametrize(
    ("shape", "op"),
    [
        ((4, 4, 1), conv(2, (5, 5))),
        ((4, 4, 1), conv(0, (3, 3))),
        ((4, 4, 1), conv(-1, (3, 3))),
        ((4, 4, 1), conv(2, (0, 3))),
        ((4, 4, 1), conv(2, (3, 3), strides=(0, 1))),
        ((4, 4, 1), conv(2, (3, 3), padding="full")),
        ((4, 4, 1), conv(2, (3, 3), dilation_rate=(2, 1))),
        ((4, 4, 1), conv(2, (3, 3), dilation_rate=(0, 1))),
        ((4, 4, 3), conv(2, (3, 3), groups=2)),
        ((4, 4, 2), conv(3, (3, 3), groups=2)),
        ((4, 4, 2), conv(2, (3, 3), groups=0)),
        ((4, 4), conv(2, (3, 3))),
        ((4, 4, 1), conv(2**40, (3, 3))),
        ((4, 4), transposed(2, (3, 3))),
        ((4, 4, 1), transposed(0, (3, 3))),
        ((4, 4, 1), transposed(2, (0, 3))),
        ((4, 4, 1), transposed(2, (3, 3), padding="full")),
        ((4, 4, 1), transposed(2, (3, 3), strides=(2, 2), output_padding=(2, 0))),
        ((4, 4, 1), transposed(2, (3, 3), strides=(2, 2), output_padding=(0, -1))),
        ((4, 4, 1), transposed(2, (3, 3), output_padding=(0,))),
        ((1, 4, 1), transposed(2, (2, 2), padding="same", output_padding=(0, 0))),
        ((4, 4, 1), transposed(2**20, (3, 3), strides=(2**20, 2**20))),
        ((4, 4, 1), depthwise((5, 5))),
        ((4, 4, 1), depthwise((3, 3), 0)),
        ((4, 4, 2), depthwise((3, 3), 2**40)),
        ((4, 4), depthwise((3, 3))),
        ((4, 4, 1), pool((5, 5))),
        ((4, 4, 1), pool((0, 2), (1, 1))),
        ((4, 4, 1), pool((2, 2), (0, 1))),
        ((4, 4), pool()),
        ((0, 4, 1), conv(2, (1, 1))),
        ((-1,), dense(2)),
        ((4,), dense(0)),
        ((4,), dense(2**40)),
        ((4,), act("rleu")),
        ((4,), flat(5)),
        ((4,), ("dnese", {"units": 3, "use_bias": True})),
        ((4,), ("dense", {"units": 3})),
        ((4,), ("dense", {"units": "three", "use_bias": True})),
        ((4, 4), average((2, 2))),
        ((4, 4, 1), average((5, 5))),
        ((4, 4), ("global_max_pooling2d", {})),
        ((0, 4, 1), ("global_max_pooling2d", {})),
        ((), normal()),
        ((4, 0), normal()),
        ((4, 4), ("random_flip", {"horizontal": True, "vertical": True, "seed": 1})),
        ((4, 0, 1), ("random_flip", {"horizontal": True, "vertical": True, "seed": 1})),
        ((4, 4, 1), ("random_flip", {"horizontal": True, "seed": 1})),
        ((4, 4), recolor("contrast", 0, 1)),
        ((4, 4), crop(2, 2, (0, 0, 4, 4))),
        ((4, 4, 1), crop(5, 2, (0, 0, 4, 4))),
        ((4, 4, 1), crop(2, 0, (0, 0, 4, 4))),
        ((4, 4, 1), crop(2, 2, (0, 0, 4, 5))),
        ((4, 4, 1), crop(2, 2, (-1, 0, 4, 4))),
        ((4, 4, 1), crop(2, 2, (0, 0, 4))),
        ((4, 4, 1), crop(2, 2, (0, 0, 4, 4), training_window=(0, 3, 4, 2))),
        ((4, 4, 2), erase(0.1, 0.2, 0.3)),
        ((4, 4), erase(0.1)),
        ((4, 4, 1), ("random_brightness", {"factor_lower": 0, "factor_upper": 1, "seed": 1})),
        ((4, 4), augment("rotation", "reflect", factor=(0, 1))),
        ((4, 4, 1), augment("rotation", "mirror", factor=(0, 1))),
        ((4, 4, 1), augment("zoom", "wrap", "bicubic", height=(0, 1))),
        ((4, 4, 1), augment("translation", "wrap", height=(0, 1))),
        ((4,), ("normalization", {"axis": (0,), "invert": False})),
        ((4,), ("normalization", {"axis": (2,), "invert": False})),
        ((4, 3), ("normalization", {"axis": (2, 1), "invert": False})),
        ((0,), ("normalization", {"axis": (), "invert": False})),
        ((4,), ("normalization", {"axis": (1,), "invert": False, "mean": (1.0,)})),
        (
            (2,),
            ("normalization", {"axis": (), "invert": False, "mean": (1,), "variance": (1.0,)}),
        ),
        ((4,), layer_normal(0)),
        ((4,), layer_normal(2)),
        ((4, 0), layer_normal(1)),
        ((4,), ("unit_normalization", {"axis": 3})),
        ((4,), group_normal(3)),
        ((4,), group_normal(5)),
        ((4,), group_normal(0)),
        ((0, 4), group_normal(2)),
        ((4,), drop(1.5)),
        ((4,), drop(float("nan"))),
        ((4,), drop(noise_shape=(3,))),
        ((4,), drop(noise_shape=(4, 1))),
        ((2, 3, 4), drop(noise_shape=(1, 3, 1))),
        ((4,), ("gaussian_dropout", {"rate": 1.0, "seed": 1})),
        ((4,), ("gaussian_noise", {"stddev": 0.5})),
        # Found by tests/fuzz: sums and products of sizes that 64 bits do not hold, and less.
        ((2**63 - 1, 4, 3), conv(5, (3, 3), padding="same", strides=(5, 1))),
        ((4, 3), conv1d(5, -(2**63))),
        ((4, 4, 1), crop(2, 2, (2**63 - 1, 0, 1, 1))),
        ((0, 2**31 - 2, 5), up(9, 9)),
        ((2**30, 1, 1), ("conv2d_max_pooling2d", conv(1, (1, 1))[1])),
    ],
    ids=str,
)
def test_impossible_op_is_refused(core: ModuleType, shape: tuple[int, ...], op: Op) -> None:
    with pytest.raises((ValueError, TypeError)):
        core.infer_op(*op, shape)
    with pytest.raises((ValueError, TypeError)):
        core.Network(shape, [(*op, [0])])


def test_wide_windows_with_wide_strides_are_planned(core: ModuleType) -> None:
    """In time that grows with the window; with its square this would take minutes."""
    width = 2**18
    op = transposed(1, (1, width), strides=(1, width), use_bias=False)
    assert core.infer_op(*op, (1, 2, 1))[0] == (1, 2 * width, 1)


@pytest.mark.parametrize("inputs", [[], [1], [-1], [5], [0, 0]])
def test_impossible_graph_is_refused(core: ModuleType, inputs: list[int]) -> None:
    with pytest.raises((ValueError, TypeError)):
        core.Network((4,), [(*dense(2), inputs)])


# ---- Few large rows -----------------------------------------------------------------------------

SHARED_ROWS: dict[str, tuple[tuple[int, ...], list[Op]]] = {
    "direct": ((17, 19, 3), [conv(21, (5, 5)), act("relu"), conv(9, (1, 1), strides=(2, 2))]),
    "groups": (
        (17, 19, 8),
        [conv(34, (3, 3), groups=2, dilation_rate=(2, 1)), act("relu"), pool()],
    ),
    "direct_pool": ((17, 19, 3), [conv(21, (5, 5), padding="same"), act("relu"), pool()]),
    "winograd": ((17, 19, 8), [conv(33, (3, 3), padding="same"), act("relu"), conv(9, (3, 3))]),
    "winograd_pool": ((17, 19, 8), [conv(33, (3, 3), padding="same"), act("relu"), pool()]),
    "transposed": ((9, 8, 20), [transposed(21, (3, 3), strides=(2, 2)), act("relu")]),
    "transposed_winograd": ((9, 8, 20), [transposed(21, (3, 3), padding="same"), act("relu")]),
    "depthwise": ((17, 19, 8), [depthwise((3, 3), 3, padding="same"), act("relu")]),
    "dense": ((50,), [dense(150), act("relu"), dense(33), drop(), dense(5)]),
    "other": ((9, 8, 3), [normal(), pool(), conv(4, (2, 2)), average((2, 2)), act("softmax")]),
}


@pytest.mark.parametrize("case", SHARED_ROWS)
@pytest.mark.parametrize(("rows", "threads"), [(1, 2), (1, 7), (2, 3), (5, 7)])
def test_threads_that_share_rows_compute_the_same_bits(
    core: ModuleType, rng: np.random.Generator, case: str, rows: int, threads: int
) -> None:
    input_shape, chain = SHARED_ROWS[case]
    network = core.Network(input_shape, [(*op, [i]) for i, op in enumerate(chain)])
    for i, (_, _, value) in enumerate(network.parameters()):
        network.set_parameter(i, rng.random(value.shape, dtype=np.float32))
    x = rng.standard_normal((rows, *input_shape), dtype=np.float32)
    alone = np.empty((rows, *network.output_shape), np.float32)
    together = np.empty_like(alone)
    core.set_num_threads(1)
    network.predict(x, alone, 0, rows)
    core.set_num_threads(threads)
    network.predict(x, together, 0, rows)
    np.testing.assert_array_equal(together, alone)


def test_totals_go_on_in_another_network(core: ModuleType, rng: np.random.Generator) -> None:
    """What an epoch has added up so far can be put back, if it fits."""
    loss = "sparse_categorical_crossentropy"
    whole, first, second = (make_trainer(core, "dense", loss) for _ in range(3))
    x = rng.normal(size=(10, *TRAINED["dense"][0])).astype(np.float32)
    y = targets(rng, loss, 10, classes_of("dense"))
    for network in (first, second):
        set_parameters(network, [view.copy() for _, _, view in whole.parameters()])
    whole.evaluate(x, y, 0, 4, 4, None)
    whole.evaluate(x, y, 4, 10, 6, None)
    first.evaluate(x, y, 0, 4, 4, None)
    second.set_totals(*first.totals())
    second.evaluate(x, y, 4, 10, 6, None)
    assert second.totals() == whole.totals()
    assert second.metrics() == whole.metrics()
    with pytest.raises(ValueError, match="`metrics` must have 1 sums"):
        second.set_totals(1.0, 1.0, 1.0, [1.0, 1.0])
    assert second.totals() == whole.totals()
