"""Whole models in files: round trips, files that Keras wrote, and files that are hostile."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import convlet
from convlet import layers, losses, metrics, models, optimizers
from convlet.models import Sequential, clone_model, load_model, model_from_json
from convlet.saving.configuration import minimal
from golden import file_cases, make_files, runs

FILES = Path(__file__).parent / "golden" / "files"
WRITERS = ["keras3_15", "keras3_3", "keras2", "keras2_functional"]
FORMATS = ["keras", "h5"]


def batch() -> tuple[np.ndarray, np.ndarray]:
    return make_files.data()


def trained() -> Sequential:
    model = make_files.make_model(convlet)
    for _ in range(3):
        model.train_on_batch(*batch())
    return model


def predictions(model: Any) -> np.ndarray:
    return model.predict(batch()[0], verbose=0)


def next_losses(model: Any) -> list[float]:
    return [model.train_on_batch(*batch())[0] for _ in range(10)]


def assert_same_state(one: Any, other: Any) -> None:
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(one.optimizer.get_state(), other.optimizer.get_state(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.fixture(params=FORMATS)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / f"model.{request.param}"


# ---- Round trips --------------------------------------------------------------------------------


def test_a_loaded_model_is_the_same_and_trains_on(path: Path) -> None:
    model = trained()
    model.save(path)
    loaded = load_model(str(path))
    assert_same_state(model, loaded)
    assert loaded.get_config() == model.get_config()
    assert loaded.get_compile_config() == model.get_compile_config()
    assert loaded.metrics_names == model.metrics_names
    assert next_losses(loaded) == next_losses(model)
    assert_same_state(model, loaded)


@pytest.mark.parametrize("name", file_cases.CASES)
@pytest.mark.parametrize("kind", [*FORMATS, "weights.h5"])
def test_each_optimizer_continues_where_it_stopped(name: str, kind: str, tmp_path: Path) -> None:
    """With the same bits, in the middle of what an option does every few steps."""
    path = tmp_path / f"model.{kind}"
    model = file_cases.make(convlet, name)
    file_cases.train(model, name)
    if kind == "weights.h5":
        model.save_weights(path)
        loaded = file_cases.make(convlet, name)
        file_cases.train(loaded, name, 1)
        loaded.load_weights(path)
    else:
        model.save(path)
        loaded = load_model(path)
        assert loaded.to_json() == model.to_json()
    assert_same_state(model, loaded)
    assert file_cases.train(loaded, name, 10) == file_cases.train(model, name, 10)
    assert_same_state(model, loaded)
    for one in (model, loaded):
        one.optimizer.finalize_variable_values(one.trainable_weights)
    assert_same_state(model, loaded)


@pytest.mark.parametrize("layout", [0, 1, 2])
@pytest.mark.parametrize("name", ["optimizer-nadam", "optimizer-accumulation_ema_clipnorm"])
def test_order_of_older_versions(name: str, layout: int, tmp_path: Path) -> None:
    model, other = file_cases.make(convlet, name), file_cases.make(convlet, name)
    file_cases.train(model, name)
    file_cases.train(other, name, 1)
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    with h5py.File(path, "r+") as file:
        del file["optimizer/vars"]
        for index, variable in enumerate(model.optimizer.layouts()[layout]):
            file[f"optimizer/vars/{index}"] = variable.numpy()
    other.load_weights(path)
    assert_same_state(model, other)


def test_without_what_it_was_compiled_with(path: Path) -> None:
    model = trained()
    model.save(path)
    loaded = load_model(path, compile=False)
    assert not loaded.compiled
    np.testing.assert_array_equal(predictions(loaded), predictions(model))
    model.save(path, include_optimizer=False)
    assert not load_model(path).compiled


def test_compiled_but_not_trained(path: Path) -> None:
    model = make_files.make_model(convlet)
    model.optimizer.learning_rate = 0.25
    model.save(path)
    loaded = load_model(path)
    assert loaded.optimizer.learning_rate == 0.25
    assert loaded.optimizer.iterations == 0
    assert next_losses(loaded) == next_losses(model)


def test_convolutions(path: Path) -> None:
    model = runs.convolutions(convlet)
    model.save(path)
    loaded = load_model(path)
    assert loaded.get_config() == model.get_config()
    x = np.random.default_rng(0).normal(size=(2, 8, 7, 4))
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
    assert [v.path for v in loaded.weights] == [v.path for v in model.weights]


def test_models_within_models(path: Path) -> None:
    inner = Sequential([layers.Input((4,)), layers.Dense(3), layers.Dense(3)], name="inner")
    model = Sequential([layers.Input((4,)), inner, layers.Dense(2)])
    model.save(path)
    loaded = load_model(path)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert loaded.layers[0].name == "inner"


def test_long_lists_of_layers(tmp_path: Path) -> None:
    model = Sequential([layers.Input((2,))])
    for index in range(700):
        model.add(layers.ReLU(name=f"{index:0100d}"))
    model.add(layers.Dense(1))
    model.save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5") as file:
        assert "layer_names1" in file["model_weights"].attrs
    loaded = load_model(tmp_path / "model.h5")
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])


def test_weights_of_whole_models(path: Path) -> None:
    model = trained()
    model.save(path)
    other = make_files.make_model(convlet)
    other.train_on_batch(*batch())
    other.load_weights(path)
    assert_same_state(model, other)


def test_skip_mismatch(path: Path) -> None:
    model = trained()
    model.save(path)
    other = make_files.make_model(convlet)
    other.pop()
    other.pop()
    other.add(layers.Dense(4))
    before = other.get_weights()
    with pytest.raises(ValueError, match="shape"):
        other.load_weights(path)
    np.testing.assert_array_equal(other.get_weights()[0], before[0])
    with (
        pytest.warns(UserWarning, match="1 objects could not be loaded"),
        pytest.warns(UserWarning, match="Not loading the state of optimizer"),
    ):
        other.load_weights(path, skip_mismatch=True)
    for a, b in zip(other.get_weights()[:3], model.get_weights()[:3], strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(other.get_weights()[3:], before[3:], strict=True):
        np.testing.assert_array_equal(a, b)


def test_json_and_clones() -> None:
    model = trained()
    for copy in (model_from_json(model.to_json()), clone_model(model)):
        assert copy.get_config() == model.get_config()
        assert [w.shape for w in copy.get_weights()] == [w.shape for w in model.get_weights()]
        assert not np.array_equal(copy.get_weights()[0], model.get_weights()[0])
    assert model_from_json(model.to_json()).get_compile_config() == model.get_compile_config()
    assert not clone_model(model).compiled


def test_clone_function() -> None:
    def without_bias(layer: Any) -> Any:
        config = layer.get_config()
        if "use_bias" in config:
            config["use_bias"] = False
        return type(layer).from_config(config)

    clone = clone_model(trained(), clone_function=without_bias)
    assert [len(layer.weights) for layer in clone.layers] == [0, 1, 0, 1, 0, 1, 0]
    with pytest.raises(ValueError, match="must return a new layer"):
        clone_model(trained(), clone_function=lambda layer: layer)
    with pytest.raises(ValueError, match="`recursive=True`"):
        clone_model(trained(), recursive=True)
    with pytest.raises(ValueError, match="to be a model"):
        clone_model(layers.Dense(3))


class MyDense(layers.Dense):
    """A class of the caller."""


class MyLoss(losses.SparseCategoricalCrossentropy):
    """A class of the caller."""


def test_custom_objects(path: Path) -> None:
    model = Sequential([layers.Input((3,)), MyDense(2, name="mine"), layers.Softmax()])
    model.compile(loss=MyLoss(), metrics=[metrics.SparseCategoricalAccuracy()])
    model.save(path)
    with pytest.raises(ValueError, match="MyDense"):
        load_model(path)
    with pytest.raises(ValueError, match="MyLoss"):
        load_model(path, custom_objects={"MyDense": MyDense})
    loaded = load_model(path, custom_objects={"MyDense": MyDense, "MyLoss": MyLoss})
    assert type(loaded.layers[0]) is MyDense
    assert type(loaded.loss) is MyLoss
    assert loaded.compiled
    for wrong in ([MyDense], {"MyDense": "os.system"}):
        with pytest.raises(ValueError, match="`custom_objects`"):
            load_model(path, custom_objects=wrong)


def test_names_and_options(tmp_path: Path) -> None:
    model = trained()
    for name in ("model", "model.onnx", "model.keras.bak"):
        with pytest.raises(ValueError, match="Invalid filepath extension for saving"):
            model.save(tmp_path / name)
        with pytest.raises(ValueError, match="File format not supported"):
            load_model(tmp_path / name)
    with pytest.raises(ValueError, match="File not found"):
        load_model(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="`zipped=False`"):
        model.save(tmp_path / "model", zipped=False)
    with pytest.raises(ValueError, match="not yet been built"):
        Sequential([layers.Dense(3)]).save(tmp_path / "model.keras")
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="`safe_mode=False`"):
        load_model(tmp_path / "model.keras", safe_mode=False)
    with pytest.raises(FileExistsError, match="overwrite"):
        model.save(tmp_path / "model.keras", overwrite=False)
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_names_that_cannot_be_loaded_are_not_saved(path: Path) -> None:
    model = Sequential([layers.Input((3,)), layers.Dense(2, name="a\\b")])
    with pytest.raises(ValueError, match="must not contain"):
        model.save(path)
    assert list(path.parent.iterdir()) == []


def test_functions_are_not_saved(path: Path) -> None:
    function = layers.Dense(2, kernel_initializer=lambda shape, dtype: np.zeros(shape))
    model = Sequential([layers.Input((3,)), function])
    with pytest.raises(ValueError, match=r"Initializer.* have a configuration"):
        model.save(path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace"])
def test_failed_write_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    model = trained()
    path.write_text("old")

    def fail(*_: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(step, fail)
    with pytest.raises(OSError, match="disk full"):
        model.save(path)
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_files_say_only_what_every_keras_3_knows(tmp_path: Path) -> None:
    trained().save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        names = ["metadata.json", "config.json", "model.weights.h5"]
        assert archive.namelist() == names
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        config = json.loads(archive.read("config.json"))
    text = json.dumps(config["config"])
    recent = ("quantization_config", "input_axes", "renorm", "optional", "DTypePolicy")
    assert [word for word in recent if word in text] == []
    assert "gradient_accumulation_steps" not in json.dumps(config["compile_config"])
    assert config["build_config"] == {"input_shape": [None, 6, 6, 1]}


def test_the_one_input_of_a_functional_model_is_listed() -> None:
    """As Keras before 3.4 expects it."""
    config = {
        "class_name": "Functional",
        "config": {"input_layers": ["i", 0, 0], "trainable": None},
    }
    assert minimal(config)["config"] == {"input_layers": [["i", 0, 0]]}
    assert minimal(minimal(config)) == minimal(config)


# ---- Files of Keras -----------------------------------------------------------------------------


def golden_file(writer: str, extension: str, folder: Path) -> Path:
    if extension == "keras":
        return FILES / f"{writer}.keras"
    path = folder / f"{writer}.{extension}"
    if extension == "h5":
        path.write_bytes(gzip.decompress((FILES / f"{writer}.h5.gz").read_bytes()))
    else:
        with zipfile.ZipFile(FILES / f"{writer}.keras") as archive:
            path.write_bytes(archive.read("model.weights.h5"))
    return path


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("extension", FORMATS)
def test_files_of_keras(writer: str, extension: str, tmp_path: Path) -> None:
    numbers = json.loads((FILES / f"{writer}.json").read_text(encoding="utf-8"))
    model = load_model(golden_file(writer, extension, tmp_path))
    assert model.optimizer.iterations == 3
    assert math.isclose(model.optimizer.learning_rate, 0.002, rel_tol=1e-6)
    assert model.metrics_names == ["loss", "accuracy"]
    np.testing.assert_allclose(predictions(model), numbers["predictions"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(next_losses(model), numbers["losses"], rtol=1e-3)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("extension", ["keras", "h5", "weights.h5"])
def test_weights_of_keras(writer: str, extension: str, tmp_path: Path) -> None:
    numbers = json.loads((FILES / f"{writer}.json").read_text(encoding="utf-8"))
    model = make_files.make_model(convlet, functional=writer.endswith("functional"))
    model.train_on_batch(*batch())
    model.load_weights(golden_file(writer, extension, tmp_path))
    assert model.optimizer.iterations == 3
    np.testing.assert_allclose(predictions(model), numbers["predictions"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(next_losses(model), numbers["losses"], rtol=1e-3)


def config_of(layer: dict[str, Any], name: str = "m") -> dict[str, Any]:
    first = {"class_name": "InputLayer", "config": {"batch_shape": [None, 4], "name": "i"}}
    return {"class_name": "Sequential", "config": {"name": name, "layers": [first, layer]}}


def dense(**arguments: Any) -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"name": "d", "units": 2, **arguments}}


@pytest.mark.parametrize(
    "arguments",
    [
        {"foo": None, "quantization_config": None, "renorm": False, "optional": False},
        {"dtype": "float32", "kernel_regularizer": None},
        {"dtype": {"class_name": "DTypePolicy", "config": {"name": "float32"}}},
        {"activation": {"module": "builtins", "class_name": "function", "config": "relu"}},
        {"batch_input_shape": [None, 4]},
        {"kernel_initializer": {"class_name": "GlorotUniform", "config": {"input_axes": None}}},
    ],
    ids=str,
)
def test_what_says_nothing_is_ignored(arguments: dict[str, Any]) -> None:
    model = model_from_json(json.dumps(config_of(dense(**arguments))))
    assert model.count_params() == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"foo": 3}, r"Dense does not support `foo=3`"),
        ({"renorm": True}, r"Dense does not support `renorm=True`"),
        ({"lora_rank": 4}, r"Dense does not support `lora_rank=4`"),
        ({"dtype": "mixed_float16"}, "name='mixed_float16'"),
        ({"dtype": {"class_name": "DTypePolicy", "config": {"name": "float64"}}}, "float64"),
        ({"dtype": {"class_name": "QuantizedDTypePolicy", "config": {}}}, "dtype policy"),
    ],
    ids=str,
)
def test_what_is_not_supported_is_refused_by_name(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model_from_json(json.dumps(config_of(dense(**arguments))))


def test_keras_2_says_some_things_otherwise() -> None:
    first = {"class_name": "Dense", "config": {"units": 3, "batch_input_shape": [None, 4]}}
    model = model_from_json(json.dumps({"class_name": "Sequential", "config": [first]}))
    assert model.input_shape == (None, 4)
    model.compile_from_config(
        {
            "optimizer": {"class_name": "Custom>RMSprop", "config": {"jit_compile": True}},
            "loss": {
                "class_name": "CategoricalCrossentropy",
                "config": {"reduction": "auto", "fn": "categorical_crossentropy"},
            },
            "metrics": [
                [
                    {"class_name": "MeanMetricWrapper", "config": {"name": "acc", "fn": "x"}},
                    {
                        "class_name": "MeanMetricWrapper",
                        "config": {"name": "second", "fn": "categorical_accuracy"},
                    },
                ]
            ],
        }
    )
    assert model.metrics_names == ["loss", "acc", "second"]
    assert isinstance(model.optimizer, optimizers.RMSprop)


# ---- Hostile files ------------------------------------------------------------------------------


def assert_refused(path: Path, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        load_model(path)
    assert str(path) in str(raised.value)


def rewrite(
    path: Path,
    change_config: Callable[[Any], Any] = lambda config: config,
    change_weights: Callable[[h5py.File], None] = lambda file: None,
    **options: Any,
) -> None:
    """Writes a `.keras` file, spoilt."""
    content = io.BytesIO()
    trained().save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = change_config(json.loads(members["config.json"]))
    members["config.json"] = config if isinstance(config, bytes) else json.dumps(config).encode()
    content = io.BytesIO(members["model.weights.h5"])
    with h5py.File(content, "r+") as file:
        change_weights(file)
    members["model.weights.h5"] = content.getvalue()
    with zipfile.ZipFile(path, "w", **options) as archive:
        for name, member in members.items():
            archive.writestr(name, member)


def layer(position: int, **changes: Any) -> Callable[[Any], Any]:
    """Changes the entry of a layer; its arguments with `config=`."""

    def change(config: Any) -> Any:
        entry = config["config"]["layers"][position]
        entry["config"].update(changes.pop("config", {}))
        entry.update(changes)
        return config

    return change


def top(**changes: Any) -> Callable[[Any], Any]:
    return lambda config: {**config, **changes}


def compiled(**changes: Any) -> Callable[[Any], Any]:
    def change(config: Any) -> Any:
        config["compile_config"].update(changes)
        return config

    return change


LAMBDA = {"class_name": "__lambda__", "config": {"value": "4wEAAA==", "defaults": None}}
FUNCTION = {"module": "os", "class_name": "function", "config": "system"}

# One or more for each class of published vulnerability.
HOSTILE_CONFIGS = [
    # CVE-2024-3660, CVE-2026-12481: code in a Lambda layer
    (layer(5, class_name="Lambda"), "layer identifier: Lambda"),
    (layer(2, config={"activation": LAMBDA}), "identifier: __lambda__"),
    # CVE-2025-1550, CVE-2025-8747: any module and function
    (layer(2, module="os", class_name="system", config={}), r"system \(module 'os'\)"),
    (layer(2, module="os"), r"'Conv2D' \(module 'os'\) is not Keras's"),
    (layer(2, registered_name="evil>Conv2D"), "registered_name 'evil>Conv2D'"),
    (layer(2, module="keras.src.utils.file_utils", class_name="get_file"), "get_file"),
    (layer(2, config={"activation": FUNCTION}), "cannot be a function from a file"),
    (layer(2, config={"kernel_initializer": FUNCTION}), "cannot be a function from a file"),
    (layer(2, config={"padding": FUNCTION}), "cannot be a function from a file"),
    (layer(2, config={"name": {"class_name": "str", "config": {}}}), "name"),
    (top(module="builtins", class_name="eval"), "model identifier: eval"),
    (compiled(loss=FUNCTION), "cannot be a function from a file"),
    (compiled(optimizer={"module": "os", "class_name": "RMSprop", "config": {}}), "module 'os'"),
    # CVE-2025-9906: a class that switches the safe mode off
    (layer(2, module="keras.config", class_name="enable_unsafe_deserialization"), "enable_unsafe"),
    # CVE-2025-49655, CVE-2026-1462: wrappers of other frameworks' pickles and programs
    (layer(2, class_name="TorchModuleWrapper"), "TorchModuleWrapper"),
    (layer(2, class_name="TFSMLayer"), "TFSMLayer"),
    # CVE-2025-12058: a vocabulary that is the path of a file
    (layer(2, class_name="StringLookup"), "StringLookup"),
    # CVE-2026-0897: shapes that take all memory
    (layer(6, config={"units": 2**27}), "fewer weights than its layers need"),
    (layer(6, config={"units": 2**40}), r"less than 2\*\*31"),
    (layer(6, config={"units": 4}), "shape"),
    # CVE-2026-12479: names that are paths
    *[
        (layer(2, config={"name": name}), "must not contain")
        for name in ("../x", "a/b", "a\\b", "..", "a\x00b", "a\nb")
    ],
    # Bombs
    (lambda config: b"[" * 100_000, "nested deeper|cannot be read"),
    (lambda config: b'{"a":' * 200 + b"1" + b"}" * 200, "nested deeper than 100"),
    (lambda config: b" " * (16 * 2**20 + 1), "at most 16777216 are read"),
    (lambda config: b'{"a": NaN}', "not a finite number"),
    (lambda config: b'{"a": 1e999}', "not a finite number"),
    (lambda config: b'{"a": ' + b"9" * 5000 + b"}", "digits"),
    (lambda config: b'{"a": 1, "a": 2}', "same key twice"),
    (lambda config: b"\xff", "cannot be read"),
    (lambda config: b"[]", "dictionary"),
    (lambda config: b'"Sequential"', "dictionary"),
    (lambda config: config_of_many_layers(10_001), "at most 10000 layers"),
    (top(config=3), "must be a dictionary"),
    (top(config={"name": "m", "layers": 3}), "list 'layers'"),
    (top(config={"name": "m", "layers": [3]}), "'class_name'"),
    (top(config={"layers": []}), "'name' and 'layers'"),
]


def config_of_many_layers(count: int) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"name": "m", "layers": [dense()] * count}}


@pytest.mark.parametrize(("change", "message"), HOSTILE_CONFIGS)
def test_hostile_configuration(tmp_path: Path, change: Callable[[Any], Any], message: str) -> None:
    rewrite(tmp_path / "model.keras", change)
    assert_refused(tmp_path / "model.keras", message)


def mutated(value: Any, rng: np.random.Generator) -> Any:
    """Replaces or removes something at a random depth."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.9:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = keys[rng.integers(len(keys))]
        if rng.random() < 0.1:
            del value[key]
        else:
            value[key] = mutated(value[key], rng)
        return value
    others = [None, True, -1, 2**31, 1e30, "x", [], [None, 3], {}, {"class_name": "Dense"}]
    return others[rng.integers(len(others))]


