"""Estimators as JSON, tensors and nothing that runs."""

import dataclasses
import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from pathlib import PurePath
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import MetadataRequest
from torch import Generator, Tensor

from sklearn_ae._naming import (
    OURS,
    fields_of,
    is_of,
    is_own,
    metric,
    path_of,
    plain_class,
)
from sklearn_ae._skops import skops_io, untrusted
from sklearn_ae._training.net import AutoencoderNet

# What numpy, torch and safetensors have, under numpy's and torch's name.
_DTYPES = (
    *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64"),
)
_HOLDING_DATA = {"numpy", "pandas", "polars", "sklearn"}
# Whose trees, in memory and in files, could be crafted to read beyond their arrays.
_FITTED_AGAIN = "sklearn.neighbors.NearestNeighbors"


class Description(NamedTuple):
    """An estimator, described.

    Parameters
    ----------
    tree : object
        What JSON takes.
    tensors : dict of Tensor
        Arrays and tensors, by the names that the tree has for them.
    of_skops : dict of bytes
        Estimators of scikit-learn as skops writes them, by the names that the tree has for them.
    own : list of str
        The names that the tree has for what the user wrote.
    """

    tree: Any
    tensors: dict[str, Tensor]
    of_skops: dict[str, bytes]
    own: list[str]


def described(value: Any, *, steps: bool) -> Description:
    """Describe an estimator, or what holds some.

    Parameters
    ----------
    value : object
    steps : bool
        Whether what optimizers keep from step to step is part of it.

    Raises
    ------
    ValueError
        If a part of it can't be described.
    """
    describer = _Describer(steps=steps)
    try:
        tree = describer(value)
    except RecursionError as error:
        raise ValueError(
            f"{type(value).__name__}: it holds itself, which can't be saved."
        ) from error
    return Description(tree, describer.tensors, describer.of_skops, sorted(describer.own))


def own_of(estimator: BaseEstimator) -> dict[str, Any]:
    """Give what of the parameters of an estimator the user wrote, by the names they have.

    Raises
    ------
    ValueError
        If one of them can't be described.
    """
    describer = _Describer(steps=False)
    describer.items(estimator.get_params(deep=False))
    return describer.own


