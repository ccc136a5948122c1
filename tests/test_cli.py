"""The command `convlet`, and the example."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import convlet
from convlet import cli
from convlet.cli.digit_convnet import compiled_digit_convnet, digit_convnet
from convlet.datasets import mnist

EXAMPLE = Path(__file__).parents[1] / "examples" / "mnist_convnet.py"


@pytest.fixture
def few_digits(monkeypatch):
    """Stands for MNIST where the numbers do not matter; lists the paths it was asked for."""
    paths = []

    def load_data(path=None, download=True):
        paths.append(path)
        rng = np.random.default_rng(0)
        return tuple(
            (
                rng.integers(256, size=(rows, 28, 28), dtype=np.uint8),
                rng.integers(10, size=rows, dtype=np.uint8),
            )
            for rows in (70, 20)
        )

    monkeypatch.setattr(mnist, "load_data", load_data)
    return paths


@pytest.fixture(autouse=True)
def same_number_of_threads_afterwards():
    threads = convlet.get_num_threads()
    yield
    convlet.set_num_threads(threads)


def test_train(few_digits, capsys, tmp_path):
    path = tmp_path / "a.weights.h5"
    options = ["--epochs", "2", "--batch-size", "32", "--seed", "3", "--threads", "1"]
    assert cli.main(["train", "mnist", *options, "--save", str(path)]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    assert "93,322" in output.out
    assert output.out.count("3/3 - ") == 2
    lines = output.out.splitlines()
    assert lines[-3].startswith("Test loss: 2.")
    assert lines[-2].startswith("Test accuracy: ")
    assert lines[-1] == f"Weights written to {path}"
    assert convlet.get_num_threads() == 1
    model = digit_convnet()
    model.load_weights(path)


def test_the_same_seed_gives_the_same_weights(few_digits, tmp_path):
    contents = []
    for seed in (1, 1, 2):
        path = tmp_path / "a.weights.h5"
        options = ["--epochs", "1", "--seed", str(seed), "--threads", "2", "--save", str(path)]
        assert cli.main(["train", "mnist", *options]) == 0
        model = digit_convnet()
        model.load_weights(path)
        contents.append(np.concatenate([array.ravel() for array in model.get_weights()]))
    np.testing.assert_array_equal(contents[0], contents[1])
    assert not np.array_equal(contents[0], contents[2])


def test_data_option(few_digits):
    assert cli.main(["train", "mnist", "--epochs", "1", "--data", "some/where"]) == 0
    assert few_digits == ["some/where"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: command"),
        (["test"], "invalid choice: 'test'"),
        (["train"], "required: dataset"),
        (["train", "cifar"], "invalid choice: 'cifar'"),
        (["train", "mnist", "--epochs", "0"], "argument --epochs: 0 is not from 1 to"),
        (["train", "mnist", "--epochs", "many"], "argument --epochs: not an integer: 'many'"),
        (["train", "mnist", "--batch-size", "-3"], "argument --batch-size: -3 is not from 1 to"),
        (["train", "mnist", "--batch-size", "1.5"], "argument --batch-size: not an integer"),
        (["train", "mnist", "--seed", "-1"], "argument --seed: -1 is not from 0 to"),
        (["train", "mnist", "--seed", str(2**32)], "argument --seed: 4294967296 is not from 0"),
        (["train", "mnist", "--threads", "0"], "argument --threads: 0 is not from 1 to"),
        (
            ["train", "mnist", "--threads", "100000"],
            "argument --threads: `num_threads` must be an integer from",
        ),
        (["train", "mnist", "--save", "a.npz"], "argument --save: The filename must end in"),
        (["train", "mnist", "--save", "no/such/a.weights.h5"], "no such directory: 'no/such'"),
        (["train", "mnist", "--wrong"], "unrecognized arguments: --wrong"),
    ],
)
def test_bad_arguments(few_digits, capsys, arguments, message):
    with pytest.raises(SystemExit) as exited:
        cli.main(arguments)
    assert exited.value.code == 2
    output = capsys.readouterr()
    assert message in output.err
    assert "Traceback" not in output.err
    assert output.out == ""


def test_missing_data_is_one_line_and_exit_code_1(tmp_path, capsys):
    assert cli.main(["train", "mnist", "--data", str(tmp_path / "nowhere")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("convlet: error: MNIST was looked for in")
    assert error.count("\n") == 1


def test_target_that_cannot_be_replaced(few_digits, tmp_path, capsys):
    directory = tmp_path / "a.weights.h5"
    directory.mkdir()
    with pytest.raises(SystemExit) as exited:
        cli.main(["train", "mnist", "--save", str(directory)])
    assert exited.value.code == 2
    assert "is a directory" in capsys.readouterr().err


@pytest.fixture
def saved(tmp_path):
    """A whole saved model, not trained."""
    path = tmp_path / "digits.keras"
    compiled_digit_convnet().save(path)
    return path


def test_train_saves_a_whole_model(few_digits, capsys, tmp_path):
    path = tmp_path / "a.keras"
    assert cli.main(["train", "mnist", "--epochs", "1", "--save", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Model written to {path}"
    assert convlet.models.load_model(path).count_params() == 93_322


@pytest.mark.parametrize("scales", [True, False], ids=["model that scales", "model that does not"])
def test_evaluate(few_digits, capsys, tmp_path, scales):
    _, (x, y) = mnist.load_data()
    model = digit_convnet()
    if not scales:
        model = convlet.Sequential([convlet.Input((28, 28, 1)), *model.layers[1:]])
    path = tmp_path / "a.keras"
    model.save(path)
    predicted = model.predict(x[..., None] / (1 if scales else 255), verbose=0)
    loss = -np.log(predicted[np.arange(len(y)), y]).mean()
    accuracy = (predicted.argmax(axis=1) == y).mean()
    assert cli.main(["evaluate", str(path), "mnist", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["images"] == 20
    np.testing.assert_allclose(figures["loss"], loss, rtol=1e-5)
    np.testing.assert_allclose(figures["accuracy"], accuracy, rtol=1e-6)
    assert cli.main(["evaluate", str(path), "mnist"]) == 0
    expected = f"Test loss: {loss:.4f}\nTest accuracy: {accuracy:.2%}\n"
    assert capsys.readouterr().out == expected


def test_evaluate_refuses_what_is_no_classifier_of_images(capsys, tmp_path):
    path = tmp_path / "a.keras"
    convlet.Sequential([convlet.Input((3,)), convlet.layers.Dense(2)]).save(path)
    assert cli.main(["evaluate", str(path), "mnist"]) == 1
    assert "not a classifier of images" in capsys.readouterr().err


def test_summary(saved, capsys):
    assert cli.main(["summary", str(saved)]) == 0
    assert "93,322" in capsys.readouterr().out
    assert cli.main(["summary", str(saved), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["parameters"] == 93_322
    assert figures["layers"][1]["type"] == "Conv2D"
    assert figures["layers"][1]["output_shape"] == [None, 26, 26, 32]
    assert sum(layer["parameters"] for layer in figures["layers"]) == 93_322


def test_info(capsys):
    assert cli.main(["info"]) == 0
    assert "instruction set:" in capsys.readouterr().out
    assert cli.main(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == convlet.show_config("dict")


def test_data(capsys):
    assert cli.main(["data", "mnist", "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert Path(result["place"]).is_dir()
    assert (result["training_images"], result["test_images"]) == (60_000, 10_000)
    assert result["sha256"] == {file.name: file.sha256 for file in mnist.DATASET.files}
    assert cli.main(["data", "mnist"]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"mnist: {result['place']}\n  60000 training and 10000 test images\n")


def test_data_that_is_not_there(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("CONVLET_DATA_DIR", str(tmp_path))
    assert cli.main(["data", "cifar10", "--offline"]) == 1
    assert "CIFAR-10 was looked for in" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["evaluate", "summary"])
def test_missing_model_is_exit_code_1(command, capsys):
    arguments = ["mnist"] if command == "evaluate" else []
    assert cli.main([command, "nowhere.keras", *arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("convlet: error: ")
    assert "nowhere.keras" in error


def test_interrupt(monkeypatch, capsys):
    def load_data(path=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(mnist, "load_data", load_data)
    assert cli.main(["train", "mnist"]) == 130
    assert capsys.readouterr().err == "\nInterrupted.\n"


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "convlet", *arguments], capture_output=True, text=True, check=True
    )


def test_version_and_help():
    assert run("--version").stdout == f"convlet {convlet.__version__}\n"
    text = run("train", "--help").stdout
    for option in ("--epochs", "--batch-size", "--seed", "--threads", "--data", "--save"):
        assert option in text


def test_reader_that_goes_away():
    read, write = os.pipe()
    os.close(read)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "convlet", "train", "mnist", "--epochs", "1"],
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(write)
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    assert "Exception ignored" not in result.stderr


TRAIN_LONG = """if True:
    import signal, sys
    from convlet.cli import main
    signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs inherit SIG_IGN
    sys.exit(main(["train", "mnist", "--epochs", "1000"]))
