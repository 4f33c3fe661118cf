"""Missing entries against scikit-learn's imputers, iterative PCA and factor analysis alone.

    python -m benchmarks.imputation FOLDER                # two hours; a folder of .npz with X
    python -m benchmarks.imputation --only own            # scikit-learn's tables alone
    python -m benchmarks.imputation --only forests images # some of it
    python -m benchmarks.imputation FOLDER --masks 1      # a glimpse

Tables are standardised and hold at most 2,000 rows. Entries are hidden at random, in blocks of
neighbouring columns, or by their own value, the greater the more likely ("by value"): a tenth,
three tenths and a half, by three masks each. Each imputer is fitted to what is left and fills it;
errors are root mean squares over what was hidden. Of 5,000 images of Fashion-MNIST a random
quadrant or a random half is hidden. Iterative PCA takes the rank that fills a twentieth of
the observed entries best, held out at random. All at one thread, masks of tables in two processes.
It needs Debian's `dataset-fashion-mnist`, and exits with 1 where an end is missed.
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import special  # whose functions go to other processes with it
from scipy.optimize import brentq
from sklearn import datasets
from sklearn.ensemble import RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.preprocessing import scale
from sklearn.utils.extmath import randomized_svd

from benchmarks.plot import plot_images
from benchmarks.report import Report, in_parts
from benchmarks.timing import threads, timed
from sklearn_ae import AutoencoderImputer
from sklearn_ae.datasets import load_images

_MASKS = 3
_MOST_ROWS, _N_IMAGES, _N_SHOWN = 2_000, 5_000, 10
_RANKS = (1, 2, 4, 8, 16, 32, 64)
_OWN, _FACTORS = "sklearn_ae", "factor analysis"
_OF_SKLEARN = ("mean", "KNNImputer", "IterativeImputer")

Fill = Callable[[NDArray], NDArray]
Load = Callable[[], NDArray]

OWN_TABLES: dict[str, Load] = {
    "breast cancer": lambda: datasets.load_breast_cancer().data,
    "diabetes": lambda: datasets.load_diabetes(scaled=False).data,
    "digits": lambda: datasets.load_digits().data,
    "wine": lambda: datasets.load_wine().data,
}


class Result(NamedTuple):
    """Error over what was hidden, seconds, and the first rows as they were filled."""

    error: float
    seconds: float
    first: NDArray

    @classmethod
    def of(cls, filled: NDArray, X: NDArray, hidden: NDArray, seconds: float) -> Self:
        """Hold what was filled against what was hidden."""
        error = np.sqrt(np.square(filled - X)[hidden].mean())
        return cls(float(error), seconds, filled[:_N_SHOWN])


# Rivals: each gives rows with nothing missing.


def of_sklearn(imputer: object, X: NDArray) -> NDArray:
    return imputer.fit_transform(X)


def iterative_pca(X: NDArray) -> NDArray:
    """Fill by principal components, again and again, of the rank that is best on held out entries.

    Josse, J. and Husson, F. (2016). missMDA. Journal of Statistical Software 70.
    """
    held_out = ~np.isnan(X) & (np.random.RandomState(0).uniform(size=X.shape) < 0.05)
    tried = np.where(held_out, np.nan, X)
    tried[:, np.isnan(tried).all(axis=0)] = 0.0
    ranks = [rank for rank in _RANKS if rank < min(X.shape)]
    errors = [np.square(by_components(tried, rank) - X)[held_out].sum() for rank in ranks]
    return by_components(X, ranks[int(np.argmin(errors))])


def by_components(X: NDArray, rank: int) -> NDArray:
    missing = np.isnan(X)
    filled = np.where(missing, np.nanmean(X, axis=0), X)
    for _ in range(50):
        mean = filled.mean(axis=0)
        left, values, right = randomized_svd(filled - mean, rank, random_state=0)
        filled = np.where(missing, mean + left * values @ right, X)
    return filled


RIVALS: dict[str, Fill] = {
    "mean": partial(of_sklearn, SimpleImputer()),
    "KNNImputer": partial(of_sklearn, KNNImputer()),
    "IterativeImputer": partial(of_sklearn, IterativeImputer(random_state=0)),
    "iterative PCA": iterative_pca,
}


def compared(X: NDArray, hidden: NDArray, rivals: dict[str, Fill]) -> dict[str, Result]:
    """Give what each comes to where entries are hidden, and what ours starts at."""
    incomplete = np.where(hidden, np.nan, X)
    results = {}
    for name, fill in rivals.items():
        seconds, filled = timed(fill, incomplete)
        results[name] = Result.of(filled, X, hidden, seconds)
    imputer = AutoencoderImputer(random_state=0)
    seconds, filled = timed(imputer.fit_transform, incomplete)
    results[_OWN] = Result.of(filled, X, hidden, seconds)
    imputer.shrinkage_ = 1.0
    results[_FACTORS] = Result.of(imputer.transform(incomplete), X, hidden, np.nan)
    return results


# What is hidden


def at_random(X: NDArray, share: float, rng: np.random.RandomState) -> NDArray:
    return rng.uniform(size=X.shape) < share


def in_blocks(X: NDArray, share: float, rng: np.random.RandomState) -> NDArray:
    n_samples, n_features = X.shape
    first = rng.randint(n_features, size=(n_samples, 1))
    return (np.arange(n_features) - first) % n_features < max(1, round(share * n_features))


def by_value(X: NDArray, share: float, rng: np.random.RandomState) -> NDArray:
    shift = brentq(lambda shift: special.expit(1.5 * X + shift).mean() - share, -50, 50)
    return rng.uniform(size=X.shape) < special.expit(1.5 * X + shift)


SHARES = (0.1, 0.3, 0.5)
MECHANISMS = {"at random": at_random, "in blocks": in_blocks, "by value": by_value}


# Tables


def standardised(load: Load) -> NDArray:
    X = load().astype(np.float64)
    X = X[np.random.RandomState(0).permutation(len(X))[:_MOST_ROWS]]
    return scale(X[:, X.std(axis=0) > 0])


def table(load: Load, mechanism: str, share: float, seed: int) -> dict[str, Result]:
    """Compare all on a mask of a table."""
    warnings.simplefilter("ignore")
    with threads(1):
        X = standardised(load)
        hidden = MECHANISMS[mechanism](X, share, np.random.RandomState(seed))
        return compared(X, hidden, RIVALS)


def of_tables(
    report: Report, tables: dict[str, Load], shares: tuple[float, ...], n_masks: int, title: str
) -> dict[tuple, dict[str, float]]:
    """Print what each comes to over the best of scikit-learn's.

    Give the means by table and share, and by mechanism, too.
    """
    cases = [
        (name, share, mechanism) for name in tables for share in shares for mechanism in MECHANISMS
    ]
    found = Parallel(n_jobs=2, return_as="generator")(
        delayed(table)(tables[name], mechanism, share, seed)
        for name, share, mechanism in cases
        for seed in range(n_masks)
    )
    names = [*_OF_SKLEARN, "iterative PCA", _FACTORS, _OWN]
    ratios: dict[tuple, list[dict[str, float]]] = {}
    seconds: dict[str, list[float]] = {name: [] for name in names}

    def lines() -> Iterator[tuple[object, ...]]:
        for name, share, mechanism in cases:
            of_case = []
            for results in (next(found) for _ in range(n_masks)):
                best = min(results[rival].error for rival in _OF_SKLEARN)
                of_case.append({of: results[of].error / best for of in names})
                of_case[-1]["square"] = results[_OWN].error ** 2
                of_case[-1]["over factors"] = results[_OWN].error / results[_FACTORS].error
                for of in names:
                    seconds[of].append(results[of].seconds)
            ratios[name, share, mechanism] = of_case
            ratios.setdefault((name, share), []).extend(of_case)
            yield name, f"{share:.0%}", mechanism, *(f"{mean(of_case, of):.3f}" for of in names)

    report.table(
        f"{title}: error over that of the best of {', '.join(_OF_SKLEARN)}, {n_masks} masks",
        ("table", "hidden", "how", *names),
        lines(),
    )
    means = {case: {of: mean(of_case, of) for of in of_case[0]} for case, of_case in ratios.items()}
    report.table(
        f"{title}, means: error over that of the best of {', '.join(_OF_SKLEARN)}",
        ("table", "hidden", *names),
        [
            (name, f"{share:.0%}", *(f"{of_case[of]:.3f}" for of in names))
            for (name, share, *mechanism), of_case in means.items()
            if not mechanism
        ]
        + [
            (
                "mean",
                f"{share:.0%}",
                *(f"{np.mean([means[name, share][of] for name in tables]):.3f}" for of in names),
            )
            for share in shares
        ]
        + [("s", "", *(written(np.mean(seconds[of]), 2) for of in names))],
    )
    worst = max(of_case["over factors"] for of_case in means.values())
    report.end(f"{title}: error over that of factor analysis, greatest of a table", worst, 1.01)
    return means


def written(seconds: float, digits: int) -> str:
    """Write seconds, of what was not timed none."""
    return "-" if np.isnan(seconds) else f"{seconds:.{digits}f}"


def mean(results: list[dict[str, float]], of: str) -> float:
    return float(np.mean([one[of] for one in results]))


def own(report: Report, n_masks: int) -> None:
    """Compare all on scikit-learn's tables."""
    found = of_tables(report, OWN_TABLES, SHARES, n_masks, "scikit-learn's tables")
    bounds = {"breast cancer": 0.9, "diabetes": 0.9, "wine": 0.95, "digits": 1.0}
    for name, bound in bounds.items():
        report.end(f"{name}, half hidden: error over the best", found[name, 0.5][_OWN], bound)
    report.end("digits, 30 % hidden: error over the best", found["digits", 0.3][_OWN], 1.0)
    for name in ("breast cancer", "diabetes", "wine"):
        report.end(f"{name}, 10 % hidden: error over the best", found[name, 0.1][_OWN], 1.0)
    squared = found["breast cancer", 0.5, "at random"]["square"]
    report.end("breast cancer, half hidden at random: mean squared error", squared, 0.24)


