"""Estimators as JSON, tensors and nothing that runs, and estimators from these."""

import dataclasses
import math
import sys
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path, PurePath
from types import FunctionType
from typing import Any, NamedTuple, cast

import numpy as np
import sklearn
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import MetadataRequest
from torch import Generator, Tensor, nn
from torch.optim import Optimizer
from torch.overrides import TorchFunctionMode

from sklearn_ae._archive import check_members
from sklearn_ae._building import Specification, _Building
from sklearn_ae._training.net import AutoencoderNet
from sklearn_ae.exceptions import LoadError

_OURS = __name__.split(".")[0]
# What numpy, torch and safetensors have, under numpy's and torch's name.
_DTYPES = (
    *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
    *("float16", "bfloat16", "float32", "float64"),
)
# Whose trees, in memory and in files, could be crafted to read beyond their arrays.
_FITTED_AGAIN = "sklearn.neighbors.NearestNeighbors"


# What estimators of scikit-learn hold that are none themselves.
_SPLITTERS = {
    *("KFold", "StratifiedKFold", "RepeatedKFold", "RepeatedStratifiedKFold", "ShuffleSplit"),
    *("StratifiedShuffleSplit", "GroupKFold", "GroupShuffleSplit", "StratifiedGroupKFold"),
    *("LeaveOneOut", "LeavePOut", "LeaveOneGroupOut", "TimeSeriesSplit", "PredefinedSplit"),
}
_PLAIN_CLASSES = {
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.compose.make_column_selector",
    "sklearn.metrics._scorer._PassthroughScorer",
}


_TYPES = {f"builtins.{of.__name__}": of for of in (bool, int, float, complex, str, object)} | {
    f"numpy.{of.__name__}": of for of in {np.object_, *np.sctypeDict.values()}
}


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


def rebuilt(description: Description, trusted: Collection[str], own: Mapping[str, Any]) -> Any:
    """Build what is described, once all of the description is found to be sound.

    Parameters
    ----------
    description : Description
    trusted : collection of str
        Classes beyond those of this package and of scikit-learn.
    own : mapping of str to object
        What the user wrote.

    Raises
    ------
    LoadError
        If it is not sound.
    """
    builder = _Builder(description, trusted, own)
    try:
        builder.audit(description.tree)
        return builder.build(description.tree)
    except LoadError:
        raise
    except Exception as error:  # whatever a crafted tree may bring about
        raise LoadError(f"what is described can't be put together: {error}") from error


# To a description


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
        path = _path(type(value))
        if path == _FITTED_AGAIN:
            rows = vars(value).get("_fit_X")
            return {"neighbors": [self.items(value.get_params(deep=False)), self(rows)]}
        if path.startswith("sklearn.") and not _holds_ours(value):
            name = f"{len(self.of_skops)}.skops"
            self.of_skops[name] = _skops().dumps(value)
            return {"skops": name}
        parameters = value.get_params(deep=False)
        fitted = {name: of for name, of in vars(value).items() if name not in parameters}
        requests = fitted.pop("_metadata_request", None)
        with self._taking_own(True):
            found: list[Any] = [path, self.items(parameters)]
        with self._taking_own(False):
            found.append(self.items(fitted))
        return {"estimator": [*found, self(None if requests is None else _asked(requests))]}

    def class_or_own(self, value: Any) -> dict[str, Any]:
        if isinstance(value, tuple) or dataclasses.is_dataclass(value):
            if _is_of(_OURS, type(value)):
                return {"record": [_path(type(value)), self.items(_fields(value))]}
            raise self.unknown(value)
        if not _is_own(value):
            return {"class": _path(value)}
        if isinstance(value, np.ufunc):
            return {"ufunc": value.__name__}
        if _plain_class(_path(type(value))) is type(value):
            # What metadata they ask for is asked of the estimators.
            kept = {name: of for name, of in vars(value).items() if name != "_metadata_request"}
            return {"plain": [_path(type(value)), self.items(kept)]}
        is_code = isinstance(value, type | FunctionType)
        of_others = not is_code and type(value).__module__.split(".")[0] in ("numpy", "sklearn")
        if not self._takes_own or of_others or not (is_code or hasattr(value, "__dict__")):
            raise self.unknown(value)
        return {"own": self.name_of_own(value)}

    def name_of_own(self, value: Any) -> str:
        """Give what the user wrote a name: that of the code, and a number if there are several."""
        base = _path(value if hasattr(value, "__qualname__") else type(value))
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
    return any(_is_of(_OURS, type(part)) for part in _flat([*parts, *vars(estimator).values()]))


