"""Where a training starts: at the principal components."""

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sklearn_ae._training.batches import Rows
from sklearn_ae._training.statistics import principal_components
from sklearn_ae.nn import Autoencoder, LinearShortcut

Expansion = Callable[[Tensor], tuple[Tensor, Tensor]]


def _identity(mean: Tensor) -> tuple[Tensor, Tensor]:
    return mean, torch.ones_like(mean)


def _sigmoid(mean: Tensor) -> tuple[Tensor, Tensor]:
    mean = mean.clamp(0.05, 0.95)
    return mean.logit(), mean * (1 - mean)


def _softplus(mean: Tensor) -> tuple[Tensor, Tensor]:
    mean = mean.clamp_min(0.05)
    slope = -torch.expm1(-mean)
    return mean + slope.log(), slope


# For a mean, what the output activation takes to it and its slope there. Where the slope
# is small, as at the ends of a sigmoid, its inverse would send small codes far away.
_EXPANSIONS: dict[str, Expansion] = {
    "identity": _identity,
    "sigmoid": _sigmoid,
    "softplus": _softplus,
}


@torch.no_grad()
def start_at_pca(
    module: Autoencoder, rows: Rows, mean: NDArray[np.float64], output_activation: str
) -> bool:
    """Set the shortcuts of a module to the projection on the principal components, and back.

    With an output activation, the decoder's is the first order expansion around the mean.

    Parameters
    ----------
    module : Autoencoder
        Both halves have a `LinearShortcut`; the decoder's comes before its activation.
    rows : Rows
        What the components are of.
    mean : ndarray of shape (n_features,)
        Mean of the rows, in their own units.
    output_activation : {"identity", "sigmoid", "softplus"}
        What ends the decoder.

    Returns
    -------
    exact : bool
        Whether the module rebuilds the rows exactly.
    """
    scale = module.rescale.scale.double()
    found = principal_components(rows, mean, scale.numpy(), module.encoding_dim)
    components = torch.from_numpy(found.components)
    mean_inside = (torch.from_numpy(mean) - module.rescale.shift) / scale
    output_mean, slope = _EXPANSIONS[output_activation](mean_inside)
    encoder = cast(LinearShortcut, module.encoder).shortcut
    decoder = cast(LinearShortcut, cast(nn.Sequential, module.decoder)[0]).shortcut
    n_found = len(components)
    encoder.weight.zero_()
    encoder.weight[:n_found] = components
    encoder.bias.zero_()
    encoder.bias[:n_found] = -components @ mean_inside
    if isinstance(decoder, nn.Linear):  # a tied one has its weight from the encoder
        decoder.weight.zero_()
        decoder.weight[:, :n_found] = (components / slope).t()
    decoder.bias.copy_(output_mean)
    return found.residual == 0 and output_activation == "identity"
