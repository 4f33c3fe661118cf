"""What is said of rows and of their codes, batch by batch; of rows in float64."""

from collections.abc import Iterator
from math import inf
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh, svd
from scipy.sparse.linalg import LinearOperator, svds
from sklearn.preprocessing import StandardScaler
from sklearn.utils.extmath import svd_flip

from sklearn_ae._training.batches import Rows
from sklearn_ae.nn import Autoencoder

_BATCH_SIZE = 2048
# Up to here the covariance is formed, as in scikit-learn's PCA; beyond, it would cost more
# than what is wanted from it.
_MAX_COVARIANCE_FEATURES = 1000
# Share of the variance that is left of data that lie in fewer dimensions, in float64.
_ROUNDING = 1e-13

# A code that moves by less than this share of the one that moves most is constant, and all are
# when the one that moves most does so by less than the other share of the features' deviation.
_CONSTANT, _ALL_CONSTANT = 1e-6, 1e-2


class Moments(NamedTuple):
    """Weighted mean and variance, and extremes, of each feature."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


class PrincipalComponents(NamedTuple):
    """Components in rows, and the share of the variance that they leave."""

    components: NDArray[np.float64]
    residual: float


def moments(rows: Rows) -> Moments:
    """Give the moments of each feature."""
    scaler = StandardScaler()
    low = np.full(rows.n_features, np.inf)
    high = -low
    for batch in rows.batches(_BATCH_SIZE):
        x = batch.x.double().numpy()
        weight = None if batch.weight is None else batch.weight.numpy()
        scaler.partial_fit(x, sample_weight=weight)
        low, high = np.minimum(low, x.min(axis=0)), np.maximum(high, x.max(axis=0))
    # Rounding of running sums must not pass for spread.
    constant = low == high
    mean = np.where(constant, low, scaler.mean_)
    return Moments(mean, np.where(constant, 0.0, scaler.var_), low, high)


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
        _, singular, components = svd(scaled.toarray(), full_matrices=False)
        variances = singular**2
        total = variances.sum()
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


class _ScaledRows(LinearOperator):
    """Centred and scaled rows, times the root of their weight, as a matrix never formed."""

    def __init__(self, rows: Rows, shift: NDArray[np.float64], scale: NDArray[np.float64]) -> None:
        super().__init__(np.dtype(np.float64), (len(rows), rows.n_features))
        self.rows = rows
        self.centre = torch.from_numpy(shift)
        self.scale = torch.as_tensor(scale)

    def __iter__(self) -> Iterator[NDArray[np.float64]]:
        for batch in self.rows.batches(_BATCH_SIZE):
            x = (batch.x - self.centre).div_(self.scale)  # the centre is in float64
            if batch.weight is not None:
                x *= batch.weight.double().sqrt()[:, None]
            yield x.numpy()

    def toarray(self) -> NDArray[np.float64]:
        return np.concatenate(list(self))

    def total_variance(self) -> float:
        return float(sum(np.square(x).sum() for x in self))

    def _matmat(self, V: NDArray) -> NDArray:
        return np.concatenate([x @ V for x in self])

    def _matvec(self, v: NDArray) -> NDArray:
        return self._matmat(v.reshape(-1, 1)).ravel()

    def _rmatmat(self, U: NDArray) -> NDArray:
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
    for batch in rows.batches(_BATCH_SIZE, device=device, rescale=module.rescale):
        least, most = torch.aminmax(module.encoder(batch.target), dim=0)
        low, high = torch.minimum(least, low.to(least)), torch.maximum(most, high.to(most))
        deviation = torch.maximum(batch.target.std(), deviation.to(least))
        spread = high - low
        # Codes as far from constant as this are not looked at over the rest of the rows.
        if (
            spread.max() > 10 * _ALL_CONSTANT * deviation
            and spread.min() > 1e3 * _CONSTANT * spread.max()
        ):
            return 0
    spread = high - low
    all_constant = spread.max() <= _ALL_CONSTANT * deviation
    return int((all_constant | (spread <= _CONSTANT * spread.max())).sum())
