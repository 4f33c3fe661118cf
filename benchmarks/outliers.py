"""Outlier detection against pyod's networks and scikit-learn's detectors.

    python -m benchmarks.outliers FOLDER              # an hour; a folder of .npz with X and y
    python -m benchmarks.outliers --only digits       # some of it
    python -m benchmarks.outliers FOLDER --seeds 1    # a glimpse

Tables, of ADBench say, where y is 1 of an outlier: columns are standardised by the rows to train
on, which are at most 2,000; at most 4,000 are scored that nothing was fitted to. "clean" trains on
half of the typical rows (`novelty=True`), "with outliers" on six tenths of all. Fashion-MNIST takes
each class once as typical, with a twentieth of others among 3,000 images, and digits half of a
class alone; both in pixels. The constants of the detector were chosen on every other table, from
the first by number; ends are held on all, and both halves are told of. At one thread. It needs
pyod, and for Fashion-MNIST Debian's `dataset-fashion-mnist`, and exits with 1 where an end is
missed.
"""

import argparse
import logging
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.preprocessing import StandardScaler
from sklearn.svm import OneClassSVM

from benchmarks.report import Report, in_parts
from benchmarks.timing import threads, timed
from sklearn_ae import AutoencoderOutlierDetector
from sklearn_ae.datasets import load_images

_SEEDS = 3
_N_TRAIN, _N_TEST = 2_000, 4_000
_OWN = "sklearn_ae"

Scores = Callable[[NDArray], NDArray]


class Case(NamedTuple):
    """Rows to train on, rows to score, and which of these are outliers."""

    train: NDArray
    test: NDArray
    is_outlier: NDArray
    clean: bool
    seed: int


class Result(NamedTuple):
    """What a detector comes to on a case."""

    auc: float
    precision: float
    seconds: float


# Detectors: each fits, and gives what gives greater numbers to outliers.


def own(case: Case) -> Scores:
    fitted = AutoencoderOutlierDetector(novelty=case.clean, random_state=case.seed).fit(case.train)
    return lambda X: -fitted.score_samples(X)


def of_sklearn(Detector: Callable, case: Case, **parameters: object) -> Scores:
    fitted = Detector(**parameters).fit(case.train)
    return lambda X: -fitted.score_samples(X)


def forest(case: Case) -> Scores:
    return of_sklearn(IsolationForest, case, random_state=case.seed)


def neighbor(n_neighbors: int, case: Case) -> Scores:
    n_neighbors = min(n_neighbors, len(case.train))
    fitted = NearestNeighbors(n_neighbors=n_neighbors).fit(case.train)
    return lambda X: fitted.kneighbors(X)[0][:, -1]


