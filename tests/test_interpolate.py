"""The way from one row to another through the codes."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError

from sklearn_ae import interpolate

pytestmark = pytest.mark.every_autoencoder

X = load_digits().data


@pytest.fixture(name="pca", scope="module")
def _pca():
    return PCA(8, svd_solver="full").fit(X)


@pytest.mark.parametrize("path", ["linear", "spherical"])
@pytest.mark.parametrize("n_steps", [2, 5])
def test_the_way_goes_from_one_reconstruction_to_the_other(pca, path, n_steps):
    rows = interpolate(pca, X[0], X[1], n_steps=n_steps, path=path)
    assert rows.shape == (n_steps, 64)
    rebuilt = pca.inverse_transform(pca.transform(X[:2]))
    assert_allclose(rows[[0, -1]], rebuilt, atol=1e-8)


def test_a_line_of_codes_is_a_line_of_rows_for_pca(pca):
    rows = interpolate(pca, X[0], X[1], n_steps=3)
    assert_allclose(rows[1], rows[[0, 2]].mean(axis=0), atol=1e-8)


def test_an_arc_keeps_its_distance_from_zero(pca):
    codes = pca.transform(interpolate(pca, X[0], X[1], n_steps=9, path="spherical"))
    norms = np.linalg.norm(codes, axis=1)
    assert_allclose(norms, np.linspace(norms[0], norms[-1], 9), rtol=1e-6)
    directions = codes / norms[:, None]
    angles = np.arccos(np.clip((directions[1:] * directions[:-1]).sum(axis=1), -1, 1))
    assert_allclose(angles, angles[0], rtol=1e-5)


def test_an_arc_between_codes_in_one_direction_is_a_line():
    pca = PCA(2).fit(X)
    first = X.mean(axis=0) + 5 * pca.components_[0]
    last = X.mean(axis=0) + 9 * pca.components_[0]
    line, arc = (interpolate(pca, first, last, path=path) for path in ("linear", "spherical"))
    assert_allclose(arc, line, atol=1e-6)
    middle = X.mean(axis=0)
    line, arc = (interpolate(pca, middle, last, path=path) for path in ("linear", "spherical"))
    assert_allclose(arc, line, atol=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_each_autoencoder_has_rows_between(autoencoder):
    fitted = autoencoder.fit(X[:200])
    rows = interpolate(fitted, X[0], X[1], n_steps=4)
    assert_allclose(rows[[0, -1]], fitted.reconstruct(X[:2]), rtol=1e-4, atol=1e-4)


def test_rows_of_a_frame_have_their_names():
    frame = load_iris(as_frame=True).data
    pca = PCA(2).fit(frame)
    rows = interpolate(pca, frame.iloc[0], frame.iloc[100], n_steps=3)
    assert_array_equal(rows.shape, (3, 4))
    array = frame.to_numpy()
    assert_allclose(rows, interpolate(PCA(2).fit(array), *array[[0, 100]], n_steps=3))
    assert isinstance(frame, pd.DataFrame)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [({"n_steps": 1}, "'n_steps' parameter"), ({"path": "round"}, "'path' parameter")],
)
def test_no_other_way_is_taken(pca, parameters, match):
    with pytest.raises(ValueError, match=match):
        interpolate(pca, X[0], X[1], **parameters)


def test_it_needs_a_fit():
    with pytest.raises(NotFittedError):
        interpolate(PCA(), X[0], X[1])
