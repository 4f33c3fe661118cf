"""Saving estimators to files that hold no code."""

import json
import platform
from collections.abc import Collection, Mapping
from importlib import import_module
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator

from sklearn_ae._archive import read, write
from sklearn_ae.exceptions import LoadError

_FORMAT = 1
_MANIFEST, _TENSORS, _OF_SKOPS = "manifest.json", "tensors.safetensors", ".skops"
_VERSIONS_OF = ("sklearn-ae", "numpy", "scikit-learn", "skorch", "torch")


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
        as a Pipeline. Losses, layers and callbacks that you wrote are named in the file, and to be
        passed to :func:`load` again.
    path : str or path-like
        Where to. A file that is there is replaced.
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
    from sklearn_ae._description import described

    description = described(estimator, steps=optimizer_state)
    manifest = {
        "format": _FORMAT,
        "versions": {"python": platform.python_version(), **dict(map(_version, _VERSIONS_OF))},
        "own": description.own,
        "estimator": description.tree,
    }
    members = {
        _MANIFEST: json.dumps(manifest, allow_nan=False, indent=1).encode(),
        _TENSORS: _safetensors().save(description.tensors),
        **description.of_skops,
    }
    write(Path(path), members)


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
        Losses, layers and callbacks that you wrote, by the names that the file has for them, which
        an error tells of.

    Returns
    -------
    estimator : estimator
        As it was saved.

    Raises
    ------
    sklearn_ae.exceptions.LoadError
        If the file is damaged, is of a later version, or holds what is not to be trusted. It is a
        ValueError.
    FileNotFoundError
        If there is no file.
    ImportError
        If safetensors or skops are needed and not installed.

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
    path = Path(path)
    members = read(path)
    manifest = _manifest(path, members)
    from sklearn_ae._description import Description, rebuilt

    of_skops = {name: of for name, of in members.items() if name.endswith(_OF_SKOPS)}
    try:
        tensors = _safetensors().load(members[_TENSORS])
    except ImportError:
        raise
    except Exception as error:
        raise LoadError(f"{path}: {_TENSORS} is damaged: {error}") from error
    description = Description(manifest["estimator"], tensors, of_skops, manifest["own"])
    try:
        return rebuilt(description, trusted=trusted, own=own or {})
    except LoadError as error:
        raise LoadError(f"{path}: {error}") from error


def _manifest(path: Path, members: Mapping[str, bytes]) -> dict[str, Any]:
    others = {name for name in members if not name.endswith(_OF_SKOPS)}
    if others != {_MANIFEST, _TENSORS}:
        raise LoadError(f"{path}: it holds {sorted(others)} and not {[_MANIFEST, _TENSORS]}.")
    try:
        manifest = json.loads(members[_MANIFEST], parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise LoadError(f"{path}: {_MANIFEST} is no JSON: {error}") from error
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if type(found) is not int or found < 1:
        raise LoadError(f"{path}: {_MANIFEST} names no format.")
    if found > _FORMAT:
        raise LoadError(
            f"{path}: it is of format {found}, which a later sklearn_ae wrote "
            f"({manifest.get('versions')}). This one reads up to {_FORMAT}: update it."
        )
    if not {"estimator", "own"} <= manifest.keys():
        raise LoadError(f"{path}: {_MANIFEST} describes no estimator.")
    return manifest


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _version(project: str) -> tuple[str, str]:
    return project, version(project)


def _safetensors() -> Any:
    try:
        return import_module("safetensors.torch")
    except ImportError as error:
        raise ImportError(
            "safetensors is needed to save and load: pip install 'sklearn-ae[save]'"
        ) from error
