"""Factor analysis of rows of which entries are missing: the line that imputation starts at."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.extmath import randomized_svd

Matrix = NDArray[np.floating]
Mask = NDArray[np.bool_]

# The least variance of what is a feature's own, of 1: less would let one feature say all.
_LEAST_NOISE = 1e-3


class Factors(NamedTuple):
    """A normal distribution of features: the sum of few factors, and what is each feature's own.

    Parameters
    ----------
    weights : ndarray of shape (n_features, 1 + n_factors)
        Mean of each feature, and its loadings.
    uncertainty : ndarray of shape (n_features, 1 + n_factors, 1 + n_factors)
        Covariance of each feature's weights, given the rows that they were found in.
    noise : ndarray of shape (n_features,)
        Variance of what is each feature's own.
    n_iter : int
        Iterations that it took to find them.
    """

    weights: Matrix
    uncertainty: Matrix
    noise: Matrix
    n_iter: int

    @property
    def second_moments(self) -> NDArray[np.floating]:
        """Mean products of each feature's weights."""
        return self.weights[:, :, None] * self.weights[:, None] + self.uncertainty

    def expected(self, X: Matrix, observed: Mask) -> Matrix:
        """Give the mean of each entry, given those of its row that are observed.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows, with 0 where nothing is observed.
        observed : ndarray of bool of shape (n_samples, n_features)
            The entries that are known.

        Returns
        -------
        expected : ndarray of shape (n_samples, n_features)
        """
        patterns = _Patterns(observed)
        return self._rows_of(_factors_of(self, X, patterns, self._covariances(patterns)))

    def drawn(self, X: Matrix, observed: Mask, rng: np.random.RandomState) -> tuple[Matrix, Matrix]:
        """Give the mean of each entry, as `expected` does, and a draw around it."""
        patterns = _Patterns(observed)
        covariances = self._covariances(patterns)
        factors = _factors_of(self, X, patterns, covariances)
        spread = rng.standard_normal(factors.shape)
        for root, rows in zip(np.linalg.cholesky(covariances), patterns.rows, strict=True):
            spread[rows] = spread[rows] @ root.T
        own = rng.standard_normal(X.shape) * np.sqrt(self.noise)
        return self._rows_of(factors), self._rows_of(factors + spread) + own

    def _rows_of(self, factors: Matrix) -> Matrix:
        return self.weights[:, 0] + factors @ self.weights[:, 1:].T

    def _covariances(self, patterns: "_Patterns") -> NDArray[np.floating]:
        precision = _precisions(self, patterns)[:, 1:, 1:]
        return np.linalg.inv(precision + np.eye(precision.shape[1]))


class _Patterns:
    """Which entries are observed together, and in which rows: few of images, many of tables."""

    def __init__(self, observed: Mask) -> None:
        _, first, which = np.unique(
            np.packbits(observed, axis=1), axis=0, return_index=True, return_inverse=True
        )
        which = which.ravel()
        self.observed = observed[first].astype(np.float64)
        self.which = which
        self.rows = np.split(np.argsort(which, kind="stable"), np.cumsum(np.bincount(which))[:-1])


def fit_factors(X: Matrix, observed: Mask, n_factors: int, *, max_iter: int, tol: float) -> Factors:
    """Find factors by expectation maximisation over the entries that are observed.

    The weights of each feature are a normal distribution, not a point, as in variational Bayes, so
    that a feature that is seldom observed says little of the factors. Before anything is observed
    it is the standard one; with many rows it all is maximum likelihood.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows of features of variance 1 or 0, with 0 where nothing is observed.
    observed : ndarray of bool of shape (n_samples, n_features)
        The entries that are known.
    n_factors : int
        How many factors at most; there are no more than rows or features.
    max_iter : int
        Iterations at most.
    tol : float
        Ends where no feature's own variance moves by more than this share of itself.

    Returns
    -------
    factors : Factors

    References
    ----------
    Rubin, D. B. and Thayer, D. T. (1982). EM algorithms for ML factor analysis. Psychometrika 47.

    Ilin, A. and Raiko, T. (2010). Practical approaches to principal component analysis in the
    presence of missing values. Journal of Machine Learning Research 11, 1957-2000.
    """
    patterns = _Patterns(observed)
    factors = _principal(X, n_factors)
    for n_iter in range(1, max_iter + 1):
        before, factors = factors, _iterated(factors, X, observed, patterns)._replace(n_iter=n_iter)
        if np.abs(np.log(factors.noise / before.noise)).max() < tol:
            break
    return factors


def _principal(X: Matrix, n_factors: int) -> Factors:
    """Give principal components of the rows as they stand."""
    n_samples, n_features = X.shape
    n_factors = min(n_factors, n_samples, n_features)
    _, singular, components = randomized_svd(
        X, n_factors, power_iteration_normalizer="QR", random_state=0
    )
    weights = np.zeros((n_features, 1 + n_factors))
    weights[:, 1:] = components.T * singular / np.sqrt(n_samples)
    noise: Matrix = np.maximum(1 - np.square(weights).sum(axis=1), 0.1)
    return Factors(weights, np.zeros((n_features, 1 + n_factors, 1 + n_factors)), noise, 0)


def _iterated(factors: Factors, X: Matrix, observed: Mask, patterns: _Patterns) -> Factors:
    covariances = factors._covariances(patterns)
    values = _factors_of(factors, X, patterns, covariances)
    # Factors of mean 0 and variance 1, which spares many iterations.
    counts = np.array([len(rows) for rows in patterns.rows])
    values -= values.mean(axis=0)
    variance = values.T @ values + np.tensordot(counts, covariances, axes=1)
    inverse_root = np.linalg.inv(np.linalg.cholesky(variance / len(X)))
    values = np.column_stack([np.ones(len(X)), values @ inverse_root.T])
    moments = np.stack([values[rows].T @ values[rows] for rows in patterns.rows])
    covariances = inverse_root @ covariances @ inverse_root.T
    moments[:, 1:, 1:] += counts[:, None, None] * covariances

    side = values.shape[1]
    products = (patterns.observed.T @ moments.reshape(len(moments), -1)).reshape(-1, side, side)
    # Of features of variance 1, weights are of that size before anything is observed.
    uncertainty = np.linalg.inv(products / factors.noise[:, None, None] + np.eye(side))
    images = X.T @ values
    weights = (uncertainty @ (images / factors.noise[:, None])[:, :, None])[:, :, 0]
    found = Factors(weights, uncertainty, factors.noise, 0)
    left = np.square(X).sum(axis=0) - 2 * (weights * images).sum(axis=1)
    left += (products * found.second_moments).sum(axis=(1, 2))
    noise = (left + _LEAST_NOISE) / (observed.sum(axis=0) + 1)
    return found._replace(noise=np.maximum(noise, _LEAST_NOISE))


def _precisions(factors: Factors, patterns: _Patterns) -> NDArray[np.floating]:
    """Give what the observed entries of each pattern say of the factors."""
    side = factors.weights.shape[1]
    by_noise = patterns.observed / factors.noise
    second = factors.second_moments.reshape(len(factors.noise), -1)
    return (by_noise @ second).reshape(-1, side, side)


def _factors_of(
    factors: Factors, X: Matrix, patterns: _Patterns, covariances: NDArray[np.floating]
) -> Matrix:
    """Give the mean of the factors of each row."""
    taken = _precisions(factors, patterns)[:, 1:, 0]
    values = (X / factors.noise) @ factors.weights[:, 1:] - taken[patterns.which]
    for covariance, rows in zip(covariances, patterns.rows, strict=True):
        values[rows] = values[rows] @ covariance
    return values
