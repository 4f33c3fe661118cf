"""Moments against numpy, principal components against scikit-learn's PCA."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_low_rank_matrix
from sklearn.decomposition import PCA
from torch import nn

from sklearn_ae._training import batches
from sklearn_ae._training.batches import Rows
from sklearn_ae._training.statistics import (
    count_constant_codes,
    moments,
    principal_components,
)
from sklearn_ae.nn import Autoencoder, Rescale

TABLES = {
    "digits": load_digits().data,
    "breast cancer": load_breast_cancer().data,
    "diabetes": load_diabetes().data,
}

every_table = pytest.mark.parametrize("X", TABLES.values(), ids=TABLES)


def _components_of(X, n_components, *, scale=1.0, weight=None):
    mean = np.average(X, axis=0, weights=weight)
    rows = Rows(X, sample_weight=weight)
    return principal_components(rows, mean, np.asarray(scale), n_components)


def _assert_as_pca(found, X, n_components):
    pca = PCA(n_components, svd_solver="full").fit(X)
    alike = np.abs(np.sum(found.components * pca.components_, axis=1))
    np.testing.assert_allclose(alike, 1, atol=1e-6)
    left = 1 - pca.explained_variance_ratio_.sum()
    assert found.residual == pytest.approx(left, rel=1e-6, abs=1e-12)


@every_table
def test_moments_are_those_of_numpy(X):
    found = moments(Rows(X))
    np.testing.assert_allclose(found.mean, X.mean(axis=0), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.variance, X.var(axis=0), rtol=1e-10, atol=1e-25)
    np.testing.assert_array_equal(found.low, X.min(axis=0))
    np.testing.assert_array_equal(found.high, X.max(axis=0))


@every_table
def test_moments_with_weights_are_those_of_repeated_rows(X):
    n_times = np.random.default_rng(0).integers(1, 4, len(X))
    found = moments(Rows(X, sample_weight=n_times.astype(float)))
    repeated = np.repeat(X, n_times, axis=0)
    np.testing.assert_allclose(found.mean, repeated.mean(axis=0), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(found.variance, repeated.var(axis=0), rtol=1e-10, atol=1e-25)


@every_table
def test_moments_do_not_depend_on_how_many_rows_are_read_at_once(monkeypatch, X):
    monkeypatch.setattr(batches, "_MAX_ROWS_AT_ONCE", 50)
    found = moments(Rows(X))
    np.testing.assert_allclose(found.mean, X.mean(axis=0), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(found.variance, X.var(axis=0), rtol=1e-10, atol=1e-25)


def test_moments_of_sparse_rows_are_those_of_dense_ones():
    X = TABLES["digits"]
    sparse, dense = moments(Rows(csr_array(X))), moments(Rows(X))
    for of_sparse, of_dense in zip(sparse, dense, strict=True):
        np.testing.assert_array_equal(of_sparse, of_dense)


def test_a_large_offset_leaves_the_variance():
    X = TABLES["digits"]
    found = moments(Rows(X + 1e8))
    np.testing.assert_allclose(found.variance, X.var(axis=0), atol=1e-7)


@given(value=st.floats(-1e10, 1e10), n_samples=st.sampled_from([2, 3, 100, 2048, 2050, 5000]))
def test_constant_features_have_no_variance(value, n_samples):
    found = moments(Rows(np.full((n_samples, 2), value)))
    assert found.variance.tolist() == [0, 0]


@every_table
@pytest.mark.parametrize("n_components", [1, 4, 9])
def test_components_are_those_of_pca(X, n_components):
    _assert_as_pca(_components_of(X, n_components), X, n_components)


@every_table
def test_signs_are_those_of_pca(X):
    pca = PCA(4, svd_solver="full").fit(X)
    np.testing.assert_allclose(_components_of(X, 4).components, pca.components_, atol=1e-6)


@pytest.mark.parametrize("n_samples", [300, 1100])
def test_components_of_more_features_than_a_covariance_is_formed_for(n_samples):
    X = make_low_rank_matrix(n_samples, 1010, effective_rank=20, tail_strength=0.1, random_state=0)
    _assert_as_pca(_components_of(X, 6), X, 6)


def test_wide_rows_may_have_more_codes_than_arpack_can_find():
    X = np.random.default_rng(0).standard_normal((1020, 1005))
    found = _components_of(X, 1005)
    assert found.residual == 0
    np.testing.assert_allclose(found.components @ found.components.T, np.eye(1005), atol=1e-8)


@pytest.mark.parametrize("shape", [(40, 1010), (1100, 1010)])
def test_wide_rows_of_less_rank_than_codes_leave_nothing(shape):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((shape[0], 3)) @ rng.standard_normal((3, shape[1]))
    found = _components_of(X, 5)
    assert found.components.shape == (3, 1010)
    assert found.residual == 0
    centred = X - X.mean(axis=0)
    np.testing.assert_allclose(centred @ found.components.T @ found.components, centred, atol=1e-9)


@every_table
@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_components_of_scaled_rows_are_those_of_pca_on_them(X, container):
    scale = X.std(axis=0)
    scale[scale == 0] = 1
    rows = Rows(container(X))
    found = principal_components(rows, X.mean(axis=0), scale, 4)
    _assert_as_pca(found, X / scale, 4)


@pytest.mark.parametrize("n_features", [30, 1010])
def test_components_with_weights_are_those_of_repeated_rows(n_features):
    X = make_low_rank_matrix(120, n_features, effective_rank=10, random_state=0)
    n_times = np.random.default_rng(0).integers(1, 4, len(X))
    found = _components_of(X, 4, weight=n_times.astype(float))
    _assert_as_pca(found, np.repeat(X, n_times, axis=0), 4)


def test_components_of_many_wide_rows_with_weights_are_those_of_repeated_rows():
    X = make_low_rank_matrix(1030, 1010, effective_rank=10, random_state=0)
    n_times = np.random.default_rng(0).integers(1, 3, len(X))
    found = _components_of(X, 4, weight=n_times.astype(float))
    _assert_as_pca(found, np.repeat(X, n_times, axis=0), 4)


@pytest.mark.parametrize("rank", [1, 3])
def test_there_are_no_more_components_than_the_rank(rank):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((50, rank)) @ rng.standard_normal((rank, 8)) + 100
    found = _components_of(X, 6)
    assert found.components.shape == (rank, 8)
    assert found.residual == 0


def test_as_many_components_as_the_rank_leave_nothing():
    X = TABLES["digits"]  # three of its pixels are never inked
    assert _components_of(X, 61).residual == 0
    assert _components_of(X, 60).residual > 0


def test_components_do_not_depend_on_how_many_rows_are_read_at_once(monkeypatch):
    X = TABLES["digits"]
    monkeypatch.setattr(batches, "_MAX_ROWS_AT_ONCE", 100)
    _assert_as_pca(_components_of(X, 4), X, 4)


def test_many_wide_rows_are_never_joined(monkeypatch):
    X = make_low_rank_matrix(1030, 1010, effective_rank=10, random_state=0)
    read, lengths = Rows.read, []

    def counted(rows, index, *arguments):
        batch = read(rows, index, *arguments)
        lengths.append(len(batch.x))
        return batch

    monkeypatch.setattr(Rows, "read", counted)
    monkeypatch.setattr(batches, "_MAX_ROWS_AT_ONCE", 100)
    monkeypatch.setattr(batches, "_CHUNK_ENTRIES", 100 * 1010)
    _assert_as_pca(_components_of(X, 3), X, 3)
    assert max(lengths) == 100


def test_many_wide_sparse_rows_have_the_components_of_dense_ones():
    X = make_low_rank_matrix(1030, 1010, effective_rank=10, random_state=0)
    X[np.abs(X) < np.quantile(np.abs(X), 0.5)] = 0
    weight = np.random.default_rng(0).integers(1, 3, len(X)).astype(float)
    scale = np.linspace(0.5, 2, 1010)
    found = [
        principal_components(
            Rows(container(X), sample_weight=weight),
            np.average(X, axis=0, weights=weight),
            scale,
            4,
        )
        for container in (np.asarray, csr_array)
    ]
    np.testing.assert_allclose(found[1].components, found[0].components, atol=1e-9)
    assert found[1].residual == pytest.approx(found[0].residual)
    _assert_as_pca(found[1], np.repeat(X / scale, weight.astype(int), axis=0), 4)


# Codes that do not move


def _counted(X, encoder, monkeypatch):
    """Give the number of constant codes, and of the batches that were looked at."""
    monkeypatch.setattr(batches, "_MAX_ROWS_AT_ONCE", 100)
    seen = []
    encoder.register_forward_hook(lambda *arguments: seen.append(1))
    rescale = Rescale(torch.zeros(X.shape[1]), torch.tensor(1.0))
    module = Autoencoder(encoder, nn.Linear(1, 1), rescale, encoder.out_features)
    return count_constant_codes(module, Rows(X.astype(np.float32)), "cpu"), len(seen)


def _encoder(n_features, encoding_dim):
    encoder = nn.Linear(n_features, encoding_dim)
    nn.init.orthogonal_(encoder.weight)
    return encoder


def test_codes_that_all_move_are_seen_in_the_first_rows(monkeypatch):
    X = TABLES["digits"]
    assert _counted(X, _encoder(64, 4), monkeypatch) == (0, 1)


def test_constant_codes_are_looked_for_in_all_rows(monkeypatch):
    X = TABLES["digits"][:1000]
    encoder = _encoder(64, 4)
    nn.init.zeros_(encoder.weight[1])
    assert _counted(X, encoder, monkeypatch) == (1, 10)


def test_a_code_that_moves_in_the_last_rows_alone_is_not_constant(monkeypatch):
    X = TABLES["digits"][:1000].copy()
    X[:, 20] = 0
    X[990:, 20] = 16
    encoder = _encoder(64, 4)
    nn.init.zeros_(encoder.weight[1])
    nn.init.ones_(encoder.weight[1, 20:21])
    assert _counted(X, encoder, monkeypatch) == (0, 10)
