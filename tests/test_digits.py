"""Pictures of digits, and `convlet predict`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from convlet import cli
from convlet.cli.digit_convnet import compiled_digit_convnet
from convlet.datasets import mnist
from convlet.digits import prepare_digit, read_digit
from convlet.utils import set_random_seed, to_categorical

Image = pytest.importorskip("PIL.Image", reason="Pillow: pip install 'convlet[image]'")


@pytest.fixture(scope="module")
def test_set():
    return mnist.load_data()[1]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The path of a model that has seen a third of MNIST."""
    set_random_seed(1)
    (x, y), _ = mnist.load_data()
    model = compiled_digit_convnet()
    model.fit(x[:20_000, ..., None], to_categorical(y[:20_000], 10), batch_size=64, verbose=0)
    path = tmp_path_factory.mktemp("model") / "digits.keras"
    model.save(path)
    return path


def rendered(digit, scale, size, corner):
    """Another rendering of an MNIST digit, somewhere in a larger picture."""
    large = Image.fromarray(digit).resize((28 * scale, 28 * scale), Image.Resampling.BICUBIC)
    picture = Image.new("L", size)
    picture.paste(large, corner)
    return np.asarray(picture)


def difference(a, b):
    """Mean difference as a share of the mean ink."""
    return np.abs(a.astype(float) - b).mean() / max(a.mean(), 1)


def test_shift_and_inversion_change_nothing(test_set):
    for digit in test_set[0][:20]:
        there = prepare_digit(rendered(digit, 4, (300, 200), (11, 35)))
        here = rendered(digit, 4, (300, 200), (150, 70))
        np.testing.assert_array_equal(prepare_digit(here), there)
        np.testing.assert_array_equal(prepare_digit(255 - here), there)
        assert there.shape == (28, 28)
        assert there.max() == 255


def test_scale_changes_little(test_set):
    for digit in test_set[0][:20]:
        small, large = (
            prepare_digit(rendered(digit, scale, (600, 600), (30, 30))) for scale in (5, 15)
        )
        assert difference(small, large) < 0.15


def test_fits_the_box_and_is_centred_by_mass(test_set):
    for digit in test_set[0][:20]:
        prepared = prepare_digit(rendered(digit, 7, (400, 400), (3, 150)))
        ink = np.argwhere(prepared > 0)
        assert (np.ptp(ink, axis=0) + 1 <= 21).all()
        centre = (np.argwhere(prepared >= 0) * prepared.reshape(-1, 1)).sum(axis=0) / prepared.sum()
        np.testing.assert_allclose(centre, 14, atol=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (300, 2), (28, 28)])
def test_an_empty_picture_is_empty(shape):
    assert not prepare_digit(np.full(shape, 200, np.uint8)).any()


@pytest.mark.parametrize("shape", [(2, 2), (1, 400), (400, 1)])
def test_odd_shapes(shape, rng):
    assert prepare_digit(rng.integers(256, size=shape, dtype=np.uint8)).shape == (28, 28)


@pytest.mark.parametrize("bad", [np.zeros((2, 2)), np.zeros((2, 2, 3), np.uint8)])
def test_prepare_digit_refuses(bad):
    with pytest.raises(ValueError, match="`image` must be a uint8 array"):
        prepare_digit(bad)


def test_transparent_and_coloured_pictures(test_set, tmp_path):
    grey = rendered(test_set[0][0], 4, (150, 150), (20, 20))
    colour = np.zeros((*grey.shape, 4), np.uint8)
    colour[..., 3] = grey  # black ink on nothing
    Image.fromarray(colour).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_digit(tmp_path / "a.png"), prepare_digit(255 - grey))


def test_predict_classifies_rendered_test_images(trained, test_set, tmp_path, capsys):
    images, labels = (array[:200] for array in test_set)
    paths = []
    for number, digit in enumerate(images):
        grey = rendered(digit, 3 + number % 5, (250, 220), (number % 40, number % 30))
        path = tmp_path / f"{number}.png"
        Image.fromarray(255 - grey if number % 2 else grey).save(path)
        paths.append(str(path))
    assert cli.main(["predict", str(trained), *paths, "--json"]) == 0
    results = json.loads(capsys.readouterr().out)
    assert [result["image"] for result in results] == paths
    for result in results:
        assert result["class"] == np.argmax(result["probabilities"])
        assert sum(result["probabilities"]) == pytest.approx(1, abs=1e-5)
    right = np.equal([result["class"] for result in results], labels).mean()
    assert right > 0.95


def test_predict_prints_class_and_probabilities(trained, test_set, tmp_path, capsys):
    path = tmp_path / "seven.png"
    Image.fromarray(test_set[0][0]).save(path)
    assert cli.main(["predict", str(trained), str(path)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{path}: 7 (")
    assert second.count("%") == 10


def test_predict_what_is_no_picture(trained, tmp_path, capsys):
    path = tmp_path / "a.png"
    path.write_text("no picture")
    assert cli.main(["predict", str(trained), str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"convlet: error: {path}: not an image, or none of a format")
    assert error.count("\n") == 1
