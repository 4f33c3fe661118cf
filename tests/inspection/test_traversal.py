"""Codes varied one at a time in one picture."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_wine
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_ae.inspection import TraversalDisplay

X = load_digits().data
WINE = load_wine(as_frame=True).data


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(name="pca", scope="module")
def _pca():
    return PCA(5, svd_solver="full").fit(X)


def labels(ticks):
    return [tick.get_text() for tick in ticks]


def test_one_code_goes_from_low_to_high_and_the_others_stay(pca):
    display = TraversalDisplay.from_estimator(pca, X, codes=[2, 0], n_steps=5, image_shape=(8, 8))
    codes = pca.transform(X)
    assert_allclose(display.values[:, 0], np.quantile(codes, 0.02, axis=0)[[2, 0]])
    assert_allclose(display.values[:, -1], np.quantile(codes, 0.98, axis=0)[[2, 0]])
    of_second = pca.transform(display.X_decoded[0])
    assert_allclose(of_second[:, 2], display.values[0], atol=1e-8)
    assert_allclose(of_second[:, [0, 1, 3, 4]], 0, atol=1e-8)
    assert labels(display.ax_.get_yticklabels()) == ["code 2", "code 0"]
    assert display.images_.shape == (2, 5)


def test_the_codes_that_change_most_come_first(pca):
    display = TraversalDisplay.from_estimator(pca, X, n_codes=3, image_shape=(8, 8))
    codes = pca.transform(X)
    spread = np.diff(np.quantile(codes, [0.02, 0.98], axis=0), axis=0)[0]
    assert_array_equal(display.codes, np.argsort(-spread)[:3])


def test_it_starts_from_a_row(pca):
    display = TraversalDisplay.from_estimator(pca, X, row=X[7], codes=[1], image_shape=(8, 8))
    of_row, others = pca.transform(X[[7]])[0], [0, 2, 3, 4]
    found = pca.transform(display.X_decoded[0])
    assert_allclose(found[:, others], np.tile(of_row[others], (7, 1)), atol=1e-8)


def test_all_images_have_one_range(pca):
    display = TraversalDisplay.from_estimator(pca, X, image_shape=(8, 8))
    drawn = np.stack([image.get_array().squeeze() for image in display.images_.ravel()])
    low, high = display.X_decoded.min(), display.X_decoded.max()
    expected = (display.X_decoded.reshape(-1, 8, 8) - low) / (high - low)
    assert_allclose(drawn, expected)


def test_colour_images_stay_in_colour():
    rows = np.random.RandomState(0).rand(40, 4 * 5 * 3)
    display = TraversalDisplay.from_estimator(PCA(2).fit(rows), rows, image_shape=(4, 5, 3))
    assert display.images_[0, 0].get_array().shape == (4, 5, 3)


def test_columns_of_a_table_are_named_and_change_from_the_middle():
    pipeline = make_pipeline(StandardScaler().set_output(transform="pandas"), PCA(3)).fit(WINE)
    display = TraversalDisplay.from_estimator(pipeline, WINE, n_steps=5)
    assert labels(display.ax_.get_yticklabels()) == list(WINE.columns)
    assert display.images_.shape == (3,)
    for image, decoded in zip(display.images_, display.X_decoded, strict=True):
        change = (decoded - decoded[2]) / WINE.std(ddof=0).to_numpy()
        assert_allclose(image.get_array(), change.T, atol=1e-8)
        assert image.get_clim()[1] == -image.get_clim()[0] > 0
    assert labels(display.ax_.get_xticklabels()) == [f"code {code}" for code in display.codes]


def test_a_constant_column_changes_by_nothing():
    rows = np.c_[WINE.to_numpy()[:, :3], np.ones(len(WINE))]
    display = TraversalDisplay.from_estimator(PCA(2).fit(rows), rows)
    assert np.isfinite([image.get_array() for image in display.images_]).all()


def test_it_draws_where_it_is_told_to(pca):
    _, axes = plt.subplots(1, 2)
    display = TraversalDisplay.from_estimator(pca, X, image_shape=(8, 8), ax=axes[1])
    assert display.ax_ is axes[1]
    keywords = {"cmap": "viridis"}
    display = TraversalDisplay.from_estimator(pca, X, ax=axes[0], image_kwargs=keywords)
    assert display.images_[0].get_cmap().name == "viridis"


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"image_shape": (8, 9)}, "72 values"),
        ({"n_steps": 1}, "n_steps=1"),
        ({"n_codes": 0}, "n_codes=0"),
    ],
)
def test_what_can_not_be_drawn_is_refused(pca, parameters, match):
    with pytest.raises(ValueError, match=match):
        TraversalDisplay.from_estimator(pca, X, **parameters)


def test_it_needs_a_fit():
    with pytest.raises(NotFittedError):
        TraversalDisplay.from_estimator(PCA(2), X)