class _Describer:
    def __init__(self, *, steps: bool) -> None:
        self.steps = steps
        self.tensors: dict[str, Tensor] = {}
        self.of_skops: dict[str, bytes] = {}
        self.own: dict[str, Any] = {}
        self._names: dict[tuple, str] = {}
        self._kept: list[Tensor] = []  # so that no other takes their place in memory
        self._where: list[str] = []
        self._takes_own = True

    def __call__(self, value: Any) -> Any:
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if type(value) is list:
            return [self(each) for each in value]
        if type(value) in (tuple, set, frozenset):
            return {type(value).__name__: [self(each) for each in value]}
        if type(value) in (dict, OrderedDict, Bunch):
            return {"bunch" if type(value) is Bunch else "dict": self.items(value)}
        if type(value) is slice:
            return {"slice": [self(value.start), self(value.stop), self(value.step)]}
        for kind, describe in _KINDS.items():
            if isinstance(value, kind):
                return describe(self, value)
        return self.class_or_own(value)

    def items(self, value: Mapping) -> list[list[Any]]:
        found = []
        for name, each in value.items():
            with self._within(str(name)):
                found.append([self(name), self(each)])
        return found

    @contextmanager
    def _taking_own(self, takes: bool) -> Iterator[None]:
        """Allow or forbid what the user wrote, which only parameters may be."""
        before, self._takes_own = self._takes_own, takes
        yield
        self._takes_own = before

    @contextmanager
    def _within(self, name: str) -> Iterator[None]:
        self._where.append(name)
        yield
        self._where.pop()

    def tensor(self, value: Tensor) -> dict[str, Any]:
        self._kept.append(value)
        place = (value.data_ptr(), value.dtype, value.shape, value.stride())
        name = self._names.setdefault(place, str(len(self._names)))  # of tied weights there is one
        if name not in self.tensors:
            self.tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": [name, str(value.dtype).removeprefix("torch."), list(value.shape)]}

    def array(self, value: np.ndarray) -> dict[str, Any]:
        if type(value) is np.ma.MaskedArray:
            return {"masked": [self(value.data), self(np.ma.getmaskarray(value))]}
        if type(value) is not np.ndarray:
            raise self.unknown(value)
        if value.dtype.kind in "OU":
            entries = [self(entry) for entry in value.ravel().tolist()]
            return {"objects": [value.dtype.str, list(value.shape), entries]}
        native = value.astype(value.dtype.newbyteorder("="), copy=False)
        if native.dtype.name not in _DTYPES:
            raise self.unknown(value)
        # The order of an array decides how products of it round.
        is_transposed = value.flags.f_contiguous and not value.flags.c_contiguous
        kept = np.array(native.T if is_transposed else native, order="C")
        return {"transposed" if is_transposed else "array": self.tensor(torch.from_numpy(kept))}

    def number(self, value: np.generic) -> dict[str, Any]:
        return {"number": self.array(np.asarray(value))}

    def generator(self, value: Generator) -> dict[str, Any]:
        return {"generator": self(value.get_state())}

    def random_state(self, value: np.random.RandomState) -> dict[str, Any]:
        return {"random_state": self(value.get_state(legacy=False))}

    def net(self, value: AutoencoderNet) -> dict[str, Any]:
        with self._taking_own(True):
            specification = self(value.module)
        return {"net": [specification, self(value.state(steps=self.steps))]}

    def estimator(self, value: BaseEstimator) -> dict[str, Any]:
        path = path_of(type(value))
        if path == _FITTED_AGAIN:
            rows = vars(value).get("_fit_X")
            return {"neighbors": [self.items(value.get_params(deep=False)), self(rows)]}
        if path.startswith("sklearn.") and not (_holds_ours(value) or _asks_within(value)):
            return self.by_skops(value)
        parameters = value.get_params(deep=False)
        fitted = {name: of for name, of in vars(value).items() if name not in parameters}
        requests = fitted.pop("_metadata_request", None)
        with self._taking_own(True):
            found: list[Any] = [path, self.items(parameters)]
        with self._taking_own(False):
            found.append(self.items(fitted))
        return {"estimator": [*found, self(None if requests is None else _asked(requests))]}

    def by_skops(self, value: BaseEstimator) -> dict[str, Any]:
        requests = vars(value).get("_metadata_request")
        if requests is not None:  # which skops goes round and round in
            value = copy(value)
            del value._metadata_request
            return {"requesting": [self.by_skops(value), self(_asked(requests))]}
        try:
            content = skops_io().dumps(value)
            types = untrusted(content, type(value).__name__)
        except ImportError:
            raise
        except Exception as error:
            raise ValueError(f"{self.unknown(value)} {error}") from error
        if nameless := [name for name in types if "<" in name]:
            raise ValueError(
                f"{'.'.join(self._where)}: {type(value).__name__} has {nameless[0]}, which no "
                "other process finds. Define it at the top of a module."
            )
        name = f"{len(self.of_skops)}.skops"
        self.of_skops[name] = content
        return {"skops": name}

    def class_or_own(self, value: Any) -> dict[str, Any]:
        if isinstance(value, tuple) or dataclasses.is_dataclass(value):
            if is_of(OURS, type(value)):
                return {"record": [path_of(type(value)), self.items(fields_of(value))]}
            raise self.unknown(value)
        if not is_own(value):
            return {"class": path_of(value)}
        if isinstance(value, np.ufunc):
            return {"ufunc": value.__name__}
        if plain_class(path_of(type(value))) is type(value):
            kept = dict(vars(value))
            requests = kept.pop("_metadata_request", None)
            with self._taking_own(True):  # the function of a scorer
                plain = {"plain": [path_of(type(value)), self.items(kept)]}
            return plain if requests is None else {"requesting": [plain, self(_asked(requests))]}
        is_code = isinstance(value, type | FunctionType)
        if is_code and metric(path_of(value)) is value:
            return {"metric": path_of(value)}
        # What is no code but data, or has learnt something, is not there again where it is passed.
        is_data = not is_code and (
            type(value).__module__.split(".")[0] in _HOLDING_DATA
            or (
                hasattr(value, "fit") and (hasattr(value, "transform") or hasattr(value, "predict"))
            )
        )
        takes_own = self._takes_own or isinstance(value, FunctionType)
        if not takes_own or is_data or not (is_code or hasattr(value, "__dict__")):
            raise self.unknown(value)
        return {"own": self.name_of_own(value)}

    def name_of_own(self, value: Any) -> str:
        """Give what the user wrote a name: that of the code, and a number if there are several."""
        base = path_of(value if hasattr(value, "__qualname__") else type(value))
        for number in range(1, len(self.own) + 2):
            name = base if number == 1 else f"{base}#{number}"
            if _is_same(self.own.setdefault(name, value), value):
                return name
        raise AssertionError("unreachable")

    def unknown(self, value: Any) -> ValueError:
        return ValueError(
            f"{'.'.join(self._where)}: {type(value).__name__} can't be saved without pickle."
        )


def _is_same(one: object, other: object) -> bool:
    """Whether one may take the place of the other: a copy of a callback may."""
    if one is other:
        return True
    if type(one) is not type(other) or hasattr(one, "__qualname__"):
        return False
    try:
        return bool(vars(one) == vars(other))
    except Exception:  # of what compares in its own way, such as arrays
        return False


def _holds_ours(estimator: BaseEstimator) -> bool:
    """Whether one of ours is among the parts of an estimator of scikit-learn."""
    parts = estimator.get_params(deep=True).values() if hasattr(estimator, "get_params") else ()
    return any(is_of(OURS, type(part)) for part in _flat([*parts, *vars(estimator).values()]))


def _asks_within(estimator: BaseEstimator) -> bool:
    """Whether a part of an estimator of scikit-learn asks for metadata."""
    parts = _flat(vars(estimator).values())
    return any(isinstance(of, BaseEstimator) and "_metadata_request" in vars(of) for of in parts)


def _flat(values: Any) -> Iterator[Any]:
    """Give values, and those within lists, tuples, dicts and estimators of them."""
    for value in values:
        yield value
        if isinstance(value, list | tuple):
            yield from _flat(value)
        elif isinstance(value, dict):
            yield from _flat(value.values())
        elif isinstance(value, BaseEstimator) and is_of("sklearn", type(value)):
            yield from _flat(vars(value).values())


def _asked(requests: MetadataRequest) -> dict[str, dict[str, Any]]:
    """Give what metadata each method asks for."""
    methods = {name: of for name, of in vars(requests).items() if hasattr(of, "requests")}
    return {name: dict(of.requests) for name, of in methods.items()}


_KINDS: dict[type, Callable[[_Describer, Any], Any]] = {
    PurePath: lambda _, value: {"path": str(value)},
    Tensor: _Describer.tensor,
    np.ndarray: _Describer.array,
    np.generic: _Describer.number,
    Generator: _Describer.generator,
    np.random.RandomState: _Describer.random_state,
    AutoencoderNet: _Describer.net,
    BaseEstimator: _Describer.estimator,
}
