"""What tools are compared on: data, networks, and the ends of each."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from benchmarks.defaults import Split, fashion_mnist
from benchmarks.task import Task
from benchmarks.tools import LOOP


@dataclass(frozen=True)
class Case:
    """Data and a network to compare tools on, at one thread and more.

    `ends` is what the time of `package` over another tool's has to be at most, at one thread.
    """

    load: Callable[[], Split]
    task: Task
    n_rounds: int
    n_rounds_in_parallel: int = 3
    package: str = "sklearn_ae"
    ends: dict[str, float] = field(default_factory=dict)
    stretch: float | None = None


def digits() -> Split:
    """Give the digits in [0, 1], three quarters to train on."""
    X = (load_digits().data / 16).astype(np.float32)
    train, test = train_test_split(X, test_size=0.25, random_state=0)
    return train, test


def table() -> Split:
    """Give a table of 30 features that six factors make up, in part not linearly, and noise."""
    n_train, n_test, n_features, n_factors = 200_000, 10_000, 30, 6
    rng = np.random.default_rng(0)
    factors = rng.standard_normal((n_train + n_test, n_factors))
    linear, bent = rng.standard_normal((2, n_factors, n_features))
    X = factors @ linear + 2 * np.tanh(factors @ bent)
    X += 0.3 * rng.standard_normal(X.shape)
    X = ((X - X.mean(axis=0)) / X.std(axis=0)).astype(np.float32)
    return X[:n_train], X[n_train:]


def images() -> Split:
    """Give 20,000 training images and all test images of Fashion-MNIST."""
    return fashion_mnist(seed=0)


CASES = {
    "fashion-256": Case(
        images,
        Task(sizes=(784, 400, 32), batch_size=256, n_epochs=10),
        n_rounds=5,
        ends={LOOP: 0.90, "MLPRegressor": 0.85},
    ),
    "fashion-32": Case(
        images,
        Task(sizes=(784, 400, 32), batch_size=32, n_epochs=5),
        n_rounds=5,
        ends={LOOP: 0.60, "MLPRegressor": 0.70},
    ),
    "digits": Case(
        digits,
        Task(sizes=(64, 32, 8), batch_size=32, n_epochs=50),
        n_rounds=15,
        n_rounds_in_parallel=9,
        ends={LOOP: 0.25, "MLPRegressor": 0.50},
        stretch=0.15,
    ),
    # At the defaults: the rivals have the same layers, without what the package adds to them.
    "table": Case(
        table,
        Task(
            sizes=(30, 512, 256, 8),
            activation="gelu",
            output_activation="identity",
            batch_size=256,
            n_epochs=2,
        ),
        n_rounds=3,
        package="sklearn_ae, defaults",
    ),
}