def _flat(values: Any) -> Iterator[Any]:
    """Give values, and those within lists, tuples, dicts and estimators of them."""
    for value in values:
        yield value
        if isinstance(value, list | tuple):
            yield from _flat(value)
        elif isinstance(value, dict):
            yield from _flat(value.values())
        elif isinstance(value, BaseEstimator) and _is_of("sklearn", type(value)):
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


# From a description


class _Builder:
    """Looks at all of a tree before it builds anything of it."""

    def __init__(
        self, description: Description, trusted: Collection[str], own: Mapping[str, Any]
    ) -> None:
        self.of_skops = description.of_skops
        self.tensors = description.tensors
        self.trusted = frozenset(trusted)
        self.own = own
        # Weights that are tied are there once, and named twice.
        self.most_bytes = 2 * sum(tensor.nbytes for tensor in self.tensors.values())
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
                | {"masked": [_, _] as parts}
                | {"slice": [_, _, _] as parts}
            ):
                pass
            case {"dict": list(items)} | {"bunch": list(items)}:
                parts = _both(items)
            case {"ufunc": str(name)}:
                if not isinstance(getattr(np, name, None), np.ufunc):
                    raise LoadError(f"{name} is no function of numpy.")
                parts = []
            case {"plain": [str(path), list(items)]}:
                if _plain_class(path) is None:
                    raise LoadError(_untrusted([path]))
                parts = _both(items)
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
                if math.prod(shape) != len(parts):
                    raise LoadError(
                        f"an array of {dtype} and shape {shape} has {len(parts)} entries."
                    )
            case {"neighbors": [list(parameters), rows]}:
                parts = [*_both(parameters), rows]
            case {"skops": str(name)}:
                self._audit_skops(name)
                parts = []
            case {"estimator": [str(path), list(parameters), list(fitted), requests]}:
                self._audit_class(path)
                parts = [*_both(parameters), *_both(fitted), requests]
            case {"record": [str(path), list(fields)]}:
                if _record(path) is None:
                    raise LoadError(f"{path} is no record of {_OURS}.")
                parts = _both(fields)
            case {"class": str(path)}:
                if _known_class(path) is None:
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
        check_members(self.of_skops[name], name)
        unknown = set(_skops().get_untrusted_types(data=self.of_skops[name])) - self.trusted
        if unknown:
            raise LoadError(_untrusted(sorted(unknown)))

    def _audit_class(self, path: str) -> None:
        if path not in self.trusted and self._class(path) is None:
            raise LoadError(_untrusted([path]))

    def _class(self, path: str) -> type | None:
        """Give a class of estimators, which is imported only if it is known or trusted."""
        if path in self.trusted:
            return _found(path)
        found = _ours(path) or _of_sklearn(path)
        return found if found is not None and issubclass(found, BaseEstimator) else None

    def build(self, node: Any) -> Any:
        """Build what a node describes that was found to be sound."""
        build = self.build
        match node:
            case {"float": text}:
                return float(text)
            case {"path": text}:
                return Path(text)
            case list():
                return [build(each) for each in node]
            case {"tuple": parts}:
                return tuple(map(build, parts))
            case {"set": parts}:
                return set(map(build, parts))
            case {"frozenset": parts}:
                return frozenset(map(build, parts))
            case {"slice": parts}:
                return slice(*map(build, parts))
            case {"dict": items}:
                return self._items(items)
            case {"bunch": items}:
                return Bunch(**self._items(items))
            case {"ufunc": name}:
                return getattr(np, name)
            case {"plain": [path, items]}:
                plain = cast(type, _plain_class(path))
                made: Any = object.__new__(plain)
                vars(made).update(self._items(items))
                return made
            case {"tensor": [name, _, _]}:
                return self.tensors[name]
            case {"array": of}:
                return build(of).numpy().copy()
            case {"transposed": of}:
                return build(of).numpy().copy().T
            case {"number": of}:
                return build(of)[()]
            case {"masked": [values, mask]}:
                return np.ma.MaskedArray(build(values), build(mask))
            case {"objects": [dtype, shape, entries]}:
                array = np.empty(math.prod(shape), dtype)
                array[:] = [build(entry) for entry in entries]
                return array.reshape(shape)
            case {"generator": of}:
                generator = Generator()
                generator.set_state(build(of))
                return generator
            case {"random_state": of}:
                return _random_state(build(of))
            case {"neighbors": [parameters, rows]}:
                return self._neighbors(self._items(parameters), build(rows))
            case {"skops": name}:
                trusted = sorted(self.trusted)
                return _skops().loads(self.of_skops[name], trusted=trusted)
            case {"net": [specification, state]}:
                return self._net(build(specification), build(state))
            case {"estimator": [path, parameters, fitted, requests]}:
                return self._estimator(path, self._items(parameters), self._items(fitted), requests)
            case {"record": [path, fields]}:
                return cast(type, _record(path))(**self._items(fields))
            case {"class": path}:
                return _known_class(path)
            case {"own": name}:
                return self.own[name]
        return node

    def _items(self, items: list[list[Any]]) -> dict[Any, Any]:
        return {self.build(name): self.build(value) for name, value in items}

    def _neighbors(self, parameters: dict[str, Any], rows: Any) -> BaseEstimator:
        from sklearn.neighbors import NearestNeighbors  # with whom half of scikit-learn comes

        neighbors = NearestNeighbors(**parameters)
        return neighbors if rows is None else neighbors.fit(rows)

    def _estimator(
        self, path: str, parameters: dict[str, Any], fitted: dict[str, Any], requests: Any
    ) -> BaseEstimator:
        estimator = cast(type, self._class(path))(**parameters)
        vars(estimator).update(parameters | fitted)
        if requests is not None:
            asked = estimator._get_metadata_request()
            for method, of_method in self.build(requests).items():
                for name, alias in of_method.items():
                    getattr(asked, method).add_request(param=name, alias=alias)
            estimator._metadata_request = asked
        return estimator

    def _net(self, specification: Any, state: Any) -> AutoencoderNet:
        if not isinstance(specification, Specification):
            raise LoadError("a net has no specification.")
        _check_layers(specification, state["weights"])
        return specification.restored(state)


