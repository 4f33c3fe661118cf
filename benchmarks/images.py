"""Convolutions against dense layers: error on images, time of an epoch, colour, large images.

    python -m benchmarks.images                  # all of it, three quarters of an hour
    python -m benchmarks.images --only colour    # some of it
    python -m benchmarks.images --seeds 1        # a glimpse

Errors are squared, on images that no estimator was trained on; a seed sets the images that are,
the initialisation and the order. All at one thread. It needs Debian's `dataset-fashion-mnist`, and
exits with 1 where an end is missed.
"""

import argparse
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import deepcopy
from functools import partial
from typing import Any

import numpy as np
import torch
from matplotlib.colors import hsv_to_rgb
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.image import extract_patches_2d
from skorch.callbacks import Callback
from torch import nn

from benchmarks.defaults import fashion_mnist
from benchmarks.memory import growth_of, is_measurable
from benchmarks.report import Report, in_parts
from benchmarks.timing import Ratio, in_pairs, threads, timed
from sklearn_ae import AutoencoderTransformer, ConvAutoencoderTransformer
from sklearn_ae.datasets import load_images

Split = tuple[NDArray, NDArray]

_CODES, _SEEDS = (16, 32), 3
_EPOCHS_OF_CURVE = {"dense": (5, 10, 20, 40, 80), "convolutions": (2, 5, 10, 20)}
_LARGE = (64, 64, 3)


def estimators(
    encoding_dim: int, image_shape: tuple[int, ...], seed: int, **parameters: Any
) -> dict[str, Any]:
    """Give the rivals by name, at their defaults."""
    return {
        "PCA": PCA(encoding_dim, random_state=seed),
        "dense": AutoencoderTransformer(encoding_dim, random_state=seed, **parameters),
        "convolutions": ConvAutoencoderTransformer(
            encoding_dim, image_shape=image_shape, random_state=seed, **parameters
        ),
    }


def error(fitted: Any, X: NDArray) -> float:
    """Give the mean squared error of reconstructions."""
    rebuilt = fitted.inverse_transform(fitted.transform(X))
    return float(np.square(rebuilt.astype(np.float64) - X).mean())


# Grey images


def grey(report: Report, seeds: range) -> None:
    """Compare errors at equal epochs, those of the defaults."""
    found: dict[tuple[str, int], list[float]] = {}

    def lines() -> Iterator[tuple[object, ...]]:
        for encoding_dim in _CODES:
            seconds: dict[str, list[float]] = {}
            for seed in seeds:
                train, test = fashion_mnist(seed)
                for name, estimator in estimators(encoding_dim, (28, 28), seed).items():
                    taken, fitted = timed(estimator.fit, train)
                    seconds.setdefault(name, []).append(taken)
                    found.setdefault((name, encoding_dim), []).append(error(fitted, test))
            dense = found["dense", encoding_dim]
            for name, taken in seconds.items():
                errors = found[name, encoding_dim]
                yield (
                    encoding_dim,
                    name,
                    f"{np.mean(errors):.5f}",
                    Ratio.of(errors, dense),
                    f"{np.median(taken):.1f}",
                )

    report.table(
        f"Fashion-MNIST: test error at the defaults, 20,000 images, {len(seeds)} seeds",
        ("codes", "", "test error", "over that of dense layers", "s"),
        lines(),
    )
    for encoding_dim in _CODES:
        ratio = Ratio.of(found["convolutions", encoding_dim], found["dense", encoding_dim])
        report.end(f"{encoding_dim} codes: test error over that of dense layers", ratio, 0.97)


def curve(report: Report, seeds: range) -> None:
    """Follow the error over the time: a fit each, since a schedule is one of its epochs."""
    train, test = fashion_mnist(seeds[0])

    def lines() -> Iterator[tuple[object, ...]]:
        for name, all_epochs in _EPOCHS_OF_CURVE.items():
            for n_epochs in all_epochs:
                estimator = estimators(32, (28, 28), seeds[0], max_epochs=n_epochs)[name]
                taken, fitted = timed(estimator.fit, train)
                yield name, n_epochs, f"{taken:.1f}", f"{error(fitted, test):.5f}"

    report.table(
        "Fashion-MNIST: test error by time, 20,000 images, 32 codes, a fit each",
        ("layers", "epochs", "s", "test error"),
        lines(),
    )


