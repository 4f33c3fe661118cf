"""Test error of the default settings over that of PCA, on each data set over seeds.

    python -m benchmarks.defaults                     # all of it
    python -m benchmarks.defaults --only digits wine  # some of it
    python -m benchmarks.defaults --set lr=3e-3       # other settings, one a pair

A seed sets the split, the initialisation and the order. The error is squared, on rows that
neither saw. It exits with 1 where an end is missed.
"""

import argparse
import ast
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from benchmarks.report import Report
from sklearn_ae import AutoencoderTransformer
from sklearn_ae.datasets import load_images

Split = tuple[NDArray, NDArray]


def table(load: Callable, **options: object) -> Callable[[int], Split]:
    """Give the splits of a table of scikit-learn."""
    return partial(split_table, partial(load, return_X_y=True, **options))


def split_table(load: Callable[[], tuple[NDArray, ...]], seed: int) -> Split:
    """Give a split of a table, which comes first in what is loaded: three quarters to train on."""
    train, test = train_test_split(load()[0], test_size=0.25, random_state=seed)
    return train, test


def fashion_mnist(seed: int) -> Split:
    """Give 20,000 training images and all test images of Fashion-MNIST, in [0, 1]."""
    images, test = load_images(), load_images(subset="test")
    if images.image_shape != (28, 28):
        sys.exit("Fashion-MNIST is not here: install Debian's dataset-fashion-mnist.")
    chosen = np.random.RandomState(seed).permutation(len(images.data))[:20_000]
    return (images.data[chosen] / 255).astype(np.float32), (test.data / 255).astype(np.float32)


def gaussian(n_samples: int, n_features: int, decay: str) -> Callable[[int], Split]:
    """Give normal samples whose spectrum decays: PCA is the best that there is."""

    def split(seed: int) -> Split:
        rng = np.random.RandomState(seed)
        order = np.arange(n_features)
        deviations = 0.9**order if decay == "geometric" else 1 / (order + 1)
        basis = np.linalg.qr(rng.standard_normal((n_features, n_features)))[0]
        X = (rng.standard_normal((n_samples + 5_000, n_features)) * deviations) @ basis
        return X[:n_samples], X[n_samples:]

    return split


class Case(NamedTuple):
    """Data, code sizes with the end of each, and the units that it is measured in."""

    split: Callable[[int], Split]
    ends: dict[int, float]
    units: tuple[str, ...] = ("raw", "standardised", "+ 10,000")


CASES = {
    "Fashion-MNIST": Case(fashion_mnist, {16: 1.0, 32: 0.64}, units=("raw", "standardised")),
    "digits": Case(table(datasets.load_digits), {8: 1.0, 16: 0.50}),
    "breast cancer": Case(table(datasets.load_breast_cancer), {2: 1.0, 5: 1.0}),
    "wine": Case(table(datasets.load_wine), {2: 1.0, 5: 1.0}),
    "diabetes": Case(table(datasets.load_diabetes, scaled=False), {3: 1.0, 5: 1.0}),
    "iris": Case(table(datasets.load_iris), {1: 1.0, 2: 1.0}),
    "Gaussian 2,000 x 100, 0.9^j": Case(
        gaussian(2_000, 100, "geometric"), {20: 1.02}, units=("raw",)
    ),
    "Gaussian 2,000 x 100, 1/j": Case(gaussian(2_000, 100, "harmonic"), {20: 1.02}, units=("raw",)),
    "Gaussian 3,000 x 200, 0.9^j": Case(
        gaussian(3_000, 200, "geometric"), {20: 1.02}, units=("raw",)
    ),
    "Gaussian 3,000 x 200, 1/j": Case(gaussian(3_000, 200, "harmonic"), {20: 1.02}, units=("raw",)),
}


def in_units(train: NDArray, test: NDArray, units: str) -> Split:
    """Give the rows in one of the units that the table has a line for."""
    if units == "standardised":
        scaler = StandardScaler().fit(train)
        return scaler.transform(train), scaler.transform(test)
    if units == "+ 10,000":
        return train + 10_000, test + 10_000
    return train, test


def run(
    case: Case, units: str, encoding_dim: int, seed: int, settings: dict[str, object]
) -> tuple[float, float, int]:
    """Give the error over PCA's, the seconds of the fit and the epoch kept, for a seed."""
    torch.set_num_threads(1)
    train, test = in_units(*case.split(seed), units)
    pca = PCA(encoding_dim, random_state=seed).fit(train)
    pca_error = np.square(pca.inverse_transform(pca.transform(test)) - test).mean()
    autoencoder = AutoencoderTransformer(encoding_dim, random_state=seed, **settings)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        autoencoder.fit(train)
    seconds = time.perf_counter() - start
    error = np.square(autoencoder.reconstruct(test).astype(np.float64) - test).mean()
    return error / pca_error, seconds, autoencoder.best_epoch_


def parsed(settings: list[str]) -> dict[str, object]:
    """Give parameters as they were written on the command line, one NAME=VALUE each."""
    values: dict[str, object] = {}
    for setting in settings:
        name, value = setting.split("=", 1)
        try:
            values[name] = ast.literal_eval(value)
        except ValueError:
            values[name] = value
    return values


def main() -> int:
    """Print the table, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", dest="settings")
    arguments = parser.parse_args()
    settings = parsed(arguments.settings)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    report = Report("defaults")

    def lines() -> Iterator[tuple[object, ...]]:
        for name in arguments.only:
            case = CASES[name]
            for units, (encoding_dim, end) in product(case.units, case.ends.items()):
                results = Parallel(n_jobs=arguments.n_jobs)(
                    delayed(run)(case, units, encoding_dim, seed, settings) for seed in seeds
                )
                ratios, seconds, epochs = map(np.array, zip(*results, strict=True))
                # The two ends below 1 are for the data as they come.
                end = max(end, 1.0) if units != "raw" else end
                report.end(f"{name}, {units}, {encoding_dim} codes", ratios.mean(), end)
                figures = (f"{ratio:.3f}" for ratio in (ratios.mean(), ratios.min(), ratios.max()))
                met = "" if report.ends[-1].met else " missed"
                yield (
                    *(name, units, encoding_dim, *figures, f"{end:.2f}{met}"),
                    *(f"{seconds.mean():.1f}", f"{np.median(epochs):.0f}"),
                )

    report.table(
        f"Test error over PCA's, {arguments.seeds} seeds from {seeds[0]}, {settings or 'defaults'}",
        ("data", "units", "codes", "mean", "least", "greatest", "end", "s a fit", "epoch kept"),
        lines(),
    )
    missed = sum(not end.met for end in report.ends)
    report.note(f"{missed} of {len(report.ends)} ends missed")
    report.save()
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
