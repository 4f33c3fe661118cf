"""Principal components of rows that are read in blocks, in float64."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh, qr
from scipy.sparse import csr_array
from scipy.sparse.linalg import LinearOperator, svds
from sklearn.utils.extmath import svd_flip

from sklearn_ae._training.batches import Rows, rows_at_once
from sklearn_ae._training.statistics import sparse_entries

# Up to here the products of all features, or of all rows, are formed, as in scikit-learn's PCA, or
# where they are not so many times the components; beyond, they cost more than what is wanted.
_MAX_SIDE, _MAX_SIDE_BY_COMPONENT = 1000, 6

# Variances are squares: of one below this share of the greatest, rounding leaves half the digits.
_FOUND_AT_ONCE = 1e-8

# Cosines of less are rounding.
_ORTHOGONAL = 1e-15

# Random directions beside the components that are wanted, passes over the rows, and the share of
# a variance that products with its component may miss. scikit-learn's PCA makes eight passes
# without looking, and finds a little less.
_OVERSAMPLES, _MAX_PASSES, _MISSING = 10, 5, 1e-4

# Rows are rebuilt where no more is left than this share of the greatest value of each row and of
# each feature, in float64, or so many roundings of the dtype that they came in. Products are
# rounded as the whole row is, of which a feature may be a small part.
_ROUNDING, _ROUNDING_STEPS = 1e-11, 8
# More of the variance than this is no rounding, which spares a look at each feature.
_MAY_BE_ROUNDING = 1e-3

# How many components are looked at first to see which share of the variance they keep.
_FIRST_GUESS = 64

_Matrix = NDArray[np.float64]


class PrincipalComponents(NamedTuple):
    """Components in rows, and the share of the variance that they leave.

    It is 0 where they rebuild every feature to its own rounding.
    """

    components: _Matrix
    residual: float


def principal_components(
    rows: Rows,
    shift: NDArray[np.float64],
    scale: NDArray[np.float64],
    n_components: int,
) -> PrincipalComponents:
    """Give the principal components of ``(rows - shift) / scale``.

    Components of little variance are as accurate as those of a singular value decomposition,
    however large the variance of others is.

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
    scaled = _scaled(rows, shift, scale)
    find = _way_to_find(scaled, n_components)
    components = np.empty((0, rows.n_features))
    total, kept, least, residual = 0.0, 0.0, 0.0, 1.0
    while residual and len(components) < n_components:
        found = find(scaled, n_components - len(components), components)
        if not total:
            total = found.total
            least = found.variances[0] * (max(scaled.shape) * np.finfo(float).eps) ** 2
        accurate = found.variances > max(_FOUND_AT_ONCE * found.variances[0], least)
        if not accurate.any():
            break
        kept += found.variances[accurate].sum()
        residual = 1 - kept / total
        more = _orthonormal(found.components[accurate].T, components.T)
        may_be_rounding = residual < _MAY_BE_ROUNDING
        if may_be_rounding:  # of the squares by which they were found, too
            more = _orthonormal(scaled.gram_times(more), components.T)
        components = np.concatenate([components, more.T])
        if may_be_rounding:
            residual = _measured_residual(scaled, components)
    _, components = svd_flip(None, components, u_based_decision=False)
    return PrincipalComponents(components, float(residual))


def n_components_for(
    rows: Rows,
    shift: NDArray[np.float64],
    scale: NDArray[np.float64],
    share: float,
) -> int:
    """Give how many principal components keep more than a share of the variance.

    Parameters
    ----------
    rows : Rows
    shift : ndarray of shape (n_features,)
        Mean of each feature.
    scale : ndarray of shape () or (n_features,)
        What each feature is divided by.
    share : float
        Between 0 and 1.

    Returns
    -------
    n_components : int
        As `sklearn.decomposition.PCA` counts them.
    """
    scaled, nothing = _scaled(rows, shift, scale), np.empty((0, rows.n_features))
    most = min(scaled.shape)
    n_components = most if most <= _MAX_SIDE else _FIRST_GUESS
    while True:
        found = _way_to_find(scaled, n_components)(scaled, n_components, nothing)
        kept = np.cumsum(found.variances) / found.total
        if kept[-1] > share or n_components == most:
            return min(int(np.searchsorted(kept, share, side="right")) + 1, most)
        n_components = min(2 * n_components, most)


