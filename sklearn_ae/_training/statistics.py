"""What is said of rows and of their codes, batch by batch; of rows in float64."""

from collections.abc import Iterator
from functools import cached_property
from math import inf
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.sparse.linalg import LinearOperator, svds
from sklearn.utils.extmath import svd_flip
from torch import Tensor

from sklearn_ae._training.batches import Rows, rows_at_once
from sklearn_ae._validation import Matrix
from sklearn_ae.nn import Autoencoder

# Up to here the covariance is formed, as in scikit-learn's PCA; beyond, it would cost more
# than what is wanted from it.
_MAX_COVARIANCE_FEATURES = 1000
# Share of the variance that is left of data that lie in fewer dimensions, in float64.
_ROUNDING = 1e-13

# A range of so many roundings of the greatest value is none, in float64; coarser floats may hold
# numbers that lie as close, and one is.
_ROUNDING_STEPS = 8

# A code that moves by less than this share of the one that moves most is constant, and all are
# when the one that moves most does so by less than the other share of the features' deviation.
_CONSTANT, _ALL_CONSTANT = 1e-6, 1e-2


class Moments(NamedTuple):
    """Weighted mean and variance, and extremes, of what is observed of each feature.

    A feature of which nothing is observed is the mean of the others throughout.
    """

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class PrincipalComponents(NamedTuple):
    """Components in rows, and the share of the variance that they leave."""

    components: NDArray[np.float64]
    residual: float


def moments(rows: Rows) -> Moments:
    """Give the moments of each feature.

    References
    ----------
    Chan, T. F., Golub, G. H. and LeVeque, R. J. (1983). Algorithms for computing the sample
    variance. The American Statistician 37, 242-247.
    """
    # StandardScaler.partial_fit gives NaN for a feature that the first batch has nothing of.
    total = mean = squares = np.zeros(rows.n_features)
    low = np.full(rows.n_features, np.inf)
    high = -low
    for batch in rows.batches(rows_at_once(rows.n_features), fill=torch.tensor(torch.nan)):
        x = batch.x.numpy().astype(np.float64, copy=False)
        low, high = np.fmin(low, np.fmin.reduce(x)), np.fmax(high, np.fmax.reduce(x))
        weight = np.ones(len(x)) if batch.weight is None else batch.weight.double().numpy()
        with np.errstate(over="ignore", invalid="ignore"):  # infinite ones are told of
            total, mean, squares = _joined((total, mean, squares), _sums(x, weight, batch.observed))
    seen = total > 0
    inside = mean[seen].mean()  # where it stretches no range
    low, high = np.where(seen, low, inside), np.where(seen, high, inside)
    # Rounding must not pass for spread: that of running sums, and that of the rows themselves.
    dtype = rows.source.dtype
    precision = np.finfo(dtype).eps if dtype.kind == "f" else 0.0
    steps = _ROUNDING_STEPS if dtype == np.float64 else 1
    rounding = steps * precision * np.maximum(np.abs(low), np.abs(high))
    variance = squares / np.where(seen, total, 1.0)
    constant = high - low <= rounding
    return Moments(np.where(low == high, low, mean), np.where(constant, 0.0, variance), low, high)


_Sums = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _sums(x: NDArray[np.float64], weight: NDArray[np.float64], observed: Tensor | None) -> _Sums:
    """Give weight, mean and weighted squares about the mean of what is observed, by feature."""
    if observed is None:
        total = np.full(x.shape[1], weight.sum())
        mean = weight @ x / total
        difference = x - mean
        rest = weight @ difference / total
        squares = weight @ np.square(difference, out=difference)
    else:
        counted = weight[:, None] * observed.numpy()
        x = np.where(counted > 0, x, 0.0)
        total = counted.sum(axis=0)
        divisor = np.where(total > 0, total, 1.0)
        mean = (counted * x).sum(axis=0) / divisor
        difference = x - mean
        squares = (counted * np.square(difference)).sum(axis=0)
        rest = (counted * difference).sum(axis=0) / divisor
    # The mean is rounded, against a large offset by more than the rows differ.
    return total, mean + rest, squares - total * np.square(rest)


def _joined(one: _Sums, other: _Sums) -> _Sums:
    total = one[0] + other[0]
    share = other[0] / np.where(total > 0, total, 1.0)
    difference = other[1] - one[1]
    squares = one[2] + other[2] + np.square(difference) * one[0] * share
    return total, one[1] + difference * share, squares


def principal_components(
    rows: Rows,
    shift: NDArray[np.float64],
    scale: NDArray[np.float64],
    n_components: int,
) -> PrincipalComponents:
    """Give the principal components of ``(rows - shift) / scale``.

    Parameters
    ----------
    rows : Rows
    shift : ndarray of shape (n_features,)
        Mean of each feature.
    scale : ndarray of shape () or (n_features,)
        What each feature is divided by.
    n_components : int
        How many components at most; there are fewer where the rows have a smaller rank.

    Returns
    -------
    components : PrincipalComponents
    """
    scaled = _ScaledRows(rows, shift, scale)
    n_samples, n_features = scaled.shape
    # ARPACK needs fewer components than either side; small sides have a direct answer.
    if n_features <= max(_MAX_COVARIANCE_FEATURES, n_components):
        variances, components, total = _from_covariance(scaled, n_components)
    elif n_samples <= max(_MAX_COVARIANCE_FEATURES, n_components):
        variances, components, total = _from_products_of_rows(scaled, n_components)
    else:
        _, singular, components = svds(
            scaled, k=n_components, v0=np.ones(min(scaled.shape)), return_singular_vectors="vh"
        )
        variances, components = singular[::-1] ** 2, components[::-1]
        total = scaled.total_variance()
    _, components = svd_flip(None, np.ascontiguousarray(components), u_based_decision=False)
    found = (variances > _ROUNDING * total)[:n_components]
    components = components[: len(found)][found]
    residual = 1 - variances[: len(found)][found].sum() / total
    if len(components) < n_components or residual < _ROUNDING:
        residual = 0.0
    return PrincipalComponents(components, float(residual))


