"""Principal components against scikit-learn's PCA."""

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_low_rank_matrix
from sklearn.decomposition import PCA

from sklearn_ae._training import batches, components
from sklearn_ae._training.batches import Rows
from sklearn_ae._training.components import n_components_for, principal_components
from sklearn_ae._training.statistics import moments

TABLES = {
    "digits": load_digits().data,
    "breast cancer": load_breast_cancer().data,
    "diabetes": load_diabetes().data,
}

every_table = pytest.mark.parametrize("X", TABLES.values(), ids=TABLES)


def _components_of(X, n_components, *, weight=None, container=np.asarray):
    mean = np.average(X.astype(np.float64), axis=0, weights=weight)
    rows = Rows(container(X), sample_weight=weight)
    return principal_components(rows, mean, np.ones(()), n_components)


def _assert_as_pca(found, X, n_components):
    pca = PCA(n_components, svd_solver="full").fit(X)
    alike = np.abs(np.sum(found.components * pca.components_, axis=1))
    np.testing.assert_allclose(alike, 1, atol=1e-6)
    left = 1 - pca.explained_variance_ratio_.sum()
    assert found.residual == pytest.approx(left, rel=1e-6, abs=1e-12)


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


def test_wide_rows_may_have_as_many_components_as_there_are():
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


def _half_zeros():
    X = make_low_rank_matrix(1030, 1010, effective_rank=10, random_state=0)
    X[np.abs(X) < np.quantile(np.abs(X), 0.5)] = 0
    return X


def _of_topics():
    """Rows of one topic each, of 30 words that no other has: sparse products are worth it."""
    rng = np.random.default_rng(0)
    topic, words = rng.integers(0, 6, 1030), np.zeros((6, 1010))
    for i in range(6):
        words[i, 30 * i : 30 * (i + 1)] = rng.uniform(1, 2, 30) * 2.0**-i
    return words[topic] * rng.uniform(0.5, 1.5, (1030, 1))


@pytest.mark.parametrize("rows", [_half_zeros, _of_topics])
def test_many_wide_sparse_rows_have_the_components_of_dense_ones(rows):
    X = rows()
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


# Wide rows


def _wide(n_samples=1100, n_features=1050, effective_rank=20):
    return make_low_rank_matrix(
        n_samples, n_features, effective_rank=effective_rank, tail_strength=0.3, random_state=0
    )


def _sparse(n_samples=1100, n_features=1050, share=0.02):
    rng = np.random.default_rng(0)
    topics = rng.random((n_samples, 5)) @ rng.random((5, n_features)) ** 4
    return np.where(rng.random(topics.shape) < share, topics, 0)


def _captured(X, components):
    return np.square((X - X.mean(axis=0)) @ components.T).sum()


@pytest.mark.parametrize("effective_rank", [10, 100, 1000])
@pytest.mark.parametrize("shape", [(1100, 1500), (1500, 1100)])
def test_wide_rows_keep_no_less_than_with_pca_as_it_comes(shape, effective_rank):
    X = _wide(*shape, effective_rank)
    pca = PCA(20, svd_solver="randomized", random_state=0).fit(X)
    assert _captured(X, _components_of(X, 20).components) >= _captured(X, pca.components_)


@pytest.mark.parametrize("shape", [(1100, 1500), (1500, 1100)])
def test_wide_sparse_rows_keep_as_much_as_with_pca(shape):
    X = _sparse(*shape)
    pca = PCA(8, svd_solver="arpack", random_state=0).fit(X)
    found = _components_of(X, 8, container=csr_array)
    assert _captured(X, found.components) == pytest.approx(_captured(X, pca.components_), rel=1e-9)


@pytest.mark.parametrize(
    ("X", "container"), [(_wide(), np.asarray), (_sparse(), csr_array)], ids=["dense", "sparse"]
)
def test_components_follow_from_the_rows_alone(X, container):
    found = []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002 - the global generator is what is tested
        torch.manual_seed(seed)
        found.append(_components_of(X, 5, container=container).components)
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("n_samples", [300, 1100])
def test_wide_rows_of_which_entries_are_missing_have_the_components_of_their_means(n_samples):
    X = _wide(n_samples)
    observed = np.random.default_rng(0).random(X.shape) < 0.8
    mean = np.average(X, axis=0, weights=observed)
    rows = Rows(np.where(observed, X, np.nan), observed=observed)
    found = principal_components(rows, mean, np.ones(()), 4)
    _, _, components = np.linalg.svd(np.where(observed, X - mean, 0), full_matrices=False)
    np.testing.assert_allclose(np.abs(found.components @ components[:4].T), np.eye(4), atol=1e-5)


def test_wide_sparse_rows_are_never_dense(monkeypatch):
    monkeypatch.setattr(Rows, "batches", None)
    X = _sparse()
    assert _components_of(X, 4, container=csr_array).residual > 0
    moments(Rows(csr_array(X)))


# Features and rows of very different size

BASES = {
    "digits": TABLES["digits"][:300],
    "breast cancer": TABLES["breast cancer"],
    "more features than rows": _wide(60, 300),
    "wide": _wide(110, 120),
    "sparse": _sparse(110, 120, 0.05),
}


def _with_feature(X, values, position=-1):
    return np.insert(X, X.shape[1] if position == -1 else position, values, axis=1)


