"""What ends a decoder: the layer, what it reaches, the units it suits and its start.

A new output activation is a line of `OUTPUT_ACTIVATIONS`, and its expansion.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class OutputActivation:
    """An output activation, and all that the package asks of one.

    Parameters
    ----------
    layer : callable
        Gives the module, as a class of `torch.nn` does.
    expand : callable
        From the mean of each feature, in the units of the network, to what the activation
        takes to it and to the slope there: training starts at a linear map around the mean.
    low : float, default=-inf
        Least value that it reaches.
    high : float, default=inf
        Greatest value that it reaches.
    scaling : str or None, default="global"
        Units of the network that suit it: what the parameter `scaling` is with "auto".
    scaling_of_integers : str or None, default="global"
        The same for integer rows.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from sklearn_ae.nn import OutputActivation
    >>> tanh = OutputActivation(
    ...     nn.Tanh, lambda mean: (mean.atanh(), 1 - mean**2), low=-1.0, high=1.0, scaling=None
    ... )
    >>> tanh.layer()(tanh.expand(torch.tensor([0.5]))[0])
    tensor([0.5000])
    """

    layer: Callable[[], nn.Module]
    expand: Callable[[Tensor], tuple[Tensor, Tensor]]
    low: float = -inf
    high: float = inf
    scaling: str | None = "global"
    scaling_of_integers: str | None = "global"


def _identity(mean: Tensor) -> tuple[Tensor, Tensor]:
    return mean, torch.ones_like(mean)


# Where the slope is small, as at the ends of a sigmoid, its inverse would send small codes far
# away: hence the bounds.


def _sigmoid(mean: Tensor) -> tuple[Tensor, Tensor]:
    mean = mean.clamp(0.05, 0.95)
    return mean.logit(), mean * (1 - mean)


def _softplus(mean: Tensor) -> tuple[Tensor, Tensor]:
    mean = mean.clamp_min(0.05)
    slope = -torch.expm1(-mean)
    return mean + slope.log(), slope


OUTPUT_ACTIVATIONS: dict[str, OutputActivation] = {
    "identity": OutputActivation(nn.Identity, _identity),
    "sigmoid": OutputActivation(
        nn.Sigmoid, _sigmoid, low=0, high=1, scaling=None, scaling_of_integers="range"
    ),
    "softplus": OutputActivation(
        nn.Softplus, _softplus, low=0, scaling="spread", scaling_of_integers="spread"
    ),
}