# Time


class _AtStart(Callback):
    """Takes the network as it is before the first epoch, and when the last ends."""

    def on_train_begin(self, net: Any, X: Any = None, **kwargs: Any) -> None:
        self.module_, self.batch_size_ = deepcopy(net.module_), net.batch_size
        self.lr_, self.start_ = net.lr, None

    def on_epoch_begin(self, net: Any, **kwargs: Any) -> None:
        self.start_ = self.start_ or time.perf_counter()

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        self.seconds_ = time.perf_counter() - self.start_


def epochs_of_fit(X: NDArray, n_epochs: int) -> tuple[float, _AtStart]:
    """Give the seconds of the epochs of a fit, and what it began with."""
    fitted = ConvAutoencoderTransformer(
        32,
        image_shape=(28, 28),
        early_stopping=False,
        max_epochs=n_epochs,
        callbacks=[_AtStart()],
        random_state=0,
    ).fit(X)
    (seen,) = fitted.net_.callbacks_[-1][1:]
    return seen.seconds_, seen


def epochs_by_hand(X: NDArray, n_epochs: int, seen: _AtStart) -> float:
    """Give the seconds of as many epochs of a loop on the same modules: rows are resident."""
    module = deepcopy(seen.module_).train()
    layers = nn.Sequential(module.encoder, module.decoder)
    optimizer = torch.optim.AdamW(layers.parameters(), lr=seen.lr_)
    n_steps = n_epochs * -(-len(X) // seen.batch_size_)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, seen.lr_, total_steps=n_steps)
    criterion, generator = nn.MSELoss(), torch.Generator().manual_seed(0)
    start = time.perf_counter()
    x = module.rescale(torch.from_numpy(X))
    for _ in range(n_epochs):
        order = torch.randperm(len(x), generator=generator)
        for first in range(0, len(x), seen.batch_size_):
            batch = x[order[first : first + seen.batch_size_]]
            optimizer.zero_grad()
            criterion(layers(batch), batch).backward()
            optimizer.step()
            schedule.step()
    return time.perf_counter() - start


def epoch(report: Report, seeds: range) -> None:
    """Hold the time of an epoch against that of a loop by hand."""
    train, _ = fashion_mnist(0)
    n_epochs = 2
    _, seen = epochs_of_fit(train, 1)  # of as many rows, which set the batches
    seconds, of_loop = in_pairs(
        lambda: epochs_of_fit(train, n_epochs)[0],
        lambda: epochs_by_hand(train, n_epochs, seen),
        5,
    )
    ratio = Ratio.of(seconds, of_loop)
    report.end("an epoch: time over a torch loop on the same modules", ratio, 1.02)
    report.table(
        "Fashion-MNIST, 32 codes: an epoch of 20,000 images",
        ("s", "s of the loop", "ratio"),
        [
            (
                f"{np.median(seconds) / n_epochs:.2f}",
                f"{np.median(of_loop) / n_epochs:.2f}",
                ratio,
            )
        ],
    )


# Colour


def patches(seed: int, size: int = 16, n_samples: int = 5_000) -> Split:
    """Give patches of photographs: the left three quarters to train on, the rest to test."""
    parts: tuple[list[NDArray], list[NDArray]] = ([], [])
    for photograph in load_sample_images().images:
        border = photograph.shape[1] * 3 // 4
        for part, region, n in zip(
            parts, (photograph[:, :border], photograph[:, border:]), (n_samples, 1_000), strict=True
        ):
            cut = extract_patches_2d(region, (size, size), max_patches=n // 2, random_state=seed)
            part.append(cut.reshape(len(cut), -1))
    train, test = (np.concatenate(part).astype(np.float32) / 255 for part in parts)
    return train, test


def tinted(seed: int, n_samples: int = 5_000) -> Split:
    """Give Fashion-MNIST in colour: the class says which, and the pose how far it is turned."""
    parts = []
    for subset, n in (("train", n_samples), ("test", 1_000)):
        images, target = load_images(subset=subset, return_X_y=True)
        chosen = np.random.RandomState(seed).permutation(len(images))[:n]
        value = images[chosen].reshape(n, 28, 28) / 255
        # The slope of the axis that the bright pixels lie along.
        y, x = np.indices((28, 28)) - 13.5
        moments = [(value * product).sum(axis=(1, 2)) for product in (x * y, x * x - y * y)]
        pose = np.arctan2(2 * moments[0], moments[1]) / (2 * np.pi)
        hue = (target[chosen] / 10 + 0.1 * pose) % 1
        hsv = np.stack(
            [np.broadcast_to(hue[:, None, None], value.shape), 0.8 * (value > 0), value], -1
        )
        parts.append(hsv_to_rgb(hsv).reshape(n, -1).astype(np.float32))
    return parts[0], parts[1]


COLOUR = {
    "patches 16 x 16 x 3": (patches, (16, 16, 3), 1.01),
    "tinted 28 x 28 x 3": (tinted, (28, 28, 3), 0.8),
}


def colour(report: Report, seeds: range) -> None:
    """Compare errors on colour images with PCA's."""
    found: dict[tuple[str, str], list[float]] = {}

    def lines() -> Iterator[tuple[object, ...]]:
        for what, (split, image_shape, _) in COLOUR.items():
            for seed in seeds:
                train, test = split(seed)
                for name, estimator in estimators(32, image_shape, seed).items():
                    found.setdefault((what, name), []).append(error(estimator.fit(train), test))
            for name in ("PCA", "dense", "convolutions"):
                errors = found[what, name]
                yield what, name, f"{np.mean(errors):.5f}", Ratio.of(errors, found[what, "PCA"])

    report.table(
        f"Colour images: test error, 5,000 to train on, 32 codes, {len(seeds)} seeds",
        ("images", "", "test error", "over PCA's"),
        lines(),
    )
    for what, (_, _, at_most) in COLOUR.items():
        ratio = Ratio.of(found[what, "convolutions"], found[what, "PCA"])
        report.end(f"{what}: test error over PCA's", ratio, at_most)


# Large images


class _FirstEpoch(Exception):
    pass


class _Stop(Callback):
    def on_epoch_begin(self, net: object, **kwargs: object) -> None:
        raise _FirstEpoch


def large_images() -> NDArray:
    """Give 2,000 patches of photographs of 64 x 64 pixels in colour."""
    return patches(0, size=64, n_samples=2_000)[0]


def large_fit(X: NDArray, **parameters: Any) -> ConvAutoencoderTransformer:
    """Fit for an epoch."""
    return ConvAutoencoderTransformer(
        32, image_shape=_LARGE, random_state=0, max_epochs=1, **parameters
    ).fit(X)


def start(X: NDArray) -> None:
    """Fit until the first epoch begins."""
    with suppress(_FirstEpoch):
        large_fit(X, callbacks=[_Stop()])


def large(report: Report, seeds: range) -> None:
    """Print what a fit to large images takes."""
    X = large_images()
    before, (whole, _) = timed(start, X)[0], timed(large_fit, X)
    line = [f"{before:.1f}", f"{whole:.1f}"]
    report.end("64 x 64 x 3: seconds before the first epoch", before, 10.0)
    if is_measurable():
        command = (sys.executable, "-m", "benchmarks.images", "--growth")
        n_bytes = int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        report.end("64 x 64 x 3: copies of the data that a fit takes", n_bytes / X.nbytes, 4.0)
        line.append(f"{n_bytes / 1e6:.0f}")
    report.table(
        f"{len(X):,} images of 64 x 64 x 3, float32 ({X.nbytes / 1e6:.0f} MB), one epoch",
        ("before the epoch, s", "fit, s", "peak memory, MB")[: len(line)],
        [line],
    )


PARTS: dict[str, Callable[[Report, range], None]] = {
    "grey": grey,
    "curve": curve,
    "epoch": epoch,
    "colour": colour,
    "large": large,
}


def main() -> int:
    """Run the parts, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART")
    parser.add_argument("--seeds", type=int, default=_SEEDS)
    parser.add_argument("--growth", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threads(1):
        if arguments.growth:
            X = large_images()
            print(growth_of(large_fit, X, warm_up=X[:64]))
            return 0
        seeds = range(arguments.seeds)
        parts = {name: partial(part, seeds=seeds) for name, part in PARTS.items()}
        return in_parts("images", parts, arguments.only, is_glimpse=arguments.seeds < _SEEDS)


if __name__ == "__main__":
    sys.exit(main())
