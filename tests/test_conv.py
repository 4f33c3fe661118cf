"""The convolutional autoencoder: images of any size, where it starts, and what it refuses."""

import pickle

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_sample_images
from sklearn.decomposition import PCA
from sklearn.feature_extraction.image import extract_patches_2d
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae import ConvAutoencoderTransformer
from sklearn_ae.inspection import ReconstructionDisplay

DIGITS = load_digits().data
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def small(encoding_dim=4, **parameters):
    parameters = {
        "channels": (4, 6),
        "hidden_layer_sizes": (16,),
        "max_epochs": 2,
        "early_stopping": False,
        "random_state": 0,
        **parameters,
    }
    return ConvAutoencoderTransformer(encoding_dim, **parameters)


def patches(height, width, n_samples=60):
    """Colour patches of a photograph."""
    photograph = load_sample_images().images[1]
    cut = extract_patches_2d(photograph, (height, width), max_patches=n_samples, random_state=0)
    return cut.reshape(n_samples, -1)


# Images


@pytest.mark.parametrize("size", [(28, 28), (29, 29), (31, 17), (5, 5), (1, 9), (2, 2)])
@pytest.mark.parametrize("n_channels", [1, 3, 4])
def test_images_of_any_size_and_channels_are_rebuilt_in_their_shape(size, n_channels):
    rng = np.random.RandomState(0)
    X = rng.rand(30, *size, n_channels).reshape(30, -1)
    fitted = small(2, image_shape=(*size, n_channels)).fit(X)
    assert fitted.transform(X).shape == (30, 2)
    assert fitted.reconstruct(X).shape == X.shape


def test_one_channel_needs_no_number():
    one, other = (small(image_shape=shape).fit(DIGITS[:200]) for shape in ((8, 8), (8, 8, 1)))
    assert_array_equal(one.transform(DIGITS), other.transform(DIGITS))


@pytest.mark.parametrize("image_shape", [[8, 8], np.array([8, 8]), (np.int64(8), np.int32(8))])
def test_a_shape_is_any_sequence(image_shape):
    fitted = small(image_shape=image_shape).fit(DIGITS[:200])
    assert_array_equal(
        fitted.transform(DIGITS), small(image_shape=(8, 8)).fit(DIGITS[:200]).transform(DIGITS)
    )


def test_a_convolution_sees_a_pixel_its_neighbours_and_all_channels():
    X = patches(8, 6).astype(float)
    fitted = small(image_shape=(8, 6, 3)).fit(X)
    first = fitted.net_.module_.encoder.layers[:2]
    x = torch.zeros(1, X.shape[1], requires_grad=True)
    first(x)[0, 0, 1, 1].backward()
    seen = x.grad.reshape(8, 6, 3).numpy() != 0
    assert seen[1:4, 1:4].all()
    assert seen.sum() == 27


def test_without_a_shape_rows_are_signals():
    fitted = small().fit(DIGITS[:200])
    first = fitted.net_.module_.encoder.layers[:2]
    x = torch.zeros(1, 64, requires_grad=True)
    first(x)[0, 0, 0, 5].backward()
    assert_array_equal(np.flatnonzero(x.grad[0]), [9, 10, 11])


# The start, and what is learnt


@pytest.mark.parametrize("image_shape", [(8, 8), (4, 4, 4), None])
def test_training_starts_at_pca(image_shape):
    X = StandardScaler().fit_transform(DIGITS)
    fitted = small(8, image_shape=image_shape, lr=1e-12, max_epochs=1).fit(X)
    pca = PCA(8, svd_solver="full").fit(X)
    expected = pca.inverse_transform(pca.transform(X))
    assert_allclose(fitted.reconstruct(X), expected, atol=1e-4)
    assert fitted.best_loss_ == pytest.approx(fitted.pca_loss_, rel=1e-6)


def test_what_pca_leaves_is_learnt():
    X, X_test = DIGITS[:1200], DIGITS[1200:]
    fitted = ConvAutoencoderTransformer(8, image_shape=(8, 8), random_state=0).fit(X)
    pca = PCA(8).fit(X)
    of_pca = np.square(pca.inverse_transform(pca.transform(X_test)) - X_test).mean()
    assert np.square(fitted.reconstruct(X_test) - X_test).mean() < 0.7 * of_pca


def blobs(n_samples):
    """Smooth images of a spot each, of which no neighbouring pixels differ by much."""
    rng = np.random.RandomState(0)
    place, width = rng.uniform(4, 12, (n_samples, 2)), rng.uniform(2, 4, n_samples)
    at = np.arange(16)
    squares = [np.square(at - place[:, [axis]]) for axis in range(2)]
    distances = squares[0][:, :, None] + squares[1][:, None, :]
    return np.exp(-distances / (2 * width[:, None, None] ** 2)).reshape(n_samples, -1)


def has_grid(left):
    """Whether what is left of images has more power at each other pixel than just below."""
    spectrum = (np.abs(np.fft.fft2(left.reshape(-1, 16, 16))) ** 2).mean(axis=0)
    below = max(spectrum[7, 0], spectrum[0, 7])
    return max(spectrum[8, 0], spectrum[0, 8], spectrum[8, 8]) > 2 * below


