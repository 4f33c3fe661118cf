"""Which units the network works in."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray

from sklearn_ae._training.statistics import Moments
from sklearn_ae.nn import OutputActivation, Rescale

_ShiftAndScale = tuple[NDArray[np.float64], np.float64 | NDArray[np.float64]]


def _global(moments: Moments, dtype: np.dtype) -> _ShiftAndScale:
    """Centre each feature, and divide by one scale: the mean variance becomes 1."""
    return moments.mean, moments.common_deviation


def _standard(moments: Moments, dtype: np.dtype) -> _ShiftAndScale:
    """Centre each feature, and divide it by its own deviation."""
    return moments.mean, np.where(moments.deviation > 0, moments.deviation, 1.0)


def _range(moments: Moments, dtype: np.dtype) -> _ShiftAndScale:
    """Take the range of all features, or of the type of an image, to [0, 1]."""
    low, high = moments.low.min(), moments.high.max()
    if dtype.kind == "u" and dtype.itemsize <= 2:
        low, high = 0, np.iinfo(dtype).max
    return np.full_like(moments.mean, low), np.float64(high - low)


def _spread(moments: Moments, dtype: np.dtype) -> _ShiftAndScale:
    """Divide by one scale and leave zero where it is, for outputs that are positive."""
    return np.zeros_like(moments.mean), moments.common_deviation


def _none(moments: Moments, dtype: np.dtype) -> _ShiftAndScale:
    return np.zeros_like(moments.mean), np.float64(1)


SCALINGS: dict[str | None, Callable[[Moments, np.dtype], _ShiftAndScale]] = {
    "global": _global,
    "standard": _standard,
    "range": _range,
    "spread": _spread,
    None: _none,
}


class Units(NamedTuple):
    """The map from features to the units of a network, and what is typical of each feature."""

    shift: NDArray[np.float64]
    scale: np.float64 | NDArray[np.float64]
    typical: NDArray[np.float64]

    def rescale(self, dtype: torch.dtype, *, copy: bool = True) -> Rescale:
        """Give the map as a module for a network of a dtype."""
        shift, scale, typical = (torch.tensor(part) for part in self)
        return Rescale(shift, scale, dtype, copy=copy, typical=typical)


def resolve_scaling(
    scaling: str | None, data_dtype: np.dtype, output: OutputActivation
) -> str | None:
    """Give what "auto" stands for."""
    if scaling != "auto":
        return scaling
    return output.scaling_of_integers if data_dtype.kind in "iu" else output.scaling


def units_for(
    scaling: str | None,
    moments: Moments,
    *,
    data_dtype: DTypeLike,
    output: OutputActivation,
) -> Units:
    """Give the units that a network is to work in.

    Parameters
    ----------
    scaling : {"auto", "global", "standard", "range", "spread"} or None
        As in the estimators.
    moments : Moments
        Those of the rows.
    data_dtype : dtype
        That of the rows.
    output : OutputActivation
        What ends the decoder.

    Returns
    -------
    units : Units
    """
    data_dtype = np.dtype(data_dtype)
    shift, scale = SCALINGS[resolve_scaling(scaling, data_dtype, output)](moments, data_dtype)
    return Units(shift, scale, np.stack([moments.mean, moments.low, moments.high]))
