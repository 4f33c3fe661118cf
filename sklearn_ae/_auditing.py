"""What describes estimators, looked at down to its leaves, before any of it is built."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from sklearn_ae._description import Description
from sklearn_ae._naming import (
    OURS,
    estimator_class,
    known_class,
    metric,
    plain_class,
    record_class,
)
from sklearn_ae._skops import untrusted
from sklearn_ae.exceptions import LoadError

# A long entry makes as much of each.
_MOST_BYTES_OF_TEXT = 2**28
# What a scorer may ask an estimator for.
_RESPONSES = {"decision_function", "default", "predict", "predict_proba"}


class Auditor:
    """Looks at all of a tree.

    Parameters
    ----------
    description : Description
    trusted : collection of str
        Classes beyond those of this package and of scikit-learn.
    own : mapping of str to object
        What the user wrote.
    """

    def __init__(
        self, description: Description, trusted: Collection[str], own: Mapping[str, Any]
    ) -> None:
        self.of_skops = description.of_skops
        self.tensors = description.tensors
        self.trusted = trusted
        self.own = own
        # What is there once may be named several times, as weights that are tied.
        self.most_bytes = 10 * sum(tensor.nbytes for tensor in self.tensors.values())
        self.n_bytes, self.named = 0, set[str]()

    def audit(self, node: Any) -> None:
        """Raise an error unless a node is sound, down to its leaves."""
        if isinstance(node, dict) and len(node) != 1:  # else it could be two things in turn
            raise LoadError(f"{str(node)[:80]!r} describes nothing that is known.")
        match node:
            case None | bool() | int() | float() | str() | {"path": str()}:
                parts: list[Any] = []
            case {"float": "nan" | "inf" | "-inf"}:
                parts = []
            case list() as parts:
                pass
            case (
                {"tuple": list() as parts}
                | {"set": list() as parts}
                | {"frozenset": list() as parts}
                | {"net": [_, _] as parts}
                | {"slice": [_, _, _] as parts}
            ):
                pass
            case {"masked": [values, mask]} if _is_array(values) and _is_array(mask):
                parts = [values, mask]
            case {"dict": list(items)}:
                parts = _both(items)
            case {"bunch": list(items)}:
                parts = _attributes(items)
            case {"ufunc": str(name)}:
                if not isinstance(getattr(np, name, None), np.ufunc):
                    raise LoadError(f"{name} is no function of numpy.")
                parts = []
            case {"metric": str(path)}:
                if metric(path) is None:
                    raise LoadError(f"{path} is no function of sklearn.metrics.")
                parts = []
            case {"requesting": [{"skops": str()} | {"plain": list()}, _] as parts}:
                pass
            case {"plain": [str(path), list(items)]}:
                if plain_class(path) is None:
                    raise LoadError(_untrusted([path]))
                parts = _attributes(items)
                for name, asked in items:
                    if name == "_response_method" and not _is_response(asked):
                        raise LoadError(f"{path} would ask for {asked}.")
            case {"tensor": [str(name), str(dtype), list(shape)]}:
                self._audit_tensor(name, dtype, shape)
                parts = []
            case (
                {"array": dict() as of}
                | {"transposed": dict() as of}
                | {"number": dict() as of}
                | {"generator": dict() as of}
                | {"random_state": dict() as of}
            ):
                parts = [of]
            case {"objects": [str(dtype), list(shape), list() as parts]}:
                longest = max((len(part) for part in parts if isinstance(part, str)), default=0)
                is_text = np.dtype(dtype).itemsize <= 4 * max(longest, 1)
                if not (dtype == "|O" or (np.dtype(dtype).kind == "U" and is_text)):
                    raise LoadError(f"an array of {dtype} has entries of {longest} letters.")
                if np.dtype(dtype).itemsize * len(parts) > _MOST_BYTES_OF_TEXT:
                    raise LoadError(f"{len(parts)} entries of {dtype} are more than there may be.")
                if math.prod(shape) != len(parts):
                    raise LoadError(
                        f"an array of {dtype} and shape {shape} has {len(parts)} entries."
                    )
            case {"neighbors": [list(parameters), rows]}:
                values = _attributes(parameters)
                parts = [*values, rows]
                if not (rows is None or _is_array(rows, "float32", "float64")):
                    raise LoadError("what neighbours are looked for among is no array of floats.")
                if any(isinstance(value, list | dict) for value in values):
                    raise LoadError("what looks for neighbours has other parameters than numbers.")
            case {"skops": str(name)}:
                self._audit_skops(name)
                parts = []
            case {"estimator": [str(path), list(parameters), list(fitted), requests]}:
                self._audit_class(path)
                parts = [*_attributes(parameters), *_attributes(fitted), requests]
            case {"record": [str(path), list(fields)]}:
                if record_class(path) is None:
                    raise LoadError(f"{path} is no record of {OURS}.")
                parts = _both(fields)
            case {"class": str(path)}:
                if known_class(path) is None:
                    raise LoadError(f"{path} is no class that a parameter may be.")
                parts = []
            case {"own": str(name)}:
                if name not in self.own:
                    raise LoadError(
                        f"{name} is your own code, which no file holds: pass what stood there, as "
                        f"load(path, own={{{name!r}: ...}})."
                    )
                parts = []
            case _:
                raise LoadError(f"{str(node)[:80]!r} describes nothing that is known.")
        for part in parts:
            self.audit(part)

    def _audit_tensor(self, name: str, dtype: str, shape: list[Any]) -> None:
        if name not in self.tensors:
            raise LoadError(f"there is no tensor {name!r}.")
        found = self.tensors[name]
        self.n_bytes += found.nbytes
        if self.n_bytes > self.most_bytes:
            raise LoadError("tensors are named again and again, beyond what they are long.")
        found_dtype = str(found.dtype).removeprefix("torch.")
        if [found_dtype, list(found.shape)] != [dtype, shape]:
            raise LoadError(
                f"tensor {name} is {found_dtype} of shape {list(found.shape)} where {dtype} of "
                f"shape {shape} is described."
            )

    def _audit_skops(self, name: str) -> None:
        if name not in self.of_skops or name in self.named:
            raise LoadError(f"there is no {name!r}, or it is named twice.")
        self.named.add(name)
        if unknown := untrusted(self.of_skops[name], name, self.trusted):
            raise LoadError(_untrusted(unknown))

    def _audit_class(self, path: str) -> None:
        if path not in self.trusted and estimator_class(path, self.trusted) is None:
            raise LoadError(_untrusted([path]))


def _both(items: list[Any]) -> list[Any]:
    """Give names and values of a dict."""
    if not all(isinstance(item, list) and len(item) == 2 for item in items):
        raise LoadError("a dict has other items than names and values.")
    return [part for item in items for part in item]


def _attributes(items: list[Any]) -> list[Any]:
    """Give names and values of attributes, none of which means something to Python or numpy."""
    parts = _both(items)
    for name, _ in items:
        if not isinstance(name, str) or name.startswith("__"):
            raise LoadError(f"{name!r} is no name that an attribute may have.")
    return parts


def _is_array(node: Any, *dtypes: str) -> bool:
    """Whether a node is an array, of one of some dtypes if there are any."""
    match node:
        case {"array": {"tensor": [_, dtype, _]}} | {"transposed": {"tensor": [_, dtype, _]}}:
            return not dtypes or dtype in dtypes
        case {"objects": _}:
            return not dtypes
    return False


def _is_response(asked: Any) -> bool:
    """Whether a scorer asks for nothing but what an estimator says of rows."""
    names = asked if isinstance(asked, list) else [asked]
    if isinstance(asked, dict):
        names = asked.get("tuple", [asked])
    return all(isinstance(name, str) and name in _RESPONSES for name in names)


def _untrusted(paths: list[str]) -> str:
    return (
        f"{', '.join(paths)}: no class of {OURS}, and none of scikit-learn that is known to be "
        f"safe. If you know where the file is from, and what they do, use load(path, "
        f"trusted={paths})."
    )
