"""Codes as features: accuracy of a logistic regression on them, and the error of reconstruction.

    python -m benchmarks.supervised FOLDER                  # .npz files with X and y, and more
    python -m benchmarks.supervised                         # scikit-learn's and Fashion-MNIST
    python -m benchmarks.supervised FOLDER --only wine pima # some of them
    python -m benchmarks.supervised FOLDER --weights 2 4 8  # other weights than the recommended

Columns are standardised, a quarter of their number are codes (of Fashion-MNIST 32), and a quarter
of the rows is for testing. A seed sets the split and the initialisation. The accuracy is that of a
logistic regression on what each method gives for rows that none of them saw, standardised; the
error is over that of PCA with as many components. It exits with 1 where an end is missed.
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NeighborhoodComponentsAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.report import Report
from benchmarks.timing import Ratio, in_pairs, timed
from sklearn_ae import AutoencoderTransformer
from sklearn_ae.datasets import load_images

RECOMMENDED = 4.0
_N_IMAGES = 5_000
_IMAGE_CODES = 32

LOADED = {
    "digits": partial(datasets.load_digits, return_X_y=True),
    "breast cancer": partial(datasets.load_breast_cancer, return_X_y=True),
    "wine": partial(datasets.load_wine, return_X_y=True),
}
ALL, PCS, LDA, NCA = "all columns", "PCA", "LDA", "NCA"


def tables(folder: Path | None) -> dict[str, Callable[[], tuple]]:
    """Give what loads each table, by its name."""
    found = {
        path.stem: partial(_read, path) for path in (sorted(folder.glob("*.npz")) if folder else ())
    }
    return {**found, **LOADED, "Fashion-MNIST": _images}


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    table = np.load(path)
    return table["X"].astype(np.float64), table["y"]


def _images() -> tuple[np.ndarray, np.ndarray]:
    images = load_images(subset="train")
    return images.data[:_N_IMAGES].astype(np.float64), images.target[:_N_IMAGES]


def compared(name: str, load: Callable[[], tuple], seed: int, weights: list[float]) -> dict:
    """Give accuracy and error of each method on one split."""
    torch.set_num_threads(1)
    X, y = load()
    train, test, y_train, y_test = train_test_split(X, y, random_state=seed, stratify=y)
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    n_classes = len(np.unique(y))
    encoding_dim = _IMAGE_CODES if name == "Fashion-MNIST" else max(1, round(X.shape[1] / 4))
    methods: dict[str, Any] = {
        ALL: "passthrough",
        PCS: PCA(encoding_dim, random_state=seed),
        LDA: LinearDiscriminantAnalysis(n_components=min(encoding_dim, n_classes - 1)),
        NCA: NeighborhoodComponentsAnalysis(encoding_dim, random_state=seed, max_iter=50),
        "unsupervised": AutoencoderTransformer(encoding_dim, random_state=seed),
        "with noise": AutoencoderTransformer(encoding_dim, random_state=seed, noise="gaussian"),
        **{
            f"weight {weight:g}": AutoencoderTransformer(
                encoding_dim, target_weight=weight, random_state=seed
            )
            for weight in weights
        },
    }
    if len(train) > 3_000:  # it takes minutes
        del methods[NCA]
    found = {}
    of_pca = None
    for method, transformer in methods.items():
        pipeline = make_pipeline(transformer, StandardScaler(), LogisticRegression(max_iter=5_000))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            pipeline.fit(train, y_train)
        error = np.nan
        if hasattr(transformer, "inverse_transform"):
            rebuilt = pipeline[0].inverse_transform(pipeline[0].transform(test))
            error = np.square(rebuilt - test).mean()
            of_pca = error if method == PCS else of_pca
        found[method] = (pipeline.score(test, y_test), error / (of_pca or 1))
    return found


def main() -> int:
    """Print the tables and the ends, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="where .npz files with X and y are")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", metavar="TABLE")
    parser.add_argument("--weights", nargs="+", type=float, default=[RECOMMENDED])
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--pairs", type=int, default=5, help="of fits whose time is compared")
    arguments = parser.parse_args()
    report = Report("supervised")
    found: dict[str, dict[str, np.ndarray]] = {}
    supervised = [f"weight {weight:g}" for weight in arguments.weights]
    methods = [ALL, PCS, LDA, NCA, "unsupervised", "with noise", *supervised]

    def lines() -> Iterator[list[str]]:
        for name, load in tables(arguments.folder).items():
            if arguments.only is not None and name not in arguments.only:
                continue
            splits = Parallel(n_jobs=arguments.n_jobs)(
                delayed(compared)(name, load, seed, arguments.weights)
                for seed in range(arguments.seeds)
            )
            found[name] = {
                method: np.mean([split[method] for split in splits], axis=0)
                for method in methods
                if method in splits[0]
            }
            yield [name, *_shown(found[name], methods)]
        means = {
            method: np.mean([of_table[method] for of_table in found.values()], axis=0)
            for method in methods
            if all(method in of_table for of_table in found.values())
        }
        found["mean"] = means
        yield ["mean", *_shown(means, methods)]

    report.table(
        f"Accuracy / error over PCA's, {arguments.seeds} splits", ["data", *methods], lines()
    )
    _hold(report, found, supervised[0])
    _time(report, arguments.pairs)
    return report.close()


def _shown(figures: dict[str, np.ndarray], methods: list[str]) -> Iterator[str]:
    for method in methods:
        accuracy, error = figures.get(method, (np.nan, np.nan))
        shown = [f"{figure:.3f}" for figure in (accuracy, error) if not np.isnan(figure)]
        yield " / ".join(shown) or "-"


def _hold(report: Report, found: dict[str, dict[str, np.ndarray]], supervised: str) -> None:
    """Hold the codes that were trained to predict against the ends."""
    mean = found["mean"]
    accuracy, error = mean[supervised]
    least = min(of_table[supervised][0] - of_table[PCS][0] for of_table in found.values())
    greatest = max(of_table[supervised][1] for of_table in found.values())
    report.end("accuracy above PCA's, mean", accuracy - mean[PCS][0], 0.06, at_least=True)
    report.end("accuracy above LDA's, mean", accuracy - mean[LDA][0], 0.02, at_least=True)
    report.end("accuracy above PCA's, least of a table", least, -0.02, at_least=True)
    report.end("error over PCA's, mean", error, 1.0)
    report.end("error over PCA's, greatest of a table", greatest, 1.15)


def _time(report: Report, n_pairs: int) -> None:
    """Hold the time of fits that predict y against that of the same without."""
    torch.set_num_threads(1)
    for name, load, encoding_dim in (
        ("digits", LOADED["digits"], 16),
        ("Fashion-MNIST", _images, _IMAGE_CODES),
    ):
        seconds = partial(_seconds, *load(), encoding_dim)
        pairs = in_pairs(partial(seconds, RECOMMENDED), partial(seconds, 0.0), n_pairs)
        report.end(f"{name}: time over that without y", Ratio.of(*pairs), 1.15)


def _seconds(X: np.ndarray, y: np.ndarray, encoding_dim: int, target_weight: float) -> float:
    autoencoder = AutoencoderTransformer(
        encoding_dim,
        target_weight=target_weight,
        early_stopping=False,
        max_epochs=10,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return timed(autoencoder.fit, X, y)[0]


if __name__ == "__main__":
    sys.exit(main())