def shared(report: Report, n_masks: int, folder: Path | None) -> None:
    """Compare all on a folder of tables."""
    if folder is None:
        report.note("No folder of tables: left out.")
        return
    tables = {
        path.stem: partial(lambda path: np.load(path)["X"], path)
        for path in sorted(folder.glob("*.npz"))
    }
    found = of_tables(report, tables, SHARES, n_masks, "tables of the folder")
    for share in SHARES:
        ratio = float(np.mean([found[name, share][_OWN] for name in tables]))
        report.end(f"tables of the folder, {share:.0%} hidden: error over the best", ratio, 1.0)


def forests(report: Report) -> None:
    """Compare with regressions by forests, once."""
    forest = RandomForestRegressor(30, random_state=0)
    rivals = {
        "IterativeImputer, forests": partial(
            of_sklearn, IterativeImputer(forest, max_iter=5, random_state=0)
        )
    }
    names = [*rivals, _OWN]

    def lines() -> Iterator[tuple[object, ...]]:
        for name in ("breast cancer", "diabetes", "wine"):
            X = standardised(OWN_TABLES[name])
            for share in (0.1, 0.5):
                hidden = at_random(X, share, np.random.RandomState(0))
                results = compared(X, hidden, rivals)
                yield (
                    name,
                    f"{share:.0%}",
                    *(f"{results[of].error:.3f}, {results[of].seconds:.1f} s" for of in names),
                )

    report.table(
        "Forests of 30 trees, five rounds: error of entries hidden at random, one mask",
        ("table", "hidden", *names),
        lines(),
    )