def _from_covariance(
    scaled: "_ScaledRows", n_components: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    n_features = scaled.shape[1]
    gram = np.zeros((n_features, n_features))
    for x in scaled:
        gram += x.T @ x
    first = max(0, n_features - n_components)
    variances, vectors = eigh(gram, subset_by_index=[first, n_features - 1])
    return variances[::-1], vectors.T[::-1], float(np.trace(gram))


def _from_products_of_rows(
    scaled: "_ScaledRows", n_components: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Do the same by the products of rows, of which there are fewer, without the whole matrix."""
    n_samples = scaled.shape[0]
    gram = np.concatenate([scaled @ x.T for x in scaled], axis=1)
    first = max(0, n_samples - n_components)
    variances, vectors = eigh(gram, subset_by_index=[first, n_samples - 1])
    components = (scaled.T @ vectors).T
    components /= np.linalg.norm(components, axis=1, keepdims=True).clip(np.finfo(float).tiny)
    return variances[::-1], components[::-1], float(np.trace(gram))


class _ScaledRows(LinearOperator):
    """Centred and scaled rows, times the root of their weight, as a matrix never formed.

    Products with sparse rows are sparse: batches of them, made dense again and again, would
    take a hundred times as long. All is numpy's: threads of torch and of its BLAS, in turns,
    wait for each other.
    """

    def __init__(self, rows: Rows, shift: NDArray[np.float64], scale: NDArray[np.float64]) -> None:
        super().__init__(np.dtype(np.float64), (len(rows), rows.n_features))
        self.rows = rows
        self.shift, self.scale = shift, scale
        self.root = np.ones((len(rows), 1))
        if rows.weight is not None:
            self.root = rows.weight.double().sqrt().numpy()[:, None]
        self.offset = (shift / scale)[:, None]
        self.factor = np.broadcast_to(1 / scale, shift.shape)[:, None]

    @cached_property
    def sparse(self) -> Matrix | None:
        """The rows as they are, where products with them are sparse."""
        if isinstance(self.rows.source, np.ndarray) or self.rows.observed is not None:
            return None
        return self.rows.X.astype(np.float64)

    def __iter__(self) -> Iterator[NDArray[np.float64]]:
        first, fill = 0, torch.from_numpy(self.shift)
        for batch in self.rows.batches(rows_at_once(self.shape[1]), fill=fill):
            x = batch.x.numpy() - self.shift  # which is in float64
            x /= self.scale
            if self.rows.weight is not None:
                x *= self.root[first : first + len(x)]
            first += len(x)
            del batch  # before the next is read beside it
            yield x

    def total_variance(self) -> float:
        return float(sum(np.square(x).sum() for x in self))

    def _matmat(self, V: NDArray) -> NDArray:
        if self.sparse is not None:
            return self.root * (self.sparse @ (self.factor * V) - self.offset.T @ V)
        return np.concatenate([x @ V for x in self])

    def _matvec(self, v: NDArray) -> NDArray:
        return self._matmat(v.reshape(-1, 1)).ravel()

    def _rmatmat(self, U: NDArray) -> NDArray:
        if self.sparse is not None:
            weighted = self.root * U
            return self.factor * (self.sparse.T @ weighted) - self.offset * weighted.sum(axis=0)
        first, total = 0, np.zeros((self.shape[1], U.shape[1]))
        for x in self:
            total += x.T @ U[first : first + len(x)]
            first += len(x)
        return total

    def _rmatvec(self, u: NDArray) -> NDArray:
        return self._rmatmat(u.reshape(-1, 1)).ravel()


@torch.inference_mode()
def count_constant_codes(module: Autoencoder, rows: Rows, device: str) -> int:
    """Give how many codes do not move over rows."""
    low, high, deviation = torch.tensor(inf), torch.tensor(-inf), torch.tensor(0.0)
    for batch in rows.batches(rows_at_once(rows.n_features), device=device, rescale=module.rescale):
        least, most = torch.aminmax(module.code(batch.target), dim=0)
        low, high = torch.minimum(least, low.to(least)), torch.maximum(most, high.to(most))
        # That of the feature which moves most: an offset of another is none.
        of_batch = batch.target.std(dim=0, correction=0).max()
        deviation = torch.maximum(of_batch, deviation.to(of_batch))
        spread = high - low
        # Codes as far from constant as this are not looked at over the rest of the rows.
        if (
            spread.max() > 10 * _ALL_CONSTANT * deviation
            and spread.min() > 1e3 * _CONSTANT * spread.max()
        ):
            return 0
    if not deviation:  # neither do the rows
        return 0
    spread = high - low
    all_constant = spread.max() <= _ALL_CONSTANT * deviation
    return int((all_constant | (spread <= _CONSTANT * spread.max())).sum())
