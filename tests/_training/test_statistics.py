"""Moments against numpy, and codes that do not move."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from torch import nn

from sklearn_ae._training import batches
from sklearn_ae._training.batches import Rows
from sklearn_ae._training.statistics import count_constant_codes, moments
from sklearn_ae.nn import Autoencoder, Rescale

TABLES = {
    "digits": load_digits().data,
    "breast cancer": load_breast_cancer().data,
    "diabetes": load_diabetes().data,
}

every_table = pytest.mark.parametrize("X", TABLES.values(), ids=TABLES)


@every_table
def test_moments_are_those_of_numpy(X):
    found = moments(Rows(X))
    np.testing.assert_allclose(found.mean, X.mean(axis=0), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(found.variance, X.var(axis=0), rtol=1e-10, atol=1e-25)
    np.testing.assert_array_equal(found.low, X.min(axis=0))
    np.testing.assert_array_equal(found.high, X.max(axis=0))


def test_weights_below_one_weigh_what_is_observed_too():
    X = np.array([[1.0, 7.0], [2.0, 8.0], [4.0, 9.0]])
    observed = np.array([[True, True], [True, False], [True, True]])
    weight = np.array([0.1, 1.0, 0.2])
    found = moments(Rows(X, sample_weight=weight, observed=observed))
    mean = np.average([7, 9], weights=[0.1, 0.2])
    np.testing.assert_allclose(found.mean, [np.average(X[:, 0], weights=weight), mean])
    variance = np.average((np.array([7, 9]) - mean) ** 2, weights=[0.1, 0.2])
    np.testing.assert_allclose(found.variance[1], variance)


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


# Powers of two, which no digit is lost by: squares of these numbers are beyond float64, or nearly.
POWERS = [-1000, -560, -480, 480, 500]


def _in_entries(X):
    """Give rows that are mostly zeros."""
    return csr_array(np.pad(X, ((0, 0), (0, 15 * X.shape[1]))))


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("known", ["all alike", "sample_weight", "observed"])
@pytest.mark.parametrize("container", [np.asarray, _in_entries])
def test_moments_are_in_the_units_of_the_rows_however_small_or_large(container, known, power):
    X = container(TABLES["digits"])
    rng = np.random.default_rng(0)
    given = {
        "sample_weight": {"sample_weight": rng.random(X.shape[0])},
        "observed": {"observed": rng.random(X.shape) < 0.9},
    }.get(known, {})
    found = moments(Rows(X * np.ldexp(1.0, power), **given))
    for scaled, expected in zip(found, moments(Rows(X, **given)), strict=True):
        np.testing.assert_array_equal(scaled, np.ldexp(expected, power))


def test_a_small_feature_has_its_deviation_beside_a_large_one():
    X = TABLES["digits"] * np.logspace(-200, 150, 64)
    found = moments(Rows(X))
    expected = TABLES["digits"].std(axis=0) * np.logspace(-200, 150, 64)
    np.testing.assert_allclose(found.deviation, expected, rtol=1e-12)


@pytest.mark.parametrize("power", [0, *POWERS])
def test_the_common_deviation_is_the_root_of_the_mean_variance(power):
    X = TABLES["digits"]
    found = moments(Rows(X * np.ldexp(1.0, power)))
    assert found.common_deviation == pytest.approx(np.ldexp(np.sqrt(X.var(axis=0).mean()), power))


@pytest.mark.parametrize("weight", [None, np.random.default_rng(0).random(1797)])
def test_moments_of_rows_that_are_mostly_zeros_are_those_of_all_entries(weight):
    X = _in_entries(TABLES["digits"] - 3)
    for of_sparse, of_dense in zip(
        moments(Rows(X, sample_weight=weight)),
        moments(Rows(X.toarray(), sample_weight=weight)),
        strict=True,
    ):
        np.testing.assert_allclose(of_sparse, of_dense, rtol=1e-12, atol=1e-14)


def test_entries_that_come_twice_are_added():
    X = csr_array(([1.0, 2.0, 4.0], ([0, 0, 2], [1, 1, 30])), shape=(3, 40))
    twice = csr_array(X)
    twice.indices, twice.data, twice.indptr = (
        np.array([1, 1, 30]),
        np.array([1.0, 2.0, 4.0]),
        np.array([0, 2, 2, 3]),
    )
    for found, expected in zip(moments(Rows(twice)), moments(Rows(X)), strict=True):
        np.testing.assert_array_equal(found, expected)


@given(value=st.floats(-1e10, 1e10), n_samples=st.sampled_from([2, 3, 100, 2048, 2050, 5000]))
def test_constant_features_have_no_variance(value, n_samples):
    found = moments(Rows(np.full((n_samples, 2), value)))
    assert found.variance.tolist() == [0, 0]


# Codes that do not move


def _counted(X, encoder, monkeypatch, decoder=None):
    """Give the number of constant codes, and of the batches that were looked at."""
    monkeypatch.setattr(batches, "_MAX_ROWS_AT_ONCE", 100)
    seen = []
    encoder.register_forward_hook(lambda *arguments: seen.append(1))
    rescale = Rescale(torch.zeros(X.shape[1]), torch.tensor(1.0))
    decoder = decoder or nn.Linear(encoder.out_features, X.shape[1])
    module = Autoencoder(encoder, decoder, rescale, encoder.out_features)
    return count_constant_codes(module, Rows(X.astype(np.float32)), "cpu"), len(seen)


def _encoder(n_features, encoding_dim):
    encoder = nn.Linear(n_features, encoding_dim)
    nn.init.orthogonal_(encoder.weight)
    return encoder


def test_codes_that_all_move_are_seen_in_the_first_rows(monkeypatch):
    X = TABLES["digits"]
    assert _counted(X, _encoder(64, 4), monkeypatch) == (0, 1)


def test_of_rows_that_do_not_move_no_code_is_told_to_be_constant(monkeypatch):
    assert _counted(np.ones((150, 64)), _encoder(64, 4), monkeypatch) == (0, 2)


def test_constant_codes_are_looked_for_in_all_rows(monkeypatch):
    X = TABLES["digits"][:1000]
    encoder = _encoder(64, 4)
    nn.init.zeros_(encoder.weight[1])
    assert _counted(X, encoder, monkeypatch) == (1, 10)


@pytest.mark.parametrize("size", [1e-4, 1e-8])
def test_a_code_of_features_that_are_small_beside_others_is_not_constant(monkeypatch, size):
    X = TABLES["digits"][:1000, 2:4] * [1, size]
    encoder = nn.Linear(2, 3, bias=False)
    decoder = nn.Linear(3, 2, bias=False)
    nn.init.eye_(encoder.weight)
    nn.init.eye_(decoder.weight)
    assert _counted(X, encoder, monkeypatch, decoder)[0] == 1


@pytest.mark.parametrize("share", [0.0, 0.006])
def test_a_small_code_that_hardly_moves_a_feature_is_constant(monkeypatch, share):
    """As a share of the deviation of that, which is about 5."""
    X = TABLES["digits"][:1000, 2:4] * [1, 1e-8]
    encoder, decoder = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
    nn.init.eye_(encoder.weight)
    nn.init.zeros_(decoder.weight[1])
    nn.init.constant_(decoder.weight[0, 1:], share * X[:, 0].std() / np.ptp(X[:, 1]))
    assert _counted(X, encoder, monkeypatch, decoder)[0] == 1


def test_a_code_that_moves_in_the_last_rows_alone_is_not_constant(monkeypatch):
    X = TABLES["digits"][:1000].copy()
    X[:, 20] = 0
    X[990:, 20] = 16
    encoder = _encoder(64, 4)
    nn.init.zeros_(encoder.weight[1])
    nn.init.ones_(encoder.weight[1, 20:21])
    assert _counted(X, encoder, monkeypatch) == (0, 10)
