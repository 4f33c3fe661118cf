"""Images that are drawn, held against real ones: priors, and mixtures over codes.

    python -m benchmarks.generation             # a quarter of an hour, and a picture

Fashion-MNIST: 20,000 images to train on; 5,000 that are drawn, clipped and rounded as a file of an
image holds them, against 5,000 images for testing, at one thread. It needs Debian's
`dataset-fashion-mnist`, and exits with 1 where an end is missed.

- Classifier two-sample test (Lopez-Paz and Oquab 2017): the accuracy by which a classifier tells
  images that are drawn from real ones, over five folds, with its standard error. 0.5 is of images
  that can't be told apart. Once from all pixels, and once from 20 principal components of real
  images; neither is the space that a rival draws in.
- Fréchet distance of two normal distributions, in 64 principal components of real images. It sees
  what a rival of fewer components leaves out.

Real images against others that are real are the floor of both.
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import sqrtm
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.defaults import fashion_mnist
from benchmarks.plot import plot_images
from benchmarks.report import Report
from benchmarks.timing import threads
from sklearn_ae import (
    AutoencoderTransformer,
    ConvAutoencoderTransformer,
    LatentDensity,
    VariationalAutoencoderTransformer,
)

_SHAPE, _CODES, _N_DRAWN = (28, 28), 32, 5_000
_FLOOR = "real images"


def over_codes(estimator: Any, X: NDArray) -> Any:
    """Fit a mixture of normal distributions to codes, until it converges."""
    mixture = GaussianMixture(30, tol=1e-4, max_iter=2_000, random_state=0)
    density = LatentDensity(estimator, density=mixture).fit(X)
    if not density.density_.converged_:
        raise RuntimeError("The mixture did not converge.")
    return density


def fitted(train: NDArray, seed: int) -> Iterator[tuple[str, Any]]:
    """Give what draws images, by name."""
    own: dict[str, Any] = {
        "variational": VariationalAutoencoderTransformer(_CODES, random_state=seed).fit(train),
        "dense": AutoencoderTransformer(_CODES, random_state=seed).fit(train),
        "convolutions": ConvAutoencoderTransformer(
            _CODES, image_shape=_SHAPE, random_state=seed
        ).fit(train),
    }
    yield "variational, prior", own["variational"]
    yield (
        "variational, mixture",
        over_codes(FrozenEstimator(own["variational"]), train),
    )
    yield "dense, mixture", over_codes(FrozenEstimator(own["dense"]), train)
    yield (
        "convolutions, mixture",
        over_codes(FrozenEstimator(own["convolutions"]), train),
    )
    for n_components in (32, 50, 100):
        pca = PCA(n_components, random_state=seed)
        yield f"PCA, {n_components} components, mixture", over_codes(pca, train)


def as_images(rows: NDArray) -> NDArray[np.float32]:
    """Give rows as the file of an image holds them: of 256 levels."""
    return np.round(255 * np.clip(rows, 0, 1)).astype(np.float32) / 255


# How far two sets of images are apart


def told_apart(features: Callable[[NDArray], NDArray], real: NDArray, drawn: NDArray) -> NDArray:
    """Give the accuracy of a classifier on each fold."""
    X = np.concatenate([features(real), features(drawn)])
    y = np.repeat([0, 1], [len(real), len(drawn)])
    classifier = make_pipeline(
        StandardScaler(),
        MLPClassifier((64,), alpha=1.0, max_iter=30, early_stopping=True, random_state=0),
    )
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return cross_val_score(classifier, X, y, cv=folds)


def frechet(one: NDArray, other: NDArray) -> float:
    """Give the distance, squared, of the normal distributions of two sets of rows.

    References
    ----------
    Dowson, D. C. and Landau, B. V. (1982). The Fréchet distance between multivariate normal
    distributions. Journal of Multivariate Analysis 12.
    """
    means = [rows.mean(axis=0) for rows in (one, other)]
    covariances = [np.cov(rows, rowvar=False) for rows in (one, other)]
    root = sqrtm(covariances[0] @ covariances[1]).real
    return float(np.square(means[0] - means[1]).sum() + np.trace(sum(covariances) - 2 * root))


def drawn(report: Report, seed: int) -> None:
    """Print the table, draw the picture, and hold what is ours against its rivals."""
    train, test = fashion_mnist(seed)
    real, floor = test[:_N_DRAWN], test[_N_DRAWN:]
    spaces = {n: PCA(n, random_state=0).fit(train) for n in (20, 64)}
    seen = {_FLOOR: floor}
    accuracy: dict[str, float] = {}
    distance: dict[str, float] = {}

    def lines() -> Iterator[tuple[object, ...]]:
        for name, model in [(_FLOOR, None), *fitted(train, seed)]:
            if model is not None:
                seen[name] = as_images(model.sample(_N_DRAWN, random_state=seed))
            images = seen[name]
            by_pixels = told_apart(lambda X: X, real, images)
            by_components = told_apart(spaces[20].transform, real, images)
            accuracy[name] = float(by_components.mean())
            distance[name] = frechet(*map(spaces[64].transform, (real, images)))
            cells = (
                f"{of.mean():.3f} ± {of.std(ddof=1) / np.sqrt(len(of)):.3f}"
                for of in (by_pixels, by_components)
            )
            yield name, *cells, f"{distance[name]:.2f}"

    report.table(
        f"Told apart from real images: Fashion-MNIST, {_CODES} codes",
        ("drawn from", "by pixels", "by 20 components", "Fréchet distance"),
        lines(),
    )
    plot_images({"": {name: images[:12] for name, images in seen.items()}}, _SHAPE, report.picture)
    mixtures = ("variational, mixture", "dense, mixture")
    best = min(accuracy[name] for name in mixtures)
    what = "told apart by 20 components, best mixture over codes"
    report.end(f"{what}: over the prior", best / accuracy["variational, prior"], 1)
    rival = min(of for name, of in accuracy.items() if name.startswith("PCA"))
    report.end(f"{what}: over the best of PCA", best / rival, 1)


def main() -> int:
    """Run it, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    report = Report("generation")
    with threads(1):
        drawn(report, arguments.seed)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
