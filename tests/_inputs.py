"""Any estimator with any parameters on any rows, and what has to hold of it all the same."""

import re
import traceback
import warnings
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from _testing import small
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, issparse
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.utils._param_validation import Interval, StrOptions

import sklearn_ae

ESTIMATORS = [
    public
    for public in (getattr(sklearn_ae, name) for name in sklearn_ae.__all__)
    if isinstance(public, type) and issubclass(public, BaseEstimator)
]

# Where the constraints alone would draw what takes minutes, is not there, or needs a partner.
CHOICES: dict[str, list[Any]] = {
    "encoding_dim": [1, 2, 5, 0.5, "auto"],
    "hidden_layer_sizes": [(), 3, (4, 3)],
    "channels": [2, (2, 3)],
    "kernel_size": [1, 2, 3],
    "image_shape": [None],
    "max_epochs": [1, 2],
    "batch_size": [1, 7, 1000, "auto"],
    "n_importance_samples": [1, 3],
    "noise": [None, "gaussian", "masking", "salt_and_pepper", "clipped_gaussian"],
    "noise_level": [0.0, 0.3, 1.0, 50.0],
    "optimizer": ["adam", "adamw", "sgd"],
    "optimizer_params": [None, {"weight_decay": 0.1}],
    "loss": ["squared_error", "absolute_error", "huber", "binary_cross_entropy", "poisson"],
    "lr": ["auto", 1e-4, 1.0, 100.0],
    "device": ["cpu", "auto"],
    "random_state": [0, 7],
    "max_iter": [1, 20],
    "n_neighbors": ["auto", 0, 1, 4],
    "contamination": ["auto", 0.1, 0.5],
    "missing_values": [np.nan],
    "density": [GaussianMixture(2, random_state=0)],
    # Of sparse rows that are constant ARPACK, PCA's other way, raises errors of its own.
    "estimator": [small(2), PCA(1, svd_solver="covariance_eigh")],
}
FIXED = {
    *("encoder", "decoder", "callbacks", "checkpoint", "checkpoint_every", "verbose", "warm_start"),
}
METHODS = ("transform", "reconstruct", "score_samples", "decision_function", "predict", "score")
DTYPES = ["float64", "float32", "float16", "int8", "uint8", "int64", "bool", ">f8", "object"]


class Case(NamedTuple):
    """An estimator and rows."""

    estimator: BaseEstimator
    X: Any


def values_of(name: str, constraints: list[Any]) -> list[Any]:
    """Give values that a parameter may have, at the ends of its intervals too."""
    if name in CHOICES:
        return CHOICES[name]
    found: list[Any] = []
    for constraint in constraints:
        if isinstance(constraint, StrOptions):
            found += sorted(constraint.options)
        elif isinstance(constraint, Interval):
            ends = [end for end in (constraint.left, constraint.right) if end is not None]
            found += [end for end in (*ends, 0.3, 1, 2) if end in constraint]
        elif isinstance(constraint, str) and constraint == "boolean":
            found += [False, True]
        elif constraint is None:
            found.append(None)
    return found