# Images


def quadrant(rng: np.random.RandomState) -> NDArray:
    hidden = np.zeros((28, 28), dtype=bool)
    row, column = 14 * rng.randint(2, size=2)
    hidden[row : row + 14, column : column + 14] = True
    return hidden


def half(rng: np.random.RandomState) -> NDArray:
    hidden = np.zeros((28, 28), dtype=bool)
    hidden[:14] = True
    return np.rot90(hidden, rng.randint(4))


def images(report: Report) -> None:
    """Compare all but regressions on images."""
    loaded = load_images()
    if loaded.image_shape != (28, 28):
        sys.exit("Fashion-MNIST is not here: install Debian's dataset-fashion-mnist.")
    chosen = np.random.RandomState(0).permutation(len(loaded.data))[:_N_IMAGES]
    X = loaded.data[chosen] / 255
    rivals = {name: fill for name, fill in RIVALS.items() if name != "IterativeImputer"}
    names = [*rivals, _FACTORS, _OWN]
    found: dict[str, dict[str, Result]] = {}
    shown: dict[str, dict[str, NDArray]] = {}

    def lines() -> Iterator[tuple[object, ...]]:
        for name, draw in {"a quarter": quadrant, "a half": half}.items():
            rng = np.random.RandomState(0)
            hidden = np.stack([draw(rng).ravel() for _ in X])
            found[name] = compared(X, hidden, rivals)
            first = slice(_N_SHOWN)
            shown[f"{name} hidden"] = {
                "what is left": np.where(hidden[first], 0.5, X[first]),
                **{of: found[name][of].first.clip(0, 1) for of in names if of != "mean"},
                "the images": X[first],
            }
            yield name, *(f"{found[name][of].error:.4f}" for of in names)
            yield "s", *(written(found[name][of].seconds, 0) for of in names)

    report.table("Fashion-MNIST: error of hidden pixels, of 1", ("hidden", *names), lines())
    plot_images(shown, loaded.image_shape, report.picture)
    errors = {of: np.mean([results[of].error for results in found.values()]) for of in names}
    seconds = {of: sum(results[of].seconds for results in found.values()) for of in names}
    for rival, bound in (("iterative PCA", 0.65), (_FACTORS, 0.85)):
        report.end(f"images: error over that of {rival}", errors[_OWN] / errors[rival], bound)
    report.end("images: time over that of KNNImputer", seconds[_OWN] / seconds["KNNImputer"], 1.0)


def main() -> int:
    """Run the parts, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = ["own", "shared", "forests", "images"]
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="PART")
    parser.add_argument("--masks", type=int, default=_MASKS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    parts = {
        "own": partial(own, n_masks=arguments.masks),
        "shared": partial(shared, n_masks=arguments.masks, folder=arguments.folder),
        "forests": forests,
        "images": images,
    }
    with threads(1):
        return in_parts("imputation", parts, arguments.only, is_glimpse=arguments.masks < _MASKS)


if __name__ == "__main__":
    sys.exit(main())
