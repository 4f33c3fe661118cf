"""Where a training starts: at the principal components."""

from math import inf, log
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sklearn_ae._training.batches import Rows, rows_at_once
from sklearn_ae._training.components import principal_components
from sklearn_ae._training.variational import Likelihood
from sklearn_ae.nn import Autoencoder, OutputActivation, VariationalAutoencoder, shortcuts_of

# Of the variance, which the scale of a likelihood starts at least at.
_LEAST_NOISE = 1e-6


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
    components, residual, mean = _components(module, rows)
    output_mean, slope = output.expand(mean)
    _set_shortcuts(module, components, -components @ mean, components / slope, output_mean)
    return Start(_is_linear(output), is_lossless=_is_linear(output) and residual == 0)


@torch.no_grad()
def start_at_probabilistic_pca(
    module: VariationalAutoencoder, rows: Rows, output: OutputActivation, likelihood: Likelihood
) -> Start:
    """Set the shortcuts of a module, and the scale of its likelihood, to probabilistic PCA.

    There the bound of a normal likelihood is the likelihood itself, since the posterior of a code
    is normal with one variance for all rows. Of others it is the same to first order around the
    mean, with the curvature of the likelihood there.

    Parameters
    ----------
    module : VariationalAutoencoder
        As in `start_at_pca`; the encoder's linear map gives means and logarithms of variances.
    rows : Rows
        What the components are of.
    output : OutputActivation
        What ends the decoder.
    likelihood : Likelihood

    Returns
    -------
    start : Start

    References
    ----------
    Tipping, M. E. and Bishop, C. M. (1999). Probabilistic principal component analysis. Journal of
    the Royal Statistical Society B 61, 611-622.
    Lucas, J. et al. (2019). Don't blame the ELBO! A linear VAE perspective on posterior collapse.
    NeurIPS.
    """
    components, _, mean = _components(module, rows)
    output_mean, slope = output.expand(mean)
    variances, total = _variances(module, rows, components)
    n_found, n_features = components.shape
    left = (total - variances.sum().item()) / max(1, n_features - n_found)
    # Squares of the smallest numbers are none.
    noise = max(left, _LEAST_NOISE * total / n_features, torch.finfo(torch.float64).tiny)
    loadings = (variances - noise).clamp_min(0).sqrt()[:, None] * components / slope
    if likelihood.deviation is None:
        curvature = slope  # that of a distribution of the exponential family, as to its mean
    else:
        log_scale = log(noise) / 2 - log(likelihood.deviation)
        module.log_scale.fill_(log_scale)
        curvature = torch.full_like(slope, noise / likelihood.deviation**2).reciprocal()
    precision = (loadings * curvature) @ loadings.t()
    precision.diagonal().add_(1.0)
    # The step of Newton's from a code of zero, to the most likely one.
    into = torch.linalg.solve(precision, loadings * curvature / slope)
    _set_shortcuts(module, into, -into @ mean, loadings, output_mean)
    log_variance = shortcuts_of(module)[0].bias[module.encoding_dim :]
    log_variance.zero_()
    log_variance[:n_found] = -precision.diagonal().log()
    return Start(is_pca=_is_linear(output) and likelihood.loss == "squared_error")


def _components(module: Autoencoder, rows: Rows) -> tuple[Tensor, float, Tensor]:
    """Give components in rows, the share they leave, and the mean, in the units of the network."""
    rescale = module.rescale
    mean, scale = rescale.typical[0].double(), rescale.scale.double()
    found = principal_components(rows, mean.numpy(), scale.numpy(), module.encoding_dim)
    components = torch.from_numpy(found.components)
    # Steps that divide by the size of a gradient would take rounding for a slope.
    _, low, high = rescale.typical
    components[:, low == high] = 0.0
    return components, found.residual, rescale.inside(mean)


def _variances(module: Autoencoder, rows: Rows, components: Tensor) -> tuple[Tensor, float]:
    """Give the variance of rows along components, and all of it, in the units of the network."""
    n_features = rows.n_features
    kept, total, weights = torch.zeros(len(components), dtype=torch.float64), 0.0, 0.0
    mean = module.rescale.typical_inside[0].double()
    for batch in rows.batches(rows_at_once(n_features), rescale=module.rescale):
        weight = torch.ones(len(batch.x)) if batch.weight is None else batch.weight
        weight = weight.double()[:, None]
        x = batch.target.double() - mean
        kept += (weight * (x @ components.t()).square()).sum(dim=0)
        total += (weight * x.square()).sum().item()
        weights += weight.sum().item()
    return kept / weights, total / weights


def _set_shortcuts(
    module: Autoencoder, into: Tensor, bias: Tensor, back: Tensor, output_mean: Tensor
) -> None:
    """Set the two linear maps: to the first codes, as many as there are, and from them."""
    encoder, decoder = shortcuts_of(module)
    n_found = len(into)
    encoder.weight.zero_()
    encoder.weight[:n_found] = into
    encoder.bias.zero_()
    encoder.bias[:n_found] = bias
    if isinstance(decoder, nn.Linear):  # a tied one has its weight from the encoder
        decoder.weight.zero_()
        decoder.weight[:, :n_found] = back.t()
    decoder.bias.copy_(output_mean)


def _is_linear(output: OutputActivation) -> bool:
    return output.low == -inf and output.high == inf
