"""Which units the network works in."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray

from sklearn_ae._training.statistics import Moments
from sklearn_ae.nn import Rescale

_ShiftAndScale = tuple[NDArray[np.float64], np.float64 | NDArray[np.float64]]


def _global(moments: Moments, dtype: np.dtype) -> _ShiftAndScale:
    """Centre each feature, and divide by one scale: the mean variance becomes 1."""
    return moments.mean, np.sqrt(moments.variance.mean())


def _standard(moments: Moments, dtype: np.dtype) -> _ShiftAndScale:
    """Centre each feature, and divide it by its own deviation."""
    return moments.mean, np.where(moments.variance > 0, np.sqrt(moments.variance), 1.0)


def _range(moments: Moments, dtype: np.dtype) -> _ShiftAndScale:
    """Take the range of all features, or of the type of an image, to [0, 1]."""
    low, high = moments.low.min(), moments.high.max()
    if dtype.kind == "u" and dtype.itemsize <= 2:
        low, high = 0, np.iinfo(dtype).max
    return np.full_like(moments.mean, low), np.float64(high - low)


def _spread(moments: Moments, dtype: np.dtype) -> _ShiftAndScale:
    """Divide by one scale and leave zero where it is, for outputs that are positive."""
    return np.zeros_like(moments.mean), np.sqrt(moments.variance.mean())


def _none(moments: Moments, dtype: np.dtype) -> _ShiftAndScale:
    return np.zeros_like(moments.mean), np.float64(1)


_SCALINGS: dict[str | None, Callable[[Moments, np.dtype], _ShiftAndScale]] = {
    "global": _global,
    "standard": _standard,
    "range": _range,
    "spread": _spread,
    None: _none,
}


def rescale_for(
    scaling: str | None,
    moments: Moments,
    *,
    data_dtype: DTypeLike,
    output_activation: str,
    dtype: torch.dtype,
    copy: bool = True,
) -> Rescale:
    """Give the map to the units that a network is to work in.

    Parameters
    ----------
    scaling : {"auto", "global", "standard", "range"} or None
        As in the estimators.
    moments : Moments
        Those of the rows.
    data_dtype : dtype
        That of the rows.
    output_activation : {"identity", "sigmoid", "softplus"}
        What ends the decoder.
    dtype : torch.dtype
        That of the network.
    copy : bool, default=True
        Whether rows are new ones even where nothing changes.

    Returns
    -------
    rescale : Rescale
    """
    data_dtype = np.dtype(data_dtype)
    if scaling == "auto":
        by_output = {
            "identity": "global",
            "softplus": "spread",
            "sigmoid": "range" if data_dtype.kind in "iu" else None,
        }
        scaling = by_output[output_activation]
    shift, scale = _SCALINGS[scaling](moments, data_dtype)
    return Rescale(torch.from_numpy(shift), torch.as_tensor(scale), dtype, copy=copy)
