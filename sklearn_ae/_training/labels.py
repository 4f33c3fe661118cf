"""From the y that a user passes to what a head is to predict."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.exceptions import DataConversionWarning

from sklearn_ae._compat import is_missing, warn
from sklearn_ae._training.targets import Target

# Whole numbers of a float dtype are classes up to so many, since arrays of floats often hold such;
# more of them are measured or counted.
_MOST_CLASSES_AS_FLOATS = 50
# No label is certain, though all rows have it or none.
_LEAST_SHARE = 1e-3
_NOTHING = np.zeros(0)


class Y(NamedTuple):
    """A checked y: which of its values are known, and those in their order."""

    is_known: NDArray[np.bool_]
    known: NDArray

    @property
    def n_columns(self) -> int:
        """Number of columns."""
        return self.is_known.shape[1]

    def of(self, counts: NDArray[np.bool_]) -> "Y":
        """Give it as if nothing were known of the rows that do not count."""
        still_known = self.is_known & counts[:, None]
        return Y(still_known, self.known[still_known[self.is_known]])


def check_y(y: object, n_samples: int, name: str = "y") -> Y:
    """Check the y of rows.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_columns)
        As the user gave it. NaN, None and the like stand for what is not known.
    n_samples : int
        Number of rows.
    name : str, default="y"
        Of the parameter.

    Returns
    -------
    y : Y

    Raises
    ------
    TypeError
        If it mixes words and numbers, or holds other objects.
    ValueError
        If it is None, of another length, or nothing of it is known.
    """
    if y is None:
        raise ValueError(
            f"target_weight above 0 requires {name} to be passed, but the target {name} is None. "
            f"Pass {name}, or use target_weight=0."
        )
    values = _as_array(y)
    if values.ndim not in (1, 2) or len(values) != n_samples:
        raise ValueError(
            f"{name} has shape {values.shape} for {n_samples} rows: it must be ({n_samples},) or "
            f"({n_samples}, n_columns)."
        )
    if values.ndim == 1:
        values = values[:, None]
    elif values.shape[1] == 1:
        warn(
            f"A column-vector {name} was passed when a 1d array was expected. Use {name}.ravel().",
            DataConversionWarning,
        )
    is_known = ~is_missing(values)
    known = values[is_known]
    if not len(known):
        raise ValueError(f"{name}: all {values.size} values are missing, so that it says nothing.")
    if known.dtype == object:
        known = _of_one_type(known, name)
    if known.dtype.kind not in "biufU":
        raise TypeError(f"{name} has dtype {known.dtype}: pass words, numbers or booleans.")
    if known.dtype.kind == "f" and not np.isfinite(known).all():
        raise ValueError(f"{name} contains infinity. Leave it out by NaN, or clip it.")
    return Y(is_known, known)


def _as_array(y: Any) -> NDArray:
    if issparse(y):
        return y.toarray()
    if hasattr(y, "to_numpy"):
        return y.to_numpy()
    # Without a dtype numpy would make words of the numbers beside a word.
    return np.asarray(y, getattr(y, "dtype", object))


def _of_one_type(known: NDArray, name: str) -> NDArray:
    is_word = [isinstance(value, str) for value in known]
    if any(is_word) != all(is_word):
        other = type(known[is_word.index(False)]).__name__
        raise TypeError(
            f"{name} mixes words and {other}, such as {known[is_word.index(True)]!r} and "
            f"{known[is_word.index(False)]!r}. Make it one or the other."
        )
    return np.array(known.tolist())


def target_of(
    y: Y, sample_weight: NDArray | None = None, classes: ArrayLike | None = None
) -> Target:
    """Find what y holds, and what is best said of it without a code.

    Parameters
    ----------
    y : Y
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows.
    classes : array-like of shape (n_classes,), default=None
        All classes that there will be. None is those of y.

    Raises
    ------
    ValueError
        If y says the same of every row.
    """
    weight = np.ones(len(y.is_known)) if sample_weight is None else sample_weight
    weights = np.broadcast_to(weight[:, None], y.is_known.shape)
    if y.n_columns == 1 and (classes is not None or _are_classes(y.known)):
        return _classes(y, weights, np.unique(y.known if classes is None else classes))
    if y.known.dtype.kind == "U":
        raise ValueError(
            f"y has {y.n_columns} columns of words. Pass columns of 0 and 1, as "
            "sklearn.preprocessing.MultiLabelBinarizer makes them."
        )
    values = np.ma.masked_invalid(_filled(y, y.known))
    unit = np.abs(values).max(axis=0).filled(1)
    values /= np.where(unit > 0, unit, 1)  # whose squares are numbers, however great or small
    mean, total = np.ma.average(values, axis=0, weights=weights, returned=True)
    deviation = np.sqrt(np.ma.average((values - mean) ** 2, axis=0, weights=weights))
    mean, deviation, total = (np.ma.filled(each, 0) for each in (mean, deviation, total))
    if not deviation.any():
        raise ValueError(
            "y is the same for all rows, so that there is nothing to predict. Pass rows that "
            "differ in it, or use target_weight=0."
        )
    if y.n_columns > 1 and np.isin(y.known, [0, 1]).all():
        share = mean.clip(_LEAST_SHARE, 1 - _LEAST_SHARE)
        start = np.log(share / (1 - share))
        entropy = -(mean * np.log(share) + (1 - mean) * np.log1p(-share))
        factor = weight.sum() / (total @ entropy)
        return Target("labels", None, _NOTHING, _NOTHING, start, float(factor))
    scale = np.where(deviation > 0, deviation, 1) * unit
    factor = weight.sum() / total[deviation > 0].sum()
    return Target("numbers", None, mean * unit, scale, np.zeros(y.n_columns), float(factor))


def _are_classes(known: NDArray) -> bool:
    if known.dtype.kind != "f":
        return True
    return (known == known.round()).all() and len(np.unique(known)) <= _MOST_CLASSES_AS_FLOATS


def _classes(y: Y, weights: NDArray, classes: NDArray) -> Target:
    if len(classes) < 2:
        raise ValueError(
            f"y holds one class, {classes[0].item()!r}, so that there is nothing to predict. "
            "Pass rows of several, or use target_weight=0."
        )
    numbers = _numbers(y.known, classes)
    mass = np.bincount(numbers, weights[y.is_known], minlength=len(classes))
    # The first rows of many say little of what is to come.
    share = mass / mass.sum() if mass.all() else np.full(len(classes), 1 / len(classes))
    entropy = -share @ np.log(share)
    factor = weights.sum() / (weights[y.is_known].sum() * entropy)
    return Target("classes", classes, _NOTHING, _NOTHING, np.log(share), float(factor))


def encoded(y: Y, target: Target, name: str = "y") -> NDArray[np.float64]:
    """Give y as numbers for the loss of a target, with NaN for what is not known.

    Raises
    ------
    ValueError
        If it has other columns or classes than those of the target.
    """
    n_columns = len(target.start) if target.classes is None else 1
    if y.n_columns != n_columns:
        raise ValueError(f"{name} has {y.n_columns} columns, but there were {n_columns} at fit.")
    if target.classes is not None:
        return _filled(y, _numbers(y.known, target.classes, name))
    if y.known.dtype.kind == "U":
        raise ValueError(f"{name} holds words such as {y.known[0]!r}, but it was numbers at fit.")
    if target.kind == "labels":
        if not np.isin(y.known, [0, 1]).all():
            raise ValueError(f"{name} holds {y.known.max()}, but it was 0 and 1 at fit.")
        return _filled(y, y.known)
    return (_filled(y, y.known) - target.mean) / target.scale


def check_classes(classes: ArrayLike | None, target: Target) -> None:
    """Check the classes that are passed to `partial_fit`.

    Raises
    ------
    ValueError
        If they are others than those of the first call.
    """
    if classes is None or target.classes is None:
        return
    if not np.array_equal(np.unique(classes), target.classes):
        raise ValueError(
            f"classes={classes!r} are others than those of the first call, "
            f"{target.classes.tolist()}. Pass the same, or none."
        )


def _filled(y: Y, known: NDArray) -> NDArray[np.float64]:
    values = np.full(y.is_known.shape, np.nan)
    values[y.is_known] = known
    return values


def _numbers(known: NDArray, classes: NDArray, name: str = "y") -> NDArray[np.intp]:
    if (known.dtype.kind == "U") != (classes.dtype.kind == "U"):
        unknown = known[:1]
    else:
        unknown = np.setdiff1d(known, classes)
    if len(unknown):
        raise ValueError(
            f"{name}: {unknown[0].item()!r} is none of the classes {classes.tolist()}. Fit with "
            "rows of all classes, or pass them to the first partial_fit as classes."
        )
    return np.searchsorted(classes, known)
