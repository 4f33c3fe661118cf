"""How far an output is from its row, entry by entry.

A new loss is a function, its derivative and a line of `LOSSES`. The one place where entries
are reduced is `Objective`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import inf, isfinite

import torch
from torch import Tensor
from torch.nn import functional

EntryLoss = Callable[[Tensor, Tensor], Tensor]
# Of output, target and a factor, to the factor times the derivative by the output.
EntryGradient = Callable[[Tensor, Tensor, "Tensor | float"], Tensor]


@dataclass(frozen=True)
class Loss:
    """A loss and what it asks for.

    Parameters
    ----------
    entries : callable
        From output and target, each (n_samples, n_features), to one value an entry.
    degree : int or None
        The power of a common factor of output and target that the loss grows by, which
        takes it from the units of the network to those of the data. None for a loss that
        is to see the units of the data itself.
    low, high : float
        Range that outputs and targets are to lie in. Beyond it a target counts as the nearest
        one within, plus its distance to that: rows that are unlike any are still ordered.
    gradient : callable or None
        From output, target and a factor to the factor times the derivative of each entry by
        the output. None leaves it to autograd.
    """

    entries: EntryLoss
    degree: int | None
    low: float = -inf
    high: float = inf
    gradient: EntryGradient | None = None

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """Give the loss of each entry, wherever its target lies."""
        if not self.is_bounded:
            return self.entries(output, target)
        within = target.clamp(self.low, self.high)
        return self.entries(output, within) + (target - within).abs()

    def derivative(self, output: Tensor, target: Tensor, factor: Tensor | float) -> Tensor:
        """Give a factor times the derivative of each entry by the output, as `gradient` has it."""
        assert self.gradient is not None
        if self.is_bounded:
            target = target.clamp(self.low, self.high)
        return self.gradient(output, target, factor)

    @cached_property
    def is_bounded(self) -> bool:
        """Whether there are numbers that it is not defined for."""
        return isfinite(self.low) or isfinite(self.high)


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Give the squared difference."""
    difference = output - target
    if not difference.requires_grad:
        return difference.square_()  # a third of the time where rows are wide
    return difference * difference  # autograd takes three times as long for square()


def squared_error_gradient(output: Tensor, target: Tensor, factor: Tensor | float) -> Tensor:
    """Give twice the difference."""
    return (output - target).mul_(2 * factor)


def absolute_error(output: Tensor, target: Tensor) -> Tensor:
    """Give the absolute difference."""
    return (output - target).abs()


def absolute_error_gradient(output: Tensor, target: Tensor, factor: Tensor | float) -> Tensor:
    """Give the sign of the difference."""
    return (output - target).sign_().mul_(factor)


def huber(output: Tensor, target: Tensor) -> Tensor:
    """Give half the squared difference up to 1 (one `scaling` unit), linear beyond.

    References
    ----------
    Huber, P. J. (1964). Robust estimation of a location parameter. Ann. Math. Statist. 35.
    """
    return functional.huber_loss(output, target, reduction="none")


def huber_gradient(output: Tensor, target: Tensor, factor: Tensor | float) -> Tensor:
    """Give the difference, or its sign where it is beyond 1."""
    return (output - target).clamp_(-1, 1).mul_(factor)


def binary_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Give minus the Bernoulli log-likelihood, natural logarithm, of targets in [0, 1]."""
    return functional.binary_cross_entropy(output, target, reduction="none")


def binary_cross_entropy_gradient(output: Tensor, target: Tensor, factor: Tensor | float) -> Tensor:
    """Give the difference over the variance of the output, as torch bounds it."""
    variance = (output * (1 - output)).clamp_min_(1e-12)
    return (output - target).div_(variance).mul_(factor)


# The least output that has a logarithm, in any dtype.
_LEAST = torch.finfo(torch.float32).tiny


def poisson(output: Tensor, target: Tensor) -> Tensor:
    """Give half the Poisson deviance: zero where the output is the target."""
    likelihood = output - target * output.clamp_min(_LEAST).log()
    return likelihood + torch.xlogy(target, target) - target


def poisson_gradient(output: Tensor, target: Tensor, factor: Tensor | float) -> Tensor:
    """Give 1 less the ratio of target and output."""
    ratio = target * factor / output.clamp_min(_LEAST)
    return factor - torch.where(output < _LEAST, 0, ratio)


LOSSES: dict[str, Loss] = {
    "squared_error": Loss(squared_error, degree=2, gradient=squared_error_gradient),
    "absolute_error": Loss(absolute_error, degree=1, gradient=absolute_error_gradient),
    "huber": Loss(huber, degree=2, gradient=huber_gradient),
    "binary_cross_entropy": Loss(
        binary_cross_entropy,
        degree=0,
        low=0,
        high=1,
        gradient=binary_cross_entropy_gradient,
    ),
    "poisson": Loss(poisson, degree=1, low=0, gradient=poisson_gradient),
}


def resolve_loss(loss: str | EntryLoss) -> Loss:
    """Give the loss of a name, or the one that a callable stands for."""
    return LOSSES[loss] if isinstance(loss, str) else Loss(loss, degree=None)
