"""The picture that README opens with: what becomes of noisy and half hidden images, and new ones.

    python -m benchmarks.showcase    # some minutes

Fashion-MNIST: 20,000 images to train on, the first for testing are drawn. Everything is at its
defaults but for sizes and noise. Beside it stand ridge regression, from noisy to clean pixels and
from those around a square to those in it, and a mixture over 50 principal components. The errors
over 1,000 images for testing are printed. It needs Debian's `dataset-fashion-mnist`.
"""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances_argmin

from benchmarks import denoising
from benchmarks.defaults import fashion_mnist
from benchmarks.denoising import autoencoder, tuned, with_noise
from benchmarks.generation import over_codes
from benchmarks.plot import plot_images
from benchmarks.report import RESULTS
from benchmarks.timing import threads
from sklearn_ae import ConvAutoencoderTransformer, VariationalAutoencoderTransformer

_SHAPE, _N_SHOWN = (28, 28), 5


def without_noise(train: NDArray, test: NDArray) -> dict[str, NDArray]:
    """Show noise that is taken away."""
    pairs, shown = with_noise(train, 0), with_noise(test, 1)
    return {
        "with noise": shown.noisy,
        "ridge regression": tuned(denoising.ridge(pairs), pairs)(shown.noisy),
        "sklearn_ae": autoencoder(of_images, pairs)(shown.noisy),
        "the image": test,
    }


def completed(train: NDArray, test: NDArray) -> dict[str, NDArray]:
    """Show what stands in the place of a square that is hidden."""
    hidden = np.zeros(_SHAPE, dtype=bool)
    hidden[7:21, 7:21] = True
    hidden = hidden.ravel()
    seen = np.where(hidden, train.mean(axis=0), test)
    ridge = Ridge(100.0).fit(train[:, ~hidden], train[:, hidden])
    completing = of_images(64, noise="patches", noise_level=0.25, random_state=0).fit(train)
    by_ridge = test.copy()
    by_ridge[:, hidden] = ridge.predict(test[:, ~hidden])
    return {
        "square hidden": np.where(hidden, 0.5, test),
        "ridge regression": by_ridge,
        "sklearn_ae": np.where(hidden, completing.reconstruct(seen), test),
        "the image": test,
    }


def drawn(train: NDArray, test: NDArray) -> dict[str, NDArray]:
    """Show images that there are not."""
    fitted = VariationalAutoencoderTransformer(32, image_shape=_SHAPE, random_state=0)
    draws = {
        "PCA, mixture": over_codes(PCA(50, random_state=0), train),
        "sklearn_ae": over_codes(fitted, train),
    }
    found = {name: of.sample(_N_SHOWN, random_state=0) for name, of in draws.items()}
    nearest = pairwise_distances_argmin(found["sklearn_ae"], train)
    return {**found, "nearest image": train[nearest], "images": test}


def of_images(encoding_dim: int, **parameters: object) -> ConvAutoencoderTransformer:
    """Give an autoencoder of convolutions."""
    return ConvAutoencoderTransformer(encoding_dim, image_shape=_SHAPE, **parameters)


def main() -> None:
    """Draw it."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    train, test = fashion_mnist(0)
    test = test[:1_000]
    with threads(1):
        panels = {
            "Take noise away": without_noise(train, test),
            "Complete": completed(train, test),
            "Draw new ones": drawn(train, test),
        }
    for title in ("Take noise away", "Complete"):
        for name, images in panels[title].items():
            error = np.square(np.clip(images, 0, 1) - test).mean()
            print(f"{title}, {name}: mean squared error {error:.5f}")
    panels = {
        title: {name: images[:_N_SHOWN] for name, images in lines.items()}
        for title, lines in panels.items()
    }
    plot_images(panels, _SHAPE, RESULTS / "showcase.png")


if __name__ == "__main__":
    main()
