"""How columns of different kinds are best prepared for an autoencoder.

    python -m benchmarks.mixed FOLDER    # some minutes; a folder of .npz with X

Columns of whole numbers that have at most a dozen values are taken for categories, the others for
numbers; tables that have both are measured, and scikit-learn's diabetes. There are a quarter as
many codes as columns, and three splits. Categories: how many of those of rows for testing are the
greatest of their block after decoding, beyond how many the most frequent one is right for, as a
share of what that leaves. Numbers: Spearman's correlation of decoded and original, which counts the
many rows of a heavy tail as it does the few. Nothing is held to an end: the guide's advice is read
from the table.
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from benchmarks.report import Report
from benchmarks.timing import threads
from sklearn_ae import AutoencoderTransformer

_MOST_CATEGORIES = 12


class ByFrequency(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Divide each column of 0 and 1 by the root of its share, as correspondence analysis does."""

    def fit(self, X: NDArray, y: object = None) -> "ByFrequency":
        self.root_ = np.sqrt(np.maximum(X.mean(axis=0), 1 / len(X)))
        return self

    def transform(self, X: NDArray) -> NDArray:
        return X / self.root_

    def inverse_transform(self, X: NDArray) -> NDArray:
        return X * self.root_


def one_hot(*after: Any) -> Any:
    return make_pipeline(OneHotEncoder(sparse_output=False, handle_unknown="ignore"), *after)


def halved() -> FunctionTransformer:
    return FunctionTransformer(partial(np.multiply, 0.5), inverse_func=partial(np.multiply, 2.0))


def normal() -> QuantileTransformer:
    return QuantileTransformer(output_distribution="normal", n_quantiles=100)


class Recipe(NamedTuple):
    """How both kinds are prepared, and further parameters of the autoencoder."""

    numbers: Callable[[], Any]
    categories: Callable[[], Any]
    parameters: Mapping[str, Any] = MappingProxyType({})


RECIPES = {
    "standardised; 0 and 1": Recipe(StandardScaler, one_hot),
    "standardised; halved 0 and 1": Recipe(StandardScaler, lambda: one_hot(halved())),
    "standardised; standardised": Recipe(StandardScaler, lambda: one_hot(StandardScaler())),
    "standardised; by frequency": Recipe(StandardScaler, lambda: one_hot(ByFrequency())),
    "power; 0 and 1": Recipe(PowerTransformer, one_hot),
    "quantiles; 0 and 1": Recipe(normal, one_hot),
    "quantiles; standardised": Recipe(normal, lambda: one_hot(StandardScaler())),
    "robust; 0 and 1": Recipe(RobustScaler, one_hot),
    "robust; 0 and 1; huber": Recipe(RobustScaler, one_hot, {"loss": "huber"}),
    "standardised; 0 and 1; huber": Recipe(StandardScaler, one_hot, {"loss": "huber"}),
}


class Table(NamedTuple):
    """Rows, and which of their columns are categories."""

    X: NDArray
    is_category: NDArray


def table(X: NDArray) -> Table | None:
    """Tell categories from numbers; None where there are not both."""
    n_values = np.array([len(np.unique(column)) for column in X.T])
    is_category = (np.round(X) == X).all(axis=0) & (n_values <= _MOST_CATEGORIES) & (n_values > 1)
    varies = n_values > 1
    found = Table(X[:, varies], is_category[varies])
    return found if found.is_category.any() and not found.is_category.all() else None


def fidelity(of: Table, recipe: Recipe, seed: int) -> tuple[float, float]:
    """Give how well categories and numbers are rebuilt."""
    train, test = train_test_split(of.X, test_size=0.25, random_state=seed)
    numbers, categories = (
        make().fit(train[:, chosen])
        for make, chosen in (
            (recipe.numbers, ~of.is_category),
            (recipe.categories, of.is_category),
        )
    )
    n_numbers = int((~of.is_category).sum())

    def prepared(X: NDArray) -> NDArray:
        parts = numbers.transform(X[:, ~of.is_category]), categories.transform(X[:, of.is_category])
        return np.hstack(parts)

    rows = prepared(train)
    autoencoder = AutoencoderTransformer(
        max(1, rows.shape[1] // 4), random_state=seed, **recipe.parameters
    ).fit(rows)
    rebuilt = autoencoder.reconstruct(prepared(test))
    of_numbers = numbers.inverse_transform(rebuilt[:, :n_numbers])
    correlations = [
        spearmanr(one, other).statistic
        for one, other in zip(of_numbers.T, test[:, ~of.is_category].T, strict=True)
    ]
    # The steps after the one-hot encoder are undone, so that blocks hold what stands for 0 and 1.
    blocks = rebuilt[:, n_numbers:]
    for step in reversed(categories[1:]):
        blocks = step.inverse_transform(blocks)
    gains, first = [], 0
    for column, values in enumerate(categories[0].categories_):
        block = blocks[:, first : first + len(values)]
        first += len(values)
        original, of_train = (X[:, of.is_category][:, column] for X in (test, train))
        shares = [(of_train == value).mean() for value in values]
        usual = (original == values[np.argmax(shares)]).mean()
        right = (values[block.argmax(axis=1)] == original).mean()
        if usual < 1:
            gains.append((right - usual) / (1 - usual))
    return float(np.mean(gains)), float(np.nanmean(correlations))


def main() -> int:
    """Run it, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--most-rows", type=int, default=3_000)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    report = Report("mixed")
    sources = {"diabetes": load_diabetes(scaled=False).data}
    if arguments.folder is None:
        report.note("No folder of tables: scikit-learn's alone.")
    else:
        sources |= {
            path.stem: np.load(path)["X"].astype(float)
            for path in sorted(arguments.folder.glob("*.npz"))
        }
    tables = {
        name: found
        for name, X in sources.items()
        if (found := table(X[: arguments.most_rows])) is not None
    }
    found: dict[str, list[tuple[float, float]]] = {}

    def lines() -> Iterator[tuple[object, ...]]:
        for name, recipe in RECIPES.items():
            found[name] = [
                tuple(
                    np.mean([fidelity(of, recipe, seed) for seed in range(arguments.seeds)], axis=0)
                )
                for of in tables.values()
            ]
            categories, numbers = np.mean(found[name], axis=0)
            yield name, f"{categories:.3f}", f"{numbers:.3f}", f"{(categories + numbers) / 2:.3f}"

    with threads(1):
        report.table(
            f"Numbers; categories: means over {len(tables)} tables, {arguments.seeds} splits",
            ("prepared as", "categories", "numbers", "mean"),
            lines(),
        )
    report.note(", ".join(tables))
    report.save()
    return 0


if __name__ == "__main__":
    sys.exit(main())
