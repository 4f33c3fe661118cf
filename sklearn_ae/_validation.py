"""Checks at the door: what scikit-learn's own do not cover."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike, DTypeLike, NDArray
from scipy.sparse import csr_array, csr_matrix
from sklearn.utils.validation import check_array
from skorch.callbacks import Callback, LRScheduler
from torch import nn
from torch.nn.parameter import is_lazy

from sklearn_ae._compat import _check_sample_weight

Matrix: TypeAlias = NDArray | csr_array | csr_matrix

# Rounding of a rescaled extreme.
_TOLERANCE = 1e-6

_ENCODE = (
    "Encode what is no number: words and other objects by sklearn.preprocessing.OrdinalEncoder or "
    "OneHotEncoder, for example, dates and spans of time by their days, intervals by their middle."
)
# What scikit-learn, numpy and pandas say of rows that are no numbers, and what to do about it.
_WAYS_OUT = {
    # Of codes, which have no mask, it is said without the X.
    "Input X contains NaN": (
        "Entries that are missing may be masked, as numpy.ma.masked_invalid(X) does it, or left "
        "out by observed=~numpy.isnan(X), where a method takes that."
    ),
    "could not convert string to float": _ENCODE,
    "float() argument must be": _ENCODE,
    "Cannot cast": _ENCODE,
    "setting an array element with a sequence": "Each entry must be one number.",
    # Of arrays of images.
    "Found array with dim": (
        "A row is a sample: X.reshape(len(X), -1) ravels images or other blocks, whose shape "
        "an estimator of images takes as image_shape."
    ),
    "Complex data not supported": (
        "Pass real and imaginary parts as columns of their own: numpy.hstack([X.real, X.imag])."
    ),
}


@contextmanager
def saying_what_to_do() -> Iterator[None]:
    """Add to errors about rows that are no numbers what makes numbers of them."""
    try:
        with np.errstate(over="ignore"):  # infinite ones are told of
            yield
    except (TypeError, ValueError) as error:
        message = str(error)
        kind = TypeError if isinstance(error, TypeError) else ValueError
        for said, way_out in _WAYS_OUT.items():
            if said in message:
                raise kind(f"{message}\n{way_out}") from error
        raise


def with_dtype(X: ArrayLike) -> tuple[Any, DTypeLike | None]:
    """Give rows as something that has dtypes, and the dtype that they must be converted to.

    Numbers are left as they are until a batch of them is read. Whatever else scikit-learn
    converts to numbers is converted at once.

    Parameters
    ----------
    X : {array-like, sparse matrix, frame} of shape (n_samples, n_features)
        As the user gave them.

    Returns
    -------
    X : object
    dtype : dtype or None
        As numpy and `sklearn.utils.check_array` take it.

    Raises
    ------
    TypeError
        If they are dates, spans of time or records. Numpy makes numbers of dates in a unit that
        nobody chose, and a frame's other columns decide whether it does.
    """
    if hasattr(X, "__array__") and hasattr(X, "columns") and hasattr(X, "dtypes"):
        return X, _dtype_of_frame(X)
    X = X if hasattr(X, "dtype") else np.asarray(X)
    dtype = X.dtype
    if not isinstance(dtype, np.dtype):  # tensors, whose dtypes are numbers
        return X, None
    _check_kind("X", dtype)
    # Nothing but complex numbers and the longest floats is left: the first are refused.
    return X, None if dtype.kind in "biufc" and dtype != np.longdouble else np.float64


def _dtype_of_frame(X: Any) -> DTypeLike | None:
    cells = getattr(X, "iloc", X)
    # The first column of each dtype says what numpy makes of all of them.
    columns = {own: position for position, own in reversed(list(enumerate(X.dtypes)))}
    dtypes = []
    for own, position in columns.items():
        is_time = getattr(own, "kind", "") == "M" or getattr(own, "is_temporal", bool)()
        dtype = np.dtype("M8[s]") if is_time else np.asarray(cells[:0, position]).dtype
        _check_kind(f"X: column {X.columns[position]!r}", dtype)
        dtypes.append(dtype)
    # Pandas has a value for what is missing that numpy has none for.
    may_miss = any(hasattr(own, "na_value") for own in columns)
    if not may_miss and all(dtype.kind in "iufc" for dtype in dtypes):
        return None
    is_narrow = all(np.can_cast(dtype, np.float32) for dtype in dtypes)
    return np.float32 if is_narrow else np.float64


def _check_kind(what: str, dtype: np.dtype) -> None:
    if dtype.kind in "mM":
        raise TypeError(
            f"{what} holds dates or spans of time, which are numbers of some unit only. Choose "
            "one, for example days: (dates - dates.min()) / numpy.timedelta64(1, 'D')."
        )
    if dtype.kind == "V":
        raise TypeError(
            f"{what} has dtype {dtype}, of records or bytes. Pass columns, for example "
            "numpy.lib.recfunctions.structured_to_unstructured(X)."
        )


def check_sizes(name: str, given: object, *, least: int = 0) -> tuple[int, ...]:
    """Give the sizes of layers as a tuple.

    Parameters
    ----------
    name : str
        The parameter, for the message.
    given : int or sequence of int
        As the user gave them.
    least : int, default=0
        How many there have to be.

    Returns
    -------
    sizes : tuple of int

    Raises
    ------
    ValueError
        If a size is not a whole number of at least 1, or there are too few.
    """
    sizes: tuple[object, ...] = (given,)
    if isinstance(given, Sequence | np.ndarray):
        sizes = tuple(given)
    if len(sizes) < least:
        raise ValueError(f"{name}={given!r}: there must be {least} at least.")
    checked = []
    for size in sizes:
        if not isinstance(size, int | np.integer) or isinstance(size, bool) or size < 1:
            otherwise = "" if least else " Use () for no hidden layer."
            raise ValueError(
                f"{name}={given!r}: each size must be a whole number of at least 1.{otherwise}"
            )
        checked.append(int(size))
    return tuple(checked)


def check_image_shape(
    image_shape: object, n_features: int, *, otherwise: str, n_channels: Sequence[int] = ()
) -> tuple[int, int, int]:
    """Give height, width and channels of the images that rows are.

    Parameters
    ----------
    image_shape : sequence of int
        (height, width), or (height, width, channels), as the user gave it.
    n_features : int
        Width of a row.
    otherwise : str
        What None does, for the message.
    n_channels : sequence of int, default=()
        How many channels there may be; any number where it is empty.

    Returns
    -------
    image_shape : tuple of int

    Raises
    ------
    ValueError
        If it is no shape of an image, or of another number of values than a row has.
    """
    shape = tuple(image_shape) if isinstance(image_shape, Sequence | np.ndarray) else ()
    are_sizes = all(
        isinstance(size, int | np.integer) and not isinstance(size, bool) and size >= 1
        for size in shape
    )
    height, width, channels = (*shape, 1)[:3] if len(shape) in (2, 3) else (0, 0, 0)
    if not (height and are_sizes and (channels in n_channels or not n_channels)):
        allowed = f" with {' or '.join(map(str, n_channels))} channels" if n_channels else ""
        raise ValueError(
            f"image_shape={image_shape!r}: must be (height, width), or (height, width, "
            f"channels){allowed}, each at least 1."
        )
    if height * width * channels != n_features:
        raise ValueError(
            f"image_shape={image_shape!r} has {height * width * channels} values, but a row has "
            f"{n_features} features: pass the shape that the images had before they were raveled, "
            f"or None {otherwise}."
        )
    return int(height), int(width), int(channels)


def check_half(
    name: str, given: Callable[[int, int], object], in_features: int, out_features: int
) -> nn.Module:
    """Give a module of the user's, tried on two rows.

    Lazy layers have their widths from these. It is a copy, since a function may give the same
    module every time, which stays the user's.

    Parameters
    ----------
    name : {"encoder", "decoder"}
        The parameter that gives it.
    given : callable
        Its value.
    in_features, out_features : int
        Widths that it is to take and give.

    Returns
    -------
    module : torch.nn.Module

    Raises
    ------
    ValueError
        If it gives something else than two rows of these widths, or can't be copied.
    """
    what = f"{name}={given!r}"
    try:
        module = given(in_features, out_features)
    except TypeError as error:
        raise ValueError(
            f"{what} failed as {name}({in_features}, {out_features}): {error}. It is called with "
            "two widths; functools.partial can fix what else it takes."
        ) from error
    if not isinstance(module, nn.Module):
        raise ValueError(f"{what} gave {module!r}, which is no torch.nn.Module.")
    example = next(module.parameters(), torch.empty(0))
    rows = torch.zeros(2, in_features, dtype=example.dtype)
    if _is_lazy(module):
        _run(what, module, rows)
    own = _copy_to_train(what, module)
    output = _run(what, deepcopy(own), rows)
    if not isinstance(output, torch.Tensor):
        raise ValueError(
            f"{what} takes two rows to a {type(output).__name__}; it must give a tensor."
        )
    shape = tuple(output.shape)
    if shape != (2, out_features):
        raise ValueError(
            f"{what} takes two rows of {in_features} features to shape {shape}; for n_features "
            f"and encoding_dim as they are it must be {(2, out_features)}."
        )
    return own


def _is_lazy(module: nn.Module) -> bool:
    return any(is_lazy(part) for part in (*module.parameters(), *module.buffers()))


@torch.no_grad()
def _run(what: str, module: nn.Module, rows: torch.Tensor) -> object:
    try:
        return module.eval()(rows)
    except Exception as error:
        raise ValueError(
            f"{what} failed on two rows of {rows.shape[1]} features: {error}"
        ) from error


@torch.enable_grad()
def _copy_to_train(what: str, module: nn.Module) -> nn.Module:
    kind = type(module).__name__
    if _is_lazy(module):
        raise ValueError(f"{what}: the {kind} has lazy layers that no row goes through.")
    try:
        own = deepcopy(module)
    except Exception as error:
        raise ValueError(f"{what}: the {kind} can't be copied: {error}") from error
    if not all(parameter.is_leaf for parameter in own.parameters()):  # of torch.jit
        raise ValueError(f"{what}: no copy of the {kind} can be trained. Give what it was made of.")
    return own


def without_mask(X: ArrayLike, observed: ArrayLike | None) -> tuple[ArrayLike, ArrayLike | None]:
    """Give rows without the mask of a masked array, and the entries that are known in spite of it.

    Parameters
    ----------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        As the user gave them.
    observed : array-like of bool of shape (n_samples, n_features) or None
        The entries that are known of the array under the mask.

    Returns
    -------
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
    observed : array-like of bool of shape (n_samples, n_features) or None
        Those that are not masked either.
    """
    if not isinstance(X, np.ma.MaskedArray):
        return X, observed
    rows, mask = np.ma.getdata(X), np.ma.getmaskarray(X)
    if not mask.any():
        return rows, observed
    return rows, ~mask if observed is None else check_observed(observed, rows) & ~mask


def check_unmasked(name: str, values: object) -> None:
    """Check that an array which is to be whole has no masked entries.

    Parameters
    ----------
    name : str
        What to call it in the message.
    values : object
        As the user gave it.

    Raises
    ------
    ValueError
        If it has.
    """
    if np.ma.is_masked(values):
        raise ValueError(
            f"{name} has masked entries, which have no meaning here. Fill them: {name}.filled(...)."
        )


def check_sample_weight(sample_weight: ArrayLike, X: Matrix) -> NDArray:
    """Give the weights as an array, the greatest of which is 1.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,) or float
        As the user gave it.
    X : {ndarray, CSR matrix, CSR array} of shape (n_samples, n_features)
        The rows.

    Returns
    -------
    sample_weight : ndarray of shape (n_samples,)

    Raises
    ------
    ValueError
        If a weight is negative, or none is positive.
    """
    check_unmasked("sample_weight", sample_weight)
    # scikit-learn's own check of this differs between versions.
    if not np.any(np.asarray(sample_weight)):
        raise ValueError("sample_weight: all weights are zero. Give some row a positive one.")
    weight = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if weight.min() < 0:
        raise ValueError(f"sample_weight: negative values such as {weight.min()} have no meaning.")
    return weight / weight.max()  # their squares and sums are numbers, however small or large


def check_observed(observed: ArrayLike, X: Matrix) -> NDArray[np.bool_]:
    """Give the mask of observed entries as an array.

    Parameters
    ----------
    observed : array-like of bool of shape (n_samples, n_features)
        As the user gave it.
    X : {ndarray, CSR matrix, CSR array} of shape (n_samples, n_features)
        The rows.

    Returns
    -------
    observed : ndarray of bool of shape (n_samples, n_features)

    Raises
    ------
    ValueError
        If it has another shape or dtype, or nothing is observed.
    """
    check_unmasked("observed", observed)
    mask = np.asarray(observed)  # of a sparse matrix, an object that is no array
    if mask.dtype != bool or mask.shape != X.shape:
        raise ValueError(
            f"observed has dtype {mask.dtype} and shape {mask.shape}: it must be a dense array "
            f"of bool of the shape of X, {X.shape}."
        )
    if not mask.any():
        raise ValueError("observed is False everywhere: there is no entry to learn from.")
    return mask


def check_finite_where_observed(X: Matrix, observed: NDArray[np.bool_]) -> None:
    """Check that the entries that count are numbers; it does not matter what the others are.

    Parameters
    ----------
    X : {ndarray, CSR matrix, CSR array} of shape (n_samples, n_features)
        The rows.
    observed : ndarray of bool of shape (n_samples, n_features)
        Which entries count.

    Raises
    ------
    ValueError
        If one of them is NaN or infinite.
    """
    if not isinstance(X, np.ndarray):
        entries = X.tocoo()
        broken = ~np.isfinite(entries.data) & observed[entries.row, entries.col]
    elif X.dtype.kind == "f":
        broken = ~np.isfinite(X) & observed
    else:
        return
    if broken.any():
        raise ValueError(
            f"X: {broken.sum()} of the observed entries are NaN or infinity. Set observed to False "
            "where a value is missing."
        )


def check_noise_level(
    noise: str, noise_level: ArrayLike, n_features: int, *, is_share: bool, is_of_images: bool
) -> None:
    """Check the levels of a noise, whether it has one or one for each feature.

    Parameters
    ----------
    noise : str
        Name of the noise.
    noise_level : float or array-like of shape (n_features,)
        Its level.
    n_features : int
        Width of a row.
    is_share : bool
        Whether a level is the share of the entries that are replaced.
    is_of_images : bool
        Whether it is that of a whole image, and there can be but one.

    Raises
    ------
    ValueError
        If one is negative, no number, or no share where it is to be one, or if there are more
        or fewer than features.
    """
    levels = np.asarray(noise_level)
    if is_of_images and levels.ndim:
        raise ValueError(f"noise_level={noise_level!r}: noise={noise!r} takes one number.")
    if levels.dtype.kind not in "iufb" or levels.shape not in ((), (n_features,)):
        raise ValueError(
            f"noise_level={noise_level!r}: it must be one number, or one for each of the "
            f"{n_features} features."
        )
    greatest = 1 if is_share else np.inf
    if not ((levels >= 0) & (levels <= greatest) & np.isfinite(levels)).all():
        meaning = "share of the entries that are replaced" if is_share else "standard deviation"
        raise ValueError(
            f"noise_level={noise_level!r}: with noise={noise!r} a level is the {meaning}. Use "
            f"values in [0, {1 if is_share else 'inf'}{']' if is_share else ')'}."
        )


def check_callbacks(callbacks: list | None) -> None:
    """Check that callbacks are those of skorch.

    Parameters
    ----------
    callbacks : list or None
        Instances, classes, or pairs of a name and one of these.

    Raises
    ------
    ValueError
        If one is something else.
    """
    for callback in _bare(callbacks):
        if not issubclass(callback if isinstance(callback, type) else type(callback), Callback):
            raise ValueError(
                f"callbacks={callbacks!r}: {callback!r} is no skorch callback. scikit-learn's are "
                "set with set_callbacks."
            )


def check_rate(callbacks: list | None, lr_schedule: str) -> None:
    """Check that a schedule and a callback don't both move the learning rate.

    Parameters
    ----------
    callbacks : list or None
        Those of skorch.
    lr_schedule : str
        The parameter.

    Raises
    ------
    ValueError
        If they do.
    """
    for callback in _instances(callbacks):
        if isinstance(callback, LRScheduler) and lr_schedule != "constant":
            raise ValueError(
                f"callbacks={callbacks!r}: {type(callback).__name__} moves the learning rate, as "
                f"lr_schedule={lr_schedule!r} does. Use lr_schedule='constant'."
            )


def check_monitors(callbacks: list | None) -> None:
    """Check that callbacks can do without validation rows.

    Parameters
    ----------
    callbacks : list or None
        Those of skorch.

    Raises
    ------
    ValueError
        If one monitors the loss on them.
    """
    for callback in _instances(callbacks):
        monitor = getattr(callback, "monitor", None)
        if _is_validation_loss(monitor):
            raise ValueError(
                f"callbacks={callbacks!r}: {type(callback).__name__} monitors {monitor!r}, and no "
                "rows are held out. Use fit with early_stopping=True or X_val, or "
                "monitor='train_loss'."
            )


def look_at_validation(callbacks: list | None) -> bool:
    """Whether callbacks have a use for validation rows, by what they monitor or score.

    A function of the user's that monitors may well look at them.

    Parameters
    ----------
    callbacks : list or None
        Those of skorch.
    """
    return any(
        _is_validation_loss(getattr(callback, "monitor", None))
        or callable(getattr(callback, "monitor", None))
        or not getattr(callback, "on_train", True)
        for callback in _instances(callbacks)
    )


def _is_validation_loss(monitor: object) -> bool:
    return isinstance(monitor, str) and monitor.startswith("valid_loss")


def _instances(callbacks: list | None) -> Iterator[Callback]:
    """Give callbacks as skorch makes them."""
    for callback in _bare(callbacks):
        yield callback() if isinstance(callback, type) else callback


def _bare(callbacks: list | None) -> Iterator[Any]:
    """Give callbacks without their names."""
    for callback in callbacks or []:
        yield callback[-1] if isinstance(callback, tuple) and len(callback) == 2 else callback


def check_codes(X: ArrayLike, encoding_dim: int) -> NDArray:
    """Give codes as an array.

    Parameters
    ----------
    X : array-like of shape (n_samples, encoding_dim)
        As the user gave them.
    encoding_dim : int
        Width that a decoder takes.

    Returns
    -------
    codes : ndarray of shape (n_samples, encoding_dim)

    Raises
    ------
    ValueError
        If the width is another, or a part is masked.
    """
    check_unmasked("X", X)
    with saying_what_to_do():
        X, dtype = with_dtype(X)
        codes = check_array(X, dtype=dtype)
    if codes.shape[1] != encoding_dim:
        raise ValueError(
            f"X has {codes.shape[1]} features, but the decoder takes codes of "
            f"encoding_dim={encoding_dim}. Pass what transform gives."
        )
    return codes


def check_on_two_rows(
    name: str, given: object, run: Callable[[torch.Tensor], object], n_features: int
) -> None:
    """Try a function of the user's on two rows.

    Parameters
    ----------
    name : str
        The parameter, for the message.
    given : object
        Its value.
    run : callable
        Calls it.
    n_features : int
        Width of a row.

    Raises
    ------
    ValueError
        If it does not give one value for each entry.
    """
    rows = torch.full((2, n_features), 0.5, dtype=torch.float32)
    try:
        found = run(rows)
    except Exception as error:
        raise ValueError(f"{name}={given!r} failed on two rows: {error}") from error
    shape = tuple(getattr(found, "shape", ()))
    if not isinstance(found, torch.Tensor) or shape != (2, n_features):
        raise ValueError(
            f"{name}={given!r} takes two rows of {n_features} features to {type(found).__name__} "
            f"of shape {shape}; it must give one value an entry, {(2, n_features)}."
        )


def check_reach(
    loss: object,
    loss_range: tuple[float, float],
    outputs: dict[str, tuple[float, float]],
    name: str,
) -> None:
    """Check that an output activation keeps to where the loss is defined.

    Parameters
    ----------
    loss : str or callable
        The parameter `loss`, for the message.
    loss_range : tuple of (float, float)
        Least and greatest output that it is defined for.
    outputs : dict of tuple of (float, float)
        Least and greatest value that each output activation reaches.
    name : str
        That of the output activation.

    Raises
    ------
    ValueError
        If it does not.
    """
    low, high = loss_range
    allowed = [each for each, reach in outputs.items() if low <= reach[0] and reach[1] <= high]
    if name not in allowed:
        raise ValueError(
            f"loss={loss!r} is not defined for all outputs of output_activation={name!r}. Use "
            f"one of {allowed}."
        )


def check_range(
    low: float,
    high: float,
    *,
    ranges: dict[str, tuple[float, float]],
    scaling: object,
    is_first: bool,
) -> None:
    """Check that rows, in the units of the network, lie where loss and output reach.

    Parameters
    ----------
    low, high : float
        Least and greatest entry.
    ranges : dict of tuple of (float, float)
        Least and greatest value that each part takes, by what to call it in the message.
    scaling : str or None
        The parameter `scaling`, for the message.
    is_first : bool
        Whether these are the rows that set the units.

    Raises
    ------
    ValueError
        If they lie outside.
    """
    way_out = "scaling='range'" if is_first else "a fit to rows of the whole range"
    for what, (least, greatest) in ranges.items():
        if low < least - _TOLERANCE or high > greatest + _TOLERANCE:
            raise ValueError(
                f"{what} needs values in [{least:g}, {greatest:g}], but with "
                f"scaling={scaling!r} X has values from {low:.6g} to {high:.6g}. Use "
                f"{way_out}, or output_activation='identity' with another loss."
            )
