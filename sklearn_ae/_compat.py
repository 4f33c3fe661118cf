"""What differs between versions of scikit-learn, and the private names that we use.

Each private name stands here with the reason why there is no public one that gives the same.
"""

import sys
import warnings
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._missing import is_pandas_na, is_scalar_nan
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    MissingValues,
    RealNotInt,
    StrOptions,
    validate_params,
)
from sklearn.utils.validation import (
    _check_feature_names_in,
    _check_method_params,
    _check_sample_weight,
)
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook
from torch.optim import Optimizer
from torch.optim.optimizer import _global_optimizer_post_hooks, _global_optimizer_pre_hooks
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = [
    "CallbackSupportMixin",
    "HasMethods",
    "Interval",
    "MissingValues",
    "RealNotInt",
    "StrOptions",
    "TorchDispatchMode",
    "_check_feature_names_in",
    "_check_method_params",
    "_check_sample_weight",
    "_fit_context",
    "aten",
    "fused_adam",
    "fused_adamw",
    "has_function_modes",
    "has_hooks",
    "has_hooks_on_all_modules",
    "init_callback_context",
    "is_missing",
    "is_scalar_nan",
    "is_written_into",
    "validate_params",
    "warn",
]

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # scikit-learn < 1.9 has no callbacks

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands in where scikit-learn has no callbacks: nothing to set, nobody to tell."""


def init_callback_context(estimator: BaseEstimator, max_subtasks: int) -> Any:
    """Give the context of a fit, or None where scikit-learn has no callbacks.

    Estimators of others are to call this method of the mixin, which has no public name yet.
    """
    if not hasattr(estimator, "_init_callback_context"):
        return None
    return estimator._init_callback_context(max_subtasks=max_subtasks)


def is_missing(values: NDArray) -> NDArray[np.bool_]:
    """Tell which values of an array are NaN, None or pandas' NA.

    scikit-learn knows them all, and pandas, which has a public name for it, need not be there.
    """
    if values.dtype != object:
        return values != values if values.dtype.kind == "f" else np.zeros(values.shape, bool)
    missing = [
        value is None or is_scalar_nan(value) or is_pandas_na(value) for value in values.flat
    ]
    return np.reshape(missing, values.shape)


# Whose lines tell a user nothing.
_INSIDE = {"joblib", "sklearn", "sklearn_ae", "skorch", "torch"}


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the user, however far out of scikit-learn or skorch it lies.

    Python 3.12 has `skip_file_prefixes` for that.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def has_function_modes() -> bool:
    """Whether anything is set for all of torch's functions, such as a default device.

    torch has a public name for that device alone, which costs as much as a layer.
    """
    return torch._C._len_torch_function_stack() > 0


# The derivatives of activations that autograd itself calls have no other name.
aten = torch.ops.aten

# torch.optim.adam.adam(fused=True) calls these and takes 10 us more a step, a seventh of one of
# a small network: digits would take 0.54 of MLPRegressor's time instead of 0.48.
fused_adam, fused_adamw = torch._fused_adam_, torch._fused_adamw_

# Torch can register hooks, but not be asked whether there are any.
_HOOKS = {
    nn.Module: (
        "_forward_pre_hooks",
        "_forward_hooks",
        "_backward_pre_hooks",
        "_backward_hooks",
    ),
    Optimizer: ("_optimizer_step_pre_hooks", "_optimizer_step_post_hooks"),
    Tensor: ("_backward_hooks", "_post_accumulate_grad_hooks"),
}


def has_hooks_on_all_modules() -> bool:
    """Whether a user listens to whatever module there is."""
    return _has_any_global_hook()  # type: ignore[no-untyped-call]


def has_hooks(hooked: nn.Module | Optimizer | Tensor) -> bool:
    """Whether a user listens to a module, an optimizer or the gradient of a parameter."""
    return any(_hooks_of(hooked))


def _hooks_of(hooked: nn.Module | Optimizer | Tensor) -> Iterator[Any]:
    if isinstance(hooked, Optimizer):
        yield from (_global_optimizer_pre_hooks, _global_optimizer_post_hooks)
    kind = next(kind for kind in _HOOKS if isinstance(hooked, kind))
    yield from (getattr(hooked, name) for name in _HOOKS[kind])


def is_written_into(tensor: Tensor) -> bool:
    """Whether an operation wrote into a tensor, or a view of it, since it was made.

    Comparing values would miss what happens to leave them as they are.
    """
    return tensor._version > 0


def required(module: str, purpose: str, *, extra: str) -> Any:
    """Give a module of a package that comes with an extra alone."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{module.split('.')[0]} is needed {purpose}: pip install 'sklearn-ae[{extra}]'"
        ) from error