def pca_error(case: Case) -> Scores:
    pca = PCA(max(1, case.train.shape[1] // 4), random_state=case.seed).fit(case.train)
    return lambda X: np.square(pca.inverse_transform(pca.transform(X)) - X).mean(axis=1)


def of_pyod(module: str, name: str, case: Case, **parameters: object) -> Scores:
    """Fit a detector of pyod at its defaults."""
    Detector = getattr(import_module(f"pyod.models.{module}"), name)
    if module == "deep_svdd":
        parameters["n_features"] = case.train.shape[1]
    if module != "ecod":
        parameters["random_state"] = case.seed
        parameters["verbose"] = 0
    return Detector(**parameters).fit(case.train).decision_function


DETECTORS: dict[str, Callable[[Case], Scores]] = {
    _OWN: own,
    "pyod, AutoEncoder": partial(of_pyod, "auto_encoder", "AutoEncoder"),
    "pyod, VAE": partial(of_pyod, "vae", "VAE"),
    "pyod, DeepSVDD": partial(of_pyod, "deep_svdd", "DeepSVDD"),
    "pyod, ECOD": partial(of_pyod, "ecod", "ECOD"),
    "IsolationForest": forest,
    "LocalOutlierFactor": partial(of_sklearn, LocalOutlierFactor, novelty=True),
    "OneClassSVM": partial(of_sklearn, OneClassSVM),
    "5th neighbour": partial(neighbor, 5),
    "50th neighbour": partial(neighbor, 50),
    "PCA, error": pca_error,
}
NETWORKS = ["pyod, AutoEncoder", "pyod, VAE", "pyod, DeepSVDD"]


def compared(case: Case) -> dict[str, Result]:
    """Give what each detector comes to."""

    def scored(fit: Callable[[Case], Scores]) -> NDArray:
        return fit(case)(case.test)

    results = {}
    for name, fit in DETECTORS.items():
        seconds, scores = timed(scored, fit)
        scores = np.nan_to_num(scores)
        results[name] = Result(
            roc_auc_score(case.is_outlier, scores),
            average_precision_score(case.is_outlier, scores),
            seconds,
        )
    return results


def mean(results: Iterable[dict[str, Result]]) -> dict[str, Result]:
    """Give the means by detector."""
    results = list(results)
    return {name: Result(*np.mean([of[name] for of in results], axis=0)) for name in DETECTORS}


# Tables


def table(path: Path, clean: bool, seed: int) -> Case | None:
    """Give a split of a table, None where no outlier is to be scored."""
    content = np.load(path)
    order = np.random.RandomState(seed).permutation(len(content["X"]))
    X, y = content["X"][order].astype(float), content["y"][order]
    candidates = np.flatnonzero(y == 0) if clean else np.arange(len(X))
    trained = candidates[: len(candidates) // 2 if clean else len(X) * 6 // 10]
    train = X[trained[:_N_TRAIN]]
    scored = np.random.RandomState(seed).permutation(np.setdiff1d(np.arange(len(X)), trained))
    test, is_outlier = X[scored[:_N_TEST]], y[scored[:_N_TEST]] == 1
    if not is_outlier.any():
        return None
    scaler = StandardScaler().fit(train)
    return Case(scaler.transform(train), scaler.transform(test), is_outlier, clean, seed)


def number(path: Path) -> tuple[int, str]:
    """Give what tables are sorted by: the number that their names may begin with."""
    first = path.stem.split("_")[0]
    return (int(first) if first.isdigit() else 0, path.stem)


def tables(report: Report, seeds: range, folder: Path | None) -> None:
    """Compare all on a folder of tables."""
    if folder is None:
        report.note("No folder of tables: left out.")
        return
    paths = sorted(folder.glob("*.npz"), key=number)
    for clean, regime in ((True, "clean"), (False, "with outliers")):
        regime_of_tables(report, paths, seeds, clean, regime)


def regime_of_tables(
    report: Report, paths: list[Path], seeds: range, clean: bool, regime: str
) -> None:
    """Compare all on tables, with outliers among the rows to train on or without."""
    found: dict[str, dict[str, Result]] = {}

    def lines() -> Iterator[tuple[object, ...]]:
        for path in paths:
            cases = [table(path, clean, seed) for seed in seeds]
            cases = [case for case in cases if case is not None]
            if cases:
                found[path.stem] = mean(map(compared, cases))
                yield path.stem, *map(both, found[path.stem].values())

    report.table(
        f"Tables, {regime}: AUC / average precision, {len(seeds)} seeds",
        ("table", *DETECTORS),
        lines(),
    )
    chosen_on = {path.stem for path in paths[::2]}
    means = {
        "all": mean(found.values()),
        "chosen on": mean(of for name, of in found.items() if name in chosen_on),
        "the others": mean(of for name, of in found.items() if name not in chosen_on),
    }
    report.table(
        f"Means, {regime}: AUC / average precision",
        ("", *means, "s"),
        (
            (name, *(both(of[name]) for of in means.values()), f"{means['all'][name].seconds:.2f}")
            for name in DETECTORS
        ),
    )
    hold(report, means["all"], regime, clean)
    slowest = max(of[_OWN].seconds / of["pyod, AutoEncoder"].seconds for of in found.values())
    report.end(f"{regime}: time over pyod's AutoEncoder, greatest of a table", slowest, 1.0)


def both(result: Result) -> str:
    """Write AUC and average precision."""
    return f"{result.auc:.3f} / {result.precision:.3f}"


def hold(report: Report, means: dict[str, Result], regime: str, clean: bool) -> None:
    """Hold the means against the ends."""
    auc, precision, _ = means[_OWN]
    if clean:
        rival = means["5th neighbour"]
        report.end(f"{regime}: AUC above the 5th neighbour's", auc - rival.auc, 0, at_least=True)
        gain = precision - rival.precision
        report.end(f"{regime}: precision above the 5th neighbour's", gain, 0.03, at_least=True)
    else:
        report.end(f"{regime}: AUC", auc, 0.78, at_least=True)
        gain = precision - means["IsolationForest"].precision
        report.end(f"{regime}: precision above IsolationForest's", gain, 0, at_least=True)
    for which, of_own in (("auc", auc), ("precision", precision)):
        best = max(getattr(means[name], which) for name in NETWORKS)
        what = "AUC" if which == "auc" else "precision"
        report.end(f"{regime}: {what} above pyod's networks", of_own - best, 0.03, at_least=True)


# Images


def fashion_cases() -> Iterator[tuple[int, Case]]:
    """Give each class as typical, with a twentieth of others among those to train on."""
    train, test = load_images(), load_images(subset="test")
    if train.image_shape != (28, 28):
        sys.exit("Fashion-MNIST is not here: install Debian's dataset-fashion-mnist.")
    for typical in range(10):
        rng = np.random.RandomState(typical)
        inside = rng.permutation(np.flatnonzero(train.target == typical))[:3_000]
        others = rng.permutation(np.flatnonzero(train.target != typical))[:150]
        X = train.data[rng.permutation(np.r_[inside, others])] / 255
        chosen = slice(_N_TEST)
        is_outlier = test.target[chosen] != typical
        yield typical, Case(X, test.data[chosen] / 255, is_outlier, clean=False, seed=0)


def digit_cases() -> Iterator[tuple[int, Case]]:
    """Give half of each class to train on; the others are outliers."""
    X, y = load_digits(return_X_y=True)
    for typical in range(10):
        inside = np.random.RandomState(typical).permutation(np.flatnonzero(y == typical))
        trained = inside[: len(inside) // 2]
        scored = np.setdiff1d(np.arange(len(X)), trained)
        yield typical, Case(X[trained], X[scored], y[scored] != typical, clean=True, seed=0)


def by_class(report: Report, cases: Iterator[tuple[int, Case]], title: str) -> dict[str, Result]:
    """Print a table of classes, and give the means."""
    found: dict[int, dict[str, Result]] = {}

    def lines() -> Iterator[tuple[object, ...]]:
        for typical, case in cases:
            found[typical] = compared(case)
            yield typical, *(f"{of.auc:.3f}" for of in found[typical].values())
        means = mean(found.values())
        yield "mean", *(f"{of.auc:.3f}" for of in means.values())
        yield "s", *(f"{of.seconds:.2f}" for of in means.values())

    report.table(f"{title}: AUC by the class that is typical", ("class", *DETECTORS), lines())
    slowest = max(of[_OWN].seconds / of["pyod, AutoEncoder"].seconds for of in found.values())
    report.end(f"{title}: time over pyod's AutoEncoder, greatest of a class", slowest, 1.0)
    return mean(found.values())


def fashion(report: Report) -> None:
    """Compare all on images of clothes, outliers among them."""
    means = by_class(report, fashion_cases(), "Fashion-MNIST")
    auc = means[_OWN].auc
    gain = auc - means["pyod, AutoEncoder"].auc
    report.end("Fashion-MNIST: AUC above pyod's AutoEncoder", gain, 0.015, at_least=True)
    best = max(of.auc for name, of in means.items() if name != _OWN)
    report.end("Fashion-MNIST: AUC above the best rival's", auc - best, -0.005, at_least=True)


def digits(report: Report) -> None:
    """Compare all on digits."""
    means = by_class(report, digit_cases(), "digits")
    ratio = (1 - means[_OWN].auc) / (1 - means["pyod, AutoEncoder"].auc)
    report.end("digits: 1 - AUC over that of pyod's AutoEncoder", ratio, 0.5)


def main() -> int:
    """Run the parts, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ["tables", "fashion", "digits"]
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="PART")
    parser.add_argument("--seeds", type=int, default=_SEEDS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    parts = {
        "tables": partial(tables, seeds=range(arguments.seeds), folder=arguments.folder),
        "fashion": fashion,
        "digits": digits,
    }
    with threads(1):
        compared(next(digit_cases())[1])  # what is imported by the first call takes longer than it
        return in_parts("outliers", parts, arguments.only, is_glimpse=arguments.seeds < _SEEDS)


if __name__ == "__main__":
    sys.exit(main())