def test_mutated_configurations_do_no_worse_than_an_error() -> None:
    text = trained().to_json()
    rng = np.random.default_rng(0)
    accepted = 0
    for _ in range(200):
        with contextlib.suppress(ValueError):
            model_from_json(json.dumps(mutated(json.loads(text), rng)))
            accepted += 1
    assert 0 < accepted < 200


@pytest.mark.parametrize("change", [HOSTILE_CONFIGS[0][0], HOSTILE_CONFIGS[3][0]])
def test_legacy_files_are_no_less_safe(tmp_path: Path, change: Callable[[Any], Any]) -> None:
    """CVE-2025-9905: the legacy format ignored the safe mode."""
    trained().save(tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5", "r+") as file:
        config = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps(change(config))
    assert_refused(tmp_path / "model.h5", "Lambda|module 'os'")


def test_yaml_is_not_read(tmp_path: Path) -> None:
    """CVE-2021-37678: YAML could construct any object."""
    assert not hasattr(models, "model_from_yaml")
    with pytest.raises(ValueError, match="cannot be read"):
        model_from_json("!!python/object/apply:os.system ['true']")


def external(file: h5py.File) -> None:
    del file["layers/dense/vars/1"]
    secret = (os.devnull, 0, h5py.h5f.UNLIMITED)
    file.create_dataset("layers/dense/vars/1", (3,), "f4", external=[secret])


def external_link(file: h5py.File) -> None:
    del file["layers/dense"]
    file["layers/dense"] = h5py.ExternalLink("/etc/hostname", "/")


def shape_bomb(file: h5py.File) -> None:
    del file["layers/dense/vars/0"]
    file.create_dataset("layers/dense/vars/0", (8, 2**27), "f4", chunks=(1, 2**20))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        # CVE-2026-1669: weights that are read out of other files
        (external, "another file"),
        (external_link, "ExternalLink"),
        # CVE-2026-0897: a small file that promises large weights
        (shape_bomb, "fewer weights|shape"),
    ],
)
def test_hostile_weights(tmp_path: Path, spoil: Callable[[h5py.File], None], message: str) -> None:
    rewrite(tmp_path / "model.keras", change_weights=spoil)
    assert_refused(tmp_path / "model.keras", message)