@st.composite
def rows(draw):
    """Rows of any shape, type, order and size, some of which nothing can be fitted to."""
    n, d = draw(st.sampled_from([60, 60, 20, 7, 2, 1])), draw(st.sampled_from([1, 2, 4, 9]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.standard_normal((n, d))
    kind = draw(
        st.sampled_from(["plain", "same", "few", "constant", "counts", "one", "line", "wild"])
    )
    if kind == "same":
        X[:] = X[0]
    elif kind == "few":
        X = X[rng.integers(0, min(n, 3), n)]
    elif kind == "constant":
        X[:, 0] = 5.0
    elif kind == "counts":
        X = rng.poisson(1.0, (n, d)).astype(float)
    elif kind == "one":
        X = np.eye(d)[rng.integers(0, d, n)]
    elif kind == "line":
        X = X[:, :1] * np.arange(1, d + 1)
    elif kind == "wild":
        X *= 10.0 ** rng.integers(-8, 9, d)
    size = draw(st.sampled_from([1] * 8 + [1e-38, 1e-310, 1e30, 1e38, 1e200]))
    X = X * size + draw(st.sampled_from([0] * 4 + [1e6, -3]))
    hole = draw(st.sampled_from([None] * 16 + [np.nan, np.inf]))
    if hole is not None:
        X[rng.integers(n), rng.integers(d)] = hole
    dtype = draw(st.sampled_from(DTYPES))
    if np.dtype(dtype).kind in "iub":
        X = np.clip(np.nan_to_num(np.abs(X)), 0, 100)
    with np.errstate(over="ignore"):
        X = X.astype(dtype)
    layout = draw(
        st.sampled_from(["C", "F", "strided", "reversed", "read-only", "frame", "sparse"])
    )
    if layout == "F":
        return np.asfortranarray(X)
    if layout == "strided":
        return np.repeat(X, 2, axis=0)[::2]
    if layout == "reversed":
        return X[::-1, ::-1]
    if layout == "read-only":
        X.flags.writeable = False
    if layout == "frame":
        return pd.DataFrame(X).add_prefix("column ")
    if layout == "sparse" and X.dtype.kind in "fiu" and X.dtype != np.float16 and X.dtype.isnative:
        return csr_matrix(X)
    return X


@st.composite
def cases(draw):
    """Any estimator, a few of whose parameters are drawn from their constraints, and rows."""
    Estimator = draw(st.sampled_from(ESTIMATORS))
    constraints = Estimator._parameter_constraints
    names = sorted(constraints.keys() - FIXED)
    parameters = {
        name: draw(st.sampled_from(CHOICES[name])) for name in names if name == "max_epochs"
    }
    for name in draw(st.lists(st.sampled_from(names), max_size=5, unique=True)):
        parameters[name] = draw(st.sampled_from(values_of(name, constraints[name])))
    X = draw(rows())
    if "image_shape" in constraints and (draw(st.booleans()) or Estimator.__name__[:4] == "Conv"):
        d = X.shape[1]
        parameters["image_shape"] = (3, 3) if d == 9 else (2, 2) if d == 4 else None
    if "random_state" in constraints:
        parameters.setdefault("random_state", 0)
    else:  # of its parts, else they draw from numpy's global generator
        parameters |= {"estimator": small(2), "density": CHOICES["density"][0]} | parameters
    parameters = {k: clone(v) if isinstance(v, BaseEstimator) else v for k, v in parameters.items()}
    return Case(Estimator(**parameters), X)


def surroundings() -> list[Any]:
    """Give what a fit must not change."""
    numbers = np.random.mtrand._rand.get_state()[1]  # of numpy's global generator
    kept = [numbers.tobytes(), torch.get_rng_state().numpy().tobytes()]
    return [*kept, torch.get_default_dtype(), torch.get_num_threads(), sorted(np.geterr().items())]


def contents(X: Any) -> Any:
    """Give the numbers of rows, to compare."""
    if issparse(X):
        return [X.data.tobytes(), X.indices.tobytes(), X.indptr.tobytes()]
    return pd.util.hash_pandas_object(pd.DataFrame(np.asarray(X))).to_numpy().tobytes()


def outcome(case: Case) -> str:
    """Fit and use an estimator, and say how it went.

    Raises
    ------
    AssertionError
        If what is promised does not hold.
    """
    estimator, X = case
    before, around = contents(X), surroundings()
    of_parameters = set(vars(estimator))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            estimator.fit(X)
        except (ValueError, TypeError) as error:
            said, message = "refused", str(error)
            last = traceback.extract_tb(error.__traceback__)[-1]
        else:
            said = used(estimator, X)
    if said == "refused":
        # What PCA says of a single row is numpy's.
        is_of_pca = isinstance(getattr(estimator, "estimator", None), PCA)
        assert is_of_pca or "sklearn" in last.filename, f"the error comes from {last.filename}"
        assert not re.search(r"\b_[a-zA-Z]", message), f"of what no user has: {message}"
        assert set(vars(estimator)) == of_parameters, "a failed fit left something"
    assert contents(X) == before, "the rows were changed"
    assert surroundings() == around, "something global was changed"
    return said


def used(estimator: BaseEstimator, X: Any) -> str:
    """Use a fitted estimator, and say whether all it gives is finite."""
    said = "finite"
    for method in METHODS:
        if not hasattr(estimator, method):
            continue
        try:
            output = getattr(estimator, method)(X)
        except ValueError:
            said = "fitted, and a use of it refused"
            continue
        output = np.asarray(output)
        assert np.isfinite(output).all(), f"{method}: not finite"
        if method == "score":
            assert output.ndim == 0
            continue
        assert len(output) == X.shape[0], f"{method}: {output.shape}"
        if method == "reconstruct":
            assert output.shape == X.shape
        is_autoencoder = hasattr(estimator, "encoder_")
        if method in ("transform", "reconstruct") and is_autoencoder and hasattr(X, "dtype"):
            is_single = X.dtype in (np.float32, np.float16, np.int8, np.uint8, bool)
            assert output.dtype == (np.float32 if is_single else np.float64), f"{output.dtype}"
    return said
