"""The variational autoencoder on binarised images: its bound, and that of the published network.

    python -m benchmarks.variational           # some minutes
    python -m benchmarks.variational --long    # 784-400-40-400-784 for 200 epochs: hours

Fashion-MNIST, a pixel is 1 above a half; bounds are of test images, in nats. All at one thread. It
needs Debian's `dataset-fashion-mnist`, and exits with 1 where an end is missed.
"""

import argparse
import sys
import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from benchmarks.defaults import Split, fashion_mnist
from benchmarks.report import Report
from benchmarks.timing import threads, timed
from sklearn_ae import VariationalAutoencoderTransformer
from sklearn_ae.datasets import load_images

_N_DRAWS = 50


def binary(seed: int) -> Split:
    """Give 20,000 images to train on, and those to test."""
    train, test = fashion_mnist(seed)
    return (train > 0.5).astype(np.float32), (test > 0.5).astype(np.float32)


def all_binary() -> Split:
    """Give all images to train on, and those to test."""
    parts = (load_images(subset=subset).data > 127 for subset in ("train", "test"))
    train, test = (part.astype(np.float32) for part in parts)
    return train, test


def bounds(fitted: VariationalAutoencoderTransformer, X: NDArray) -> tuple[float, float]:
    """Give the evidence lower bound, with a draw for each row, and that of 50 draws."""
    net = fitted.net_
    return -net.evaluate(net.get_dataset(X)), float(fitted.score_samples(X).mean())


RECIPES: dict[str, dict] = {
    "defaults": {},
    "from random weights": {"linear_shortcut": False, "scaling": None},
}


def short(report: Report, seeds: range) -> None:
    """Train for 10 epochs, with the start at probabilistic PCA and without."""
    found: dict[str, list[tuple[float, float]]] = {}

    def lines() -> Iterator[tuple[object, ...]]:
        for name, parameters in RECIPES.items():
            seconds = []
            for seed in seeds:
                train, test = binary(seed)
                autoencoder = VariationalAutoencoderTransformer(
                    20,
                    likelihood="bernoulli",
                    max_epochs=10,
                    n_importance_samples=_N_DRAWS,
                    random_state=seed,
                    **parameters,
                )
                taken, fitted = timed(autoencoder.fit, train)
                seconds.append(taken)
                found.setdefault(name, []).append(bounds(fitted, test))
            elbo, bound = np.mean(found[name], axis=0)
            yield name, f"{elbo:.2f}", f"{bound:.2f}", f"{np.median(seconds):.0f}"

    report.table(
        f"Binarised Fashion-MNIST, 20,000 images, 20 codes, 10 epochs, {len(seeds)} seeds",
        ("", "bound, nats", f"bound of {_N_DRAWS} draws", "s"),
        lines(),
    )
    least = np.mean(found["defaults"], axis=0)[0]
    report.end("evidence lower bound after 10 epochs", least, -132.0, at_least=True)


def long(report: Report) -> None:
    """Train the published network for as many epochs as a study would."""
    train, test = all_binary()
    autoencoder = VariationalAutoencoderTransformer(
        40,
        hidden_layer_sizes=(400,),
        activation="relu",
        likelihood="bernoulli",
        max_epochs=200,
        n_importance_samples=_N_DRAWS,
        random_state=0,
    )
    taken, fitted = timed(autoencoder.fit, train)
    elbo, bound = bounds(fitted, test)
    report.table(
        "Binarised Fashion-MNIST, 60,000 images, 784-400-40-400-784, 200 epochs",
        ("bound, nats", f"bound of {_N_DRAWS} draws", "hours"),
        [(f"{elbo:.2f}", f"{bound:.2f}", f"{taken / 3600:.1f}")],
    )


def main() -> int:
    """Run it, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--long", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    warnings.filterwarnings("ignore", message=".*of the codes are of no use")
    report = Report("variational-long" if arguments.long else "variational")
    with threads(1):
        if arguments.long:
            long(report)
        else:
            short(report, range(arguments.seeds))
    missed = report.print_ends() if report.ends else 0
    report.save()
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
