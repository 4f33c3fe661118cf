"""Taking noise from images: autoencoders against what else there is for it.

    python -m benchmarks.denoising             # some minutes
    python -m benchmarks.denoising --seeds 1   # a glimpse

Gaussian noise of a deviation of 0.5, clipped to [0, 1], on Fashion-MNIST: 20,000 images to train
on, 1,000 to test. Whatever has a parameter is tuned on images for training, and each method but the
autoencoders is corrected by the line, fitted on training images, that takes its pixels closest to
clean ones: clipping shifts the brightness. PSNR and SSIM are means over images. It needs
`scikit-image` and Debian's `dataset-fashion-mnist`, and exits with 1 where an end is missed.
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, Ridge

from benchmarks.defaults import fashion_mnist
from benchmarks.plot import plot_images
from benchmarks.report import Report
from benchmarks.timing import threads, timed
from sklearn_ae import AutoencoderTransformer, ConvAutoencoderTransformer
from sklearn_ae.noise import corrupt

_SHAPE, _LEVEL, _CODES = (28, 28), 0.5, 128
_N_TEST, _N_TUNING, _N_SHOWN = 1_000, 300, 12

Denoise = Callable[[NDArray], NDArray]


class Pairs(NamedTuple):
    """Clean images, and the same with noise."""

    clean: NDArray
    noisy: NDArray

    def first(self, n: int) -> "Pairs":
        """Give some of them."""
        return Pairs(self.clean[:n], self.noisy[:n])


def with_noise(clean: NDArray, seed: int) -> Pairs:
    """Give images with and without noise."""
    return Pairs(clean, corrupt(clean, "clipped_gaussian", _LEVEL, random_state=seed))


# Rivals: each gives what denoises, and is the best of some settings on images for training.


def by_image(function: Callable[..., NDArray], **settings: float) -> Denoise:
    """Give a denoiser of scikit-image for rows."""
    return lambda X: np.stack([function(x.reshape(_SHAPE), **settings).ravel() for x in X])


def nothing(train: Pairs) -> Iterator[Denoise]:
    yield lambda X: X


def total_variation(train: Pairs) -> Iterator[Denoise]:
    for weight in (0.2, 0.3, 0.4, 0.5, 0.7, 1.0):
        yield by_image(denoise_tv_chambolle, weight=weight)


def non_local_means(train: Pairs) -> Iterator[Denoise]:
    for h in (0.3, 0.5, 0.7, 0.9, 1.2):
        for patch_size in (3, 5):
            yield by_image(
                denoise_nl_means, h=h, patch_size=patch_size, patch_distance=9, sigma=0.3
            )


def pca_of_noisy(train: Pairs) -> Iterator[Denoise]:
    for n_components in (8, 16, 32, 64):
        pca = PCA(n_components, random_state=0).fit(train.noisy)
        yield lambda X, pca=pca: pca.inverse_transform(pca.transform(X))


def ridge(train: Pairs) -> Iterator[Denoise]:
    kept = slice(_N_TUNING, None)  # those that settings are chosen by are not learnt
    for alpha in (10.0, 100.0, 1000.0, 3000.0):
        yield Ridge(alpha).fit(train.noisy[kept], train.clean[kept]).predict


def tuned(candidates: Iterator[Denoise], train: Pairs) -> Denoise:
    """Give the candidate of least error on some images for training, with its line."""
    some = train.first(_N_TUNING)
    best, least = None, np.inf
    for denoise in candidates:
        found = denoise(some.noisy).reshape(-1, 1)
        line = LinearRegression().fit(found, some.clean.ravel())
        error = np.square(line.predict(found) - some.clean.ravel()).mean()
        if error < least:
            best, least = (denoise, line), error
    assert best is not None
    denoise, line = best
    return lambda X: line.predict(denoise(X).reshape(-1, 1)).reshape(X.shape)


def autoencoder(Estimator: Callable[..., AutoencoderTransformer], train: Pairs) -> Denoise:
    return (
        Estimator(_CODES, noise="clipped_gaussian", noise_level=_LEVEL, random_state=0)
        .fit(train.clean)
        .reconstruct
    )


RIVALS = {
    "no denoising": nothing,
    "PCA of noisy images": pca_of_noisy,
    "ridge regression": ridge,
    "scikit-image, total variation": total_variation,
    "scikit-image, non-local means": non_local_means,
}
OWN = {
    "AutoencoderTransformer": AutoencoderTransformer,
    "ConvAutoencoderTransformer": partial(ConvAutoencoderTransformer, image_shape=_SHAPE),
}


def quality(clean: NDArray, found: NDArray) -> tuple[float, float]:
    """Give the mean PSNR in decibels, and the mean SSIM."""
    images = [np.stack(pair).reshape(2, *_SHAPE) for pair in zip(clean, found, strict=True)]
    return (
        float(np.mean([peak_signal_noise_ratio(*pair, data_range=1) for pair in images])),
        float(np.mean([structural_similarity(*pair, data_range=1) for pair in images])),
    )


def denoised(report: Report, seeds: range) -> None:
    """Print the table, and hold it against the ends."""
    found: dict[str, list[tuple[float, float]]] = {}
    seconds: dict[str, list[float]] = {}
    shown: dict[str, NDArray] = {}  # of the first seed

    def lines() -> Iterator[tuple[object, ...]]:
        for seed in seeds:
            clean, test = fashion_mnist(seed)
            train = with_noise(clean, seed)
            test_pairs = with_noise(test[:_N_TEST], seed + 1000)
            methods: dict[str, Callable[[], Denoise]] = {
                **{
                    name: partial(lambda rival, train: tuned(rival(train), train), rival, train)
                    for name, rival in RIVALS.items()
                },
                **{name: partial(autoencoder, own, train) for name, own in OWN.items()},
            }
            for name, prepare in methods.items():
                taken, denoise = timed(prepare)
                seconds.setdefault(name, []).append(taken)
                rows = np.asarray(denoise(test_pairs.noisy), dtype=np.float32).clip(0, 1)
                found.setdefault(name, []).append(quality(test_pairs.clean, rows))
                shown.setdefault(name, rows[:_N_SHOWN])
            shown.setdefault("the images", test_pairs.clean[:_N_SHOWN])
        for name, of_seeds in found.items():
            psnr, ssim = np.mean(of_seeds, axis=0)
            yield name, f"{psnr:.2f}", f"{ssim:.3f}", f"{np.median(seconds[name]):.0f}"

    report.table(
        f"Fashion-MNIST with noise of {_LEVEL}, clipped: {len(seeds)} seeds",
        ("method", "PSNR, dB", "SSIM", "s to tune or train"),
        lines(),
    )
    plot_images({"": shown}, _SHAPE, report.picture)
    psnr = {name: np.mean(of_seeds, axis=0)[0] for name, of_seeds in found.items()}
    best = max(gain for name, gain in psnr.items() if name.startswith("scikit-image"))
    dense = psnr["AutoencoderTransformer"]
    report.end("dB over the best of scikit-image", dense - best, 3.0, at_least=True)
    report.end("dB over ridge regression", dense - psnr["ridge regression"], 1.2, at_least=True)


def main() -> int:
    """Run it, and give the number to exit with."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    report = Report("denoising")
    with threads(1):
        denoised(report, range(arguments.seeds))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
