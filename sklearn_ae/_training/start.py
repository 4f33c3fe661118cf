"""Where a training starts: at the principal components."""

from math import inf
from typing import NamedTuple

import torch
from torch import nn

from sklearn_ae._training.batches import Rows
from sklearn_ae._training.components import principal_components
from sklearn_ae.nn import Autoencoder, OutputActivation, shortcuts_of


class Start(NamedTuple):
    """What is known of weights that are better than random ones, before the first epoch."""

    is_pca: bool = False
    is_lossless: bool = False


@torch.no_grad()
def start_at_pca(module: Autoencoder, rows: Rows, output: OutputActivation) -> Start:
    """Set the shortcuts of a module to the projection on the principal components, and back.

    With an output activation, the decoder's is the first order expansion around the mean.

    Parameters
    ----------
    module : Autoencoder
        Both halves have a `LinearShortcut`; the decoder's comes before its activation.
    rows : Rows
        What the components are of.
    output : OutputActivation
        What ends the decoder.

    Returns
    -------
    start : Start
    """
    rescale = module.rescale
    mean, scale = rescale.typical[0].double(), rescale.scale.double()
    found = principal_components(rows, mean.numpy(), scale.numpy(), module.encoding_dim)
    components = torch.from_numpy(found.components)
    # Steps that divide by the size of a gradient would take rounding for a slope.
    _, low, high = rescale.typical
    components[:, low == high] = 0.0
    mean_inside = rescale.inside(mean)
    output_mean, slope = output.expand(mean_inside)
    encoder, decoder = shortcuts_of(module)
    n_found = len(components)
    encoder.weight.zero_()
    encoder.weight[:n_found] = components
    encoder.bias.zero_()
    encoder.bias[:n_found] = -components @ mean_inside
    if isinstance(decoder, nn.Linear):  # a tied one has its weight from the encoder
        decoder.weight.zero_()
        decoder.weight[:, :n_found] = (components / slope).t()
    decoder.bias.copy_(output_mean)
    is_pca = output.low == -inf and output.high == inf
    return Start(is_pca, is_lossless=is_pca and found.residual == 0)