"""


def test_control_c_during_training():
    command = [sys.executable, "-u", "-c", TRAIN_LONG]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        for line in child.stdout:
            if b"Non-trainable" in line:  # the last line before the training begins
                break
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        _, error = child.communicate(timeout=30)
    assert child.returncode == 130
    assert error.endswith(b"\nInterrupted.\n")
    assert b"Traceback" not in error


TRAIN_AND_MEASURE = """if True:
    import re, sys
    from pathlib import Path
    from convlet.cli import main
    code = main(["train", "mnist", "--epochs", "1", "--seed", "1"])
    # Not getrusage's, which includes what the parent of a forked process has.
    print("peak", re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
    sys.exit(code)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.unsanitized(reason="they need memory of their own")
def test_one_epoch_on_mnist_learns_and_stays_small():
    mnist.load_data()  # a download, if need be, does not count
    result = subprocess.run(
        [sys.executable, "-c", TRAIN_AND_MEASURE], capture_output=True, text=True, check=True
    )
    values = dict(line.rsplit(maxsplit=1) for line in result.stdout.splitlines()[-3:])
    assert float(values["Test accuracy:"].rstrip("%")) > 97
    assert int(values["peak"]) < 150_000


def test_example(monkeypatch, capsys):
    """The example, with the first thousand digits in place of all."""
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    rows = {60_000: 1000, 10_000: 500}

    class FewRows(np.ndarray):
        """Takes the example's `reshape((60000, 28, 28, 1))`."""

        def reshape(self, shape):
            return np.asarray(self).reshape((rows[shape[0]], *shape[1:]))

    def load_data():
        return (
            (x_train[:1000].view(FewRows), y_train[:1000]),
            (x_test[:500].view(FewRows), y_test[:500]),
        )

    monkeypatch.setattr(mnist, "load_data", load_data)
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    last = capsys.readouterr().out.splitlines()[-1]
    accuracy = float(last.removeprefix("The Accuracy on the test set is ").removesuffix(" %"))
    assert accuracy > 75


def test_example_is_the_notebook_with_one_word_changed():
    imports = [line for line in EXAMPLE.read_text().splitlines() if line.startswith("from convlet")]
    assert imports == [
        "from convlet import layers, models",
        "from convlet.datasets import mnist",
        "from convlet.utils import to_categorical",
    ]
