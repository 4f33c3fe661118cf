"""Saving estimators to files that hold no code."""

from collections.abc import Collection, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator

from sklearn_ae._file import read_file, write_file
from sklearn_ae.exceptions import LoadError


def save(
    estimator: BaseEstimator, path: str | PathLike[str], *, optimizer_state: bool = False
) -> None:
    """Save an estimator to a file that runs no code when it is loaded.

    The file is a zip archive of JSON, of tensors in the format of safetensors, which any program
    can read, and of what skops writes of estimators of scikit-learn. It is written beside its
    place and takes it whole, so that a file that is there stays as it was until then. The package
    `safetensors` is needed, and `skops` for estimators of scikit-learn: both come with
    ``pip install 'sklearn-ae[save]'``.

    Parameters
    ----------
    estimator : estimator
        Any estimator of this package, fitted or not, or one of scikit-learn that holds some, such
        as a Pipeline. Losses, layers, callbacks and scorers that you wrote are named in the file,
        and to be passed to :func:`load` again.
    path : str or path-like
        Where to. A file that is there is replaced, and who may read it stays; a link stays one.
    optimizer_state : bool, default=False
        Whether what optimizers keep from step to step is saved too, with which `partial_fit` goes
        on as if nothing had been between. With Adam the file is three times as long.

    Raises
    ------
    TypeError
        If it is no estimator.
    ValueError
        If it holds something that can't be saved without pickle.
    ImportError
        If safetensors or skops are needed and not installed.
    OSError
        If the file can't be written. What was there before is as it was.

    See Also
    --------
    load : Load it again.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_digits
    >>> import sklearn_ae
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = sklearn_ae.AutoencoderTransformer(8, random_state=0).fit(X)
    >>> with TemporaryDirectory() as folder:
    ...     sklearn_ae.save(autoencoder, Path(folder, "digits.skae"))
    ...     loaded = sklearn_ae.load(Path(folder, "digits.skae"))
    >>> bool((loaded.transform(X) == autoencoder.transform(X)).all())
    True
    """
    if not isinstance(estimator, BaseEstimator):
        raise TypeError(f"estimator={estimator!r}: save takes an estimator.")
    write_file(Path(path), "estimator", estimator, steps=optimizer_state)


def load(
    path: str | PathLike[str],
    *,
    trusted: Collection[str] = (),
    own: Mapping[str, Any] | None = None,
) -> Any:
    """Load an estimator that :func:`save` saved.

    Nothing in the file is run, and nothing is built before all of it has been read, compared with
    its digests and looked at. On a machine that lacks the device it was fitted on it is on the CPU.

    Parameters
    ----------
    path : str or path-like
        The file.
    trusted : collection of str, default=()
        Names of further classes that may be built, such as ``"my_package.MyTransformer"``. None
        are needed for those of this package, and for the public ones of scikit-learn but for a few,
        such as trees, which could be crafted.
    own : mapping of str to object, default=None
        Losses, layers, callbacks and scorers that you wrote, by the names that the file has for
        them, which an error tells of.

    Returns
    -------
    estimator : estimator
        As it was saved.

    Raises
    ------
    sklearn_ae.exceptions.LoadError
        If the file is damaged, is of a later version, or holds what is not to be trusted. It is a
        ValueError.
    OSError
        If the file can't be read, such as FileNotFoundError.
    ImportError
        If safetensors or skops are needed and not installed, or the module of a class in `trusted`.

    See Also
    --------
    save : Save it.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> import sklearn_ae
    >>> with TemporaryDirectory() as folder:
    ...     sklearn_ae.save(sklearn_ae.AutoencoderTransformer(8), Path(folder, "eight.skae"))
    ...     print(sklearn_ae.load(Path(folder, "eight.skae")))
    AutoencoderTransformer(encoding_dim=8)
    """
    if isinstance(trusted, str):
        raise TypeError(f"trusted={trusted!r}: it is a collection of names. Use [{trusted!r}].")
    estimator = read_file(Path(path), "estimator", trusted=trusted, own=own or {})
    if not isinstance(estimator, BaseEstimator):
        raise LoadError(f"{path}: it holds no estimator, but a {type(estimator).__name__}.")
    return estimator