# Four ways to find components beside others that are known


class _Found(NamedTuple):
    """Variances in falling order, their components in rows, and the variance of all there is."""

    variances: NDArray[np.float64]
    components: _Matrix
    total: float


_Way = Callable[["_ScaledRows", int, _Matrix], _Found]


def _way_to_find(scaled: "_ScaledRows", n_components: int) -> _Way:
    n_samples, n_features = scaled.shape
    if min(scaled.shape) <= max(_MAX_SIDE, _MAX_SIDE_BY_COMPONENT * n_components):
        return _by_products_of_features if n_features <= n_samples else _by_products_of_rows
    return _by_single_vectors if isinstance(scaled, _SparseRows) else _by_blocks_of_vectors


def _by_products_of_features(scaled: "_ScaledRows", n_components: int, known: _Matrix) -> _Found:
    variances, vectors, total = _largest(scaled.blocks(), n_components, known.T)
    return _Found(variances, vectors.T, total)


def _by_products_of_rows(scaled: "_ScaledRows", n_components: int, known: _Matrix) -> _Found:
    known_of_rows = np.linalg.qr(scaled.times(known.T))[0]  # scipy's refuses what is empty
    columns = (x.T for x in scaled.blocks_of_columns())
    variances, vectors, total = _largest(columns, n_components, known_of_rows)
    return _Found(variances, scaled.transposed_times(vectors).T, total)


def _largest(
    blocks: Iterator[_Matrix], n_vectors: int, known: _Matrix
) -> tuple[NDArray[np.float64], _Matrix, float]:
    """Give the largest eigenvalues of the sum of ``x.T @ x``, their vectors, and the trace."""
    side = len(known)
    products = np.zeros((side, side))
    for x in blocks:
        if known.size:
            x -= (x @ known) @ known.T
        products += x.T @ x
    first = max(0, side - n_vectors)
    values, vectors = eigh(products, subset_by_index=[first, side - 1])
    return values[::-1], vectors[:, ::-1], float(np.trace(products))


def _by_blocks_of_vectors(scaled: "_ScaledRows", n_components: int, known: _Matrix) -> _Found:
    """Find them among the powers of the covariance times some random directions.

    References
    ----------
    Musco, C. and Musco, C. (2015). Randomized block Krylov methods for stronger and faster
    approximate singular value decomposition. NeurIPS.
    """
    n_features, n_known = scaled.shape[1], len(known)
    n_directions = n_components + _OVERSAMPLES
    block = np.random.RandomState(0).standard_normal((n_features, n_directions))
    basis = known.T
    products = np.zeros((n_directions * _MAX_PASSES,) * 2)  # of the basis with its images
    variances, vectors = np.empty(0), np.empty((0, 0))
    last, is_found = 0, False
    while not is_found and last < len(products):
        block = _orthonormal(block, basis)
        basis = np.hstack([basis, block])
        image = scaled.gram_times(block)
        inside = basis.T @ image
        products[: last + n_directions, last : last + n_directions] = inside[n_known:]
        last += n_directions
        # Of which eigh looks at the upper triangle alone.
        variances, vectors = eigh(
            products[:last, :last], subset_by_index=[last - n_components, last - 1], lower=False
        )
        block = image - basis @ inside
        missing = np.linalg.norm(block @ vectors[-n_directions:], axis=0)
        is_found = (missing <= _MISSING * variances.clip(_FOUND_AT_ONCE * variances[-1])).all()
    components = (basis[:, n_known:] @ vectors).T
    return _Found(variances[::-1], components[::-1], scaled.total_variance())


