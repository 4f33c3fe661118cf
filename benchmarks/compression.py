"""Bytes a picture at equal error: quantised codes against JPEG, and against those of PCA.

    python -m benchmarks.compression    # half an hour, and a picture

Codes are divided by a step and rounded. Each is worth minus the logarithm of how often its value
was seen among training images, which an arithmetic coder comes to within a byte a picture; a
picture takes whole bytes. All codes of an estimator have the same step, which for PCA is the best
that can be done at an error. JPEG is Pillow's, with all of a file and without what precedes the
pixels in it, which could be sent once for all pictures, as the weights of a decoder have to be.

An estimator has many settings, of codes and steps; what is told is the least number of bytes by
which it comes to an error, on pictures that it was not fitted to. At one thread. It needs Debian's
`dataset-fashion-mnist`, and exits with 1 where an end is missed.
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning

from benchmarks.defaults import Split, fashion_mnist
from benchmarks.images import patches
from benchmarks.plot import plot_compression
from benchmarks.report import Report
from benchmarks.timing import threads
from sklearn_ae import AutoencoderTransformer, ConvAutoencoderTransformer

_CODES = (4, 8, 16, 32, 64, 128)
# Of the standard deviation of the first principal component, or of the codes.
_STEPS = 2.0 ** np.arange(-7, 1.5, 0.5)
_QUALITIES = (1, 5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90, 95)
_N_TEST = 2_000
_START_OF_SCAN = b"\xff\xda"


class Point(NamedTuple):
    """What a setting comes to."""

    n_bytes: float
    psnr: float

    @classmethod
    def of(cls, n_bytes: NDArray, X: NDArray, found: NDArray) -> "Point":
        """Compare pictures, in [0, 1], with what is left of them."""
        error = np.square(np.clip(found, 0, 1) - X).mean(dtype=np.float64)
        return cls(float(n_bytes.mean()), float(-10 * np.log10(error)))


def least(points: Sequence[Point], level: float) -> float:
    """Give the fewest bytes for a peak signal-to-noise ratio, NaN where no setting has it."""
    best: list[Point] = []  # of those that no other beats, from few bytes to many
    for point in sorted(points):
        if not best or point.psnr > best[-1].psnr:
            best.append(point)
    n_bytes, psnr = np.transpose(best)
    return float(2 ** np.interp(level, psnr, np.log2(n_bytes), left=np.nan, right=np.nan))


# Codes


def n_bytes(train: NDArray, test: NDArray) -> NDArray:
    """Give the bytes of each picture's whole numbers, by how often training pictures have them."""
    bits = np.zeros(len(test))
    for seen, coded in zip(train.T, test.T, strict=True):
        counts = np.bincount(seen - seen.min()) + 0.5
        bits -= np.log2(counts / counts.sum())[coded - seen.min()]
    return np.maximum(1, np.ceil(bits / 8))


def quantised(fitted: Any, train: NDArray, test: NDArray) -> Iterator[Point]:
    """Give what codes come to by step."""
    codes = [fitted.transform(X).astype(np.float64) for X in (train, test)]
    for step in _STEPS * codes[0].std(axis=0).max():
        seen, coded = (np.round(of / step).astype(int) for of in codes)
        coded = np.clip(coded, seen.min(axis=0), seen.max(axis=0))
        found = fitted.inverse_transform((coded * step).astype(test.dtype))
        yield Point.of(n_bytes(seen, coded), test, found)


# JPEG


def jpeg(test: NDArray, shape: tuple[int, int], *, whole: bool) -> Iterator[Point]:
    """Give what the format comes to by quality."""
    pictures = np.round(255 * test).astype(np.uint8).reshape(-1, *shape)
    for quality in _QUALITIES:
        sizes, found = [], []
        for picture in pictures:
            file = BytesIO()
            Image.fromarray(picture).save(file, "JPEG", quality=quality, optimize=whole)
            content = file.getvalue()
            sizes.append(len(content) - (0 if whole else content.rindex(_START_OF_SCAN)))
            found.append(np.asarray(Image.open(file), dtype=np.float32) / 255)
        yield Point.of(np.array(sizes), test, np.reshape(found, test.shape))


# What is compared


def grey_patches(seed: int) -> Split:
    """Give patches of 32 x 32 pixels of photographs, from one region to train on, and another."""
    train, test = (part.reshape(-1, 32, 32, 3) for part in patches(seed, size=32))
    return tuple((part @ [0.299, 0.587, 0.114]).reshape(len(part), -1) for part in (train, test))


class Pictures(NamedTuple):
    """Pictures to compress, and the decibels that are told of."""

    split: Callable[[int], Split]
    shape: tuple[int, int]
    levels: range


PICTURES = {
    "Fashion-MNIST": Pictures(fashion_mnist, (28, 28), range(16, 32, 2)),
    "patches of photographs, 32 x 32": Pictures(grey_patches, (32, 32), range(20, 36, 2)),
}
_JPEG, _PCA = "JPEG, whole files", "PCA"


def curves(pictures: Pictures, seed: int) -> dict[str, list[Point]]:
    """Give all points by method."""
    train, test = (part.astype(np.float32) for part in pictures.split(seed))
    test, side = test[:_N_TEST], min(train.shape)
    found = {
        _JPEG: list(jpeg(test, pictures.shape, whole=True)),
        "JPEG, pixels alone": list(jpeg(test, pictures.shape, whole=False)),
        # With a step for all, components that are not worth their bytes take none.
        _PCA: [
            point
            for n_components in (*_CODES, side // 3, side)
            for point in quantised(PCA(n_components, random_state=0).fit(train), train, test)
        ],
    }
    for name, Estimator in {
        "dense": AutoencoderTransformer,
        "convolutions": partial(ConvAutoencoderTransformer, image_shape=pictures.shape),
    }.items():
        found[name] = [
            point
            for encoding_dim in _CODES
            for point in quantised(
                Estimator(encoding_dim, random_state=seed).fit(train), train, test
            )
        ]
    return found


def compressed(report: Report, seed: int) -> None:
    """Print a table for each kind of pictures, draw them, and hold Fashion-MNIST to its ends."""
    found = {name: curves(pictures, seed) for name, pictures in PICTURES.items()}
    for name, points in found.items():

        def line(level: float, points: dict[str, list[Point]] = points) -> tuple[object, ...]:
            cells = (least(of, level) for of in points.values())
            return (level, *("-" if np.isnan(cell) else f"{cell:.0f}" for cell in cells))

        report.table(
            f"Bytes a picture: {name}", ("PSNR, dB", *points), map(line, PICTURES[name].levels)
        )
    plot_compression(
        {
            name: {
                method: [(least(of, level), level) for level in np.arange(14, 36, 0.25)]
                for method, of in points.items()
            }
            for name, points in found.items()
        },
        report.picture,
    )
    for rival, level in ((_JPEG, 20), (_PCA, 20)):
        points = found["Fashion-MNIST"]
        ratio = least(points["dense"], level) / least(points[rival], level)
        report.end(f"Fashion-MNIST, {level} dB: bytes over those of {rival}", ratio, 1)


def main() -> int:
    """Run it, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    report = Report("compression")
    with threads(1):
        compressed(report, arguments.seed)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
