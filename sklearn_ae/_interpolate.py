"""What lies between two rows."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_ae._compat import Interval, StrOptions, validate_params


@validate_params(
    {
        "n_steps": [Interval(Integral, 2, None, closed="left")],
        "path": [StrOptions({"linear", "spherical"})],
    },
    prefer_skip_nested_validation=True,
)
def interpolate(
    estimator: Any, start: ArrayLike, end: ArrayLike, *, n_steps: int = 8, path: str = "linear"
) -> NDArray:
    """Go from one row to another through the codes, and give the rows on the way.

    Parameters
    ----------
    estimator : estimator
        A fitted autoencoder, or what else has `transform` and `inverse_transform`.
    start, end : array-like of shape (n_features,)
        The two rows, which may be a frame's. What is given of them is their reconstruction.
    n_steps : int, default=8
        How many rows to give, the two ends among them, at least 2.
    path : {"linear", "spherical"}, default="linear"
        How the code goes. "spherical" is along an arc around zero, with a length between those of
        the two: the codes of a variational autoencoder lie on a sphere, nearly, and few in it.

    Returns
    -------
    rows : ndarray of shape (n_steps, n_features)
        In the units of the data.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.

    References
    ----------
    White, T. (2016). Sampling generative networks. arXiv:1609.04468.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn_ae import AutoencoderTransformer, interpolate
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = AutoencoderTransformer(8, random_state=0).fit(X)
    >>> interpolate(autoencoder, X[0], X[1], n_steps=5).shape
    (5, 64)
    """
    check_is_fitted(estimator)
    first, last = (np.asarray(estimator.transform(_as_rows(row)))[0] for row in (start, end))
    share = np.linspace(0, 1, n_steps, dtype=first.dtype)[:, None]
    weights = 1 - share, share
    norms = np.linalg.norm(first), np.linalg.norm(last)
    if path == "spherical" and min(norms) > 1e-6 * max(norms):
        cosine = np.clip(first @ last / (norms[0] * norms[1]), -1, 1)
        angle = np.arccos(cosine)
        if np.sin(angle) > 1e-6:  # else the arc is a line
            length = norms[0] * weights[0] + norms[1] * weights[1]
            weights = tuple(
                np.sin(weight * angle) / np.sin(angle) * length / norm
                for weight, norm in zip(weights, norms, strict=True)
            )
    return estimator.inverse_transform(weights[0] * first + weights[1] * last)


def _as_rows(row: Any) -> Any:
    """Give a row as rows, with the names of the features if it is a frame's."""
    return row.to_frame().T if hasattr(row, "to_frame") else np.reshape(row, (1, -1))
