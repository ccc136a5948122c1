"""The rounding error of Winograd's convolutions: of the engine's tiles, and of any set of points.

    python bench/winograd_error.py
    python bench/winograd_error.py --points 0,1,-1,2,-2

Random images behind a ReLU and random filters, 32 channels; root mean square over the outputs,
relative to that of the direct sum. The engine's tiles of 2x2 and 5x5 are pooled, so theirs is the
error of their points.
"""

from __future__ import annotations

import argparse
import math
import os
from fractions import Fraction

import numpy as np

CHANNELS = 32
IMAGES = 400
# By outputs; cpp/kernels/winograd_transforms.hpp.
POINTS = {
    2: "0,1,-1",
    3: "0,1,-1,1/2",
    4: "0,2/3,-2/3,3/2,-3/2",
    5: "2/7,-2/7,6/7,-6/7,7/4,-7/4",
}


def images(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """(IMAGES, height, width, CHANNELS)."""
    return np.maximum(rng.standard_normal((IMAGES, height, width, CHANNELS)), 0).astype(np.float32)


def exact(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The convolution in float64."""
    windows = np.lib.stride_tricks.sliding_window_view(x.astype(float), (3, 3), axis=(1, 2))
    return np.einsum("nyxcij,ijcf->nyxf", windows, w.astype(float))


def error(y: np.ndarray, expected: np.ndarray) -> float:
    """Root mean square, relative to the outputs."""
    return float(np.sqrt(np.mean((y - expected) ** 2) / np.mean(expected**2)))


def engine_error(side: int, winograd: bool) -> float:
    """Of convlet's Conv2D whose output is one tile of side x side."""
    os.environ["CONVLET_WINOGRAD"] = str(int(winograd))
    import convlet

    rng = np.random.default_rng(0)
    x = images(rng, side + 2, side + 2)
    w = rng.standard_normal((3, 3, CHANNELS, CHANNELS)).astype(np.float32)
    layer = convlet.layers.Conv2D(CHANNELS, 3, use_bias=False)
    model = convlet.Sequential([convlet.Input(x.shape[1:]), layer])
    layer.set_weights([w])
    return error(model.predict(x, verbose=0), exact(x, w))


def matrices(points: list[Fraction]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bt, G and At of the points and infinity (Blahut, 2010, section 5.2)."""
    n = len(points) + 1
    data, kernel, output = (np.zeros(shape) for shape in ((n, n), (n, 3), (n - 2, n)))
    for i in range(n):
        polynomial = [Fraction(1)]  # of the other points, lowest coefficient first
        for p in points[:i] + points[i + 1 :]:
            times_x, times_p = [Fraction(0), *polynomial], [*polynomial, Fraction(0)]
            polynomial = [a - p * b for a, b in zip(times_x, times_p, strict=True)]
        data[i, : len(polynomial)] = [float(c) for c in polynomial]
    for i, point in enumerate(points):
        distances = [point - p for p in points[:i] + points[i + 1 :]]
        kernel[i] = [float(point**k / math.prod(distances)) for k in range(3)]
        output[:, i] = [float(point**k) for k in range(n - 2)]
    kernel[-1, 2] = output[-1, -1] = 1
    return data, kernel, output


def both_sides(matrix: np.ndarray, x: np.ndarray) -> np.ndarray:
    """M x Mt over the first two axes, in float32, term by term."""
    terms = matrix.astype(np.float32)
    for _ in range(2):
        total = np.zeros((len(matrix), *x.shape[1:]), np.float32)
        for k in range(matrix.shape[1]):
            total += terms[:, k].reshape(-1, *[1] * (x.ndim - 1)) * x[k]
        x = np.swapaxes(total, 0, 1)
    return x


def points_error(text: str) -> float:
    """Of one tile, computed in float32 as its matrices say."""
    points = [Fraction(p) for p in text.split(",")]
    rng = np.random.default_rng(0)
    x = images(rng, len(points) + 1, len(points) + 1)
    w = rng.standard_normal((3, 3, CHANNELS, CHANNELS)).astype(np.float32)
    of_data, of_kernel, of_output = matrices(points)
    data = both_sides(of_data, x.transpose(1, 2, 0, 3))
    filters = both_sides(of_kernel, w)
    products = np.zeros((*data.shape[:3], CHANNELS), np.float32)
    for c in range(CHANNELS):
        products += data[..., c, None] * filters[:, :, None, c]
    y = both_sides(of_output, products)
    return error(y.transpose(2, 0, 1, 3), exact(x, w))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", help="fractions, without infinity")
    arguments = parser.parse_args()
    for side, points in POINTS.items():
        direct = engine_error(side, winograd=False)
        plain = side in (3, 4)
        of_tile = engine_error(side, winograd=True) if plain else points_error(points)
        print(f"F({side}x{side}, 3x3): {of_tile:.1e}, direct {direct:.1e}: {of_tile / direct:.1f}")
    if arguments.points is not None:
        of_points = points_error(arguments.points)
        print(f"{arguments.points}: {of_points:.1e}: {of_points / direct:.1f}")


if __name__ == "__main__":
    main()
