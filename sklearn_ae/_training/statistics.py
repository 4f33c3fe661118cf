"""What is said of rows and of their codes, batch by batch; of rows in float64."""

from math import inf
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.utils.sparsefuncs import mean_variance_axis, min_max_axis
from torch import Tensor

from sklearn_ae._training.batches import Batch, Rows, rows_at_once
from sklearn_ae.nn import Autoencoder

# A range of so many roundings of the greatest value is none, in float64; coarser floats may hold
# numbers that lie as close, and one is.
_ROUNDING_STEPS = 8

# Rows are taken as sparse where at most this share of the entries is no zero: with more, a copy of
# them takes more memory, and products with it more time, than blocks of dense rows.
_SPARSE = 0.3

# Squares of numbers in this range, and their sums, keep all digits in float64.
_SQUARED_SAFELY = 1e-140, 1e140

# A code that moves by less than this share of the one that moves most is constant, unless it moves
# a feature by more than the other share of its deviation; and all are when the one that moves most
# does so by less than that share of the greatest deviation.
_CONSTANT, _ALL_CONSTANT = 1e-6, 1e-2


class Moments(NamedTuple):
    """Weighted mean and deviation, and extremes, of what is observed of each feature.

    A feature of which nothing is observed is the mean of the others throughout.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def variance(self) -> NDArray[np.float64]:
        """Squares of the deviations, which float64 may not hold."""
        with np.errstate(over="ignore", under="ignore"):
            return np.square(self.deviation)

    @property
    def common_deviation(self) -> np.float64:
        """The root of the mean variance."""
        unit = _power_of_two(self.deviation.max())
        return unit * np.sqrt(np.square(self.deviation / unit).mean())


def moments(rows: Rows) -> Moments:
    """Give the moments of each feature."""
    entries = sparse_entries(rows)
    with np.errstate(over="ignore", invalid="ignore"):  # infinite ones are told of
        total, mean, norm, low, high = (
            _sums_of_batches(rows) if entries is None else _sums_of_entries(entries, rows.weight)
        )
    seen = total > 0
    inside = mean[seen].mean()  # where it stretches no range
    low, high = np.where(seen, low, inside), np.where(seen, high, inside)
    # Rounding must not pass for spread: that of running sums, and that of the rows themselves.
    dtype = rows.source.dtype
    precision = np.finfo(dtype).eps if dtype.kind == "f" else 0.0
    steps = _ROUNDING_STEPS if dtype.itemsize == 8 else 1  # in any order of bytes
    rounding = steps * precision * np.maximum(np.abs(low), np.abs(high))
    deviation = norm / np.sqrt(np.where(seen, total, 1.0))
    constant = high - low <= rounding
    return Moments(np.where(low == high, low, mean), np.where(constant, 0.0, deviation), low, high)


def sparse_entries(rows: Rows) -> csr_array | None:
    """Give a copy of the rows in float64, where most of their entries are zeros."""
    if isinstance(rows.source, np.ndarray) or rows.observed is not None:
        return None
    n_samples, n_features = rows.source.shape
    if rows.source.nnz > _SPARSE * n_samples * n_features:
        return None
    entries = csr_array(rows.X, dtype=np.float64, copy=True)
    entries.sum_duplicates()
    return entries


class _Sums(NamedTuple):
    """Weight, mean, root of the squares about it, and extremes, by feature."""

    total: NDArray[np.float64]
    mean: NDArray[np.float64]
    norm: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def _sums_of_entries(entries: csr_array, weight: Tensor | None) -> _Sums:
    low, high = min_max_axis(entries, axis=0)
    unit = _power_of_two(np.maximum(np.abs(low), np.abs(high)))
    entries.data /= unit[entries.indices]  # their squares are numbers, however small or large
    mean, variance, total = mean_variance_axis(
        entries,
        axis=0,
        weights=None if weight is None else weight.double().numpy(),
        return_sum_weights=True,
    )
    return _Sums(total, mean * unit, np.sqrt(variance * total) * unit, low, high)


def _sums_of_batches(rows: Rows) -> _Sums:
    # StandardScaler.partial_fit gives NaN for a feature that the first batch has nothing of.
    nothing = np.zeros(rows.n_features)
    sums = _Sums(nothing, nothing, nothing, nothing + np.inf, nothing - np.inf)
    for batch in rows.batches(rows_at_once(rows.n_features), fill=torch.tensor(torch.nan)):
        sums = _joined(sums, _sums_of_batch(batch))
    return sums


def _sums_of_batch(batch: Batch) -> _Sums:
    low, high = (extreme.reduce(batch.x.numpy()) for extreme in (np.fmin, np.fmax))
    low, high = low.astype(np.float64), high.astype(np.float64)
    x = batch.x.double().numpy()
    weight = np.ones(len(x)) if batch.weight is None else batch.weight.double().numpy()
    spread, (least, most) = high - low, _SQUARED_SAFELY
    unit = np.where((spread < least) | (spread > most), _power_of_two(spread), 1.0)
    if batch.observed is None:
        total = np.full(x.shape[1], weight.sum())
        mean = weight @ x / total
        difference = x - mean
        if (unit != 1).any():
            difference /= unit
        rest = weight @ difference / total
        squares = weight @ np.square(difference, out=difference)
    else:
        counted = weight[:, None] * batch.observed.numpy()
        x = np.where(counted > 0, x, 0.0)
        total = counted.sum(axis=0)
        divisor = np.where(total > 0, total, 1.0)
        mean = (counted * x).sum(axis=0) / divisor
        difference = (x - mean) / unit
        squares = (counted * np.square(difference)).sum(axis=0)
        rest = (counted * difference).sum(axis=0) / divisor
    # The mean is rounded, against a large offset by more than the rows differ.
    squares = np.maximum(squares - total * np.square(rest), 0.0)
    return _Sums(total, mean + rest * unit, np.sqrt(squares) * unit, low, high)


def _power_of_two(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give units in which numbers are about 1, and have all their digits."""
    return np.ldexp(1.0, np.frexp(x)[1])


