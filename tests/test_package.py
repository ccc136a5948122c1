"""The package: what it exposes, and that importing it imports next to nothing."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

import convlet


@pytest.mark.parametrize("name", convlet.__all__)
def test_everything_exposed_is_there(name: str) -> None:
    assert getattr(convlet, name) is not None
    assert name in dir(convlet)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'convlet' has no attribute 'kayers'"):
        _ = convlet.kayers  # type: ignore[attr-defined]


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return set(result.stdout.split())


def test_import_is_lazy() -> None:
    loaded = loaded_after("import convlet")
    assert {module for module in loaded if module.startswith("convlet")} == {
        "convlet",
        "convlet._lazy",
    }
    assert "numpy" not in loaded


def test_training_imports_only_what_it_uses() -> None:
    loaded = loaded_after("import convlet; convlet.Sequential; convlet.layers; convlet.utils")
    assert not {"tqdm", "h5py", "pooch", "requests"} & loaded


def test_a_model_imports_only_its_own_layers_and_optimizer() -> None:
    loaded = loaded_after(
        "from convlet import Sequential, layers, callbacks, datasets\n"
        "model = Sequential([layers.Input((4,)), layers.Dense(2), layers.ReLU()])\n"
        "model.compile('sgd', 'mse')\n"
        "model.fit([[0.0] * 4], [[0.0] * 2], verbose=0)"
    )
    of_package = {
        package: {name.removeprefix(package) for name in loaded if name.startswith(package)}
        for package in ("convlet.optimizers.", "convlet.datasets.", "convlet.saving.")
    }
    assert of_package["convlet.optimizers."] & {"sgd", "adam"} == {"sgd"}
    assert of_package["convlet.datasets."] == set()
    assert "api" not in of_package["convlet.saving."]
    assert {"convlet.layers.dense", "convlet.layers.activation"} <= loaded
    assert not {"convlet.layers.conv2d", "convlet.layers.random_flip"} & loaded
    assert not {"convlet.callbacks.tensor_board", "zipfile", "tarfile", "subprocess"} & loaded


@pytest.mark.parametrize(
    "package",
    ["", ".layers", ".callbacks", ".datasets", ".models", ".optimizers", ".saving", ".utils"],
)
def test_names_that_are_imported_at_their_first_use(package: str) -> None:
    module = import_module(f"convlet{package}")
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match=r"^module 'convlet.*' has no attribute 'Layyer'$"):
        _ = module.Layyer


# How notebooks import Keras, with the one word changed: module and names.
IMPORT_FORMS = [
    ("convlet", "Sequential Input layers models optimizers losses metrics initializers callbacks"),
    ("convlet", "activations backend config datasets preprocessing random utils"),
    ("convlet.models", "Sequential"),
    ("convlet.layers", "Input InputLayer Conv2D MaxPooling2D Flatten Dense Rescaling"),
    ("convlet.layers", "Activation ReLU LeakyReLU ELU PReLU Softmax"),
    ("convlet.activations", "relu elu selu gelu silu swish softplus mish get serialize"),
    ("convlet.initializers", "GlorotUniform HeNormal Orthogonal Identity glorot_uniform zeros"),
    ("convlet.callbacks", "Callback History EarlyStopping ModelCheckpoint ReduceLROnPlateau"),
    ("convlet.callbacks", "LearningRateScheduler CSVLogger TerminateOnNaN LambdaCallback"),
    ("convlet.callbacks", "BackupAndRestore ProgbarLogger SwapEMAWeights CallbackList"),
    ("convlet.optimizers", "RMSprop"),
    ("convlet.datasets", "mnist fashion_mnist cifar10 cifar100"),
    ("convlet.utils", "to_categorical normalize set_random_seed clear_session get_file Progbar"),
    ("convlet.utils", "load_img img_to_array array_to_img save_img"),
    ("convlet.backend", "epsilon floatx image_data_format clear_session get_uid set_epsilon"),
    ("convlet.config", "epsilon floatx image_data_format disable_interactive_logging"),
    ("convlet.random", "set_seed"),
    ("convlet.preprocessing", "image"),
    ("convlet.preprocessing.image", "load_img img_to_array array_to_img save_img"),
]


@pytest.mark.parametrize(("module", "names"), IMPORT_FORMS)
def test_kerass_import_forms(module: str, names: str) -> None:
    found: dict[str, object] = {}
    exec(f"from {module} import {', '.join(names.split())}", found)  # noqa: S102
    assert all(found[name] is not None for name in names.split())


def test_names_of_the_same_thing() -> None:
    assert convlet.Sequential is convlet.models.Sequential
    assert convlet.utils.clear_session is convlet.backend.clear_session
    assert convlet.random.set_seed is convlet.utils.set_random_seed