def _random_state(state: dict[str, Any]) -> np.random.RandomState:
    """Build a generator, whose place in its numbers numpy does not look at."""
    position = state["state"]["pos"]
    if state["bit_generator"] != "MT19937" or not 0 <= position <= 624:
        raise LoadError(f"a random state is at {position} of 624 numbers.")
    random_state = np.random.RandomState()
    random_state.set_state(state)
    return random_state


class _Nowhere(TorchFunctionMode):
    """Takes what asks for a device to the one that has no memory."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        return func(*args, **(kwargs | {"device": "meta"} if "device" in kwargs else kwargs))


def _check_given(specification: Specification, weights: Mapping[str, Any]) -> None:
    """Check layers that the user gave: of torch's own, since others need not know of no memory."""
    widths = (specification.n_features, specification.encoding_dim)
    for name, (n_in, n_out) in {"encoder": widths, "decoder": widths[::-1]}.items():
        given = specification.parameters.get(name)
        if given is not None and not _is_own(given):
            with torch.device("meta"):
                layer = given(n_in, n_out)
            n_values = sum(parameter.numel() for parameter in layer.parameters())
            if n_values > sum(weight.numel() for weight in weights.values()):
                raise LoadError(f"{name}={given.__name__} has {n_values} weights of {widths}.")


def _is_own(value: Any) -> bool:
    """Whether the user wrote it."""
    return not (isinstance(value, type) and _known_class(_path(value)) is value)


