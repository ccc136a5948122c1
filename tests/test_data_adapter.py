"""Data: what is read in place, what is converted, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet import losses, utils
from convlet.data_adapter import (
    as_labelled_rows,
    as_rows,
    epoch_order,
    split_off_validation,
)

CATEGORICAL = losses.CategoricalCrossentropy()
SPARSE = losses.SparseCategoricalCrossentropy()


def labelled(x: Any, y: Any, loss: losses.Loss = SPARSE, **weights: Any) -> Any:
    weights = {"sample_weight": None, "class_weight": None, **weights}
    return as_labelled_rows(x, y, input_shape=(4,), output_shape=(3,), loss=loss, **weights)


def rows(n: int = 6) -> np.ndarray:
    return np.random.default_rng(0).random((n, 4), np.float32)


LABELS = np.array([0, 2, 1, 1, 0, 2])
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]


# ---- inputs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_rows_are_read_in_place(dtype: Any) -> None:
    x = (rows() * 200).astype(dtype)
    assert as_rows("x", x, (4,)) is x


def test_read_only_rows_are_read_in_place() -> None:
    x = rows()
    x.flags.writeable = False
    assert as_rows("x", x, (4,)) is x


def test_memory_mapped_rows_are_read_in_place(tmp_path: Any) -> None:
    np.save(tmp_path / "x.npy", rows())
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.shares_memory(as_rows("x", x, (4,)), x)


@pytest.mark.parametrize(
    "dtype", [bool, np.int8, np.int64, np.uint16, np.float16, np.float64, ">f4", "<i2"]
)
def test_other_real_types_become_float32(dtype: Any) -> None:
    x = (rows() * 100).astype(dtype)
    converted = as_rows("x", x, (4,))
    assert converted.dtype == np.float32
    np.testing.assert_array_equal(converted, x.astype(np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize(
    "make",
    [np.asfortranarray, lambda a: a[::-1], lambda a: np.repeat(a, 2, axis=1)[:, ::2]],
    ids=["fortran", "reversed", "strided"],
)
def test_other_layouts_are_copied_once(dtype: Any, make: Any) -> None:
    x = make((rows() * 200).astype(dtype))
    converted = as_rows("x", x, (4,))
    assert converted.flags.c_contiguous
    assert converted.dtype == dtype
    np.testing.assert_array_equal(converted, x)


def test_unaligned_rows_are_copied() -> None:
    buffer = bytearray(rows().nbytes + 1)
    x = np.frombuffer(buffer, np.float32, 24, offset=1).reshape(6, 4)
    assert not x.flags.aligned
    assert as_rows("x", x, (4,)).flags.aligned


def test_lists_are_converted() -> None:
    np.testing.assert_array_equal(as_rows("x", rows().tolist(), (4,)), rows())


def test_last_axis_of_length_one_may_be_missing_or_too_many() -> None:
    images = np.zeros((5, 8, 8), np.uint8)
    added = as_rows("x", images, (8, 8, 1))
    assert added.shape == (5, 8, 8, 1)
    assert np.shares_memory(added, images)
    assert as_rows("x", images[..., None], (8, 8)).shape == (5, 8, 8)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (None, "`x` is missing"),
        (3.0, "`x` must be an array of rows"),
        (np.zeros((2, 5)), r"Expected shape \(None, 4\), received shape \(2, 5\)"),
        (np.zeros(4), r"received shape \(4,\). For a single row, add the batch axis: x\[None\]"),
        (np.zeros((2, 4, 2)), r"received shape \(2, 4, 2\)"),
        (np.zeros((0, 4)), r"`x` is empty: it has shape \(0, 4\)"),
        (np.zeros((2, 4), complex), "dtype complex128"),
        (np.zeros((2, 4), object), "dtype object"),
        (np.full((2, 4), "a"), "array of real numbers"),
        ([[1, 2], [3]], "cannot be converted to an array"),
        ((row for row in rows()), "array of real numbers. Received: <class 'generator'>"),
        (np.zeros((2, 4), "M8[s]"), "array of real numbers"),
    ],
    ids=str,
)
def test_bad_rows_are_refused(x: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_rows("x", x, (4,))


# ---- targets ------------------------------------------------------------------------------------


def test_one_hot_targets_are_read_in_place() -> None:
    assert labelled(rows(), ONE_HOT, CATEGORICAL).y is ONE_HOT
    converted = labelled(rows(), ONE_HOT.astype(np.float64), CATEGORICAL).y
    assert converted.dtype == np.float32
    np.testing.assert_array_equal(converted, ONE_HOT)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(6,), (6, 1)], ids=str)
def test_labels_become_int32(dtype: Any, shape: tuple[int, ...]) -> None:
    y = labelled(rows(), LABELS.astype(dtype).reshape(shape)).y
    assert (y.dtype, y.shape) == (np.int32, (6,))
    np.testing.assert_array_equal(y, LABELS)


def test_int32_labels_are_read_in_place() -> None:
    labels = LABELS.astype(np.int32)
    assert labelled(rows(), labels).y is labels


@pytest.mark.parametrize(
    ("y", "loss", "message"),
    [
        (None, SPARSE, "`y` is missing"),
        (LABELS, CATEGORICAL, r"same rank .*target.shape=\(6,\).*sparse_categorical_crossentropy"),
        (LABELS[:, None], CATEGORICAL, r"target.shape=\(6, 1\), output.shape=\(None, 3\)"),
        (np.zeros((6, 2)), CATEGORICAL, r"same shape.*target.shape=\(6, 2\)"),
        (ONE_HOT, SPARSE, "For one-hot labels use the loss 'categorical_crossentropy'"),
        (np.zeros((6, 2)), SPARSE, r"labels of shape \(n,\) or \(n, 1\)"),
        (LABELS + 1, SPARSE, r"label value of 3 which is outside the valid range of \[0, 3\)"),
        (LABELS - 1, SPARSE, r"label value of -1 which is outside the valid range of \[0, 3\)"),
        (LABELS + 0.5, SPARSE, "whole numbers"),
        (np.full(6, np.nan), SPARSE, "whole numbers"),
        (np.full(6, np.inf), SPARSE, "label value of inf"),
        (np.full(6, 2**40), SPARSE, "label value of 1099511627776"),
        (["a"] * 6, SPARSE, "`y` must be an array of real numbers"),
        (LABELS[:5], SPARSE, "Data cardinality is ambiguous.*'x' sizes: 6 . 'y' sizes: 5"),
    ],
)
def test_bad_targets_are_refused(y: Any, loss: losses.Loss, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        labelled(rows(), y, loss)


def test_one_output_has_no_categories() -> None:
    for loss, y in ((SPARSE, np.zeros(2)), (CATEGORICAL, np.ones((2, 1)))):
        with pytest.raises(ValueError, match="more than one output"):
            as_labelled_rows(rows(2), y, None, None, input_shape=(4,), output_shape=(1,), loss=loss)


# ---- weights ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6,), (6, 1)], ids=str)
def test_sample_weights(shape: tuple[int, ...]) -> None:
    given = np.arange(6.0).reshape(shape)
    weights = labelled(rows(), LABELS, sample_weight=given).sample_weight
    assert (weights.dtype, weights.shape) == (np.float32, (6,))
    np.testing.assert_array_equal(weights, np.arange(6))


@pytest.mark.parametrize(("y", "loss"), [(LABELS, SPARSE), (ONE_HOT, CATEGORICAL)])
def test_class_weights_become_sample_weights(y: Any, loss: losses.Loss) -> None:
    weights = labelled(rows(), y, loss, class_weight={0: 0.5, 2: 3}).sample_weight
    np.testing.assert_array_equal(weights, [0.5, 3, 1, 1, 0.5, 3])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            {"sample_weight": np.ones(6), "class_weight": {0: 1}},
            "You cannot `class_weight` and `sample_weight` at the same time.",
        ),
        ({"sample_weight": np.ones(5)}, "'sample_weight' sizes: 5"),
        ({"sample_weight": np.ones((6, 2))}, "one weight per row"),
        ({"sample_weight": ["a"] * 6}, "`sample_weight` must be an array of real numbers"),
        ({"class_weight": [1, 2]}, "`class_weight` must be a dictionary"),
        ({"class_weight": {"a": 1}}, "`class_weight key`"),
        ({"class_weight": {0: "a"}}, r"`class_weight\[0\]`"),
    ],
    ids=str,
)
def test_bad_weights_are_refused(weights: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        labelled(rows(), LABELS, **weights)


# ---- order and split ----------------------------------------------------------------------------


def test_shuffle_is_a_new_permutation_each_time() -> None:
    utils.set_random_seed(0)
    first, second = epoch_order(100, 8, True), epoch_order(100, 8, True)
    assert first is not None
    assert second is not None
    assert first.dtype == np.int64
    assert sorted(first) == sorted(second) == list(range(100))
    assert not np.array_equal(first, second)
    utils.set_random_seed(0)
    np.testing.assert_array_equal(first, epoch_order(100, 8, True))


def test_shuffle_batch_stays_inside_the_batches() -> None:
    order = epoch_order(20, 8, "batch")
    assert order is not None
    assert order.dtype == np.int64
    for begin, end in ((0, 8), (8, 16), (16, 20)):
        assert sorted(order[begin:end]) == list(range(begin, end))
    assert not np.array_equal(order, np.arange(20))


def test_no_shuffle_needs_no_order() -> None:
    assert epoch_order(20, 8, False) is None


def test_validation_is_the_tail() -> None:
    x = rows(10)
    (train_x, _, weights), (val_x, val_y, _) = split_off_validation((x, np.arange(10), None), 0.25)
    assert weights is None
    assert (len(train_x), len(val_x)) == (7, 3)
    np.testing.assert_array_equal(val_y, [7, 8, 9])
    assert np.shares_memory(train_x, x)
    assert np.shares_memory(val_x, x)


@pytest.mark.parametrize("split", [0.0001, 0.99999, 1.0])
def test_split_with_an_empty_side_is_refused(split: float) -> None:
    if split == 0.0001:  # 9.999 is rounded down: one row is split off
        assert len(split_off_validation((rows(10), LABELS.repeat(2)[:10], None), split)[1][0]) == 1
        return
    with pytest.raises(ValueError, match="contains 10 samples, which is not sufficient"):
        split_off_validation((rows(10), np.arange(10), None), split)


def test_split_checks_the_lengths() -> None:
    with pytest.raises(ValueError, match=r"'x' sizes: 10 \| 'y' sizes: 4"):
        split_off_validation((rows(10), np.arange(4), None), 0.5)
