"""Randomness that neither depends on anyone else's nor disturbs it."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import nn

from sklearn_ae import nn as own

_global_generator = RLock()

_DRAW_NOTHING = {
    own.Autoencoder,
    own.LinearShortcut,
    own.Rescale,
    own.TransposedLinear,
    nn.Linear,
    nn.Sequential,
    *own.ACTIVATIONS.values(),
    *own.OUTPUT_ACTIVATIONS.values(),
}


def seeds(random_state: int | np.random.RandomState | None, n_seeds: int) -> list[int]:
    """Give seeds that follow from a random state; None leaves the global one alone."""
    if random_state is None:
        random_state = np.random.RandomState()
    return check_random_state(random_state).randint(2**31 - 1, size=n_seeds).tolist()


def may_draw(module: nn.Module) -> bool:
    """Whether a module may draw from the global generators while it trains, as dropout does."""
    return any(type(part) not in _DRAW_NOTHING for part in module.modules())


def may_write(module: nn.Module) -> bool:
    """Whether a module may write into what it is given."""
    return may_draw(module) or any(getattr(part, "inplace", False) for part in module.modules())


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Run with torch's global generators at a seed, and put them back.

    It is for what draws from the global generators alone, as the initialisation of layers
    and dropout do. One thread at a time gets in: they would draw from one another's.

    Parameters
    ----------
    seed : int
        Where the generators start.
    """
    devices = list(range(torch.cuda.device_count()))
    with _global_generator, torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield
