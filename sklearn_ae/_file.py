"""Files that hold a description: of an estimator, or of a fit that is on its way."""

import json
import platform
from collections.abc import Collection, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sklearn_ae._archive import read, write
from sklearn_ae._compat import required
from sklearn_ae._training.surroundings import undisturbed
from sklearn_ae.exceptions import LoadError

_FORMAT = 1
_MANIFEST, _TENSORS, _OF_SKOPS = "manifest.json", "tensors.safetensors", ".skops"
_VERSIONS_OF = ("sklearn-ae", "numpy", "scikit-learn", "skorch", "torch")


def write_file(path: Path, kind: str, value: Any, *, steps: bool) -> None:
    """Write what a value is, so that the file is there whole or as it was.

    Parameters
    ----------
    path : Path
    kind : str
        What the file says that it holds.
    value : object
    steps : bool
        Whether what optimizers keep from step to step is part of it.
    """
    from sklearn_ae._description import described

    description = described(value, steps=steps)
    manifest = {
        "format": _FORMAT,
        "versions": {"python": platform.python_version(), **dict(map(_version, _VERSIONS_OF))},
        "own": description.own,
        kind: description.tree,
    }
    members = {
        _MANIFEST: json.dumps(manifest, allow_nan=False, indent=1).encode(),
        _TENSORS: require_safetensors().save(description.tensors),
        **description.of_skops,
    }
    write(path, members)


def read_file(
    path: Path, kind: str, *, trusted: Collection[str] = (), own: Mapping[str, Any]
) -> Any:
    """Read a value of a kind from a file, of which nothing is run.

    Raises
    ------
    LoadError
        If the file is damaged, of a later version, of another kind, or not to be trusted.
    """
    members = read(path)
    manifest = _manifest(path, members)
    if kind not in manifest:
        raise LoadError(f"{path}: {_MANIFEST} describes no {kind}.")
    from sklearn_ae._description import Description
    from sklearn_ae._rebuilding import rebuilt

    of_skops = {name: of for name, of in members.items() if name.endswith(_OF_SKOPS)}
    with undisturbed(inference=False):  # by what is set where a server answers, for one
        try:
            tensors = require_safetensors().load(members[_TENSORS])
        except ImportError:
            raise
        except Exception as error:
            raise LoadError(f"{path}: {_TENSORS} is damaged: {error}") from error
        try:
            return rebuilt(Description(manifest[kind], tensors, of_skops, []), trusted, own)
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
    return manifest


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _version(project: str) -> tuple[str, str]:
    try:
        return project, version(project)
    except PackageNotFoundError:  # a package may be imported from where its source is
        return project, "not installed"


def require_safetensors() -> Any:
    """Give what writes and reads tensors."""
    return required("safetensors.torch", "to save and load", extra="save")
