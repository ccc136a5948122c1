"""`.weights.h5` files: Keras's layout, round trips, and files that are broken or hostile."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest

from convlet import layers, models
from convlet.saving import weights_h5


def make_model(filters=3, name=None):
    model = models.Sequential(name=name)
    model.add(layers.Conv2D(filters, 3, activation="relu", input_shape=(8, 8, 1), name="first"))
    model.add(layers.MaxPooling2D(2))
    model.add(layers.Conv2D(4, 2, use_bias=False))
    model.add(layers.Flatten())
    model.add(layers.Dense(5, activation="softmax", name="classifier"))
    return model


def compiled(model):
    model.compile(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def batch(seed=0, rows=16):
    rng = np.random.default_rng(seed)
    x = rng.random((rows, 8, 8, 1), dtype=np.float32)
    return x, np.eye(5, dtype=np.float32)[rng.integers(5, size=rows)]


def trained():
    model = compiled(make_model())
    for seed in range(3):
        model.train_on_batch(*batch(seed))
    return model


def assert_equal_weights(one, other):
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.weights.h5"


def test_layout_is_keras_s(path):
    model = compiled(make_model(name="model"))
    model.train_on_batch(*batch())
    model.save_weights(path)
    found, names = {}, {}
    with h5py.File(path) as file:

        def visit(name, item):
            if isinstance(item, h5py.Dataset):
                assert item.chunks is None
                found[name] = (item.shape, item.dtype.str)
            elif name.endswith("vars"):
                names[name] = item.attrs["name"]

        file.visititems(visit)
    shapes = [(3, 3, 1, 3), (3,), (2, 2, 3, 4), (16, 5), (5,)]
    assert found == {
        "layers/conv2d/vars/0": (shapes[0], "<f4"),
        "layers/conv2d/vars/1": (shapes[1], "<f4"),
        "layers/conv2d_1/vars/0": (shapes[2], "<f4"),
        "layers/dense/vars/0": (shapes[3], "<f4"),
        "layers/dense/vars/1": (shapes[4], "<f4"),
        "optimizer/vars/0": ((), "<i8"),
        "optimizer/vars/1": ((), "<f4"),
        **{f"optimizer/vars/{i + 2}": (shape, "<f4") for i, shape in enumerate(shapes)},
    }
    assert names == {
        "layers/conv2d/vars": "first",
        "layers/conv2d_1/vars": model.layers[2].name,
        "layers/dense/vars": "classifier",
        "layers/flatten/vars": model.layers[3].name,
        "layers/max_pooling2d/vars": model.layers[1].name,
        "optimizer/vars": model.optimizer.name,
        "vars": "model",
    }


def test_round_trip(path):
    model = trained()
    model.save_weights(path)
    other = make_model()
    other.load_weights(str(path))
    assert_equal_weights(model, other)
    x, _ = batch()
    np.testing.assert_array_equal(model.predict(x, verbose=0), other.predict(x, verbose=0))


def test_training_goes_on_as_if_nothing_had_happened(path):
    model = trained()
    model.save_weights(path)
    other = compiled(make_model())
    other.train_on_batch(*batch())
    other.load_weights(path)
    assert other.optimizer.iterations == 3
    assert model.train_on_batch(*batch(9)) == other.train_on_batch(*batch(9))
    assert_equal_weights(model, other)


def test_optimizer_that_has_not_trained_yet_is_left_alone_with_a_warning(path):
    trained().save_weights(path)
    other = compiled(make_model())
    with pytest.warns(UserWarning, match="Not loading the state of optimizer"):
        other.load_weights(path)
    assert other.optimizer.iterations == 0


def test_more_than_ten_variables_keep_their_order(path):
    def make():
        model = models.Sequential([layers.Input((4,))])
        for _ in range(6):
            model.add(layers.Dense(4))
        return compiled(model)

    model, other = make(), make()
    x = np.random.default_rng(0).random((8, 4), dtype=np.float32)
    y = np.eye(4, dtype=np.float32)[[0, 1, 2, 3] * 2]
    for each in (model, other):
        each.train_on_batch(x, y)
    model.save_weights(path)
    other.load_weights(path)
    assert_equal_weights(model, other)
    for a, b in zip(model.optimizer.get_state(), other.optimizer.get_state(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_models_within_models(path):
    def make():
        inner = models.Sequential([layers.Input((4,)), layers.Dense(3), layers.Dense(3)])
        return models.Sequential([layers.Input((4,)), inner, layers.Dense(2)])

    model, other = make(), make()
    model.save_weights(path)
    with h5py.File(path) as file:
        assert list(file["layers/sequential/layers"]) == ["dense", "dense_1"]
        assert list(file["layers/dense/vars"]) == ["0", "1"]
    other.load_weights(path)
    assert_equal_weights(model, other)


def test_saving_is_atomic_and_obeys_overwrite(path):
    model = make_model()
    path.write_text("old")
    with pytest.raises(FileExistsError, match="overwrite"):
        model.save_weights(path, overwrite=False)
    assert path.read_text() == "old"
    model.save_weights(path)
    assert list(path.parent.iterdir()) == [path]
    make_model().load_weights(path)


def test_wrong_names_and_models_that_are_not_built(tmp_path, path):
    for name in ("a.h5", "a.keras", "weights.h5.gz"):
        with pytest.raises(ValueError, match=r"must end in `\.weights\.h5`"):
            make_model().save_weights(tmp_path / name)
    with pytest.raises(ValueError, match="File format not supported"):
        make_model().load_weights(tmp_path / "weights.h5.gz")
    unbuilt = models.Sequential([layers.Dense(3)])
    for action in (unbuilt.save_weights, unbuilt.load_weights):
        with pytest.raises(ValueError, match="has not yet been built"):
            action(path)
    with pytest.raises(FileNotFoundError, match=r"a\.weights\.h5"):
        make_model().load_weights(path)
    assert list(tmp_path.iterdir()) == []


def assert_refused(path, message=None):
    model = trained()
    weights, state = model.get_weights(), model.optimizer.get_state()
    with pytest.raises(ValueError, match=message) as raised:
        model.load_weights(path)
    assert str(path) in str(raised.value)
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    for before, after in zip(state, model.optimizer.get_state(), strict=True):
        np.testing.assert_array_equal(before, after)


def replace(name, value, **options):
    def spoil(file):
        del file[name]
        file.create_dataset(name, data=value, **options)

    return spoil


def external(file):
    del file["layers/dense/vars/1"]
    secret = (os.devnull, 0, h5py.h5f.UNLIMITED)
    file.create_dataset("layers/dense/vars/1", (5,), "f4", external=[secret])


def external_link(file):
    del file["layers/dense/vars"]
    file["layers/dense/vars"] = h5py.ExternalLink("other.h5", "/")


def soft_link(file):
    del file["layers/dense/vars/1"]
    file["layers/dense/vars/1"] = h5py.SoftLink("/optimizer/vars/6")


def virtual(file):
    del file["layers/dense/vars/1"]
    layout = h5py.VirtualLayout((5,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (5,))
    file.create_virtual_dataset("layers/dense/vars/1", layout)


def huge_shape(file):
    del file["layers/dense/vars/1"]
    file.create_dataset("layers/dense/vars/1", (2**40,), "f4", chunks=(2**10,), compression="gzip")


def huge_chunk(file):
    del file["layers/dense/vars/1"]
    file.create_dataset("layers/dense/vars/1", (5,), "f4", chunks=(2**28,), maxshape=(None,))


def more_layers(file):
    file["layers/dense_1/vars/0"] = np.zeros(3)


def group_for_dataset(file):
    del file["layers/dense/vars/1"]
    file.create_group("layers/dense/vars/1")


def dataset_for_group(file):
    del file["layers/dense/vars"]
    file["layers/dense/vars"] = 3


def missing_variable(file):
    del file["layers/dense/vars/1"]


def renamed_variable(file):
    file.move("layers/dense/vars/1", "layers/dense/vars/01")


SPOILERS = [
    (external, "another file"),
    (external_link, "ExternalLink"),
    (soft_link, "SoftLink"),
    (virtual, "another file"),
    (huge_shape, "shape"),
    (huge_chunk, "chunks larger"),
    (more_layers, "dense_1"),
    (group_for_dataset, "no Dataset"),
    (dataset_for_group, "no Group"),
    (missing_variable, "has 1 variables"),
    (renamed_variable, "no variable '1'"),
    (replace("layers/dense/vars/1", np.zeros(6, "f4")), r"shape \(6,\)"),
    (replace("layers/dense/vars/1", np.zeros(5, "S3")), "type"),
    (replace("layers/dense/vars/1", np.zeros(5, "c8")), "type"),
    (replace("layers/dense/vars/1", np.zeros(5, [("a", "f4")])), "type"),
    (replace("layers/dense/vars/1", ["a"] * 5, dtype=h5py.string_dtype()), "type"),
    (replace("layers/dense/vars/1", np.zeros(5, "f4"), fletcher32=True), "filter"),
    (replace("layers/dense/vars/1", np.zeros(5, "f4"), compression="lzf"), "filter"),
    (replace("optimizer/vars/0", -1), "iterations"),
    (replace("optimizer/vars/1", np.float32("nan")), "learning_rate"),
    (replace("optimizer/vars/3", np.zeros(4, "f4")), "shape"),
]


@pytest.mark.parametrize(("spoil", "message"), SPOILERS)
def test_hostile_file_is_refused_and_changes_nothing(path, spoil, message):
    trained().save_weights(path)
    with h5py.File(path, "r+") as file:
        spoil(file)
    assert_refused(path, message)


def test_file_of_another_model_is_refused(path):
    make_model(filters=2).save_weights(path)
    assert_refused(path, r"shape \(3, 3, 1, 2\)")


@pytest.mark.parametrize("value", [np.arange(5, dtype=">f8"), np.arange(5, dtype="f2")])
@pytest.mark.parametrize("options", [{}, {"compression": "gzip", "shuffle": True}])
def test_other_precision_byte_order_and_compression_are_read(path, value, options):
    make_model().save_weights(path)
    with h5py.File(path, "r+") as file:
        replace("layers/dense/vars/1", value, **options)(file)
    model = make_model()
    model.load_weights(path)
    np.testing.assert_array_equal(model.get_weights()[-1], np.arange(5))


def test_truncated_files(path):
    trained().save_weights(path)
    whole = path.read_bytes()
    for percent in range(100):
        path.write_bytes(whole[: len(whole) * percent // 100])
        assert_refused(path)


def test_damaged_files_do_no_worse_than_an_error(path):
    trained().save_weights(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    model = make_model()
    for _ in range(500):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        with contextlib.suppress(ValueError):
            model.load_weights(path)


def test_importing_the_module_does_not_import_h5py():
    code = "import sys, convlet.saving.weights_h5; print('h5py' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
    assert weights_h5.__doc__
