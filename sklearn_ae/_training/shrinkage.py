"""How far trained weights are taken back to those that they started from.

Weights that rebuild the rows of the training well may do worse on others than those of the start,
which rebuild as PCA does. The place between the two, on the straight line, is where rows that were
held out are rebuilt best: some of many, or each of few in turn.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sklearn_ae._training.batches import Rows
from sklearn_ae._training.epoch import TrainedNet

# The first is the start itself.
SHRINKAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0)


def shrunk(start: dict[str, Any], trained: dict[str, Any], shrinkage: float) -> dict[str, Any]:
    """Give the weights that a share of the way back from trained ones to their start lie.

    References
    ----------
    Wortsman, M. et al. (2022). Robust fine-tuning of zero-shot models. CVPR.
    """
    if not shrinkage:
        return trained
    return {
        name: value.lerp(start[name], shrinkage)
        if isinstance(value, Tensor) and value.is_floating_point()
        else deepcopy(value)
        for name, value in trained.items()
    }


def losses_along(net: TrainedNet, start: dict[str, Any], rows: Rows) -> NDArray[np.float64]:
    """Give the mean objective of rows for each of `SHRINKAGES` of the weights of a net."""
    trained = deepcopy(net.module_.state_dict())
    losses = []
    for shrinkage in SHRINKAGES:
        net.module_.load_state_dict(shrunk(start, trained, shrinkage))
        losses.append(net.evaluate(rows))
    return np.array(losses)


def least_loss_along(
    net: TrainedNet, start: dict[str, Any], rows: Rows, loss: float
) -> tuple[float, float]:
    """Go from the weights of a net, which have a loss on rows, to the start until it rises.

    Give the shrinkage of the least, and that loss. The net has other weights then.
    """
    trained = deepcopy(net.module_.state_dict())
    best = 0.0
    for shrinkage in reversed(SHRINKAGES[:-1]):
        net.module_.load_state_dict(shrunk(start, trained, shrinkage))
        found = net.evaluate(rows)
        if not found < loss:
            break
        best, loss = shrinkage, found
    return best, loss


def best_shrinkage(losses: Sequence[NDArray[np.float64]]) -> tuple[float, float]:
    """Choose one of `SHRINKAGES` by the losses that each fold has for them; give its merit, too.

    What counts is how much each betters the start, in shares of its loss, so that a fold of
    hard rows says no more than one of easy ones; and the worst fold as much as all of them,
    since the mean of few is chance too.
    """
    gains = np.stack([(loss[0] - loss) / (abs(loss[0]) or 1.0) for loss in losses])
    merits = np.nan_to_num(gains.mean(axis=0) + gains.min(axis=0), nan=-np.inf)
    best = int(merits.argmax())
    return float(merits[best]), SHRINKAGES[best]
