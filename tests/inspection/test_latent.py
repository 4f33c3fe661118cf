"""Codes in the plane, and what the plane stands for."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from sklearn_ae.inspection import LatentDisplay

X, Y = load_digits(return_X_y=True)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(name="pca", scope="module")
def _pca():
    return PCA(2, svd_solver="full").fit(X)


def legend(display):
    drawn = display.axes_[len(display.artists_) - 1].get_legend()
    return [text.get_text() for text in drawn.get_texts()]


def test_codes_are_points_coloured_by_label(pca):
    display = LatentDisplay.from_estimator(pca, X, Y)
    (points,) = display.artists_
    assert_allclose(points.get_offsets(), pca.transform(X))
    assert_array_equal(points.get_array(), Y)
    assert legend(display) == [str(label) for label in range(10)]
    colours = points.cmap(points.norm(np.arange(10)))
    assert len(np.unique(colours, axis=0)) == 10


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (np.array(["no", "yes"])[Y % 2], ["no", "yes"]),
        (Y > 4, ["False", "True"]),
        ((Y % 3).astype(float), ["0.0", "1.0", "2.0"]),
    ],
    ids=["words", "booleans", "whole floats"],
)
def test_labels_are_of_any_kind(pca, y, expected):
    assert legend(LatentDisplay.from_estimator(pca, X, y)) == expected


@pytest.mark.parametrize("y", [X.sum(axis=1) + 0.5, np.arange(len(X))], ids=["floats", "many"])
def test_values_have_a_scale(pca, y):
    display = LatentDisplay.from_estimator(pca, X, y)
    assert_array_equal(display.artists_[0].get_array(), y)
    assert display.axes_[0].get_legend() is None
    assert len(display.figure_.axes) == 2


def test_of_more_codes_the_first_pairs_are_drawn():
    display = LatentDisplay.from_estimator(PCA(9).fit(X), X, Y)
    codes = PCA(9).fit_transform(X)
    assert len(display.artists_) == 3
    assert_allclose(np.abs(display.artists_[1].get_offsets()), np.abs(codes[:, 2:4]), atol=1e-5)
    names = [(axes.get_xlabel(), axes.get_ylabel()) for axes in display.axes_]
    assert names == [("code 0", "code 1"), ("code 2", "code 3"), ("code 4", "code 5")]
    assert len(LatentDisplay.from_estimator(PCA(3).fit(X), X).artists_) == 1


def test_many_points_are_a_density():
    codes = np.random.RandomState(0).standard_normal((20_000, 2))
    display = LatentDisplay(codes=codes).plot()
    (density,) = display.artists_
    assert density.get_array().sum() == 20_000
    assert len(display.figure_.axes) == 2  # with its scale


def test_a_density_has_the_label_that_most_of_its_points_have():
    codes = np.random.RandomState(0).standard_normal((20_000, 2))
    y = np.where(codes[:, 0] > 0, "right", "left")
    display = LatentDisplay(codes=codes, y=y).plot()
    (density,) = display.artists_
    places, labels = density.get_offsets(), density.get_array()
    far = np.abs(places[:, 0]) > 0.2
    assert_array_equal(labels[far], (places[far, 0] > 0).astype(int))
    assert legend(display) == ["left", "right"]


def test_a_density_of_values_has_their_mean():
    codes = np.random.RandomState(0).standard_normal((20_000, 2))
    (density,) = LatentDisplay(codes=codes, y=codes[:, 0]).plot().artists_
    assert_allclose(density.get_array(), density.get_offsets()[:, 0], atol=0.15)


def test_the_plane_is_decoded_as_it_is_drawn(pca):
    display = LatentDisplay.from_estimator(pca, X, Y, image_shape=(8, 8), n_grid=5)
    low, high = np.quantile(pca.transform(X), [0.02, 0.98], axis=0)
    corners = display.X_decoded[[0, 0, -1, -1], [0, -1, 0, -1]]
    expected = [[low[0], high[1]], [high[0], high[1]], [low[0], low[1]], [high[0], low[1]]]
    assert_allclose(pca.transform(corners), expected, atol=1e-8)
    assert display.decoded_.shape == (5, 5)
    axes = display.axes_[-1]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == [
        f"{low[0]:.2g}",
        f"{high[0]:.2g}",
    ]
    assert len(display.axes_) == 2


def test_without_a_grid_there_is_none(pca):
    assert LatentDisplay.from_estimator(pca, X, image_shape=(8, 8), n_grid=0).decoded_ is None
    assert LatentDisplay.from_estimator(PCA(3).fit(X), X, image_shape=(8, 8)).decoded_ is None


def test_rows_that_are_no_images_are_lines(pca):
    grid = np.random.RandomState(0).rand(3, 4, 10)
    display = LatentDisplay(codes=pca.transform(X), X_decoded=grid, extent=(0, 1, 0, 1)).plot()
    assert display.decoded_.shape == (3, 4)


def test_it_draws_in_the_place_that_it_is_given(pca):
    figure, axes = plt.subplots(1, 2)
    display = LatentDisplay.from_estimator(pca, X, Y, ax=axes[1])
    assert display.ax_ is axes[1]
    display = LatentDisplay.from_estimator(pca, X, Y, image_shape=(8, 8), ax=axes[0])
    assert display.figure_ is figure
    left, _ = display.axes_
    assert left.get_position().x1 <= axes[0].get_position().x1
    by_hand = figure.add_axes((0.1, 0.1, 0.2, 0.2))
    with pytest.raises(ValueError, match="placed by hand"):
        LatentDisplay.from_estimator(pca, X, image_shape=(8, 8), ax=by_hand)


def test_keywords_arrive(pca):
    keywords = {"s": 77.0}
    display = LatentDisplay.from_estimator(pca, X, Y, scatter_kwargs=keywords)
    assert_array_equal(display.artists_[0].get_sizes(), [77.0])


def test_what_can_not_be_drawn_is_refused(pca):
    with pytest.raises(ValueError, match="a plane needs two"):
        LatentDisplay.from_estimator(PCA(1).fit(X), X)
    with pytest.raises(ValueError, match="72 values"):
        LatentDisplay.from_estimator(pca, X, image_shape=(8, 9))
    with pytest.raises(ValueError, match="inconsistent"):
        LatentDisplay.from_estimator(pca, X, Y[:5])
    with pytest.raises(NotFittedError):
        LatentDisplay.from_estimator(PCA(2), X)
