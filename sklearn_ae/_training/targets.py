"""What is predicted from the code: classes, labels or numbers, and how far a prediction is off."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

# A head begins at zero, where it teaches the encoder nothing, and a step of Adam moves a weight by
# the rate. This much faster, few epochs are enough: measured in benchmarks/supervised.py.
_GAIN = 10.0


class TargetLoss(NamedTuple):
    """A loss of what a head gives. A target that is NaN costs nothing.

    Parameters
    ----------
    rows : callable
        From what the head gives and the targets to one value a row.
    gradient : callable
        From the same to the derivative of each row's value by what the head gives.
    """

    rows: Callable[[Tensor, Tensor], Tensor]
    gradient: Callable[[Tensor, Tensor], Tensor]


def cross_entropy(predicted: Tensor, target: Tensor) -> Tensor:
    """Give minus the log-probability of each row's class, whose number is the target."""
    known = ~target.isnan()
    number = torch.where(known, target, 0).long()
    entropy = -functional.log_softmax(predicted, dim=1).gather(1, number)
    return torch.where(known, entropy, 0).squeeze(1)


def cross_entropy_gradient(predicted: Tensor, target: Tensor) -> Tensor:
    """Give the probabilities, less 1 for the class that it is."""
    known = ~target.isnan()
    number = torch.where(known, target, 0).long()
    gradient = functional.softmax(predicted, dim=1)
    gradient.scatter_add_(1, number, gradient.new_full(number.shape, -1.0))
    return torch.where(known, gradient, 0)


def binary_cross_entropy(predicted: Tensor, target: Tensor) -> Tensor:
    """Give minus the log-probability of each row's labels, 0 or 1."""
    known = ~target.isnan()
    entropy = functional.binary_cross_entropy_with_logits(
        predicted, torch.where(known, target, 0), reduction="none"
    )
    return torch.where(known, entropy, 0).sum(dim=1)


def binary_cross_entropy_gradient(predicted: Tensor, target: Tensor) -> Tensor:
    """Give the probabilities less the labels."""
    return torch.where(target.isnan(), 0, predicted.sigmoid() - target)


def squared_error(predicted: Tensor, target: Tensor) -> Tensor:
    """Give the squared distance of each row."""
    return torch.where(target.isnan(), 0, predicted - target).square().sum(dim=1)


def squared_error_gradient(predicted: Tensor, target: Tensor) -> Tensor:
    """Give twice the differences."""
    return torch.where(target.isnan(), 0, predicted - target).mul_(2)


TARGET_LOSSES = {
    "classes": TargetLoss(cross_entropy, cross_entropy_gradient),
    "labels": TargetLoss(binary_cross_entropy, binary_cross_entropy_gradient),
    "numbers": TargetLoss(squared_error, squared_error_gradient),
}


@dataclass(frozen=True, eq=False)
class Target:
    """What a head is to predict from the code, as it was found at fit.

    Parameters
    ----------
    kind : {"classes", "labels", "numbers"}
        Of one column, of several of 0 and 1, or of any number of columns.
    classes : ndarray of shape (n_classes,) or None
        In the order of their numbers.
    mean, scale : ndarray of shape (n_columns,)
        What takes numbers to a mean of 0 and a variance of 1.
    start : ndarray of shape (n_outputs,)
        What is predicted before training: the best that can be said without a code.
    factor : float
        What the loss of a row is multiplied by, so that its mean over all rows is 1 then.
    reconstruction : float or None, default=None
        Loss of the reconstruction before training, with which that of the prediction begins.
        None until it is known.

    References
    ----------
    Le, L., Patterson, A. and White, M. (2018). Supervised autoencoders: improving generalization
    performance with unsupervised regularizers. NeurIPS.
    """

    kind: str
    classes: NDArray | None
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    start: NDArray[np.float64]
    factor: float
    reconstruction: float | None = None

    def head(self, encoding_dim: int, dtype: torch.dtype) -> nn.Linear:
        """Give the head before training, `_GAIN` of whose output is the prediction."""
        head = nn.Linear(encoding_dim, len(self.start), dtype=dtype, device="cpu")
        with torch.no_grad():
            head.weight.zero_()
            head.bias.copy_(torch.from_numpy(self.start / _GAIN))
        return head

    def row_losses(self, of_head: Tensor, target: Tensor) -> Tensor:
        """Give the loss of each row for what the head gives."""
        losses = TARGET_LOSSES[self.kind].rows(_GAIN * of_head, target.to(of_head))
        return self._say * losses

    def gradient(self, of_head: Tensor, target: Tensor) -> Tensor:
        """Give the derivative of each row's loss by what the head gives."""
        gradient = TARGET_LOSSES[self.kind].gradient(_GAIN * of_head, target.to(of_head))
        return gradient.mul_(self._say * _GAIN)

    @property
    def _say(self) -> float:
        return self.factor * (1.0 if self.reconstruction is None else self.reconstruction)
