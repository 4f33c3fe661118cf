"""Factors of incomplete rows, held against scikit-learn's of complete ones and against algebra."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import FactorAnalysis

from sklearn_ae._training.factors import fit_factors

PRECISE = {"max_iter": 2_000, "tol": 1e-5}


def rows_of(n_samples, seed=0):
    """Give rows of variance 1 with two factors, and their covariance."""
    rng = np.random.RandomState(seed)
    loadings = rng.standard_normal((6, 2))
    covariance = loadings @ loadings.T + np.diag(rng.uniform(0.3, 1.0, 6))
    deviation = np.sqrt(np.diag(covariance))
    covariance /= np.outer(deviation, deviation)
    return rng.multivariate_normal(np.zeros(6), covariance, n_samples), covariance


def covariance_of(factors):
    loadings = factors.weights[:, 1:]
    return loadings @ loadings.T + np.diag(factors.noise)


def expected_of(row, observed, mean, covariance):
    """Give the conditional mean of a normal distribution, from its definition."""
    known = np.flatnonzero(observed)
    weights = np.linalg.solve(covariance[np.ix_(known, known)], row[known] - mean[known])
    return mean + covariance[:, known] @ weights


def hidden(X, share=0.3, seed=0):
    observed = np.random.RandomState(seed).uniform(size=X.shape) > share
    return np.where(observed, X, 0.0), observed


def test_of_complete_rows_they_are_those_of_factor_analysis():
    X, _ = rows_of(5_000)
    observed = np.ones(X.shape, dtype=bool)
    ours = fit_factors(X, observed, 2, **PRECISE)
    theirs = FactorAnalysis(2, tol=1e-6, max_iter=5_000, svd_method="lapack").fit(X)
    assert_allclose(covariance_of(ours), theirs.get_covariance(), atol=5e-3)
    assert_allclose(ours.noise, theirs.noise_variance_, atol=5e-3)
    assert_allclose(ours.weights[:, 0], theirs.mean_, atol=5e-3)


def test_of_incomplete_rows_they_find_the_covariance():
    X, covariance = rows_of(20_000)
    factors = fit_factors(*hidden(X), 2, **PRECISE)
    assert_allclose(covariance_of(factors), covariance, atol=0.03)
    assert factors.n_iter < PRECISE["max_iter"]


def test_what_is_expected_is_the_conditional_mean():
    X, _ = rows_of(2_000)
    X, observed = hidden(X)
    factors = fit_factors(X, observed, 2, max_iter=20, tol=0)
    assert factors.n_iter == 20
    factors = factors._replace(uncertainty=np.zeros_like(factors.uncertainty))
    found = factors.expected(X[:50], observed[:50])
    for row, which, expected in zip(X[:50], observed[:50], found, strict=True):
        of_definition = expected_of(row, which, factors.weights[:, 0], covariance_of(factors))
        assert_allclose(expected[~which], of_definition[~which], atol=1e-8)


def test_draws_have_the_conditional_mean_and_covariance():
    X, _ = rows_of(500)
    X, observed = hidden(X)
    factors = fit_factors(X, observed, 2, max_iter=20, tol=0)
    factors = factors._replace(uncertainty=np.zeros_like(factors.uncertainty))
    row, which = np.tile(X[:1], (20_000, 1)), np.array([True, False, True, False, False, True])
    expected, drawn = factors.drawn(
        np.where(which, row, 0.0), np.tile(which, (len(row), 1)), np.random.RandomState(0)
    )
    known, missing = np.flatnonzero(which), np.flatnonzero(~which)
    covariance = covariance_of(factors)
    across = covariance[np.ix_(missing, known)]
    left = covariance[np.ix_(missing, missing)] - across @ np.linalg.solve(
        covariance[np.ix_(known, known)], across.T
    )
    assert_allclose(drawn[:, missing].mean(axis=0), expected[0, missing], atol=0.03)
    assert_allclose(np.cov(drawn[:, missing].T), left, atol=0.03)


def test_a_row_of_which_nothing_is_observed_is_the_mean():
    X, _ = rows_of(500)
    X, observed = hidden(X + 0.5)
    factors = fit_factors(X, observed, 2, max_iter=20, tol=0)
    expected = factors.expected(np.zeros((1, 6)), np.zeros((1, 6), dtype=bool))
    assert_allclose(expected[0], factors.weights[:, 0])
    assert_allclose(expected[0], 0.5, atol=0.15)


def test_they_do_not_depend_on_the_order_of_rows():
    X, _ = rows_of(300)
    X, observed = hidden(X)
    order = np.random.RandomState(1).permutation(300)
    one = fit_factors(X, observed, 2, max_iter=30, tol=0)
    other = fit_factors(X[order], observed[order], 2, max_iter=30, tol=0)
    assert_allclose(one.expected(X, observed)[order], other.expected(X[order], observed[order]))


@pytest.mark.parametrize("n_factors", [1, 6, 40])
def test_there_are_no_more_than_rows_or_features(n_factors):
    X, _ = rows_of(30)
    X, observed = hidden(X)
    factors = fit_factors(X, observed, n_factors, max_iter=5, tol=0)
    assert factors.weights.shape == (6, 1 + min(n_factors, 6))
    assert np.isfinite(factors.expected(X, observed)).all()


def test_features_that_are_constant_or_equal_are_no_failure():
    X, _ = rows_of(60)
    X = np.column_stack([X, X[:, 0], np.zeros(60)])
    X, observed = hidden(X)
    factors = fit_factors(X, observed, 8, max_iter=100, tol=1e-3)
    expected = factors.expected(X, observed)
    assert np.isfinite(expected).all()
    only_one = observed[:, 6] & ~observed[:, 0]
    assert_allclose(expected[only_one, 0], X[only_one, 6], atol=0.2)
