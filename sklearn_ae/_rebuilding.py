"""Estimators from what describes them, once all of it has been looked at."""

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch
from torch import Generator

from sklearn_ae._auditing import Auditor
from sklearn_ae._building import Specification
from sklearn_ae._description import Description
from sklearn_ae._naming import estimator_class, known_class, metric, plain_class, record_class
from sklearn_ae._skops import read
from sklearn_ae._training.net import AutoencoderNet
from sklearn_ae._weights import check_layers
from sklearn_ae.exceptions import LoadError


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
    ImportError
        If skops is needed and not installed, or the module of a class that is trusted.
    """
    trusted = frozenset(trusted)
    try:
        Auditor(description, trusted, own).audit(description.tree)
        return _Builder(description, trusted, own).build(description.tree)
    except (ImportError, LoadError):
        raise
    except Exception as error:  # whatever a crafted tree may bring about
        raise LoadError(f"what is described can't be put together: {error}") from error


class _Builder:
    def __init__(
        self, description: Description, trusted: Collection[str], own: Mapping[str, Any]
    ) -> None:
        self.of_skops = description.of_skops
        self.tensors = description.tensors
        self.trusted = trusted
        self.own = own

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
            case {"metric": path}:
                return metric(path)
            case {"requesting": [estimator, requests]}:
                return self._requesting(build(estimator), requests)
            case {"plain": [path, items]}:
                plain = cast(type, plain_class(path))
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
                return read(self.of_skops[name], self.trusted)
            case {"net": [specification, state]}:
                return self._net(build(specification), build(state))
            case {"estimator": [path, parameters, fitted, requests]}:
                return self._estimator(path, self._items(parameters), self._items(fitted), requests)
            case {"record": [path, fields]}:
                return cast(type, record_class(path))(**self._items(fields))
            case {"class": path}:
                return known_class(path)
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
        estimator = cast(type, estimator_class(path, self.trusted))(**parameters)
        vars(estimator).update(parameters | fitted)
        return self._requesting(estimator, requests)

    def _requesting(self, estimator: BaseEstimator, requests: Any) -> BaseEstimator:
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
        check_layers(specification, state["weights"])
        return specification.restored(state)


def _random_state(state: dict[str, Any]) -> np.random.RandomState:
    """Build a generator, whose place in its numbers numpy does not look at."""
    position = state["state"]["pos"]
    if state["bit_generator"] != "MT19937" or not 0 <= position <= 624:
        raise LoadError(f"a random state is at {position} of 624 numbers.")
    random_state = np.random.RandomState()
    random_state.set_state(state)
    return random_state