def _by_single_vectors(scaled: "_ScaledRows", n_components: int, known: _Matrix) -> _Found:
    """Find them by ARPACK, as scikit-learn does for sparse rows."""

    def times(v: NDArray[np.float64]) -> NDArray[np.float64]:
        return scaled.times(_without(v.reshape(len(v), -1), known.T))

    def transposed_times(u: NDArray[np.float64]) -> NDArray[np.float64]:
        return _without(scaled.transposed_times(u.reshape(len(u), -1)), known.T)

    operator = LinearOperator(
        scaled.shape, times, transposed_times, times, np.float64, transposed_times
    )
    first = np.random.RandomState(0).uniform(-1, 1, min(scaled.shape))
    _, singular, components = svds(operator, k=n_components, v0=first, return_singular_vectors="vh")
    return _Found(singular[::-1] ** 2, components[::-1], scaled.total_variance())


# Vectors in columns


def _without(vectors: _Matrix, basis: _Matrix) -> _Matrix:
    return vectors - basis @ (basis.T @ vectors)


def _orthonormal(vectors: _Matrix, basis: _Matrix) -> _Matrix:
    """Give vectors that span the same beside a basis."""
    for _attempt in range(2):  # after which nothing but rounding is left of the basis
        vectors, _ = qr(_without(vectors, basis), mode="economic", check_finite=False)
        if np.abs(basis.T @ vectors).max(initial=0.0) < _ORTHOGONAL:
            break
    return vectors


# Rows


class _ScaledRows:
    """Centred and scaled rows, times the root of their weight, as a matrix never formed.

    All is numpy's: threads of torch and of its BLAS, in turns, wait for each other.
    """

    def __init__(self, rows: Rows, shift: NDArray[np.float64], scale: NDArray[np.float64]) -> None:
        self.rows = rows
        self.shape = len(rows), rows.n_features
        self.shift, self.scale = shift, np.broadcast_to(scale, shift.shape)
        self.factor = 1 / self.scale
        self.root = None if rows.weight is None else rows.weight.double().sqrt().numpy()[:, None]

    def blocks(self) -> Iterator[_Matrix]:
        """Give some rows at a time."""
        for x in self._centred():
            x *= self.factor
            yield x

    def blocks_of_columns(self) -> Iterator[_Matrix]:
        """Give some columns at a time, of all rows, which are few."""
        rows, width = self.rows, rows_at_once(self.shape[0])
        for first in range(0, self.shape[1], width):
            some = slice(first, first + width)
            observed = None if rows.observed is None else rows.observed[:, some]
            part = Rows(
                rows.source[:, some],
                index=rows.index,
                sample_weight=rows.sample_weight,
                observed=observed,
            )
            scaled = _ScaledRows(part, self.shift[some], self.scale[some])
            yield np.concatenate(list(scaled.blocks()))

    def _centred(self) -> Iterator[_Matrix]:
        first, fill = 0, torch.from_numpy(self.shift)
        for batch in self.rows.batches(rows_at_once(self.shape[1]), fill=fill):
            x = batch.x.numpy() - self.shift  # which is in float64
            if self.root is not None:
                x *= self.root[first : first + len(x)]
            first += len(x)
            del batch  # before the next is read beside it
            yield x

    def times(self, vectors: _Matrix) -> _Matrix:
        """Give the products of all rows with vectors."""
        vectors = self.factor[:, None] * vectors
        return np.concatenate([x @ vectors for x in self._centred()])

    def transposed_times(self, vectors: _Matrix) -> _Matrix:
        """Give the products of all columns with vectors."""
        first, total = 0, np.zeros((self.shape[1], vectors.shape[1]))
        for x in self._centred():
            total += x.T @ vectors[first : first + len(x)]
            first += len(x)
        return self.factor[:, None] * total

    def gram_times(self, vectors: _Matrix) -> _Matrix:
        """Give the products of all columns with those of all rows with vectors, in one pass."""
        # Vectors in rows: numpy takes three quarters of the time for these.
        vectors = vectors.T * self.factor
        total = np.zeros(vectors.shape)
        for x in self._centred():
            total += (vectors @ x.T) @ x
        return (self.factor * total).T

    def total_variance(self) -> float:
        """Give the sum of all squares."""
        return float(sum(np.vdot(x, x) for x in self.blocks()))