def _normal(X):
    return np.random.default_rng(1).standard_normal(len(X))


UNEVEN = {
    "a large feature": lambda X: _with_feature(X, 1e6 * _normal(X)),
    "a larger one at the front": lambda X: _with_feature(X, 1e9 * _normal(X), position=0),
    "unix time": lambda X: _with_feature(X, 1.7e9 + 1e6 * _normal(X)),
    "two large ones": lambda X: _with_feature(
        _with_feature(X, 1e5 * _normal(X)), 1e10 * _normal(X[::-1])[::-1] ** 2, position=0
    ),
    "an outlier in a feature": lambda X: _with_feature(X, np.where(np.arange(len(X)), 1, 1e10)),
    "an outlier": lambda X: X * np.where(np.arange(len(X)) == 7, 1e8, 1)[:, None],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("container", [np.asarray, csr_array])
@pytest.mark.parametrize("uneven", UNEVEN.values(), ids=UNEVEN)
@pytest.mark.parametrize("base", BASES)
def test_small_features_and_rows_have_components_beside_large_ones(
    monkeypatch, base, uneven, container, dtype
):
    monkeypatch.setattr(components, "_MAX_SIDE", 100)
    X = uneven(BASES[base]).astype(dtype)
    found = _components_of(X, 4, container=container)
    centred = X.astype(np.float64) - X.mean(axis=0, dtype=np.float64)
    _, singular, expected = np.linalg.svd(centred, full_matrices=False)
    left, least = (
        np.square(centred - centred @ some.T @ some).sum()
        for some in (found.components, expected[:4])
    )
    assert len(found.components) == 4
    assert left == pytest.approx(least, rel=1e-4)
    assert found.residual == pytest.approx(
        np.square(singular[4:]).sum() / np.square(singular).sum(), rel=1e-4
    )


def test_weights_as_different_as_features_leave_the_components_of_repeated_rows():
    X = _with_feature(TABLES["digits"][:300], 1e8 * _normal(TABLES["digits"][:300]))
    n_times = np.random.default_rng(0).integers(1, 4, len(X))
    found = _components_of(X, 4, weight=n_times.astype(float))
    repeated = np.repeat(X, n_times, axis=0)
    pca = PCA(4, svd_solver="full").fit(repeated)
    left, expected = (
        np.square(repeated - pca.mean_).sum() - _captured(repeated, some)
        for some in (found.components[1:], pca.components_[1:])
    )
    assert left == pytest.approx(expected)


# An exact reconstruction


def _of_rank_3(dtype, shape=(200, 12)):
    rng = np.random.default_rng(0)
    return (rng.standard_normal((shape[0], 3)) @ rng.standard_normal((3, shape[1]))).astype(dtype)


every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@every_dtype
@pytest.mark.parametrize("n_components", [3, 5, 12, 20])
@pytest.mark.parametrize("shape", [(200, 12), (20, 1100), (1100, 1050)])
def test_rows_of_a_small_rank_are_rebuilt_to_rounding(shape, n_components, dtype):
    found = _components_of(_of_rank_3(dtype, shape), n_components)
    assert found.residual == 0
    assert len(found.components) == 3


def test_what_is_left_of_one_small_feature_is_no_rounding_of_the_others():
    X = _of_rank_3(np.float64)
    X[:, 5] = 1e-7 * _normal(X)
    assert 0 < _components_of(X, 3).residual < 1e-13


@pytest.mark.parametrize("size", [1e3, 1e8])
def test_what_is_left_of_small_features_is_no_rounding_of_a_large_one(size):
    X = _with_feature(_of_rank_3(np.float64), size * _normal(_of_rank_3(np.float64)))
    assert _components_of(X, 3).residual > 0


@every_dtype
def test_what_is_left_of_all_rows_is_no_rounding_of_one_far_out(dtype):
    X = _of_rank_3(np.float64) / 1e3
    X[3] *= 1e7
    assert _components_of(X.astype(dtype), 2).residual > 0


def test_components_of_every_feature_rebuild_them_whatever_their_size():
    X = _with_feature(TABLES["diabetes"], 1e9 * _normal(TABLES["diabetes"]))
    found = _components_of(X, 20)
    assert found.residual == 0
    assert len(found.components) == 11


# How many components keep a share of the variance

SHARES = {**TABLES, "more features than rows": _wide(60), "wide": _wide(1010, 1050, 40)}


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("X", SHARES.values(), ids=SHARES)
def test_as_many_components_keep_a_share_as_pca_counts(X, share):
    found = n_components_for(Rows(X), X.mean(axis=0), np.ones(()), share)
    assert found == PCA(share, svd_solver="full").fit(X).n_components_


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_as_many_components_of_sparse_rows_keep_a_share_as_pca_counts(share):
    X = _sparse()
    found = n_components_for(Rows(csr_array(X)), X.mean(axis=0), np.ones(()), share)
    assert found == PCA(share, svd_solver="full").fit(X).n_components_


def test_the_scale_counts_for_a_share():
    X = TABLES["breast cancer"]
    mean, scale = X.mean(axis=0), X.std(axis=0)
    assert n_components_for(Rows(X), mean, np.ones(()), 0.9) == 1
    assert n_components_for(Rows(X), mean, scale, 0.9) == PCA(0.9).fit(X / scale).n_components_