def test_no_checkerboard_is_drawn():
    X = blobs(1000)
    parameters = {"channels": (8, 8), "hidden_layer_sizes": (64,), "max_epochs": 20}
    fitted = small(3, image_shape=(16, 16), **parameters).fit(X)
    assert fitted.score(X) > 0.99
    left = fitted.reconstruct(X) - X
    assert not has_grid(left)
    grid = np.indices((16, 16)).sum(axis=0).ravel() % 2 - 0.5
    assert has_grid(left + 0.3 * left.std() * grid)  # as faint as this it would be seen


# With what others bring


@pytest.mark.parametrize(
    "parameters",
    [
        {"contractive_penalty": 0.1},
        {"sparsity_penalty": 0.1},
        {"target_weight": 1.0},
        {"noise": "gaussian"},
        {"noise": "masking", "trim": 0.1},
        {"loss": "binary_cross_entropy", "output_activation": "sigmoid"},
        {"linear_shortcut": False},
        {"precision": "float64"},
        {"scaling": "standard"},
        {"lr": "auto", "early_stopping": "auto"},
    ],
    ids=str,
)
def test_every_objective_serves(parameters):
    X, y = load_digits(return_X_y=True)
    fitted = small(image_shape=(8, 8), **parameters).fit(X[:300] / 16, y[:300])
    assert np.isfinite(fitted.loss_)
    assert fitted.n_iter_ >= 2


def test_its_layers_are_searched_in_a_pipeline():
    pipeline = Pipeline([("scale", StandardScaler()), ("ae", small(image_shape=(8, 8)))])
    grid = {"ae__channels": [(2,), (4, 8)], "ae__kernel_size": [3, 5]}
    search = GridSearchCV(pipeline, grid, cv=2).fit(DIGITS[:200])
    assert search.best_estimator_["ae"].transform(DIGITS).shape == (len(DIGITS), 4)
    assert len({*search.cv_results_["mean_test_score"]}) == 4


def test_a_copy_of_it_goes_on():
    fitted = pickle.loads(pickle.dumps(small(image_shape=(8, 8)).fit(DIGITS[:200])))
    fitted.partial_fit(DIGITS[:200])
    assert fitted.n_iter_ == 3


def test_colour_images_are_drawn():
    X = patches(8, 6, 20)
    fitted = small(image_shape=(8, 6, 3)).fit(X)
    display = ReconstructionDisplay.from_estimator(fitted, X, image_shape=(8, 6, 3), n_samples=3)
    assert display.images_.shape == (2, 3)
    plt.close("all")


# What it refuses


@pytest.mark.parametrize(
    ("image_shape", "match"),
    [
        ((8, 9), r"image_shape=\(8, 9\) has 72 values, but a row has 64 features"),
        ((8, 8, 3), r"has 192 values, but a row has 64 features"),
        ((64,), r"image_shape=\(64,\): must be"),
        ((8, 8, 1, 1), "must be"),
        ((8, 0), "must be"),
        ((8.0, 8.0), "must be"),
        ((True, 64), "must be"),
        ((-8, -8), "must be"),
    ],
)
def test_a_shape_that_does_not_fit_is_refused(image_shape, match):
    with pytest.raises(ValueError, match=match):
        small(image_shape=image_shape).fit(DIGITS[:50])


@pytest.mark.parametrize("X", [DIGITS[:50].reshape(50, 8, 8), np.zeros((5, 8, 8, 3))], ids=np.shape)
def test_arrays_of_images_are_refused_with_advice(X):
    with pytest.raises(ValueError, match=r"X\.reshape\(len\(X\), -1\)"):
        small(image_shape=(8, 8)).fit(X)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"kernel_size": 4}, r"kernel_size=4: must be odd"),
        ({"channels": ()}, r"channels=\(\): there must be 1 at least"),
        ({"channels": (4, 0)}, r"channels=\(4, 0\): each size"),
        ({"hidden_layer_sizes": (0,)}, r"hidden_layer_sizes=\(0,\): each size"),
    ],
)
def test_layers_that_can_not_be_are_refused(parameters, match):
    with pytest.raises(ValueError, match=match):
        small(image_shape=(8, 8), **parameters).fit(DIGITS[:50])


def test_other_layers_are_no_warm_start():
    fitted = small(image_shape=(8, 8), warm_start=True).fit(DIGITS[:200])
    with pytest.raises(ValueError, match=r"channels=\(2,\)"):
        fitted.set_params(channels=(2,)).fit(DIGITS[:200])


def test_wide_images_have_layers_of_a_million_weights_at_most():
    fitted = small(2, image_shape=(64, 64, 3), channels=(16, 16), hidden_layer_sizes="auto")
    fitted.fit(np.random.RandomState(0).rand(12, 64 * 64 * 3).astype(np.float32))
    layers = fitted.net_.module_.encoder.layers.parameters()
    assert max(weight.numel() for weight in layers) <= 2**20
