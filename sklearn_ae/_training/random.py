"""Randomness that neither depends on anyone else's nor disturbs it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from threading import RLock
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import nn

from sklearn_ae._compat import TorchDispatchMode, is_written_into

_global_generator = RLock()


def seeds(random_state: int | np.random.RandomState | None, n_seeds: int) -> list[int]:
    """Give seeds that follow from a random state, by one draw; None is numpy's global one."""
    return check_random_state(random_state).randint(2**31 - 1, size=n_seeds).tolist()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run with torch's global generators at a seed, and put them back.

    It is for what draws from the global generators alone, as dropout and the initialisation of
    a user's layers do. One thread at a time gets in: they would draw from one another's.

    Parameters
    ----------
    seed : int
        Where the generators start.
    """
    devices = list(range(torch.cuda.device_count()))
    with _global_generator, torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def draws(
    module: nn.Module, n_features: int, dtype: torch.dtype, device: str | torch.device = "cpu"
) -> bool:
    """Whether a module draws from the global generators while it trains, as dropout does.

    It is tried on two rows, and stopped before the first draw. One that can't take them is
    taken for one that draws.
    """
    try:
        with torch.no_grad(), _NoDraws():  # type: ignore[no-untyped-call]
            deepcopy(module).train()(torch.zeros(2, n_features, dtype=dtype, device=device))
    except Exception:  # whatever else is wrong, training says in its own words
        return True
    return False


@torch.no_grad()
def writes(module: nn.Module, n_features: int, dtype: torch.dtype) -> bool:
    """Whether a module writes into the rows that it is given, as layers in place do.

    One that draws, or can't take two rows, is taken for one that does.
    """
    copy = deepcopy(module)
    for training in (True, False):
        rows = torch.zeros(2, n_features, dtype=dtype)
        try:
            with _NoDraws():  # type: ignore[no-untyped-call]
                copy.train(training)(rows)
        except Exception:  # as above
            return True
        if is_written_into(rows):
            return True
    return False


class _Draws(Exception):
    """An operation is about to draw."""


class _NoDraws(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Raises an error where an operation would draw from a global generator."""

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if torch.Tag.nondeterministic_seeded in func.tags and kwargs.get("generator") is None:
            raise _Draws
        return func(*args, **kwargs)