def test_a_shape_bomb_takes_no_memory(tmp_path: Path) -> None:
    """Both sides agree on a huge shape, but the file does not hold it."""
    path = tmp_path / "model.keras"
    rewrite(path, layer(6, config={"units": 2**27}), shape_bomb)
    assert_refused(path, "fewer weights than its layers need")


def test_hostile_archives(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    trained().save(path)
    whole = path.read_bytes()
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("config.json", "{}")
    assert_refused(path, "two members 'config.json'")

    rewrite(path, lambda config: b" " * 2**20 * 17, compression=zipfile.ZIP_DEFLATED)
    assert_refused(path, "at most 1734100 are read")

    rewrite(path, compression=zipfile.ZIP_BZIP2)
    assert_refused(path, "packed unusually")

    path.write_bytes(whole)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../outside", "x")
        archive.writestr("assets/notes.txt", "x")
    load_model(path)
    assert [item.name for item in tmp_path.iterdir()] == ["model.keras"]

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.npz", "x")
    assert_refused(path, "has no member metadata.json, config.json, model.weights.h5")
    path.write_text("not a zip")
    assert_refused(path, "not a readable `.keras` zip file")


def test_a_member_that_is_a_bomb(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", bytes(2**25))
    assert_refused(path, "33554432 bytes")


def test_truncated_files(path: Path) -> None:
    trained().save(path)
    whole = path.read_bytes()
    for percent in range(100):
        path.write_bytes(whole[: len(whole) * percent // 100])
        assert_refused(path, "model")


@pytest.mark.filterwarnings("ignore")
def test_damaged_files_do_no_worse_than_an_error(path: Path) -> None:
    trained().save(path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    errors = []
    for _ in range(200):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            load_model(path)
        except ValueError as error:
            errors.append(str(error))
    assert errors
    assert all(str(path) in error for error in errors)
