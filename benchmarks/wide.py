"""Wide rows: what a fit takes before its first epoch, over the fit of scikit-learn's PCA.

    python -m benchmarks.wide             # all of it, some minutes
    python -m benchmarks.wide --rounds 1  # a glimpse

Before the first epoch a fit checks the rows, finds units and components, builds the network and
evaluates it. Times are taken in turns, at one thread. It exits with 1 where an end is missed.
"""

import argparse
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy.sparse import csr_array
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfTransformer
from skorch.callbacks import Callback

from benchmarks.memory import growth_of, is_measurable
from benchmarks.report import Report
from benchmarks.timing import Ratio, in_pairs, threads, timed
from sklearn_ae import AutoencoderTransformer
from sklearn_ae._training.batches import Rows
from sklearn_ae._training.components import principal_components
from sklearn_ae._training.statistics import moments

_ENCODING_DIM = 32
_MB = 1e6
# Of float64, as the statistics take them.
_BLOCK = 8 * 2**21
_MAX_BLOCKS = 10
# Components found in another order of sums differ by so much.
_ROUNDING = 1e-6


class Case(NamedTuple):
    """Rows, the solver of PCA, and what the time over its is to be at most."""

    load: Callable[[DTypeLike], Any]
    solver: str
    at_most: float


def images(n_samples: int, n_features: int, dtype: DTypeLike) -> NDArray:
    """Give rows of a hundred factors that fall off slowly, and noise."""
    rng, n_factors = np.random.default_rng(0), 100
    factors = rng.standard_normal((n_samples, n_factors)) / np.arange(1, n_factors + 1) ** 0.7
    X = factors @ rng.standard_normal((n_factors, n_features))
    return (X + 0.3 * rng.standard_normal(X.shape)).astype(dtype)


def texts(n_samples: int, n_words: int, dtype: DTypeLike) -> csr_array:
    """Give the TF-IDF of texts of two topics each, with words as frequent as Zipf says."""
    rng, n_topics, length = np.random.default_rng(0), 60, 200
    frequency = 1 / np.arange(1, n_words + 1)
    words = rng.choice(n_words, size=(n_samples, length), p=frequency / frequency.sum())
    # A topic has all words, the frequent ones in another order.
    order = np.stack([rng.permutation(n_words) for _ in range(n_topics)])
    topics = rng.integers(n_topics, size=(n_samples, 2))
    parts = np.arange(length) * 4 // length  # half of a text is of no topic
    for part in (0, 1):
        words[:, parts == part] = order[topics[:, [part]], words[:, parts == part]]
    rows = np.repeat(np.arange(n_samples), length)
    counts = csr_array(
        (np.ones(words.size), (rows, words.ravel())), shape=(n_samples, n_words), dtype=dtype
    )
    counts.sum_duplicates()
    return csr_array(TfidfTransformer(sublinear_tf=True).fit_transform(counts))


CASES = {
    "1,500 x 10,000": Case(partial(images, 1_500, 10_000), "auto", 3.0),
    "3,000 x 3,072": Case(partial(images, 3_000, 3_072), "auto", 3.0),
    "10,000 x 20,000 sparse": Case(partial(texts, 10_000, 20_000), "arpack", 6.0),
}


class _FirstEpoch(Exception):
    """It begins."""


class _Stop(Callback):
    def on_epoch_begin(self, net: object, **kwargs: object) -> None:
        raise _FirstEpoch


def start(X: Any) -> None:
    """Fit until the first epoch begins."""
    with suppress(_FirstEpoch):
        AutoencoderTransformer(_ENCODING_DIM, random_state=0, callbacks=[_Stop()]).fit(X)


def fit_pca(X: Any, solver: str) -> PCA:
    """Fit scikit-learn's PCA."""
    return PCA(_ENCODING_DIM, svd_solver=solver, random_state=0).fit(X)


def components_of(X: Any) -> NDArray[np.float64]:
    """Give the components that a fit starts with."""
    rows = Rows(X)
    of_rows = moments(rows)
    shift, scale = of_rows.mean, np.asarray(of_rows.common_deviation)
    return principal_components(rows, shift, scale, _ENCODING_DIM).components


def captured(X: Any, components: NDArray) -> float:
    """Give the sum of squares that orthonormal vectors keep of centred rows."""
    basis = np.linalg.qr(components.T.astype(np.float64))[0]
    codes = X.astype(np.float64) @ basis
    return float(np.square(codes - codes.mean(axis=0)).sum())