def _check_layers(specification: Specification, weights: Mapping[str, Any]) -> None:
    """Check weights against layers that take no memory, so that crafted ones ask for none."""
    if len(specification.units.shift) != specification.n_features:
        raise LoadError(
            f"units of {len(specification.units.shift)} features are described where the "
            f"parameters ask for {specification.n_features}."
        )
    if not issubclass(specification.estimator_class, _Building):
        raise LoadError(f"a net is of {specification.estimator_class}, which builds none.")
    parameters = specification.parameters
    for name in ("hidden_layer_sizes", "channels"):
        sizes = parameters.get(name)
        if not isinstance(sizes, str | int | None) and len(sizes) > len(weights):
            raise LoadError(f"{name} has {len(sizes)} layers, of {len(weights)} weights.")
    if specification.target is not None:
        head = (len(specification.target.start), specification.encoding_dim)
        if weights["target_head.weight"].shape != head:
            raise LoadError(f"the weights target_head.weight are not of shape {head}.")
    try:
        with torch.device("meta"), _Nowhere():
            halves = specification.halves()
    except Exception:
        _check_given(specification, weights)
        return
    layers = nn.ModuleDict(dict(zip(("encoder", "decoder"), halves, strict=True)))
    for name, layer in layers.state_dict().items():
        found = weights.get(name)
        if isinstance(layer, Tensor) and (
            not isinstance(found, Tensor)
            or (found.shape, found.dtype) != (layer.shape, layer.dtype)
        ):
            said = "nothing" if found is None else f"{found.dtype} of shape {tuple(found.shape)}"
            raise LoadError(
                f"the weights {name} are {said} where the parameters ask for {layer.dtype} of "
                f"shape {tuple(layer.shape)}."
            )


def _both(items: list[Any]) -> list[Any]:
    """Give names and values of a dict."""
    if not all(isinstance(item, list) and len(item) == 2 for item in items):
        raise LoadError("a dict has other items than names and values.")
    return [part for item in items for part in item]


def _untrusted(paths: list[str]) -> str:
    return (
        f"{', '.join(paths)}: no class of {_OURS}, and none of scikit-learn that is known to be "
        f"safe. If you know where the file is from, and what they do, use load(path, "
        f"trusted={paths})."
    )


# Names


def _path(named: Any) -> str:
    """Give where a class or function is found, by its public name if it has one."""
    parts, name = named.__module__.split("."), named.__qualname__
    for n_parts in range(1, len(parts)):
        module = ".".join(parts[:n_parts])
        if getattr(sys.modules.get(module), name, None) is named:
            return f"{module}.{name}"
    return f"{named.__module__}.{name}"


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        return None


def _is_of(package: str, found: type) -> bool:
    return found.__module__.split(".")[0] == package


def _found(path: str) -> Any:
    """Give what has a name, which is imported: for names that are trusted."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def _ours(path: str) -> type | None:
    """Give one of our classes."""
    module, _, name = path.rpartition(".")
    if module.split(".")[0] != _OURS or not path.replace(".", "").isidentifier():
        return None
    found = getattr(_module(module), name, None)
    return found if isinstance(found, type) and _is_of(_OURS, found) else None


def _of_sklearn(path: str) -> type | None:
    """Give a public class of scikit-learn."""
    match path.split("."):
        case ["sklearn", part, name] if part in sklearn.__all__:
            found = getattr(_module(f"sklearn.{part}"), name, None)
            return found if isinstance(found, type) and _is_of("sklearn", found) else None
    return None


def _known_class(path: str) -> type | None:
    """Give a class that a parameter may be: of ours, an optimizer, a layer or a type of numbers."""
    if path in _TYPES:
        return _TYPES[path]
    for module, base in (("torch.optim", Optimizer), ("torch.nn", nn.Module)):
        if path.startswith(f"{module}."):
            found = getattr(_module(module), path.removeprefix(f"{module}."), None)
            return found if isinstance(found, type) and issubclass(found, base) else None
    found = _ours(path)
    return found if found is not None and issubclass(found, BaseEstimator) else None


def _plain_class(path: str) -> type | None:
    """Give a class of scikit-learn that is no estimator, and does nothing when it is built."""
    module, _, name = path.rpartition(".")
    if path in _PLAIN_CLASSES or (module == "sklearn.model_selection" and name in _SPLITTERS):
        return getattr(_module(module), name, None)
    return None


def _record(path: str) -> type | None:
    """Give one of our classes that holds named values and does nothing when it is built."""
    found = _ours(path)
    if found is None or not (hasattr(found, "_fields") or dataclasses.is_dataclass(found)):
        return None
    return found


def _fields(record: Any) -> dict[str, Any]:
    if isinstance(record, tuple):
        return record._asdict()  # type: ignore[attr-defined]
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def _skops() -> Any:
    """Give what writes and reads scikit-learn's estimators."""
    try:
        return import_module("skops.io")
    except ImportError as error:
        raise ImportError(
            "skops is needed for estimators of scikit-learn: pip install 'sklearn-ae[save]'"
        ) from error