def _joined(one: _Sums, other: _Sums) -> _Sums:
    """Give the sums of two parts together.

    References
    ----------
    Chan, T. F., Golub, G. H. and LeVeque, R. J. (1983). Algorithms for computing the sample
    variance. The American Statistician 37, 242-247.
    """
    total = one.total + other.total
    share = other.total / np.where(total > 0, total, 1.0)
    difference = other.mean - one.mean
    between = np.abs(difference) * np.sqrt(one.total * share)
    return _Sums(
        total,
        one.mean + difference * share,
        np.hypot(np.hypot(one.norm, other.norm), between),
        np.fmin(one.low, other.low),
        np.fmax(one.high, other.high),
    )


@torch.inference_mode()
def count_constant_codes(module: Autoencoder, rows: Rows, device: str) -> int:
    """Give how many codes do not move over rows."""
    low, high, deviation = torch.tensor(inf), torch.tensor(-inf), torch.tensor(0.0)
    for batch in rows.batches(rows_at_once(rows.n_features), device=device, rescale=module.rescale):
        least, most = torch.aminmax(module.code(batch.target), dim=0)
        low, high = torch.minimum(least, low.to(least)), torch.maximum(most, high.to(most))
        of_batch = batch.target.std(dim=0, correction=0)
        deviation = torch.maximum(of_batch, deviation.to(of_batch))
        spread = high - low
        # Codes as far from constant as this are not looked at over the rest of the rows.
        if (
            spread.max() > 10 * _ALL_CONSTANT * deviation.max()
            and spread.min() > 1e3 * _CONSTANT * spread.max()
        ):
            return 0
    if not deviation.any():  # neither do the rows
        return 0
    spread = high - low
    # The feature that moves most: an offset of another is none.
    if spread.max() <= _ALL_CONSTANT * deviation.max():
        return len(spread)
    still = torch.nonzero(spread <= _CONSTANT * spread.max()).ravel()
    return len(still) - int(_moves_a_feature(module, still, low, high, deviation).sum())


@torch.inference_mode()
def variance_of_codes(module: Autoencoder, rows: Rows, device: str) -> NDArray[np.float64]:
    """Give the variance of each code over rows."""
    total, squares = torch.zeros(2, module.encoding_dim, dtype=torch.float64)
    for batch in rows.batches(rows_at_once(rows.n_features), device=device, rescale=module.rescale):
        code = module.code(batch.target).cpu().double()
        total, squares = total + code.sum(dim=0), squares + code.square().sum(dim=0)
    return (squares / len(rows) - (total / len(rows)).square()).numpy()


def _moves_a_feature(
    module: Autoencoder, codes: Tensor, low: Tensor, high: Tensor, deviation: Tensor
) -> Tensor:
    """Whether each of some codes, small as its range is, is all that a small feature needs."""
    ends = ((low + high) / 2).repeat(2, len(codes), 1)
    each = torch.arange(len(codes))
    ends[0, each, codes], ends[1, each, codes] = low[codes], high[codes]
    moved = module.decoder(ends[1]) - module.decoder(ends[0])
    return (moved.abs() > _ALL_CONSTANT * deviation).any(dim=1) & (low != high)[codes]


def beyond_float64(greatest: float) -> ValueError:
    """Give the error that rows of such values have no variance that is a number."""
    return ValueError(
        f"X: values up to {greatest:.3g} have a variance beyond float64. Divide X by a constant."
    )
