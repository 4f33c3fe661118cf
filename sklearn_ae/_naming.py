"""Names that a file may have for classes, and the classes that they are."""

import dataclasses
import sys
from collections.abc import Collection
from importlib import import_module
from types import FunctionType
from typing import Any

import numpy as np
import sklearn
from sklearn.base import BaseEstimator
from torch import nn
from torch.optim import Optimizer

OURS = __name__.split(".")[0]
# What estimators of scikit-learn hold that are none themselves.
_SPLITTERS = {
    *("KFold", "StratifiedKFold", "RepeatedKFold", "RepeatedStratifiedKFold", "ShuffleSplit"),
    *("StratifiedShuffleSplit", "GroupKFold", "GroupShuffleSplit", "StratifiedGroupKFold"),
    *("LeaveOneOut", "LeavePOut", "LeaveOneGroupOut", "TimeSeriesSplit", "PredefinedSplit"),
}
_PLAIN_CLASSES = {
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.compose.make_column_selector",
    "sklearn.metrics._scorer._CurveScorer",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.metrics._scorer._Scorer",
}
_TYPES = {f"builtins.{of.__name__}": of for of in (bool, int, float, complex, str, object)} | {
    f"numpy.{of.__name__}": of for of in {np.object_, *np.sctypeDict.values()}
}


def path_of(named: Any) -> str:
    """Give where a class or function is found, by its public name if it has one."""
    parts, name = named.__module__.split("."), named.__qualname__
    for n_parts in range(1, len(parts)):
        module = ".".join(parts[:n_parts])
        if getattr(sys.modules.get(module), name, None) is named:
            return f"{module}.{name}"
    return f"{named.__module__}.{name}"


def module_of(name: str) -> Any:
    """Give a module, None where there is none."""
    try:
        return import_module(name)
    except ImportError:
        return None


def is_of(package: str, found: Any) -> bool:
    """Whether a class or function is of a package."""
    return found.__module__.split(".")[0] == package


def imported(path: str) -> Any:
    """Give what has a name, which is imported: for names that are trusted."""
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)


def of_ours(path: str) -> type | None:
    """Give one of our classes."""
    module, _, name = path.rpartition(".")
    if module.split(".")[0] != OURS or not path.replace(".", "").isidentifier():
        return None
    found = getattr(module_of(module), name, None)
    return found if isinstance(found, type) and is_of(OURS, found) else None


def of_sklearn(path: str) -> type | None:
    """Give a public class of scikit-learn."""
    match path.split("."):
        case ["sklearn", part, name] if part in sklearn.__all__:
            found = getattr(module_of(f"sklearn.{part}"), name, None)
            return found if isinstance(found, type) and is_of("sklearn", found) else None
    return None


def estimator_class(path: str, trusted: Collection[str]) -> type | None:
    """Give a class of estimators, which is imported only if it is known or trusted."""
    if path in trusted:
        return imported(path)
    found = of_ours(path) or of_sklearn(path)
    return found if found is not None and issubclass(found, BaseEstimator) else None


def known_class(path: str) -> type | None:
    """Give a class that a parameter may be: of ours, an optimizer, a layer or a type of numbers."""
    if path in _TYPES:
        return _TYPES[path]
    for module, base in (("torch.optim", Optimizer), ("torch.nn", nn.Module)):
        if path.startswith(f"{module}."):
            found = getattr(module_of(module), path.removeprefix(f"{module}."), None)
            return found if isinstance(found, type) and issubclass(found, base) else None
    found = of_ours(path)
    return found if found is not None and issubclass(found, BaseEstimator) else None


def metric(path: str) -> Any:
    """Give a function of `sklearn.metrics`, None for what is none."""
    module, _, name = path.rpartition(".")
    found = getattr(module_of(module), name, None) if module == "sklearn.metrics" else None
    return found if isinstance(found, FunctionType) and is_of("sklearn", found) else None


def plain_class(path: str) -> type | None:
    """Give a class of scikit-learn that is no estimator, and does nothing when it is built."""
    module, _, name = path.rpartition(".")
    if path in _PLAIN_CLASSES or (module == "sklearn.model_selection" and name in _SPLITTERS):
        return getattr(module_of(module), name, None)
    return None


def record_class(path: str) -> type | None:
    """Give one of our classes that holds named values and does nothing when it is built."""
    found = of_ours(path)
    if found is None or not (hasattr(found, "_fields") or dataclasses.is_dataclass(found)):
        return None
    return found


def fields_of(record: Any) -> dict[str, Any]:
    """Give what a record holds, by name."""
    if isinstance(record, tuple):
        return record._asdict()  # type: ignore[attr-defined]
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def is_own(value: Any) -> bool:
    """Whether the user wrote it."""
    return not (isinstance(value, type) and known_class(path_of(value)) is value)
