"""Originals, corrupted inputs and reconstructions in one picture."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_array, csr_matrix
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.metrics import mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from sklearn_ae.inspection import ReconstructionDisplay


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def X():
    return load_digits().data[:200]


@pytest.fixture(scope="module")
def X_corrupted(X):
    return X + np.random.RandomState(0).normal(scale=4, size=X.shape)


@pytest.fixture(scope="module")
def pca(X):
    return PCA(n_components=8, random_state=0).fit(X)


def labels(ticks):
    return [label.get_text() for label in ticks]


def test_rows_of_the_picture_are_labelled(pca, X, X_corrupted):
    clean = ReconstructionDisplay.from_estimator(pca, X, image_shape=(8, 8))
    noisy = ReconstructionDisplay.from_estimator(
        pca, X, X_corrupted=X_corrupted, image_shape=(8, 8)
    )
    assert labels(clean.ax_.get_yticklabels()) == ["Original", "Reconstruction"]
    assert labels(noisy.ax_.get_yticklabels()) == ["Original", "Corrupted", "Reconstruction"]


def test_the_first_rows_are_drawn(pca, X):
    display = ReconstructionDisplay.from_estimator(pca, X, image_shape=(8, 8), n_samples=3)

    assert display.images_.shape == (2, 3)
    assert_array_equal(display.X, X[:3])
    assert_allclose(display.X_reconstructed, pca.inverse_transform(pca.transform(X[:3])))


def test_no_more_rows_are_drawn_than_there_are(pca, X):
    display = ReconstructionDisplay.from_estimator(pca, X[:2], image_shape=(8, 8))
    assert display.images_.shape == (2, 2)


def test_rows_are_chosen_by_indices(pca, X):
    display = ReconstructionDisplay.from_estimator(pca, X, image_shape=(8, 8), indices=[9, 4])
    assert_array_equal(display.X, X[[9, 4]])


def test_corrupted_rows_are_what_is_reconstructed(pca, X, X_corrupted):
    display = ReconstructionDisplay.from_estimator(
        pca, X, X_corrupted=X_corrupted, image_shape=(8, 8), indices=[2, 5]
    )

    assert_array_equal(display.X_corrupted, X_corrupted[[2, 5]])
    expected = pca.inverse_transform(pca.transform(X_corrupted[[2, 5]]))
    assert_allclose(display.X_reconstructed, expected)


def test_the_error_below_a_column_is_the_mean_squared_error_to_the_original(pca, X, X_corrupted):
    display = ReconstructionDisplay.from_estimator(
        pca, X, X_corrupted=X_corrupted, image_shape=(8, 8), n_samples=4
    )

    reconstructed = pca.inverse_transform(pca.transform(X_corrupted[:4]))
    errors = [mean_squared_error(*pair) for pair in zip(X[:4], reconstructed, strict=True)]
    assert_allclose(display.errors, errors)
    assert_allclose([float(label) for label in labels(display.ax_.get_xticklabels())], errors, 5e-3)
    assert display.ax_.get_xlabel() == "Mean squared error"


def test_a_display_without_errors_has_no_label_below(X):
    display = ReconstructionDisplay(X=X[:2], X_reconstructed=X[:2], image_shape=(8, 8)).plot()
    assert labels(display.ax_.get_xticklabels()) == []
    assert display.ax_.get_xlabel() == ""


def test_all_images_share_the_range_of_the_originals(X, X_corrupted):
    display = ReconstructionDisplay(
        X=X[:3], X_corrupted=X_corrupted[:3], X_reconstructed=X[:3] / 2, image_shape=(8, 8)
    ).plot()

    low, high = X[:3].min(), X[:3].max()
    for drawn, rows in zip(display.images_, (X, X_corrupted, X / 2), strict=True):
        for image, row in zip(drawn, rows[:3], strict=True):
            expected = (np.clip(row, low, high) - low) / (high - low)
            assert_allclose(image.get_array(), expected.reshape(8, 8))
            assert image.get_clim() == (0, 1)


def test_images_lie_apart_and_in_the_proportions_of_the_image(X):
    display = ReconstructionDisplay(X=X[:3], X_reconstructed=X[:3], image_shape=(4, 16)).plot()

    extents = np.array([image.get_extent() for image in display.images_.ravel()])
    left, right, bottom, top = extents.reshape(2, 3, 4).transpose(2, 0, 1)
    assert_allclose((bottom - top) / (right - left), 4 / 16)
    assert (left[:, 1:] > right[:, :-1]).all()
    assert (top[1] > bottom[0]).all()
    assert display.ax_.get_aspect() == 1


@pytest.mark.parametrize("image_shape", [(8, 8, 1), [4, 16], (4, 5, 3)])
def test_grey_and_coloured_images_are_drawn(image_shape):
    X = np.random.RandomState(0).uniform(size=(3, np.prod(image_shape)))
    display = ReconstructionDisplay(X=X, X_reconstructed=X, image_shape=image_shape).plot()

    expected = (X - X.min()) / (X.max() - X.min())
    drawn = np.array([image.get_array() for image in display.images_[0]])
    assert_allclose(drawn.reshape(3, -1), expected)


def test_constant_images_are_drawn():
    X = np.ones((2, 4))
    display = ReconstructionDisplay(X=X, X_reconstructed=X, image_shape=(2, 2)).plot()
    display.figure_.canvas.draw()


def test_rows_that_are_no_images_are_drawn_as_lines(pca, X):
    display = ReconstructionDisplay.from_estimator(pca, X, n_samples=4)

    assert display.images_ is None
    assert display.lines_.shape == (2, 4)
    for lines, rows in zip(display.lines_, (X, display.X_reconstructed), strict=True):
        # The axis points downwards, as that of images does.
        assert_allclose(np.corrcoef(lines[1].get_ydata(), rows[1])[0, 1], -1)


def test_all_lines_share_one_range(pca, X):
    display = ReconstructionDisplay.from_estimator(pca, X, n_samples=4)

    values = np.stack([X[:4], display.X_reconstructed])
    heights = np.array([[line.get_ydata() for line in lines] for lines in display.lines_])
    scales = np.ptp(heights, axis=2) / np.ptp(values, axis=2)
    assert_allclose(scales, scales[0, 0])


@pytest.mark.parametrize("container", [pd.DataFrame, pl.DataFrame, csr_array, csr_matrix])
def test_rows_may_come_in_any_container(container):
    X = load_digits().data[:50]
    names = [f"pixel_{j}" for j in range(64)]
    rows = container(X, columns=names) if container is pd.DataFrame else container(X)
    estimator = MaxAbsScaler().fit(rows)

    display = ReconstructionDisplay.from_estimator(
        estimator, rows, X_corrupted=rows, image_shape=(8, 8), indices=[3, 7]
    )
    assert_allclose(display.X_reconstructed, X[[3, 7]])
    assert_allclose(display.X_corrupted, X[[3, 7]])


def test_rows_may_come_as_lists(pca, X):
    display = ReconstructionDisplay.from_estimator(pca, X.tolist(), n_samples=2)
    assert_array_equal(display.X, X[:2])


def test_a_pipeline_reconstructs_in_the_units_of_its_input(X):
    pipeline = make_pipeline(MaxAbsScaler(), PCA(n_components=60, svd_solver="full")).fit(X)
    display = ReconstructionDisplay.from_estimator(pipeline, X, image_shape=(8, 8))
    assert_allclose(display.X_reconstructed, X[:10], atol=0.5)


def test_it_draws_on_the_axes_that_it_is_given(pca, X):
    figure, (left, right) = plt.subplots(1, 2)
    display = ReconstructionDisplay.from_estimator(pca, X, image_shape=(8, 8), ax=right)

    assert display.ax_ is right
    assert display.figure_ is figure
    assert not left.images
    assert len(plt.get_fignums()) == 1


def test_it_can_be_drawn_again_in_another_way(pca, X):
    display = ReconstructionDisplay.from_estimator(pca, X, image_shape=(8, 8))
    first = display.figure_
    assert display.plot(image_kwargs={"cmap": "viridis"}) is display
    assert display.figure_ is not first
    assert display.images_[0, 0].get_cmap().name == "viridis"


def test_lines_take_the_keywords_of_matplotlib(pca, X):
    display = ReconstructionDisplay.from_estimator(pca, X, line_kwargs={"c": "red", "lw": 3})
    assert display.lines_[1, 0].get_color() == "red"
    assert display.lines_[1, 0].get_linewidth() == 3


def test_labels_lie_within_a_new_figure(pca, X):
    figure = ReconstructionDisplay.from_estimator(pca, X, image_shape=(8, 8), n_samples=2).figure_
    figure.canvas.draw()
    outer = figure.get_tightbbox().padded(-0.001)
    assert outer.x0 >= 0
    assert outer.y0 >= 0
    assert outer.x1 <= figure.get_figwidth()
    assert outer.y1 <= figure.get_figheight()


def test_an_estimator_that_is_not_fitted_is_refused(X):
    with pytest.raises(NotFittedError, match="PCA instance is not fitted"):
        ReconstructionDisplay.from_estimator(PCA(), X, image_shape=(8, 8))


@pytest.mark.parametrize("image_shape", [(8, 9), (28, 28)])
def test_an_image_shape_of_another_size_is_named(pca, X, image_shape):
    message = rf"image_shape=\({image_shape[0]}, {image_shape[1]}\).*64 features"
    with pytest.raises(ValueError, match=message):
        ReconstructionDisplay.from_estimator(pca, X, image_shape=image_shape)


@pytest.mark.parametrize("image_shape", [(64,), (4, 8, 2), (2, 2, 4, 4), (-8, -8)])
def test_an_image_shape_that_is_none_is_named(pca, X, image_shape):
    with pytest.raises(ValueError, match=r"image_shape=\(.*must be \(height, width\)"):
        ReconstructionDisplay.from_estimator(pca, X, image_shape=image_shape)


def test_a_wrong_image_shape_is_refused_before_anything_is_reconstructed(X):
    class Untouchable(TransformerMixin, BaseEstimator):
        def __sklearn_is_fitted__(self):
            return True

        def fit(self, X, y=None):
            return self

        def transform(self, X):
            raise AssertionError

    with pytest.raises(ValueError, match="image_shape"):
        ReconstructionDisplay.from_estimator(Untouchable(), X, image_shape=(1, 1))


def test_corrupted_rows_of_another_shape_are_refused(pca, X):
    with pytest.raises(ValueError, match=r"X_corrupted has shape \(3, 64\).*\(200, 64\)"):
        ReconstructionDisplay.from_estimator(pca, X, X_corrupted=X[:3])


def test_no_rows_to_draw_are_refused(pca, X):
    with pytest.raises(ValueError, match="n_samples=0"):
        ReconstructionDisplay.from_estimator(pca, X, n_samples=0)