class _SparseRows(_ScaledRows):
    """The same of rows that are mostly zeros, with which products are sparse."""

    def __init__(
        self,
        rows: Rows,
        shift: NDArray[np.float64],
        scale: NDArray[np.float64],
        entries: csr_array,
    ) -> None:
        super().__init__(rows, shift, scale)
        root = np.ones((len(rows), 1)) if self.root is None else self.root
        self.entries = entries.multiply(self.factor).multiply(root).tocsr()
        # What is taken from each entry.
        self.column, self.row = root, shift * self.factor

    def times(self, vectors: _Matrix) -> _Matrix:
        """Give the products of all rows with vectors."""
        return self.entries @ vectors - self.column * (self.row @ vectors)

    def transposed_times(self, vectors: _Matrix) -> _Matrix:
        """Give the products of all columns with vectors."""
        return self.entries.T @ vectors - self.row[:, None] * (self.column.T @ vectors)

    def gram_times(self, vectors: _Matrix) -> _Matrix:
        """Give the products of all columns with those of all rows with vectors."""
        return self.transposed_times(self.times(vectors))

    def total_variance(self) -> float:
        """Give the sum of all squares."""
        x, taken = self.entries.tocoo(), np.square(self.column).sum() * np.square(self.row).sum()
        return float(np.vdot(x.data, x.data - 2 * self.column[x.row, 0] * self.row[x.col]) + taken)


def _scaled(rows: Rows, shift: NDArray[np.float64], scale: NDArray[np.float64]) -> _ScaledRows:
    entries = sparse_entries(rows)
    if entries is None:
        return _ScaledRows(rows, shift, scale)
    return _SparseRows(rows, shift, scale, entries)


def _measured_residual(scaled: _ScaledRows, components: _Matrix) -> float:
    """Give the share of the variance that is left, or 0 where it is rounding of what there is.

    Neither must pass for rounding of the other: what a small feature has beside a large one, and
    what all rows have beside one that lies far out.
    """
    n_features = scaled.shape[1]
    if len(components) == n_features:  # whatever they are, they span all there is
        return 0.0
    rows = scaled.rows
    dtype = rows.source.dtype
    share = max(_ROUNDING, _ROUNDING_STEPS * np.finfo(dtype).eps if dtype.kind == "f" else 0.0)
    every_row_alike = Rows(rows.source, index=rows.index, observed=rows.observed)
    offset = scaled.shift * scaled.factor
    most_left, most, greatest = np.zeros((3, n_features))
    squares_left, squares, is_rounding = [], [], True
    for x in _ScaledRows(every_row_alike, scaled.shift, scaled.scale).blocks():
        left = np.abs(x - (x @ components.T) @ components)
        squares_left.append(np.einsum("ij,ij->i", left, left))
        squares.append(np.einsum("ij,ij->i", x, x))
        most_left = np.maximum(most_left, left.max(axis=0))
        most = np.maximum(most, np.abs(x).max(axis=0))
        np.abs(np.add(x, offset, out=x), out=x)
        greatest = np.maximum(greatest, x.max(axis=0))
        of_row = x.max(axis=1)
        is_rounding &= bool(((left.max(axis=1) <= share * of_row) | (of_row == 0)).all())
    # Of a feature that is constant, up to rounding, there is nothing to rebuild.
    if is_rounding and (np.minimum(most_left, most) <= share * greatest).all():
        return 0.0
    weight = 1.0 if scaled.root is None else np.square(scaled.root[:, 0])
    left_of_rows, of_rows = np.concatenate(squares_left), np.concatenate(squares)
    return float((weight * left_of_rows).sum() / (weight * of_rows).sum())