def before_the_first_epoch(report: Report, n_rounds: int) -> None:
    """Compare time, and what the components keep, with PCA."""
    lines = []
    for name, case in CASES.items():
        for dtype in (np.float32, np.float64):
            X, what = case.load(dtype), f"{name}, {np.dtype(dtype).name}"
            seconds, of_pca = in_pairs(
                lambda: timed(start, X)[0],  # noqa: B023 - called at once
                lambda: timed(fit_pca, X, case.solver)[0],  # noqa: B023
                n_rounds,
            )
            kept = captured(X, components_of(X))
            kept_by_pca = captured(X, fit_pca(X, case.solver).components_)
            ratio = Ratio.of(seconds, of_pca)
            report.end(f"{what}: time before the first epoch over PCA's", ratio, case.at_most)
            report.end(
                f"{what}: variance that PCA's components keep over these",
                Ratio.of([kept_by_pca], [kept]),
                1 + _ROUNDING,
            )
            lines.append(
                (
                    what,
                    f"{np.median(of_pca):.2f}",
                    f"{np.median(seconds):.2f}",
                    ratio,
                    f"{kept / kept_by_pca - 1:+.1e}",
                )
            )
    report.table(
        f"Before the first epoch, {_ENCODING_DIM} codes, one thread, {n_rounds} rounds",
        ("rows", "PCA, s", "sklearn_ae, s", "ratio", "variance kept, over PCA's less 1"),
        lines,
    )


FEW = "100 x 20,000"


def fit(X: NDArray) -> AutoencoderTransformer:
    """Fit at the defaults."""
    return AutoencoderTransformer(random_state=0).fit(X)


def growth(name: str) -> int:
    """Give the bytes that components take, or of few rows a fit, in a process of its own."""
    command = (sys.executable, "-m", "benchmarks.wide", "--growth", name)
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def growth_here(name: str) -> int:
    """Give the same in this process."""
    if name == FEW:
        X = images(100, 20_000, np.float32)
        return growth_of(fit, X, warm_up=X[:, :100])
    X = CASES[name].load(np.float32)
    return growth_of(components_of, X, warm_up=X[:1500, :1200])


def memory(report: Report) -> None:
    """Print what units and components take, in blocks."""
    if not is_measurable():
        report.note("Memory is left out: it is read from /proc, which only Linux has.")
        return
    lines = []
    for name in CASES:
        n_bytes = growth(name)
        size = Ratio.of([n_bytes], [_BLOCK])
        report.end(f"{name}: blocks that units and components take", size, _MAX_BLOCKS)
        lines.append((name, f"{n_bytes / _MB:.0f}", f"{size.median:.1f}"))
    report.table(
        f"Peak memory of units and components above what was resident before, float32; a block is "
        f"{_BLOCK / _MB:.0f} MB",
        ("rows", "MB", "blocks"),
        lines,
    )


def few_rows(report: Report) -> None:
    """Print what a fit of 100 rows takes at the defaults, and what is kept of it."""
    X = images(100, 20_000, np.float32)
    seconds, fitted = timed(fit, X)
    dump, pickled = timed(pickle.dumps, fitted)
    load, _ = timed(pickle.loads, pickled)
    n_weights = sum(weight.numel() for weight in fitted.net_.module_.parameters())
    report.table(
        f"{FEW} float32 ({X.nbytes / _MB:.0f} MB) at the defaults",
        (
            "fit, s",
            "before the first epoch, s",
            "peak memory, MB",
            "weights, MB",
            "pickle, MB",
            "dump, s",
            "load, s",
        ),
        [
            (
                f"{seconds:.1f}",
                f"{timed(start, X)[0]:.2f}",
                f"{growth(FEW) / _MB:.0f}" if is_measurable() else "",
                f"{4 * n_weights / _MB:.0f}",
                f"{len(pickled) / _MB:.0f}",
                f"{dump:.2f}",
                f"{load:.2f}",
            )
        ],
    )


def main() -> int:
    """Print the tables, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--growth", choices=[*CASES, FEW], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threads(1):
        if arguments.growth:
            print(growth_here(arguments.growth))
            return 0
        report = Report("wide")
        report.note(", ".join(f"{name}: {value}" for name, value in report.machine.items()))
        before_the_first_epoch(report, arguments.rounds)
        memory(report)
        few_rows(report)
    return int(report.print_ends() > 0)


if __name__ == "__main__":
    sys.exit(main())
